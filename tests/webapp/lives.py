"""Invocations in every state that the tracer and the platform tell of, beside the example's traffic."""

from __future__ import annotations

import json

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import Engine

from collector.domain.intake import read_logs
from collector.store.commit import Seen, write_facts
from collector.store.stitcher import Stitcher
from collector.store.sweep import Sweeper
from tests.collector.domain import otlp
from tests.collector.domain.otlp import MS, SECOND, START_NS
from tests.webapp.traffic import NOW_MS, Traffic

RESIZER = "resize-pictures"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:pictures"
MEMORY_MB = 512
OPEN: dict[str, object] = {"clew.unfinished": True}
RUNNING, CRASHED, MEMORY, INIT, BATCH, RESTORED, PROVISIONED, TAGGED, LOCALS, LOST, PROACTIVE = range(0x101, 0x10C)
INIT_MESSAGE = "Unable to import module 'resize': No module named 'PIL'"
FRAMES = [
    {"file": "/var/lang/lib/python3.12/json/__init__.py", "line": 346, "function": "loads", "locals": {"s": "'{'"}},
    {
        "file": "/var/task/resize.py",
        "line": 41,
        "function": "handler",
        "locals": {"event": "{'Records': [{'body': '…'}]}", "width": "0", "token": "****"},
    },
    {
        "file": "/var/task/geometry.py",
        "line": 12,
        "function": "scale",
        "locals": {"size": "(4032, 3024)", "width": "0", "factor": "<unreadable>"},
    },
]
STACK = """Traceback (most recent call last):
  File "/var/task/resize.py", line 41, in handler
    picture = scale(picture, width)
  File "/var/task/geometry.py", line 12, in scale
    factor = size[0] / width
ZeroDivisionError: division by zero
"""


