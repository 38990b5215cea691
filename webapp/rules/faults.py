"""What is wrong with the form of a rule or a mute window: all at once, by the names that it has for its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collector.alerts.model import ConditionKind, Rule
from collector.alerts.pages import RuleFault, read_rule
from webapp.rules.form import Form, new_form, values_of

LABELS = {
    "name": "Name",
    "severity": "Severity",
    "description": "What to do",
    "objective": "Objective",
    "metric": "Of",
    "percentile": "Percentile",
    "above": "Fires above",
    "below": "or below",
    "share": "Share of the time limit",
    "days": "Past days",
    "window": "Within",
    "minimum": "Least invocations",
    "group": "Looked at for",
    "types": "Only these issue types",
    "burns": "Pairs of windows",
    "functions": "Functions",
    "regions": "Regions",
    "accounts": "Accounts",
    "tags": "Execution tags",
    "channels": "Who is told",
    "repeat": "How often",
    "resolve-after": "Resolves after",
    # Of mute windows.
    "rules": "Rules",
    "from": "From",
    "until": "Until",
    "weekdays": "Days",
    "start": "Start",
    "length": "Length",
    "timezone": "Timezone",
}
_FIELDS = {"execution-tags": "tags", "condition": "above"}
# What a reader of files is told otherwise.
_MESSAGES = {
    "either above or below can be given": "leave this one empty, or the other",
    "invocations needs above or below; below 1 is none at all": "fill in this one or the other; below 1 is none at all",
    "needs long and short windows of whole minutes, and a rate from 0.01 to 10,000": (
        "needs a long and a short window of whole minutes, and a number from 0.01 to 10,000"
    ),
    "a window that is once needs from and until, in this order": "a window needs a From, and an Until after it",
    "a weekly window needs start, such as 22:00, and a length from 1m to 7d": (
        "a weekly window needs a Start such as 22:00, and a Length from 1m to 7d"
    ),
}
_MOST = 30  # each read leaves at least one field fewer


@dataclass(frozen=True, slots=True)
class FormFault:
    field: str  # the form's field; "" where it is none's
    message: str

    @property
    def label(self) -> str:
        return LABELS.get(self.field, "")

    def __str__(self) -> str:
        return f"{self.label}: {self.message}" if self.label else self.message


def read_form(id: str, form: Form, *, named: bool = True) -> tuple[Rule | None, list[FormFault]]:
    """The rule that the form says, or all that is wrong with it. `named`: it needs a name.

    The reader stops at the first fault. So it is read again with what it refused as it is by default, until it takes
    the rest.
    """
    values = values_of(form)
    faults = [] if form["name"] or not named else [FormFault("name", "a rule needs a name")]
    plain = _plain(form["condition"])
    for _ in range(_MOST):
        try:
            rule = read_rule(id, values)
        except RuleFault as fault:
            found = form_fault(fault)
            if any(one.field == found.field for one in faults):
                break
            faults.append(found)
            if not _without(values, fault.path, plain):
                break
        else:
            return (rule if not faults else None), _in_order(faults)
    return None, _in_order(faults)


def _plain(condition: str) -> Mapping[str, Any]:
    return values_of(new_form(ConditionKind(condition)))


def form_fault(fault: RuleFault) -> FormFault:
    """The same by the form's name of the field."""
    names = [str(part) for part in fault.path]
    field = next((name for name in map(_field, reversed(names)) if name in LABELS), "")
    message = _MESSAGES.get(fault.message, fault.message)
    if field == "burns" and len(names) > 1:
        message = f"pair {int(names[1]) + 1} {message}"
    return FormFault(field, message)


def _field(name: str) -> str:
    return _FIELDS.get(name, name)


def _without(values: dict[str, Any], path: tuple[str | int, ...], plain: Mapping[str, Any]) -> bool:
    """Puts the default in the place of what was refused. False: there is nothing to take away."""
    if not path:
        return False
    name = str(path[0])
    if name == "scope" and len(path) > 1 and path[1] in values.get("scope", {}):
        del values["scope"][path[1]]
        return True
    if name == "condition":  # a bound is missing
        values["below"] = "1"
        return True
    before = values.pop(name, None)
    if name in plain and plain[name] != before and name not in ("above", "below"):
        values[name] = plain[name]
    return before is not None


def _in_order(faults: list[FormFault]) -> list[FormFault]:
    order = list(LABELS)
    return sorted(faults, key=lambda fault: order.index(fault.field) if fault.field in order else -1)
