"""Mute windows: when nobody is to be told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from collector.alerts.catalog import Catalog
from collector.alerts.model import MuteWindow

DAY_MINUTES = 24 * 60


def is_on(mute: MuteWindow, now_ms: int) -> bool:
    """Whether the window holds at this moment.

    Weekly ones go by the clock of their timezone: on the day that it is put back, 22:00 to 06:00 is nine hours long.
    Of an hour that comes twice the first is meant. One that is left out on the day that the clock is put forward comes
    as much later as the clock is put forward (PEP 495), and a window that begins in it is as long as it says.
    """
    if not mute.enabled:
        return False
    if mute.start_ms is not None and mute.end_ms is not None:
        return mute.start_ms <= now_ms < mute.end_ms
    zone, length = ZoneInfo(mute.timezone), timedelta(minutes=mute.minutes)
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    begins = datetime.strptime(mute.start, "%H:%M").time()  # noqa: DTZ007  # a time of a day that is not known yet
    # One that began up to a week ago may still hold.
    for days in range(mute.minutes // DAY_MINUTES + 2):
        clock = datetime.combine(now.astimezone(zone).date() - timedelta(days=days), begins)
        if clock.weekday() not in mute.weekdays:
            continue
        start = clock.replace(tzinfo=zone).astimezone(UTC)
        exists = start.astimezone(zone).replace(tzinfo=None) == clock
        end = (clock + length).replace(tzinfo=zone).astimezone(UTC) if exists else start + length
        if start <= now < end:
            return True
    return False


class Mutes:
    """The windows that hold now."""

    def __init__(self, mutes: Iterable[MuteWindow], catalog: Catalog, *, now_ms: int) -> None:
        self._on = [mute for mute in mutes if is_on(mute, now_ms)]
        self._catalog = catalog

    def cover(self, rule_id: str, function_id: int | None) -> bool:
        """Whether an alert of this rule about this function is not to be told. What is about no single function is
        covered only by windows of all functions."""
        for mute in self._on:
            if mute.rules and rule_id not in mute.rules:
                continue
            scope = mute.scope
            if not (scope.functions or scope.regions or scope.accounts):
                return True
            if function_id is not None and function_id in self._catalog.within(scope):
                return True
        return False
