"""Rules as plain values: what the YAML file and the database hold.

    checkout-errors:
      name: Checkout fails
      condition: error-rate
      above: 5%
      window: 10m
      minimum: 20
      scope: {functions: [checkout-*], execution-tags: {tenant: acme}}
      severity: critical
      repeat: 4h
      channels: [on-call]

Reading is strict: what is not known, or makes no sense for the kind of condition, is refused with its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from collector.alerts.conditions import BURNS, KINDS, LONGEST_WINDOW_S, MINUTE_S, PERCENTILES, completed
from collector.alerts.fields import (
    Fields,
    Path,
    RuleFault,
    boolean,
    count,
    line_of,
    listed,
    one_of,
    read_id,
    text_of,
    texts_of,
)
from collector.alerts.model import (
    EVERY_EVENT,
    ONCE,
    Burn,
    Condition,
    ConditionKind,
    Grouping,
    Metric,
    Rule,
    Scope,
    Severity,
)
from collector.alerts.mute_text import read_scope, write_scope
from collector.alerts.units import UnitFault, read_duration, read_quantity, write_duration, write_quantity

LEAST_RATE, MOST_RATE = 0.01, 10_000  # of a burn
_PERCENTILES = {f"p{round(share * 100)}": share for share in PERCENTILES}


def read_rule(id: object, value: object, path: Path = ()) -> Rule:
    """A rule from plain values. Raises RuleFault."""
    named = read_id(id, path, "a rule")
    given = Fields(value, path)
    kind: ConditionKind | None = given.take("condition", one_of(ConditionKind), None)
    if kind is None:
        raise RuleFault(path, "condition is missing")
    about = KINDS[kind]
    condition = _read_condition(kind, given)
    scope = given.take("scope", read_scope, Scope())
    if scope.execution_tags and not about.tagged:
        given.fail("scope", f"{kind} cannot be told apart by execution tags")
    grouping: Grouping = given.take("group", one_of(Grouping), about.groupings[0])
    if grouping not in about.groupings:
        given.fail("group", f"{kind} is looked at by {listed(about.groupings)}")
    window_s = given.take("window", read_duration, about.window_s)
    if window_s % MINUTE_S or not MINUTE_S <= window_s <= LONGEST_WINDOW_S:
        given.fail("window", "must be whole minutes, from 1m to 7d")
    ignore_4xx = given.take("ignore-4xx", boolean, False)
    if ignore_4xx and not about.without_4xx:
        given.fail("ignore-4xx", f"means nothing for {kind}")
    minimum = given.take("minimum", count, 0)
    if minimum and not about.sampled:
        given.fail("minimum", f"means nothing for {kind}")
    rule = Rule(
        id=named,
        name=given.take("name", line_of, "") or named,
        condition=condition,
        scope=scope,
        grouping=grouping,
        window_s=window_s,
        minimum=minimum,
        severity=given.take("severity", one_of(Severity), Severity.ERROR),
        ignore_4xx=ignore_4xx,
        repeat_s=given.take("repeat", _read_repeat, ONCE),
        resolve_after_s=given.take("resolve-after", _read_pause, 300),
        channels=given.take("channels", _read_channels, None),
        enabled=given.take("enabled", boolean, True),
        description=given.take("description", text_of, ""),
    )
    given.end(f" (condition {kind})")
    return completed(rule)


def write_rule(rule: Rule) -> dict[str, Any]:
    """The same as plain values, without what is as it would be anyway."""
    rule = completed(rule)
    condition, kind = rule.condition, KINDS[rule.condition.kind]
    found: dict[str, Any] = {"name": rule.name}
    if rule.description:
        found["description"] = rule.description
    if not rule.enabled:
        found["enabled"] = False
    found["condition"] = str(condition.kind)
    for name in ("above", "below"):
        bound = getattr(condition, name)
        if bound is not None and name in kind.takes:
            found[name] = write_quantity(bound, kind.unit)
    plain = Condition(condition.kind)
    for name in sorted(kind.takes - {"above", "below"}):
        field_value = getattr(condition, name)
        if field_value != getattr(plain, name) and not (name == "burns" and field_value == BURNS):
            found[name] = _WRITERS[name](field_value)
    if rule.scope != Scope():
        found["scope"] = write_scope(rule.scope)
    if rule.grouping is not kind.groupings[0]:
        found["group"] = str(rule.grouping)
    found["window"] = write_duration(rule.window_s)
    if rule.minimum:
        found["minimum"] = rule.minimum
    found["severity"] = str(rule.severity)
    if rule.ignore_4xx:
        found["ignore-4xx"] = True
    found["repeat"] = _write_repeat(rule.repeat_s)
    found["resolve-after"] = write_duration(rule.resolve_after_s)
    if rule.channels is not None:
        found["channels"] = list(rule.channels)
    return found


def _read_condition(kind: ConditionKind, given: Fields) -> Condition:
    about = KINDS[kind]
    for name in _CONDITION_FIELDS - about.takes:
        if given.has(name):
            given.fail(name, f"means nothing for {kind}")

    def quantity(value: object) -> float:
        number = read_quantity(value, about.unit)
        if not math.isfinite(number):
            raise UnitFault("not a finite number")
        return number

    condition = Condition(
        kind,
        above=given.take("above", quantity, None),
        below=given.take("below", quantity, None),
        percentile=given.take("percentile", _read_percentile, 0.95),
        share=given.take("share", _read_share, 0.8),
        types=given.take("types", texts_of, ()),
        metric=given.take("metric", one_of(Metric), Metric.ERRORS),
        days=given.take("days", count, 14),
        objective=given.take("objective", _read_share, 0.999),
        burns=given.take("burns", _read_burns, ()),
        month=given.take("month", boolean, False),
    )
    both = condition.above is not None and condition.below is not None
    if both and kind is not ConditionKind.ANOMALY:
        given.fail("below", "either above or below can be given")
    if kind is ConditionKind.INVOCATIONS and condition.above is None and condition.below is None:
        given.fail("condition", "invocations needs above or below; below 1 is none at all")
    if not 7 <= condition.days <= 28:
        given.fail("days", "must be from 7 to 28")
    return condition


def _read_burns(value: object) -> tuple[Burn, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 6:
        raise RuleFault((), "must be a list of one to six pairs of windows")
    found = []
    for index, one in enumerate(value):
        given = Fields(one, (index,))
        burn = Burn(
            given.take("long", read_duration, 0),
            given.take("short", read_duration, 0),
            given.take("rate", lambda rate: read_quantity(rate, KINDS[ConditionKind.BURN_RATE].unit), 0.0),
        )
        given.end()
        lengths = (burn.long_s, burn.short_s)
        windows_ok = all(MINUTE_S <= length <= LONGEST_WINDOW_S and length % 60 == 0 for length in lengths)
        if not windows_ok or burn.short_s >= burn.long_s or not LEAST_RATE <= burn.rate <= MOST_RATE:
            raise RuleFault((index,), "needs long and short windows of whole minutes, and a rate from 0.01 to 10,000")
        found.append(burn)
    return tuple(found)


def _write_burns(burns: tuple[Burn, ...]) -> list[dict[str, Any]]:
    return [
        {"long": write_duration(one.long_s), "short": write_duration(one.short_s), "rate": one.rate} for one in burns
    ]


def _read_percentile(value: object) -> float:
    share = _PERCENTILES.get(str(value)) if isinstance(value, str) else value
    if not isinstance(share, float) or share not in PERCENTILES:
        raise RuleFault((), f"must be {listed(_PERCENTILES)}")
    return float(share)


def _read_share(value: object) -> float:
    share = read_quantity(value, KINDS[ConditionKind.MEMORY].unit)
    if not 0 < share < 1:
        raise RuleFault((), "must be between 0% and 100%")
    return share


def _read_repeat(value: object) -> int | None:
    if value == "once":
        return ONCE
    if value == "every event":
        return EVERY_EVENT
    seconds = read_duration(value)
    if not 300 <= seconds <= 7 * 86_400:
        raise RuleFault((), "must be once, every event, or from 5m to 7d")
    return seconds


def _write_repeat(repeat_s: int | None) -> str:
    return "once" if repeat_s is ONCE else "every event" if repeat_s == EVERY_EVENT else write_duration(repeat_s)


def _read_pause(value: object) -> int:
    seconds = read_duration(value)
    if seconds % MINUTE_S or not MINUTE_S <= seconds <= 86_400:
        raise RuleFault((), "must be whole minutes, from 1m to 1d")
    return seconds


def _read_channels(value: object) -> tuple[str, ...] | None:
    return None if value == "default" else texts_of(value)


_CONDITION_FIELDS = frozenset(one.name for one in fields(Condition)) - {"kind"}
_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    "percentile": lambda share: f"p{round(share * 100)}",
    "share": lambda share: write_quantity(share, KINDS[ConditionKind.MEMORY].unit),
    "types": list,
    "metric": str,
    "days": int,
    "objective": lambda share: write_quantity(share, KINDS[ConditionKind.MEMORY].unit),
    "burns": _write_burns,
    "month": bool,
}