class Lives:
    """Each method stores one transaction; `at` is seconds after the example's first."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._traffic = Traffic(engine)

    def running(self, number: int, at: int) -> None:
        """Heard of at a checkpoint, while it waits for the bucket."""
        self._send(
            self._invocation(
                number, at, duration=1_500 * MS, attrs={**OPEN, "clew.lambda.deadline": _deadline(at, 900)}
            ),
            self._read(number, at),
            self._write(number, at, attrs=OPEN, duration=1_400 * MS),
        )

    def crashed(self, number: int, at: int) -> None:
        """The same, and then nothing."""
        self._send(
            self._invocation(number, at, duration=1_500 * MS, attrs={**OPEN, "clew.lambda.deadline": _deadline(at, 3)}),
            self._read(number, at),
            self._write(number, at, attrs=OPEN, duration=1_400 * MS),
        )
        self.sweep()

    def out_of_memory(self, number: int, at: int) -> None:
        """And then the platform's word for it."""
        self.crashed(number, at)
        self.report(number, at, status="error", error_type="Runtime.OutOfMemory", lasted=2_210.4, used=MEMORY_MB)

    def lost(self, number: int, at: int) -> None:
        """It succeeded, says the platform; its last export never came."""
        self.crashed(number, at)
        self.report(number, at, lasted=2_210.4)

    def init_failed(self, number: int, at: int) -> None:
        self._traffic.send(
            otlp.export(
                resource=otlp.resource(RESIZER),
                spans=[
                    otlp.span(
                        RESIZER,
                        kind=Span.SPAN_KIND_SERVER,
                        id=number * 16,
                        trace=number,
                        start=at * SECOND,
                        duration=640 * MS,
                        attrs={
                            "clew.lambda.phase": "init",
                            "clew.lambda.initialization_type": "on-demand",
                            "error.type": "Runtime.ImportModuleError",
                            "cloud.account.id": otlp.ACCOUNT,
                            "cloud.resource_id": otlp.FUNCTION_ARN.replace(otlp.FUNCTION, RESIZER),
                        },
                        error=INIT_MESSAGE,
                        events=[
                            otlp.exception(
                                "ModuleNotFoundError",
                                INIT_MESSAGE,
                                "Traceback (most recent call last):\n"
                                '  File "/var/task/resize.py", line 3, in <module>\n'
                                "    from PIL import Image\n"
                                "ModuleNotFoundError: No module named 'PIL'\n",
                            )
                        ],
                    )
                ],
            ),
            otlp.export_logs(
                otlp.log(
                    "loading the colour profiles",
                    trace=number,
                    span=number * 16,
                    at=at * SECOND + 120 * MS,
                    attrs={"clew.lambda.phase": "init"},
                ),
                resource=otlp.resource(RESIZER),
            ),
        )

    def batch(self, number: int, at: int) -> None:
        """Three of ten records are given back, and two entries of a call were refused."""
        failed = [f"message-{index}" for index in (2, 5, 7)]
        self._send(
            self._invocation(
                number,
                at,
                attrs={
                    "clew.batch.size": 10,
                    "clew.batch.failed": failed,
                    "clew.return_value": json.dumps({"batchItemFailures": [{"itemIdentifier": id} for id in failed]}),
                },
            ),
            self._read(number, at),
            otlp.call(
                "SQS.SendMessageBatch",
                id=number * 16 + 3,
                trace=number,
                parent=number * 16,
                name="thumbnails",
                start=at * SECOND + 60 * MS,
                duration=9 * MS,
                attrs={"clew.call.failed_entries": 2},
            ),
        )
        self.report(number, at, lasted=101.7)

    def started(self, number: int, at: int, kind: str) -> None:
        """An environment's first invocation that is no cold start."""
        attrs: dict[str, object] = {"clew.lambda.initialization_type": kind, "faas.coldstart": False}
        self._send(self._invocation(number, at, attrs=attrs), self._read(number, at))
        if kind == "snap-start":
            self.report(number, at, kind="platform.restoreReport", lasted=398.97)
        elif kind != "proactive":
            self.report(number, at, kind="platform.initReport", lasted=812.5)
        self.report(number, at, lasted=101.7)

    def tagged(self, number: int, at: int) -> None:
        """A cold start that says much of itself: tags, an issue, its environment, a sample of ten."""
        environment = {"AWS_REGION": otlp.REGION, "TABLE": "pictures", "API_TOKEN": "****", "LOG_LEVEL": "info"}
        attrs: dict[str, object] = {
            "faas.coldstart": True,
            "clew.lambda.initialization_type": "on-demand",
            "clew.lambda.init_duration": 388.2,
            "clew.lambda.cpu_time": 71.3,
            "clew.lambda.tmp_used": 37_748_736,
            "clew.sampling.ratio": 0.1,
            "clew.tag.customer": "acme",
            "clew.tag.plan": "enterprise",
            "clew.tag.pictures": 4,
            "clew.tag.dry_run": False,
            "clew.environment": json.dumps(environment),
        }
        reported = Span.Event(
            name="clew.issue",
            time_unix_nano=START_NS + at * SECOND + 80 * MS,
            attributes=otlp.attributes(
                {
                    "clew.issue.type": "LowResolution",
                    "clew.issue.message": "4 pictures are narrower than 640 pixels",
                    "clew.issue.details": json.dumps({"narrowest": 312, "wanted": 640}),
                }
            ),
        )
        self._send(
            self._invocation(number, at, attrs=attrs, events=[reported]),
            self._read(number, at),
            logs=[
                otlp.log(
                    "loading the colour profiles",
                    trace=number,
                    span=number * 16,
                    at=at * SECOND - 200 * MS,
                    attrs={"clew.lambda.phase": "init"},
                ),
                otlp.log("resizing 4 pictures", trace=number, span=number * 16, at=at * SECOND + 5 * MS),
            ],
        )
        self.report(number, at, lasted=101.7, init=388.2)

    def failed_with_locals(self, number: int, at: int) -> None:
        event = otlp.exception("ZeroDivisionError", "division by zero", STACK, at=at * SECOND + 90 * MS)
        event.attributes.extend(otlp.attributes({"clew.exception.frames": json.dumps(FRAMES)}))
        self._send(
            self._invocation(
                number,
                at,
                attrs={"clew.sampling.ratio": 1.0, "clew.tag.customer": "acme", "clew.lambda.cpu_time": 2.25},
                error="division by zero",
                events=[event],
            ),
            self._read(number, at),
        )

    def report(
        self,
        number: int,
        at: int,
        *,
        kind: str = "platform.report",
        status: str = "success",
        lasted: float = 101.7,
        used: int = 91,
        init: float | None = None,
        error_type: str | None = None,
    ) -> None:
        metrics: dict[str, object] = {"durationMs": lasted}
        if kind == "platform.report":
            metrics |= {
                "billedDurationMs": int(lasted + (init or 0)) + 1,
                "memorySizeMB": MEMORY_MB,
                "maxMemoryUsedMB": used,
            }
        if init is not None:
            metrics["initDurationMs"] = init
        record: dict[str, object] = {"requestId": _request(number), "status": status, "metrics": metrics}
        if error_type:
            record["errorType"] = error_type
        line = otlp.log(
            json.dumps({"type": kind, "record": record}),
            trace=number,
            span=number * 16,
            at=at * SECOND + 3 * SECOND,
            attrs={"faas.invocation_id": _request(number), "clew.invocation.start": START_NS + at * SECOND},
        )
        body = otlp.export_logs(line, resource=otlp.resource(RESIZER), logger="clew.telemetry")
        with self.engine.begin() as connection:
            write_facts(connection, [read_logs(body, received_ms=NOW_MS).facts], Seen())
        self._stitch()

    def sweep(self) -> None:
        Sweeper(self.engine, now=lambda: NOW_MS * MS).run_pass()
        self._stitch()

    def _stitch(self) -> None:
        stitcher = Stitcher(self.engine)
        while stitcher.run_pass() is not None:
            pass

    def _send(self, *spans: Span, logs: list[object] | None = None) -> None:
        described = otlp.resource(RESIZER)
        lines = otlp.export_logs(*logs, resource=described) if logs else None  # type: ignore[arg-type]
        self._traffic.send(otlp.export(resource=described, spans=spans), lines)

    def _invocation(
        self,
        number: int,
        at: int,
        *,
        duration: int = 100 * MS,
        attrs: dict[str, object],
        error: str | None = None,
        events: list[Span.Event] | None = None,
    ) -> Span:
        event = {"Records": [{"messageId": f"message-{index}", "body": "{}"} for index in range(10)]}
        return otlp.invocation(
            RESIZER,
            id=number * 16,
            trace=number,
            start=at * SECOND,
            duration=duration,
            request=_request(number),
            attrs={
                "faas.trigger": "pubsub",
                "clew.trigger.type": "sqs",
                "clew.trigger.resource": QUEUE,
                "clew.event": json.dumps(event),
            }
            | attrs,
            error=error,
            events=events or [],
        )

    def _read(self, number: int, at: int) -> Span:
        return otlp.call(
            "S3.GetObject",
            id=number * 16 + 1,
            trace=number,
            parent=number * 16,
            name="pictures",
            start=at * SECOND + 5 * MS,
            duration=45 * MS,
        )

    def _write(self, number: int, at: int, *, duration: int, attrs: dict[str, object]) -> Span:
        return otlp.call(
            "S3.PutObject",
            id=number * 16 + 2,
            trace=number,
            parent=number * 16,
            name="thumbnails",
            start=at * SECOND + 90 * MS,
            duration=duration,
            attrs=attrs,
        )


def _request(number: int) -> str:
    return f"{number:08x}-77aa-4b7a-9c1d-5e6f7a8b9c0d"


def _deadline(at: int, limit_s: int) -> int:
    return START_NS + (at + limit_s) * SECOND


def fill_lives(engine: Engine) -> None:
    """One of each, within eleven minutes; what runs began a minute ago."""
    lives = Lives(engine)
    lives.crashed(CRASHED, 60)
    lives.out_of_memory(MEMORY, 120)
    lives.init_failed(INIT, 180)
    lives.batch(BATCH, 240)
    lives.started(RESTORED, 300, "snap-start")
    lives.started(PROVISIONED, 360, "provisioned-concurrency")
    lives.started(PROACTIVE, 390, "proactive")
    lives.tagged(TAGGED, 420)
    lives.failed_with_locals(LOCALS, 480)
    lives.lost(LOST, 540)
    lives.running(RUNNING, 20 * 60 - 60)
