"""Durations, shares, times and money as people write them, and back."""

from __future__ import annotations

import re
from decimal import Decimal

from collector.alerts.conditions import Unit

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?"
_PAIR = re.compile(rf"\s*(\$?)\s*({_NUMBER})\s*([a-zµ%$]*)\s*", re.IGNORECASE)
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_MILLISECONDS = {"ms": 1, "": 1} | {name: 1000 * seconds for name, seconds in _SECONDS.items()}


LONGEST_S = 100 * 366 * 86_400  # more is no duration, and no number of a date either

MOST = 1e15  # of any unit; more is no threshold, and beyond it floats are not exact
_TOO_LARGE = "not a finite number of usual size"


class UnitFault(ValueError):
    """Not such a value; says what one looks like."""


def read_duration(value: object) -> int:
    """Whole seconds: a number of them, or 90s, 5m, 1h, 7d. Raises UnitFault."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LONGEST_S:
        return int(value)
    if isinstance(value, str) and (match := _PAIR.fullmatch(value)) and not match[1]:
        factor = _SECONDS.get(match[3].lower())
        seconds = float(match[2]) * (factor or 0)
        if factor is not None and abs(seconds) <= LONGEST_S and seconds.is_integer():
            return int(seconds)
    raise UnitFault("not a duration such as 90s, 5m, 1h or 7d")


def write_duration(seconds: int) -> str:
    """The same in the largest unit that needs no fraction."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def read_quantity(value: object, unit: Unit) -> float:
    """A threshold: a plain number in the unit, or one that says its unit: 5%, 250ms, 3s, 10m, $20. Raises UnitFault,
    also for what is larger than MOST or not finite."""
    if isinstance(value, int | float) and not abs(value) <= MOST:
        raise UnitFault(_TOO_LARGE)
    number = _quantity(value, unit)
    if not abs(number) <= MOST:
        raise UnitFault(_TOO_LARGE)
    return number


def _quantity(value: object, unit: Unit) -> float:
    if isinstance(value, bool) or value is None:
        raise UnitFault(_LOOKS[unit])
    if isinstance(value, int | float):
        return float(value)
    match = _PAIR.fullmatch(str(value))
    if match is None:
        raise UnitFault(_LOOKS[unit])
    number, named = float(match[2]), match[3].lower()
    if unit is Unit.DOLLARS and (match[1] or named in ("$", "usd", "")):
        return number
    if match[1]:
        raise UnitFault(_LOOKS[unit])
    factors: dict[Unit, dict[str, float]] = {
        Unit.COUNT: {"": 1},
        Unit.SHARE: {"": 1, "%": 0.01},
        Unit.MILLISECONDS: dict(_MILLISECONDS),
        Unit.SECONDS: {"": 1, "ms": 0.001} | _SECONDS,
        Unit.TIMES: {"": 1, "x": 1},
        Unit.DOLLARS: {},
    }
    factor = factors[unit].get(named)
    if factor is None:
        raise UnitFault(_LOOKS[unit])
    # 99.9 % is the float 0.999: neither 99.9 / 100 nor 99.9 * 0.01 is.
    return float(Decimal(match[2]).scaleb(-2)) if named == "%" else number * factor


_LOOKS = {
    Unit.COUNT: "not a number",
    Unit.SHARE: "not a share such as 5% or 0.05",
    Unit.MILLISECONDS: "not a duration such as 250ms or 3s",
    Unit.SECONDS: "not a duration such as 90s or 10m",
    Unit.TIMES: "not a number",
    Unit.DOLLARS: "not an amount such as $20",
}


def write_quantity(value: float, unit: Unit) -> str | int | float:
    """A threshold as `read_quantity` takes it, in the form that is easiest to read and loses nothing."""
    number: int | float = int(value) if float(value).is_integer() else value
    if unit is Unit.SHARE:
        percent = float(f"{value * 100:.10g}")
        short = f"{int(percent) if percent.is_integer() else percent}%"
    elif unit is Unit.MILLISECONDS:
        short = f"{number}ms" if value < 1000 or value % 1000 else f"{int(value) // 1000}s"
    elif unit is Unit.SECONDS:
        short = write_duration(int(value)) if float(value).is_integer() else f"{number}s"
    elif unit is Unit.DOLLARS:
        short = f"${number}"
    else:
        return number
    return short if read_quantity(short, unit) == value else number
