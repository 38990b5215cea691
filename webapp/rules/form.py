"""The forms of rules and mute windows: from what is stored to fields of text, and back to plain values to be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from collector.alerts.conditions import BURNS, KINDS, PERCENTILES, completed
from collector.alerts.model import EVERY_EVENT, ONCE, Condition, ConditionKind, MuteWindow, Rule, Scope
from collector.alerts.units import write_duration, write_quantity
from webapp.formatting.times import iso

Form = Mapping[str, Any]
MOST_BURNS = 6
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
REPEATS = ("once", "every event", "15m", "1h", "4h", "12h", "1d")
_LONGEST_ID = 60
_NOT_ID = re.compile(r"[^a-z0-9]+")


def id_of(name: str, taken: Callable[[str], bool], otherwise: str) -> str:
    """An id that is not taken, as like the name as ids are."""
    base = _NOT_ID.sub("-", name.lower())[:_LONGEST_ID].strip("-") or otherwise
    number, id = 1, base
    while taken(id):
        number += 1
        suffix = f"-{number}"
        id = base[: 64 - len(suffix)].strip("-") + suffix
    return id


def new_form(kind: ConditionKind) -> dict[str, Any]:
    """The fields of a rule with all as it is by default."""
    about = KINDS[kind]
    condition = Condition(kind, below=1 if kind is ConditionKind.INVOCATIONS else None)
    form = form_of(Rule("new", "", condition, window_s=about.window_s, repeat_s=3_600))
    return form | {"name": ""}


def form_of(rule: Rule) -> dict[str, Any]:
    """The fields of a rule."""
    rule = completed(rule)
    condition, unit = rule.condition, KINDS[rule.condition.kind].unit
    share = KINDS[ConditionKind.MEMORY].unit
    burns = [
        {"long": write_duration(burn.long_s), "short": write_duration(burn.short_s), "rate": f"{burn.rate:g}"}
        for burn in condition.burns or BURNS
    ]
    return {
        "name": rule.name,
        "description": rule.description,
        "enabled": rule.enabled,
        "condition": str(condition.kind),
        "above": "" if condition.above is None else str(write_quantity(condition.above, unit)),
        "below": "" if condition.below is None else str(write_quantity(condition.below, unit)),
        "percentile": f"p{round(condition.percentile * 100)}",
        "share": str(write_quantity(condition.share, share)),
        "types": "\n".join(condition.types),
        "metric": str(condition.metric),
        "days": str(condition.days),
        "objective": str(write_quantity(condition.objective, share)),
        "burns": burns,
        "month": condition.month,
        **_scope_fields(rule.scope),
        "group": str(rule.grouping),
        "window": write_duration(rule.window_s),
        "minimum": str(rule.minimum or ""),
        "severity": str(rule.severity),
        "ignore-4xx": rule.ignore_4xx,
        "repeat": "once"
        if rule.repeat_s is ONCE
        else "every event"
        if rule.repeat_s == EVERY_EVENT
        else write_duration(rule.repeat_s),
        "resolve-after": write_duration(rule.resolve_after_s),
        "tell": "default" if rule.channels is None else "chosen" if rule.channels else "nobody",
        "channels": list(rule.channels or ()),
    }


def sent_form(sent: MultiDict[str, str]) -> dict[str, Any]:
    """The fields as somebody filled them in."""
    form: dict[str, Any] = {
        name: sent.get(name, "").replace("\0", "").strip()
        for name in (
            "name",
            "description",
            "condition",
            "above",
            "below",
            "percentile",
            "share",
            "types",
            "metric",
            "days",
            "objective",
            "functions",
            "regions",
            "accounts",
            "tags",
            "group",
            "window",
            "minimum",
            "severity",
            "repeat",
            "resolve-after",
            "tell",
        )
    }
    form["description"] = form["description"].replace("\r\n", "\n")
    form["channels"] = sent.getlist("channels")
    for name in ("enabled", "month", "ignore-4xx"):
        form[name] = sent.get(name) == "1"
    form["burns"] = [
        {part: sent.get(f"{part}-{number}", "").strip() for part in ("long", "short", "rate")}
        for number in range(MOST_BURNS)
        if sent.get(f"long-{number}", "").strip() or sent.get(f"short-{number}", "").strip()
    ]
    return form


def values_of(form: Form) -> dict[str, Any]:
    """The plain values that `collector.alerts.pages.read_rule` reads: what a field was left empty in is absent, and so
    is what means nothing for the kind of condition."""
    try:
        about = KINDS[ConditionKind(form["condition"])]
    except ValueError:
        return {"condition": form["condition"]}
    values: dict[str, Any] = {"condition": form["condition"], "enabled": form["enabled"]}
    values |= {
        name: form[name]
        for name in ("name", "description", "window", "severity", "repeat", "resolve-after")
        if form[name]
    }
    values |= _condition_values(form, about.takes)
    if about.sampled and form["minimum"]:
        values["minimum"] = _whole(form["minimum"])
    if about.without_4xx and form["ignore-4xx"]:
        values["ignore-4xx"] = True
    if len(about.groupings) > 1 and form["group"]:
        values["group"] = form["group"]
    if scope := _scope_values(form, tagged=about.tagged):
        values["scope"] = scope
    if form["tell"] in ("nobody", "chosen"):
        values["channels"] = list(form["channels"]) if form["tell"] == "chosen" else []
    return values


def _condition_values(form: Form, takes: Collection[str]) -> dict[str, Any]:
    """Of the fields that the kind of condition takes those that were filled in."""
    found: dict[str, Any] = {
        "days": _whole(form["days"]) if form["days"] else None,
        "types": _lines(form["types"]),
        "month": form["month"],
        "burns": [dict(burn) for burn in form["burns"]],
    }
    found |= {name: form[name] for name in ("above", "below", "percentile", "share", "metric", "objective")}
    return {name: value for name, value in found.items() if name in takes and value}


def new_mute_form(now_ms: int) -> dict[str, Any]:
    """The fields of a mute window that begins now and lasts two hours."""
    return {
        "name": "",
        "how": "once",
        "from": iso(now_ms),
        "until": iso(now_ms + 2 * 3_600_000),
        "weekdays": list(WEEKDAYS),
        "start": "22:00",
        "length": "8h",
        "timezone": "UTC",
        "rules": [],
        "enabled": True,
        **_scope_fields(Scope()),
    }


def mute_form(mute: MuteWindow, now_ms: int) -> dict[str, Any]:
    """The fields of a mute window."""
    form = new_mute_form(now_ms) | _scope_fields(mute.scope)
    form |= {"name": mute.name, "rules": list(mute.rules), "enabled": mute.enabled}
    if mute.start_ms is not None and mute.end_ms is not None:
        return form | {"from": iso(mute.start_ms), "until": iso(mute.end_ms)}
    return form | {
        "how": "weekly",
        "weekdays": [WEEKDAYS[day] for day in mute.weekdays],
        "start": mute.start,
        "length": write_duration(mute.minutes * 60),
        "timezone": mute.timezone,
    }


def sent_mute_form(sent: MultiDict[str, str]) -> dict[str, Any]:
    names = ("name", "how", "from", "until", "start", "length", "timezone", "functions", "regions", "accounts")
    form: dict[str, Any] = {name: sent.get(name, "").replace("\0", "").strip() for name in names}
    form["tags"] = ""
    form["weekdays"], form["rules"] = sent.getlist("weekdays"), sent.getlist("rules")
    form["enabled"] = sent.get("enabled") == "1"
    return form


def mute_values(form: Form) -> dict[str, Any]:
    """What `collector.alerts.pages.read_mute` reads."""
    values: dict[str, Any] = {"name": form["name"], "enabled": form["enabled"]}
    if form["how"] == "weekly":
        values |= {name: form[name] for name in ("weekdays", "start", "length", "timezone")}
    else:
        values |= {name: form[name] for name in ("from", "until")}
    if form["rules"]:
        values["rules"] = list(form["rules"])
    if scope := _scope_values(form, tagged=False):
        values["scope"] = scope
    return values


def percentiles() -> Collection[str]:
    return [f"p{round(share * 100)}" for share in PERCENTILES]


def _scope_fields(scope: Scope) -> dict[str, str]:
    return {
        "functions": "\n".join(scope.functions),
        "regions": ", ".join(scope.regions),
        "accounts": ", ".join(scope.accounts),
        "tags": "\n".join(f"{key}={value}" for key, value in scope.execution_tags),
    }


def _scope_values(form: Form, *, tagged: bool) -> dict[str, Any]:
    scope: dict[str, Any] = {
        name: values
        for name, values in (
            ("functions", _lines(form["functions"])),
            ("regions", _words(form["regions"])),
            ("accounts", _words(form["accounts"])),
        )
        if values
    }
    tags: dict[str, list[str]] = {}
    for line in _lines(form["tags"]) if tagged else ():
        key, _, value = line.partition("=")
        tags.setdefault(key.strip(), []).append(value.strip())
    if tags:
        scope["execution-tags"] = tags
    return scope


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _words(text: str) -> list[str]:
    return _kept(text.replace("\n", ",").split(","))


def _kept(texts: Iterable[str]) -> list[str]:
    return [text.strip() for text in texts if text.strip()]


def _whole(text: str) -> int | str:
    """A whole number, or the text that is none, which is refused with its place."""
    plain = re.sub(r"[\s,']", "", text)
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 12 else text
