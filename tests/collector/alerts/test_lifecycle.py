"""Moments at which a condition is met, and the alerts that cover them."""

from __future__ import annotations

from collector.alerts.evaluation import Hit, Planner
from collector.alerts.lifecycle import Record, merge, settle
from collector.alerts.model import Subject, SubjectKind
from tests.collector.alerts.world import rule

SUBJECT = Subject(SubjectKind.FUNCTION, "function:1", "checkout")
PLAN = Planner().plan(rule(resolve_after_s=120))


def merged(records: list[Record], *moments: int, strict: bool = True) -> list[tuple[int, int]]:
    """Since and last of the alerts once these moments are known too."""
    merge(PLAN, [Hit(t, SUBJECT.key, 1.0, 1, strict) for t in moments], records, SUBJECT, now_ms=0)
    return sorted((record.since_s, record.last_s) for record in records)


def test_moments_that_are_near_belong_together() -> None:
    """No more than the gap apart they are one alert; the same ones again change nothing."""
    records: list[Record] = []
    assert merged(records, 60, 180, 360) == [(60, 180), (360, 360)]
    for record in records:
        record.changed = False
    assert merged(records, 60, 180, 360) == [(60, 180), (360, 360)]
    assert not any(record.changed for record in records)


def test_late_moments_between_two_alerts_leave_them_apart() -> None:
    """They fill the time between, and no moment lies in both, whichever come first."""
    for late in ([240, 300], [300, 240], [240, 300, 360, 420]):
        records: list[Record] = []
        merged(records, 60, 180)
        merged(records, 360, 420)
        for t in late:
            merged(records, t)
        (since, last), (second, end) = merged(records)
        assert (since, end) == (60, 420)
        assert last < second <= last + 60


def test_late_moments_just_before_an_alert_belong_to_it() -> None:
    """However many there are: they do not open another one that would end where it begins."""
    records: list[Record] = []
    merged(records, 600)
    assert merged(records, 60, 180, 300, 420, 540) == [(60, 600)]


def test_only_what_would_open_an_alert_opens_one_or_makes_it_begin_earlier() -> None:
    """What keeps an alert open, because its value wavers, does not."""
    assert merged([], 60, 120, strict=False) == []
    records: list[Record] = []
    merged(records, 180)
    assert merged(records, 120, 240, strict=False) == [(180, 240)]
    assert merged(records, 120) == [(120, 240)]


def test_an_alert_that_resolved_too_early_opens_again_unless_somebody_resolved_it() -> None:
    """Late data show that it goes on."""
    for by, reopened in ((None, True), ("ada", False)):
        records: list[Record] = []
        merged(records, 60)
        (record,) = records
        assert settle(PLAN, record, 180, now_ms=7)
        assert (record.state, record.resolved_ms) == ("resolved", 7)
        record.resolved_by = by
        merged(records, 120)
        assert settle(PLAN, record, 180, now_ms=8) is reopened
        assert record.is_over is not reopened
