"""Recordings as people name them, and the mix of them that the demo uploads."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

SAMPLE_RATE = 8000
STALLING = "conference-"  # Transcribe leaves requests for these without an answer for longer than the function may run


@dataclass(frozen=True, slots=True)
class Recording:
    key: str
    content: bytes


def recording(key: str, *, seconds: float = 2.0, silent: bool = False) -> Recording:
    """A WAV of noise, or of nothing at all; the same for the same key."""
    samples = int(SAMPLE_RATE * seconds)
    sound = bytes(samples) if silent else random.Random(key).randbytes(samples)
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + samples, b"WAVE"),
        *(b"fmt ", 16, 1, 1, SAMPLE_RATE, SAMPLE_RATE, 1, 8),
        *(b"data", samples),
    )
    return Recording(key, header + sound)


def traffic(chance: random.Random, today: date, first_number: int) -> Iterator[Recording]:
    """Recordings without end, no key twice. Of each batch of twenty four meet some trouble.

    One has a space in its name and one a slash, one is silent, and one keeps Transcribe's caller waiting.
    """
    number = first_number
    while True:
        batch = ["podcast", "interview", "voicemail", "meeting"] * 4 + ["call", "folder", "silent", "conference"]
        chance.shuffle(batch)
        for kind in batch:
            number += 1
            yield _recording(kind, number, chance, today)


def _recording(kind: str, number: int, chance: random.Random, today: date) -> Recording:
    seconds = chance.uniform(0.5, 4.0)
    match kind:
        case "call":
            return recording(f"customer call {number}.wav", seconds=seconds)
        case "folder":
            return recording(f"{today:%Y/%m}/interview-{number}.mp3", seconds=seconds)
        case "silent":
            return recording(f"voicemail-{number:03}.wav", seconds=seconds, silent=True)
        case "conference":
            return recording(f"{STALLING}day-{number}.wav", seconds=12.0)
        case _:
            return recording(f"{kind}-{number:03}.{'wav' if kind == 'voicemail' else 'mp3'}", seconds=seconds)
