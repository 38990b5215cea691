"""The project's example, sending to a real Clew: it breaks and is mended as a test wants it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.audio_to_text.example import Example, running_example
from tests.collector.app.clew import TurnedClew

# Transcribe takes no name with a space, and the function makes the name of the recording the name of its job.
GOOD, BAD, MENDED = "podcast-042.mp3", "customer call 17.wav", "customer-call-17.wav"
ERROR, CULPRIT = "BadRequestException", "Transcribe.StartTranscriptionJob"
LATER_S = 2 * 3_600  # no rule that is there from the beginning leaves an alert open for so long
WAIT_S = 60


@dataclass(frozen=True)
class Breaking:
    """Leaves nothing under way after each step but what Clew does with it."""

    clew: TurnedClew
    example: Example

    def run(self) -> None:
        """All goes well."""
        self._upload(GOOD)

    def break_it(self) -> None:
        """The handler of `transcribe` raises ERROR."""
        self._upload(BAD)

    def mend(self) -> None:
        """The same recording by a name that goes well."""
        self.example.forget(BAD)
        self._upload(MENDED)

    def pass_time(self) -> None:
        """It is LATER_S later, to Clew."""
        self.clew.turn(LATER_S)

    def _upload(self, key: str) -> None:
        self.example.upload(key)
        self.example.wait_idle(WAIT_S)


@contextmanager
def breaking_example(database: Path, folder: Path) -> Iterator[Breaking]:
    """`clew up` on that SQLite file, which need not be there; channels may lead to this machine. Leaving ends all."""
    with (
        TurnedClew(database, clock=folder / "clock", CLEW_ALERT_NETWORKS="127.0.0.1") as clew,
        running_example(otlp_endpoint=clew.url, directory=folder) as example,
    ):
        yield Breaking(clew, example)


def wait_for(met: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
