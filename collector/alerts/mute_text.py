"""Scopes and mute windows as plain values, as the YAML file and the database hold them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from collector.alerts.fields import Fields, Path, RuleFault, boolean, line_of, listed, read_id, shown, texts_of
from collector.alerts.model import MuteWindow, Scope
from collector.alerts.units import read_duration, write_duration
from collector.alerts.written import as_written

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_YEARS = range(2000, 2200)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def read_mute(id: object, value: object, path: Path = ()) -> MuteWindow:
    """A mute window from plain values. Raises RuleFault."""
    named = read_id(id, path, "a mute window")
    given = Fields(value, path)
    once = given.has("from") or given.has("until")
    mute = MuteWindow(
        id=named,
        name=given.take("name", line_of, "") or named,
        scope=given.take("scope", read_scope, Scope()),
        rules=given.take("rules", texts_of, ()),
        start_ms=given.take("from", _read_moment, None),
        end_ms=given.take("until", _read_moment, None),
        weekdays=() if once else given.take("weekdays", _read_weekdays, tuple(range(7))),
        start="" if once else given.take("start", _read_clock, ""),
        minutes=0 if once else given.take("length", read_duration, 0) // 60,
        timezone="UTC" if once else given.take("timezone", _read_timezone, "UTC"),
        enabled=given.take("enabled", boolean, True),
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
        found["scope"] = write_scope(mute.scope)
    return found


def read_scope(value: object) -> Scope:
    given = Fields(value, ())
    scope = Scope(
        functions=given.take("functions", texts_of, ()),
        regions=given.take("regions", texts_of, ()),
        accounts=given.take("accounts", texts_of, ()),
        execution_tags=given.take("execution-tags", _read_tags, ()),
    )
    given.end()
    return scope


def write_scope(scope: Scope) -> dict[str, Any]:
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
            shown = str(text).lower() if isinstance(text, bool) else as_written(text)
            found.append((line_of(str(key)), line_of(shown)))
    if not found:
        raise RuleFault((), "names no tag")
    return tuple(sorted(found))


def _read_weekdays(value: object) -> tuple[int, ...]:
    days = texts_of(value)
    for day in days:
        if day not in _WEEKDAYS:
            raise RuleFault((), f"{shown(day)} is none of {listed(_WEEKDAYS)}")
    return tuple(sorted({_WEEKDAYS.index(day) for day in days}))


def _read_clock(value: object) -> str:
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise RuleFault((), "must be a time such as 22:00")
    return value


def _read_timezone(value: object) -> str:
    name = line_of(value)
    try:
        ZoneInfo(name)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise RuleFault((), f"{shown(value)} is no timezone such as Europe/Berlin") from None
    except KeyError:
        raise RuleFault((), f"{shown(value)} is no timezone such as Europe/Berlin") from None
    return name


def _read_moment(value: object) -> int:
    try:
        moment = datetime.fromisoformat(str(value))
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RuleFault((), f"{shown(value)} is no time such as 2026-11-21T22:00+01:00") from None
    if moment.year not in _YEARS:
        raise RuleFault((), f"{shown(value)} is not within the years {_YEARS.start} to {_YEARS.stop}")
    return int(moment.timestamp() * 1000)


def _write_moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
