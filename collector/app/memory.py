"""How the C library keeps memory, and how often Python looks for what only refers to itself."""

from __future__ import annotations

import ctypes
import gc

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
_LARGE = 256 * 1024
_MADE_BETWEEN_LOOKS = 20_000  # objects; Python's own 700 are a dozen exports


def give_memory_back() -> None:
    """What a body of an export took goes back to the system when it is done with.

    glibc raises its threshold for that as large pieces are freed, up to 32 MiB; from then on each of many threads keeps
    pieces of its own. Under ten times too much 351 MB were resident at most instead of 435, and 267 afterwards instead
    of 353. Elsewhere than on glibc nothing is done.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGE)


def look_for_garbage_rarely() -> None:
    """Of a process that has made all that it keeps: what is there is not looked through again, new objects
    less often.

    It took 6 to 7 % of the CPU under load. Exports are freed without it: what refers to itself among them is taken
    apart (collector.domain.span_facts.release).
    """
    gc.freeze()
    gc.set_threshold(_MADE_BETWEEN_LOOKS)
