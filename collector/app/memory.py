"""How the C library keeps memory."""

from __future__ import annotations

import ctypes

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
_LARGE = 256 * 1024


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
