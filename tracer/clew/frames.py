"""The frames of an exception with their local variables, masked."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from clew.failures import chain_of, ours
from clew.guard import pass_on_signal
from clew.secrets import MASK

if TYPE_CHECKING:
    from types import FrameType

    from clew.payload import Renderer

_MAX_FRAMES = 100
_MAX_VARIABLES = 100
_MAX_VARIABLE = 1024
_MAX_NAME = 200
# Of all variables; the names of files and functions come on top.
_MAX_BYTES = 32_768
# Code that is no part of the function: installed beside it, in a layer, or Python's and Lambda's own.
_FOREIGN = ("/site-packages/", "/dist-packages/", "/opt/python/", "/var/runtime/", "/var/lang/", "<frozen ")
_LIBRARY = (f"{sys.base_prefix}/lib/python", f"{sys.prefix}/lib/python")
_PLAIN = (str, bytes, int, float, bool, type(None), list, tuple, dict, set, frozenset, bytearray)


class _Frame(NamedTuple):
    frame: FrameType
    line: int
    error: BaseException
    own: bool


def frames_of(error: BaseException, renderer: Renderer) -> str:
    """JSON: `[{"file", "line", "function", "locals": {name: text}}]`, innermost last.

    Frames of the exceptions behind this one come before its own, and name theirs as `exception`. Where there is no room
    for all variables, those of the function's own code are shown, the innermost frame's first.
    """
    frames = _frames(error)
    shown: dict[int, dict[str, str]] = {}
    room = _MAX_BYTES
    for own in (True, False):
        for number in range(len(frames) - 1, -1, -1):
            if frames[number].own is own:
                shown[number], room = _locals(frames[number].frame, renderer, room)
    told = []
    for number, one in enumerate(frames):
        code = one.frame.f_code
        entry: dict[str, Any] = {"file": code.co_filename, "line": one.line, "function": code.co_name}
        if one.error is not error:
            entry["exception"] = type(one.error).__name__[:_MAX_NAME]
        told.append({**entry, "locals": shown[number]})
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()


def _frames(error: BaseException) -> list[_Frame]:
    """Those of the causes first. Of too many, the innermost of each exception."""
    found: list[_Frame] = []
    for one in chain_of(error):
        frames = []
        entry = one.__traceback__
        while entry is not None:
            if not ours(entry):
                file = entry.tb_frame.f_code.co_filename
                frames.append(_Frame(entry.tb_frame, entry.tb_lineno, one, _is_own(file)))
            entry = entry.tb_next
        room = _MAX_FRAMES - len(found)
        found = frames[-room:] + found if room else found
    return found


def _is_own(file: str) -> bool:
    return not any(part in file for part in _FOREIGN) and not file.startswith(_LIBRARY)


def _locals(frame: FrameType, renderer: Renderer, room: int) -> tuple[dict[str, str], int]:
    """The frame's variables as text, and the room that is left. Those of a module are no local ones."""
    shown: dict[str, str] = {}
    variables = frame.f_locals
    if variables is frame.f_globals or not frame.f_code.co_flags & 0x02:  # CO_NEWLOCALS: a function's
        return shown, room
    for name in list(variables)[:_MAX_VARIABLES]:
        if room <= 0:
            break
        if name.startswith("."):
            continue  # what a comprehension goes through
        text = _text(name, variables[name], renderer)
        room -= len(name) + len(text.encode("utf-8", "replace"))
        shown[name[:_MAX_NAME]] = text
    return shown, room


def _text(name: str, value: object, renderer: Renderer) -> str:
    if value is not None and value is not True and value is not False and renderer.secrets.named_by(name):
        return MASK
    kind = type(value)
    # A proxy may say that it is of a class that it only stands for, and finding out has effects: asked is its type.
    if not issubclass(kind, _PLAIN):
        return f"[{kind.__name__[:_MAX_NAME]}]"
    try:
        return renderer.render(value, "locals").cut(_MAX_VARIABLE)
    except Exception as error:
        pass_on_signal(error)
        return f"[{kind.__name__[:_MAX_NAME]}]"
