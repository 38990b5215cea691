"""The example's traffic as OTLP, taken in the way the collector takes it: decoded, stored and stitched."""

from __future__ import annotations

import json

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import Engine

from collector.domain.intake import read_logs, read_traces
from collector.store.commit import Seen, write_facts
from collector.store.stitcher import Stitcher
from tests.collector.domain import otlp
from tests.collector.domain.otlp import MS, SECOND, START_NS

FIRST, SECOND_FUNCTION = "audio-to-text", "store-summary"
AUDIO, TRANSCRIPTS = "audio-uploads", "transcripts"
NOW_MS = START_NS // MS + 20 * 60_000
MESSAGE = (
    "An error occurred (BadRequestException) when calling the StartTranscriptionJob operation: 1 validation error "
    "detected: Value 'my holiday.mp3' at 'transcriptionJobName' failed to satisfy constraint"
)
STACK = f"""Traceback (most recent call last):
  File "/var/task/start.py", line 17, in handler
    transcribe.start_transcription_job(TranscriptionJobName=name)
  File "/var/lang/lib/python3.12/site-packages/botocore/client.py", line 602, in _api_call
    return self._make_api_call(operation_name, kwargs)
botocore.errorfactory.BadRequestException: {MESSAGE}
"""


class Traffic:
    """Stores one transaction after the other. Numbers are trace ids; `at` is seconds after the first."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._seen = Seen()

    def send(self, traces: bytes, logs: bytes | None = None) -> None:
        groups = [read_traces(traces, received_ms=NOW_MS).facts]
        if logs is not None:
            groups.append(read_logs(logs, received_ms=NOW_MS).facts)
        with self.engine.begin() as connection:
            write_facts(connection, groups, self._seen)
        stitcher = Stitcher(self.engine)
        while stitcher.run_pass() is not None:
            pass

    def success(self, number: int, at: int = 0, *, cold: bool = False, follower_error: str = "") -> None:
        """A file is transcribed; 40 s later the transcript sets off the second function, which may end with an
        exception, "ValueError: …"."""
        start = at * SECOND
        job = f"job-{number}"
        self.send(
            otlp.export(
                spans=[
                    self._first(number, start, cold=cold),
                    self._read(number, start),
                    otlp.call(
                        "Transcribe.StartTranscriptionJob",
                        id=number * 16 + 2,
                        trace=number,
                        parent=number * 16,
                        start=start + 60 * MS,
                        duration=30 * MS,
                        keys=[f"s3-object:{TRANSCRIPTS}/{job}.json"],
                        attrs={"clew.request": json.dumps({"TranscriptionJobName": job, "apiKey": "****"})},
                    ),
                ]
            ),
            otlp.export_logs(
                otlp.log(f"transcribing file {number}", trace=number, span=number * 16, at=start + 2 * MS),
                otlp.log("job started", trace=number, span=number * 16, at=start + 95 * MS),
            ),
        )
        follower, later = number + 0x1000, start + 40 * SECOND
        type, _, message = follower_error.partition(": ")
        self.send(
            otlp.export(
                resource=otlp.resource(SECOND_FUNCTION),
                spans=[
                    otlp.invocation(
                        SECOND_FUNCTION,
                        id=follower * 16,
                        trace=follower,
                        start=later,
                        duration=50 * MS,
                        request=f"second-{number}",
                        attrs=_s3_event(TRANSCRIPTS, f"{job}.json", f"T{number}"),
                        error=message or None,
                        events=[otlp.exception(type, message, "")] if follower_error else [],
                    ),
                    otlp.call(
                        "DynamoDB.PutItem",
                        id=follower * 16 + 1,
                        trace=follower,
                        parent=follower * 16,
                        name="summaries",
                        start=later + 10 * MS,
                        duration=12 * MS,
                    ),
                ],
            ),
            otlp.export_logs(
                otlp.log(f"summary of file {number}", trace=follower, span=follower * 16, at=later + 20 * MS),
                resource=otlp.resource(SECOND_FUNCTION),
            ),
        )

    def failure(self, number: int, at: int = 0) -> None:
        """Transcribe rejects the job's name and the function fails with its error."""
        start = at * SECOND
        self.send(
            otlp.export(
                spans=[
                    self._first(
                        number,
                        start,
                        error=MESSAGE,
                        events=[otlp.exception("botocore.errorfactory.BadRequestException", MESSAGE, STACK)],
                    ),
                    self._read(number, start),
                    otlp.call(
                        "Transcribe.StartTranscriptionJob",
                        id=number * 16 + 2,
                        trace=number,
                        parent=number * 16,
                        start=start + 60 * MS,
                        duration=30 * MS,
                        error=MESSAGE,
                        error_type="BadRequestException",
                        attrs={"clew.request": '{"TranscriptionJobName": "my holiday.mp3", "token": "****"}'},
                    ),
                ]
            ),
            otlp.export_logs(
                otlp.log("transcribing my holiday.mp3", trace=number, span=number * 16, at=start + 2 * MS),
                otlp.log(
                    "could not start the job", trace=number, span=number * 16, at=start + 91 * MS, severity="ERROR"
                ),
            ),
        )

    def timeout(self, number: int, at: int = 0) -> None:
        """The function reaches its limit while it waits for the bucket."""
        start = at * SECOND
        self.send(
            otlp.export(
                spans=[
                    self._first(
                        number,
                        start,
                        duration=2950 * MS,
                        error="Task timed out after 3.00 seconds",
                        more={"error.type": "Sandbox.Timedout", "clew.unfinished": True},
                    ),
                    otlp.call(
                        "S3.GetObject",
                        id=number * 16 + 1,
                        trace=number,
                        parent=number * 16,
                        name=AUDIO,
                        start=start + 5 * MS,
                        duration=2940 * MS,
                        attrs={"clew.unfinished": True},
                    ),
                ]
            )
        )

    def _first(
        self,
        number: int,
        start: int,
        *,
        duration: int = 100 * MS,
        cold: bool = False,
        error: str | None = None,
        events: list[Span.Event] | None = None,
        more: dict[str, object] | None = None,
    ) -> Span:
        attrs = _s3_event(AUDIO, f"file-{number}.mp3", f"A{number}") | (more or {})
        if cold:
            attrs |= {"faas.coldstart": True, "clew.lambda.init_duration": 310.5}
        return otlp.invocation(
            FIRST,
            id=number * 16,
            trace=number,
            start=start,
            duration=duration,
            request=f"{number:08x}-3f0e-4b7a-9c1d-5e6f7a8b9c0d",
            attrs=attrs,
            error=error,
            events=events or [],
        )

    def _read(self, number: int, start: int) -> Span:
        return otlp.call(
            "S3.GetObject",
            id=number * 16 + 1,
            trace=number,
            parent=number * 16,
            name=AUDIO,
            start=start + 5 * MS,
            duration=45 * MS,
            attrs={"clew.response": '{"Body": "SUQzBAAA…[cut: 48213 bytes]'},
        )


def _s3_event(bucket: str, key: str, request_id: str) -> dict[str, object]:
    event = {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}]}
    return {
        "faas.trigger": "datasource",
        "clew.trigger.type": "s3",
        "clew.trigger.resource": f"arn:aws:s3:::{bucket}",
        "clew.link.keys": [f"s3:{request_id}", f"s3-object:{bucket}/{key}"],
        "clew.event": json.dumps(event),
    }


def fill(engine: Engine) -> None:
    """Twelve transactions within twelve minutes: three fail, one times out, the first is cold."""
    traffic = Traffic(engine)
    for number in range(1, 13):
        at = number * 60
        if number in (4, 8, 11):
            traffic.failure(number, at)
        elif number == 9:
            traffic.timeout(number, at)
        else:
            traffic.success(number, at, cold=number == 1)


def trace_hex(number: int) -> str:
    return otlp.trace_bytes(number).hex()
