"""Rules and mute windows as plain values: what the YAML file and the database hold.

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
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

from collector.alerts.conditions import BURNS, KINDS, LONGEST_WINDOW_S, MINUTE_S, PERCENTILES, completed
from collector.alerts.model import (
    EVERY_EVENT,
    ONCE,
    Burn,
    Condition,
    ConditionKind,
    Grouping,
    Metric,
    MuteWindow,
    Rule,
    Scope,
    Severity,
)
from collector.alerts.units import UnitFault, read_duration, read_quantity, write_duration, write_quantity

Path = tuple[str | int, ...]
E = TypeVar("E", bound=StrEnum)

LONGEST_TEXT = 2_000
MOST_ITEMS = 200
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_ID = 64
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PERCENTILES = {f"p{round(share * 100)}": share for share in PERCENTILES}
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class RuleFault(ValueError):
    """What is wrong with a rule, and where: the keys and indexes that lead there."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{'.'.join(str(part) for part in self.path)}: {self.message}" if self.path else self.message


class _Fields:
    """A mapping that is read key by key; what is left over at the end is refused."""

    def __init__(self, value: object, path: Path) -> None:
        if not isinstance(value, Mapping):
            raise RuleFault(path, "must be a mapping of names to values")
        self._left = dict(value)
        self._path = path

    def take(self, name: str, read: Callable[[object], Any], default: Any) -> Any:
        """The value of a name, or the default where it is not given."""
        if name not in self._left:
            return default
        value = self._left.pop(name)
        try:
            return read(value)
        except UnitFault as error:
            self.fail(name, f"{error}: {_shown(value)}")
        except RuleFault as error:
            raise RuleFault((*self._path, name, *error.path), error.message) from None

    def has(self, name: str) -> bool:
        return name in self._left

    def fail(self, name: str, message: str) -> NoReturn:
        raise RuleFault((*self._path, name), message)

    def end(self, known: str = "") -> None:
        """Refuses whatever nobody took."""
        for name in self._left:
            raise RuleFault((*self._path, name), f"{_shown(name)} is not known here{known}")


