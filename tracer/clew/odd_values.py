"""What JSON has no type for, by its class alone: `repr` may be slow, have effects, or show a secret.

Its class is what `type` tells. What an object says of itself by `__class__` may be a lie, as of proxies and mocks, or
raise. Imported when the first of these turns up.
"""

from __future__ import annotations

import sys
from typing import Any

from clew.guard import pass_on_signal

_MAX_ITEMS = 4000
_MAX_NUMBER = 100

class_name = type.__dict__["__name__"].__get__
"""The name of a class, whatever its metaclass has under `__name__`."""


def simpler(value: Any) -> int | float | str | tuple[Any, ...] | None:
    """A number, text or sequence in place of one of a class of its own, by Python's own methods; None for the rest."""
    kind = type(value)
    if issubclass(kind, int):  # IntEnum and the like
        return int.__int__(value)
    if issubclass(kind, float):
        return float.__float__(value)
    if issubclass(kind, (set, frozenset)):
        own: Any = set if issubclass(kind, set) else frozenset
        return tuple(own.__iter__(value)) if own.__len__(value) <= _MAX_ITEMS else ("[set]",)
    decimal = _loaded("decimal", "Decimal")
    if decimal is not None and issubclass(kind, decimal):
        return str(decimal.__str__(value))[:_MAX_NUMBER]
    return None


def described(value: Any) -> str:
    """A date or an id as text, else what it is."""
    kind = type(value)
    try:
        for name in ("datetime", "date", "time"):
            own = _loaded("datetime", name)
            if own is not None and issubclass(kind, own):
                return str(own.isoformat(value))  # asks the zone, which may be the function's
        uuid = _loaded("uuid", "UUID")
        if uuid is not None and issubclass(kind, uuid):
            return str(uuid.__str__(value))
        if hasattr(kind, "read") or hasattr(kind, "__anext__") or hasattr(kind, "__next__"):
            return "[stream]"
    except Exception as error:
        pass_on_signal(error)
    return f"[{class_name(kind)}]"


def _loaded(module: str, name: str) -> Any:
    """A class of Python's library; None where nothing of it can be there."""
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None
