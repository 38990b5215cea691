"""Moments: a `<time>` that reads as UTC and becomes the reader's own time where scripts run."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup

from webapp.formatting.numbers import DASH, SPACE


def utc(ms: float) -> datetime:
    """What no calendar holds (hostile senders) becomes the nearest that it does."""
    seconds = min(max(ms / 1000, 0.0), 253_402_300_799.0)
    return datetime.fromtimestamp(seconds, UTC)


def iso(ms: float) -> str:
    return utc(ms).strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc(ms).microsecond // 1000:03d}Z"


def ago(ms: float, now_ms: int) -> str:
    """ "12 s ago", "3 min ago", "5 h ago", "2 d ago"."""
    seconds = max(0, int((now_ms - ms) // 1000))
    if seconds < 5:
        return "just now"
    for limit, size, unit in ((60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size}{SPACE}{unit} ago"
    return f"{seconds // 86_400}{SPACE}d ago"


def ago_tag(ms: float | None, now_ms: int) -> Markup:
    if ms is None:
        return Markup('<span class="unknown">{}</span>').format(DASH)
    return Markup('<time datetime="{}" data-show="ago" title="{}">{}</time>').format(
        iso(ms), _title(ms), ago(ms, now_ms)
    )


def clock_tag(ms: float, now_ms: int, *, precise: bool = False) -> Markup:
    """The time of day, with the date where it is not today's; `precise` with milliseconds."""
    moment = utc(ms)
    text = moment.strftime("%H:%M:%S")
    if precise:
        text += f".{moment.microsecond // 1000:03d}"
    elif moment.date() != utc(now_ms).date():
        text = f"{moment.day}{SPACE}{moment:%b} {text}"
    show = "precise" if precise else "clock"
    return Markup('<time datetime="{}" data-show="{}" title="{}">{}</time>').format(iso(ms), show, _title(ms), text)


def moment_tag(ms: float) -> Markup:
    """Date and time in full."""
    return Markup('<time datetime="{}" data-show="full" title="{}">{}</time>').format(
        iso(ms), _title(ms), f"{utc(ms).day}{SPACE}{utc(ms):%b %Y %H:%M:%S}{SPACE}UTC"
    )


def minute_tag(ms: float, now_ms: int) -> Markup:
    """Date and time to the minute, with the year where it is not the current one."""
    moment = utc(ms)
    year = "" if moment.year == utc(now_ms).year else f"{SPACE}{moment.year}"
    return Markup('<time datetime="{}" data-show="minute" title="{}">{}</time>').format(
        iso(ms), _title(ms), f"{moment.day}{SPACE}{moment:%b}{year} {moment:%H:%M}{SPACE}UTC"
    )


def _title(ms: float) -> str:
    return utc(ms).strftime("%Y-%m-%d %H:%M:%S UTC")
