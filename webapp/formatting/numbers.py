"""Numbers as people read them: durations, counts, shares, sizes."""

from __future__ import annotations

import math

DASH = "\N{EN DASH}"
THIN = "\N{NARROW NO-BREAK SPACE}"
SPACE = "\N{NO-BREAK SPACE}"


def count(value: float | None) -> str:
    """12345 -> "12 345", with a thin space."""
    if value is None:
        return DASH
    return f"{round(value):,}".replace(",", THIN)


def share(part: float, whole: float) -> str:
    """A percentage that never rounds something to nothing nor nearly all to all."""
    return ratio(part / whole if whole else 0.0)


def ratio(value: float) -> str:
    """0.031 -> "3.1 %"."""
    percent = value * 100
    if percent <= 0:
        return f"0{SPACE}%"
    if percent < 0.1:
        return f"<0.1{SPACE}%"
    if 99.9 < percent < 100:
        return f">99.9{SPACE}%"
    digits = f"{percent:.1f}" if percent < 10 else f"{percent:.0f}"
    return f"{digits.removesuffix('.0')}{SPACE}%"


def milliseconds(value: float | None) -> str:
    """A duration given in ms, to three figures: "0.41 ms", "412 ms", "3.02 s", "2 min 04 s", "3 h 05 min"."""
    if value is None or math.isnan(value):
        return DASH
    if value < 999.5:
        places = 0 if value >= 9.95 or value <= 0 else 1 if value >= 0.995 else 2
        return f"{value:.{places}f}{SPACE}ms"
    return _seconds(value / 1000)


def _seconds(seconds: float) -> str:
    if seconds < 9.995:
        return f"{seconds:.2f}{SPACE}s"
    if seconds < 59.95:
        return f"{seconds:.1f}{SPACE}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{SPACE}min{SPACE}{whole % 60:02d}{SPACE}s"
    minutes = round(seconds / 60)
    if minutes < 1440:
        return f"{minutes // 60}{SPACE}h{SPACE}{minutes % 60:02d}{SPACE}min"
    hours = round(seconds / 3600)
    return f"{hours // 24}{SPACE}d{SPACE}{hours % 24:02d}{SPACE}h"


def nanoseconds(value: int | None, finished: bool = True) -> str:
    """A duration given in ns. What is not `finished` took at least that long: "≥ 2.95 s"."""
    text = DASH if value is None else milliseconds(value / 1e6)
    return text if finished or value is None else f"\N{GREATER-THAN OR EQUAL TO}{SPACE}{text}"


def megabytes(value: int | None) -> str:
    """Memory given in MB: "512 MB"."""
    return DASH if value is None else f"{count(value)}{SPACE}MB"


def size(value: int | None) -> str:
    """Bytes, to three figures: "512 B", "8.39 MB"."""
    if value is None:
        return DASH
    for power, unit in ((5, "PB"), (4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        amount = value / 1000**power
        if amount >= 0.9995:
            places = 0 if amount >= 99.95 else 1 if amount >= 9.995 else 2
            return f"{amount:.{places}f}{SPACE}{unit}"
    return f"{count(value)}{SPACE}B"