def read_rule(id: object, value: object, path: Path = ()) -> Rule:
    """A rule from plain values. Raises RuleFault."""
    if not isinstance(id, str) or not _ID.fullmatch(id) or len(id) > _LONGEST_ID:
        raise RuleFault(path, f"a rule's id is lower-case letters, digits and hyphens, not {_shown(id)}")
    given = _Fields(value, path)
    kind: ConditionKind | None = given.take("condition", _one_of(ConditionKind), None)
    if kind is None:
        raise RuleFault(path, "condition is missing")
    about = KINDS[kind]
    condition = _read_condition(kind, given)
    scope = given.take("scope", _read_scope, Scope())
    if scope.execution_tags and not about.tagged:
        given.fail("scope", f"{kind} cannot be told apart by execution tags")
    grouping: Grouping = given.take("group", _one_of(Grouping), about.groupings[0])
    if grouping not in about.groupings:
        given.fail("group", f"{kind} is looked at by {_listed(about.groupings)}")
    window_s = given.take("window", read_duration, about.window_s)
    if window_s % MINUTE_S or not MINUTE_S <= window_s <= LONGEST_WINDOW_S:
        given.fail("window", "must be whole minutes, from 1m to 7d")
    ignore_4xx = given.take("ignore-4xx", _boolean, False)
    if ignore_4xx and not about.without_4xx:
        given.fail("ignore-4xx", f"means nothing for {kind}")
    minimum = given.take("minimum", _count, 0)
    if minimum and not about.sampled:
        given.fail("minimum", f"means nothing for {kind}")
    rule = Rule(
        id=id,
        name=given.take("name", _line, "") or id,
        condition=condition,
        scope=scope,
        grouping=grouping,
        window_s=window_s,
        minimum=minimum,
        severity=given.take("severity", _one_of(Severity), Severity.ERROR),
        ignore_4xx=ignore_4xx,
        repeat_s=given.take("repeat", _read_repeat, ONCE),
        resolve_after_s=given.take("resolve-after", _read_pause, 300),
        channels=given.take("channels", _read_channels, None),
        enabled=given.take("enabled", _boolean, True),
        description=given.take("description", _text, ""),
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
        found["scope"] = _write_scope(rule.scope)
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


def read_mute(id: object, value: object, path: Path = ()) -> MuteWindow:
    """A mute window from plain values. Raises RuleFault."""
    if not isinstance(id, str) or not _ID.fullmatch(id) or len(id) > _LONGEST_ID:
        raise RuleFault(path, f"a mute window's id is lower-case letters, digits and hyphens, not {_shown(id)}")
    given = _Fields(value, path)
    once = given.has("from") or given.has("until")
    mute = MuteWindow(
        id=id,
        name=given.take("name", _line, "") or id,
        scope=given.take("scope", _read_scope, Scope()),
        rules=given.take("rules", _texts, ()),
        start_ms=given.take("from", _read_moment, None),
        end_ms=given.take("until", _read_moment, None),
        weekdays=() if once else given.take("weekdays", _read_weekdays, tuple(range(7))),
        start="" if once else given.take("start", _read_clock, ""),
        minutes=0 if once else given.take("length", read_duration, 0) // 60,
        timezone="UTC" if once else given.take("timezone", _read_timezone, "UTC"),
        enabled=given.take("enabled", _boolean, True),
    )
    if mute.scope.execution_tags:
        given.fail("scope", "a mute window cannot be of execution tags")
    given.end(" (a window has either from and until, or weekdays, start, length and timezone)")
    if once and (mute.start_ms is None or mute.end_ms is None or mute.start_ms >= mute.end_ms):
        raise RuleFault(path, "a window that is once needs from and until, in this order")
    if not once and (not mute.start or not 1 <= mute.minutes <= 7 * 24 * 60):
        raise RuleFault(path, "a weekly window needs start, such as 22:00, and a length from 1m to 7d")
    return mute


def write_mute(mute: MuteWindow) -> dict[str, Any]:
    """The same as plain values."""
    found: dict[str, Any] = {"name": mute.name}
    if not mute.enabled:
        found["enabled"] = False
    if mute.start_ms is not None and mute.end_ms is not None:
        found["from"], found["until"] = _write_moment(mute.start_ms), _write_moment(mute.end_ms)
    else:
        found["weekdays"] = [_WEEKDAYS[day] for day in mute.weekdays]
        found["start"], found["length"] = mute.start, write_duration(mute.minutes * 60)
        found["timezone"] = mute.timezone
    if mute.rules:
        found["rules"] = list(mute.rules)
    if mute.scope != Scope():
        found["scope"] = _write_scope(mute.scope)
    return found


def _read_condition(kind: ConditionKind, given: _Fields) -> Condition:
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
        types=given.take("types", _texts, ()),
        metric=given.take("metric", _one_of(Metric), Metric.ERRORS),
        days=given.take("days", _count, 14),
        objective=given.take("objective", _read_share, 0.999),
        burns=given.take("burns", _read_burns, ()),
        month=given.take("month", _boolean, False),
    )
    both = condition.above is not None and condition.below is not None
    if both and kind is not ConditionKind.ANOMALY:
        given.fail("below", "either above or below can be given")
    if kind is ConditionKind.INVOCATIONS and condition.above is None and condition.below is None:
        given.fail("condition", "invocations needs above or below; below 1 is none at all")
    if not 7 <= condition.days <= 28:
        given.fail("days", "must be from 7 to 28")
    return condition


def _read_scope(value: object) -> Scope:
    given = _Fields(value, ())
    scope = Scope(
        functions=given.take("functions", _texts, ()),
        regions=given.take("regions", _texts, ()),
        accounts=given.take("accounts", _texts, ()),
        execution_tags=given.take("execution-tags", _read_tags, ()),
    )
    given.end()
    return scope


def _write_scope(scope: Scope) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: list(getattr(scope, name)) for name in ("functions", "regions", "accounts") if getattr(scope, name)
    }
    tags: dict[str, Any] = {}
    for key, text in scope.execution_tags:
        known = tags.get(key)
        tags[key] = text if known is None else [*(known if isinstance(known, list) else [known]), text]
    if tags:
        found["execution-tags"] = tags
    return found


