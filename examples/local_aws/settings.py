"""How the emulated AWS is to behave; handed from the process that starts it to the one that runs it as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

STATE_PATH = "/local-aws/state"  # GET: {"pending": how many notifications and jobs are under way}


@dataclass(frozen=True, slots=True)
class Stall:
    """Requests of one operation (`transcribe.StartTranscriptionJob`) that get no answer for so many seconds.

    Only requests whose parameters hold `text` are meant; in the end they get a 503, and nothing has happened.
    """

    operation: str
    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class AwsSettings:
    lambda_url: str | None = None  # where Lambda's Invoke API answers; None: no functions, no notifications
    transcription_seconds: float = 2.0
    latency_ms: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)  # by service: least, most
    stalls: tuple[Stall, ...] = ()

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> AwsSettings:
        document = json.loads(text)
        document["latency_ms"] = {name: (least, most) for name, (least, most) in document["latency_ms"].items()}
        document["stalls"] = tuple(Stall(**stall) for stall in document["stalls"])
        return cls(**document)