def _read_tags(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping):
        raise RuleFault((), "must be a mapping of tags to their values")
    found = []
    for key, texts in value.items():
        for text in texts if isinstance(texts, list) else [texts]:
            if isinstance(text, Mapping | list) or text is None:
                raise RuleFault((str(key),), "a tag's value is text")
            shown = str(text).lower() if isinstance(text, bool) else str(text)
            found.append((_line(str(key)), _line(shown)))
    if not found:
        raise RuleFault((), "names no tag")
    return tuple(sorted(found))


def _read_burns(value: object) -> tuple[Burn, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 6:
        raise RuleFault((), "must be a list of one to six pairs of windows")
    found = []
    for index, one in enumerate(value):
        given = _Fields(one, (index,))
        burn = Burn(
            given.take("long", read_duration, 0),
            given.take("short", read_duration, 0),
            given.take("rate", lambda rate: read_quantity(rate, KINDS[ConditionKind.BURN_RATE].unit), 0.0),
        )
        given.end()
        lengths = (burn.long_s, burn.short_s)
        windows_ok = all(MINUTE_S <= length <= LONGEST_WINDOW_S and length % 60 == 0 for length in lengths)
        if not windows_ok or burn.short_s >= burn.long_s or not burn.rate > 0:
            raise RuleFault((index,), "needs long and short windows of whole minutes, and a rate above 0")
        found.append(burn)
    return tuple(found)


def _write_burns(burns: tuple[Burn, ...]) -> list[dict[str, Any]]:
    return [
        {"long": write_duration(one.long_s), "short": write_duration(one.short_s), "rate": one.rate} for one in burns
    ]


def _read_percentile(value: object) -> float:
    share = _PERCENTILES.get(str(value)) if isinstance(value, str) else value
    if not isinstance(share, float) or share not in PERCENTILES:
        raise RuleFault((), f"must be {_listed(_PERCENTILES)}")
    return share


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
    return None if value == "default" else _texts(value)


def _read_weekdays(value: object) -> tuple[int, ...]:
    days = _texts(value)
    for day in days:
        if day not in _WEEKDAYS:
            raise RuleFault((), f"{_shown(day)} is none of {_listed(_WEEKDAYS)}")
    return tuple(sorted({_WEEKDAYS.index(day) for day in days}))


def _read_clock(value: object) -> str:
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise RuleFault((), "must be a time such as 22:00")
    return value


def _read_timezone(value: object) -> str:
    name = _line(value)
    try:
        ZoneInfo(name)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise RuleFault((), f"{_shown(value)} is no timezone such as Europe/Berlin") from None
    except KeyError:
        raise RuleFault((), f"{_shown(value)} is no timezone such as Europe/Berlin") from None
    return name


def _read_moment(value: object) -> int:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise RuleFault((), f"{_shown(value)} is no time such as 2026-11-21T22:00+01:00") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _write_moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def _one_of(words: type[E]) -> Callable[[object], E]:
    def read(value: object) -> E:
        try:
            return words(str(value))
        except ValueError:
            raise RuleFault((), f"{_shown(value)} is none of {_listed(words)}") from None

    return read


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise RuleFault((), "must be true or false")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**9:
        raise RuleFault((), "must be a whole number from 0 on")
    return value


def _text(value: object) -> str:
    if isinstance(value, Mapping | list) or value is None:
        raise RuleFault((), "must be text")
    text = str(value)
    if len(text) > LONGEST_TEXT or "\0" in text or not _is_unicode(text):
        raise RuleFault((), f"must be text of at most {LONGEST_TEXT} characters")
    return text


def _line(value: object) -> str:
    return " ".join(_text(value).split())[:200]


def _texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if len(values) > MOST_ITEMS:
        raise RuleFault((), f"at most {MOST_ITEMS} can be named")
    return tuple(dict.fromkeys(_line(one) for one in values))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _listed(words: Any) -> str:
    return ", ".join(str(word) for word in words)


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, str) else value
    return f"“{text[:40]}”"


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
