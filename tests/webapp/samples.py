"""Read models as the queries would give them, for tests of what the pages make of them.

The story is the example's: an audio file lands in a bucket, a function starts a transcription job, the transcript sets
off a second function, which writes a summary to a table.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from collector.domain.facts import Result
from collector.domain.issue_states import Status
from collector.store.queries.common import FunctionRef, IssueLabel, Point, ResourceRef, ServiceCount
from collector.store.queries.function import FunctionDetail, InvocationPage, InvocationRow
from collector.store.queries.functions import FunctionRow
from collector.store.queries.issues import IssueRow
from collector.store.queries.system_map import MapEdge, MapFunction, MapResource, SystemMap
from collector.store.queries.transaction import (
    ExceptionDetail,
    InvocationDetail,
    LogLine,
    SpanDetail,
    TransactionDetail,
)
from collector.store.queries.transactions import TransactionPage, TransactionRow, TransactionSummary

NOW_MS = 1_795_212_000_000  # 2026-11-20 22:00:00 UTC
MS = 1_000_000
START_NS = (NOW_MS - 90_000) * MS
TRACE = bytes.fromhex("6d0ef8ae1cdd939d0636380f2c1736c2")
TRACE_2 = bytes.fromhex("2c1736c2114d7aec240157f86d0ef8ae")

START = FunctionRef(0x11A0, "lambda", "123456789012", "eu-central-1", "audio-to-text-start-transcription")
SUMMARIZE = FunctionRef(0x22B0, "lambda", "123456789012", "eu-central-1", "audio-to-text-store-summary")
AUDIO = ResourceRef(0x31, "s3", "", "audio-uploads", "arn:aws:s3:::audio-uploads")
TRANSCRIPTS = ResourceRef(0x32, "s3", "", "transcripts", "arn:aws:s3:::transcripts")
TRANSCRIBE = ResourceRef(0x33, "transcribe", "eu-central-1", "", None)
SUMMARIES = ResourceRef(0x34, "dynamodb", "eu-central-1", "summaries", None)

BAD_NAME = IssueLabel(0xA1, "BadRequestException")
TIMEOUT = IssueLabel(0xA2, "Timeout")
KEY_ERROR = IssueLabel(0xA3, "KeyError")

MESSAGE = (
    "An error occurred (BadRequestException) when calling the StartTranscriptionJob operation: 1 validation error "
    "detected: Value 'my holiday.mp3' at 'transcriptionJobName' failed to satisfy constraint: Member must satisfy "
    "regular expression pattern: ^[0-9a-zA-Z._-]+"
)
STACK = f"""Traceback (most recent call last):
  File "/opt/python/clew/handler.py", line 88, in call
    return handler(event, context)
  File "/var/task/start_transcription.py", line 17, in handler
    transcribe.start_transcription_job(
  File "/var/lang/lib/python3.12/site-packages/botocore/client.py", line 602, in _api_call
    return self._make_api_call(operation_name, kwargs)
  File "/var/lang/lib/python3.12/site-packages/botocore/client.py", line 1078, in _make_api_call
    raise error_class(parsed_response, operation_name)
botocore.errorfactory.BadRequestException: {MESSAGE}
"""
EVENT = json.dumps(
    {
        "Records": [
            {
                "eventSource": "aws:s3",
                "awsRegion": "eu-central-1",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "audio-uploads"}, "object": {"key": "my+holiday.mp3", "size": 48213}},
                "userIdentity": {"accessKeyId": "****"},
            }
        ]
    }
)


def points(values: Sequence[float], bucket_s: int = 120) -> tuple[Point, ...]:
    """Buckets that end with the one that NOW_MS is in."""
    last = NOW_MS // (bucket_s * 1000) * bucket_s * 1000
    first = last - (len(values) - 1) * bucket_s * 1000
    return tuple(Point(first + index * bucket_s * 1000, value) for index, value in enumerate(values))


def span_key(trace_id: bytes, number: int) -> str:
    return f"{trace_id.hex()}-{number:016x}"


def function_row(function: FunctionRef = START, **changes: object) -> FunctionRow:
    row = FunctionRow(
        function,
        "python3.12",
        "arm64",
        512,
        143,
        1204,
        37,
        31,
        412.4,
        1210.0,
        4_213_000_000,
        NOW_MS - 12_000,
        tuple(40 + (index * 7) % 23 for index in range(24)),
        tuple((index * 3) % 5 for index in range(24)),
    )
    return replace(row, **changes)  # type: ignore[arg-type]  # the tests name real fields


def function_rows() -> list[FunctionRow]:
    quiet = FunctionRef(0x33C0, "service", "", "", "nightly-report")
    return [
        function_row(),
        function_row(
            SUMMARIZE,
            invocations=1150,
            errors=0,
            average_ms=38.2,
            p95_ms=88.0,
            cost_pd=812_000_000,
            error_trend=(0,) * 24,
            max_memory_mb=96,
            last_seen_ms=NOW_MS - 71_000,
        ),
        FunctionRow(
            quiet, None, None, None, None, 0, 0, 0, None, None, None, NOW_MS - 90_000_000, (0,) * 24, (0,) * 24
        ),
    ]


def invocation_rows() -> list[InvocationRow]:
    rows = []
    for index in range(12):
        bad, late = index % 4 == 1, index == 6
        rows.append(
            InvocationRow(
                started_ns=START_NS - index * 47_000 * MS,
                span_id=0x51 + index,
                trace_id=TRACE,
                transaction_ids=(TRACE,),
                request_id=f"{index:08x}-3f0e-4b7a-9c1d-5e6f7a8b9c0d",
                result=Result.TIMEOUT if late else Result.ERROR if bad else Result.OK,
                finished=not late,
                duration_ns=3000 * MS if late else (180 + index * 37) * MS,
                cold_start=index % 5 == 0,
                init_ns=312 * MS if index % 5 == 0 else None,
                max_memory_mb=118 + index,
                cost_pd=1_033_000 + index * 250_000,
                trigger="s3",
                services=(ServiceCount("s3", 2), ServiceCount("transcribe", 1)),
                issues=(TIMEOUT,) if late else (BAD_NAME,) if bad else (),
            )
        )
    return rows


def function_detail(function: FunctionRef = START) -> FunctionDetail:
    nan = float("nan")
    invocations = [float(30 + (index * 7) % 19) for index in range(30)]
    invocations[4] = 0
    invocations[-1] = 9
    average = [nan if not value else 380 + (index * 31) % 90 for index, value in enumerate(invocations)]
    return FunctionDetail(
        function,
        f"arn:aws:lambda:{function.region}:{function.account}:function:{function.name}",
        "python3.12",
        "arm64",
        512,
        3000,
        1204,
        37,
        31,
        4_213_000_000,
        412.4,
        390.0,
        1210.0,
        2890.0,
        143,
        120,
        points(invocations),
        points([float((index * 3) % 5) if value else 0 for index, value in enumerate(invocations)]),
        points([float(index % 4 == 0) for index in range(30)]),
        points(average),
        points([value * 2.7 for value in average]),
        points([value * 3_500_000 for value in invocations]),
        (BAD_NAME, TIMEOUT),
    )


def issue_rows() -> list[IssueRow]:
    return [
        IssueRow(
            BAD_NAME.id,
            BAD_NAME.type,
            MESSAGE,
            "Transcribe.StartTranscriptionJob",
            Status.OPEN,
            START,
            29,
            0.0241,
            31_000_000,
            NOW_MS - 7_200_000,
            NOW_MS - 40_000,
            tuple((index * 5) % 4 for index in range(24)),
            TRACE,
        ),
        IssueRow(
            TIMEOUT.id,
            TIMEOUT.type,
            "Task timed out after 3.00 seconds",
            "S3.GetObject",
            Status.OPEN,
            START,
            8,
            0.0066,
            41_000_000,
            NOW_MS - 3_100_000,
            NOW_MS - 400_000,
            tuple(int(index % 6 == 0) for index in range(24)),
            TRACE_2,
        ),
        IssueRow(
            KEY_ERROR.id,
            KEY_ERROR.type,
            "'results'",
            "store_summary.py in handler",
            Status.OPEN,
            SUMMARIZE,
            1,
            0.0009,
            300_000,
            NOW_MS - 900_000,
            NOW_MS - 900_000,
            (0,) * 20 + (1,) + (0,) * 3,
            None,
        ),
    ]


def transaction_rows() -> list[TransactionRow]:
    rows = []
    for index in range(10):
        failed, tail = index % 4 == 1, index == 3
        rows.append(
            TransactionRow(
                TRACE if index == 1 else bytes([index]) * 16,
                START_NS - index * 61_000 * MS,
                (320 if failed else 2412 + index * 100) * MS,
                START,
                "s3",
                AUDIO,
                (START,) if failed else (START, SUMMARIZE),
                (
                    ServiceCount("s3", 2),
                    ServiceCount("transcribe", 1),
                    *(() if failed else (ServiceCount("dynamodb", 1),)),
                ),
                Result.ERROR if failed else Result.OK,
                1 if failed else 2,
                int(failed or tail),
                1 if index % 5 == 0 else 0,
                1_833_000 + index * 40_000,
                (BAD_NAME,) if failed else (KEY_ERROR,) if tail else (),
            )
        )
    return rows


def transaction_page() -> TransactionPage:
    return TransactionPage(tuple(transaction_rows()), "next-page")


def transaction_summary() -> TransactionSummary:
    started = [float(3 + (index * 5) % 7) for index in range(30)]
    return TransactionSummary(168, 29, 30, 120, points(started), points([value // 4 for value in started]))


def invocation_page() -> InvocationPage:
    return InvocationPage(tuple(invocation_rows()), "next-page")


def span(number: int, *, trace_id: bytes = TRACE, **changes: object) -> SpanDetail:
    """A call of START to Transcribe, unless changed."""
    detail = SpanDetail(
        span_key(trace_id, number),
        None,
        "call",
        "span",
        "Transcribe.StartTranscriptionJob",
        START_NS,
        38 * MS,
        True,
        False,
        None,
        None,
        START,
        TRANSCRIBE,
        (),
        None,
        None,
        {},
    )
    return replace(detail, **changes)  # type: ignore[arg-type]  # the tests name real fields


def invocation(number: int, *, trace_id: bytes = TRACE, **changes: object) -> InvocationDetail:
    detail = InvocationDetail(
        span_key(trace_id, number),
        START,
        "7f3c2a10-3f0e-4b7a-9c1d-5e6f7a8b9c0d",
        Result.OK,
        True,
        False,
        None,
        512,
        118,
        321,
        2_340_000,
        "s3",
        (),
    )
    return replace(detail, **changes)  # type: ignore[arg-type]  # the tests name real fields


def log(number: int, offset_ms: float, message: str, severity: str = "INFO", function: FunctionRef = START) -> LogLine:
    return LogLine(
        START_NS + int(offset_ms * MS), function, span_key(TRACE, number), severity, "root" if severity else "", message
    )


def transaction(
    spans: Sequence[SpanDetail],
    invocations: Sequence[InvocationDetail],
    logs: Sequence[LogLine] = (),
    **changes: object,
) -> TransactionDetail:
    """A transaction that starts with the first invocation."""
    entry = invocations[0]
    issues = {issue.id: issue for item in invocations for issue in item.issues}
    detail = TransactionDetail(
        TRACE,
        min(item.started_ns for item in spans),
        max(item.started_ns + item.duration_ns for item in spans) - min(item.started_ns for item in spans),
        entry.result,
        entry.function,
        entry.trigger,
        AUDIO,
        len(invocations),
        sum(item.result != Result.OK for item in invocations),
        sum(item.cold_start for item in invocations),
        sum(item.cost_pd or 0 for item in invocations),
        ("123456789012",),
        ("eu-central-1",),
        (ServiceCount("s3", 2), ServiceCount("transcribe", 1)),
        tuple(issues.values()),
        tuple(invocations),
        tuple(spans),
        tuple(logs),
        len(spans),
    )
    return replace(detail, **changes)  # type: ignore[arg-type]  # the tests name real fields


def _start_spans(*, failed: bool) -> list[SpanDetail]:
    first = span_key(TRACE, 1)
    exception = ExceptionDetail("botocore.errorfactory.BadRequestException", MESSAGE, STACK)
    return [
        span(
            1,
            kind="invocation",
            via=None,
            name=START.name,
            duration_ns=321 * MS,
            failed=failed,
            error_type="BadRequestException" if failed else None,
            error_message=MESSAGE if failed else None,
            resource=AUDIO,
            exceptions=(exception,) if failed else (),
            request=EVENT,
            response=None if failed else '{"job":"holiday","status":"started","apiKey":"****"}',
            attributes={"faas.coldstart": "true", "faas.trigger": "datasource", "telemetry.distro.name": "clew"},
        ),
        span(
            2,
            parent=first,
            name="S3.HeadObject",
            started_ns=START_NS + 9 * MS,
            duration_ns=22 * MS,
            resource=AUDIO,
            request='{"Bucket":"audio-uploads","Key":"my holiday.mp3"}',
            response='{"ContentLength":48213,"ContentType":"audio/mpeg","Metadata":{"owner":"ada"}}',
            attributes={"aws.request_id": "C3D13FE58DE4C810", "http.response.status_code": "200"},
        ),
        span(
            3,
            parent=first,
            name="S3.GetObject",
            started_ns=START_NS + 35 * MS,
            duration_ns=96 * MS,
            resource=AUDIO,
            attributes={"http.request.resend_count": "2"},
            request='{"Bucket":"audio-uploads","Key":"my holiday.mp3"}',
            response='{"Body":"SUQzBAAAAAAAI1RTU0UAAAAPAAAD…[cut: 48213 bytes]',
        ),
        span(
            4,
            parent=first,
            started_ns=START_NS + 140 * MS,
            duration_ns=171 * MS,
            failed=failed,
            error_type="BadRequestException" if failed else None,
            error_message=MESSAGE if failed else None,
            request='{"TranscriptionJobName":"my holiday.mp3","LanguageCode":"en-US","OutputBucketName":"transcripts",'
            '"Media":{"MediaFileUri":"s3://audio-uploads/my holiday.mp3"}}',
            response='{"Error":{"Code":"BadRequestException","Message":"1 validation error detected"}}',
            attributes={"aws.request_id": "b1a2", "http.response.status_code": "400" if failed else "200"},
        ),
    ]


def failed_transaction() -> TransactionDetail:
    """Transcribe rejects the job's name; the function fails with its error."""
    return transaction(
        _start_spans(failed=True),
        [invocation(1, result=Result.ERROR, cold_start=True, init_ns=312 * MS, issues=(BAD_NAME,), billed_ms=633)],
        [
            log(1, 1, "Loading model configuration", "DEBUG"),
            log(1, 8, "New audio: my holiday.mp3"),
            log(1, 36, "size 48213 bytes, type audio/mpeg", ""),
            log(1, 139, "starting transcription job 'my holiday.mp3'"),
            log(1, 320, f"[ERROR] BadRequestException: {MESSAGE}", "ERROR"),
        ],
    )


def whole_transaction() -> TransactionDetail:
    """All went well, through the bucket into the second function, 72 seconds later."""
    second = span_key(TRACE_2, 5)
    later = START_NS + 72_400 * MS
    spans = [
        *_start_spans(failed=False),
        span(
            5,
            trace_id=TRACE_2,
            parent=span_key(TRACE, 4),
            via="link",
            kind="invocation",
            name=SUMMARIZE.name,
            started_ns=later,
            duration_ns=88 * MS,
            function=SUMMARIZE,
            resource=TRANSCRIPTS,
            request=EVENT,
            response="null",
        ),
        span(
            6,
            trace_id=TRACE_2,
            parent=second,
            name="S3.GetObject",
            started_ns=later + 6 * MS,
            duration_ns=31 * MS,
            function=SUMMARIZE,
            resource=TRANSCRIPTS,
        ),
        span(
            7,
            trace_id=TRACE_2,
            parent=second,
            name="DynamoDB.PutItem",
            started_ns=later + 44 * MS,
            duration_ns=12 * MS,
            function=SUMMARIZE,
            resource=SUMMARIES,
        ),
    ]
    invocations = [
        invocation(1, cold_start=True, init_ns=312 * MS),
        invocation(
            5, trace_id=TRACE_2, function=SUMMARIZE, request_id="aa", cold_start=True, init_ns=290 * MS, billed_ms=378
        ),
    ]
    logs = [log(1, 8, "New audio: holiday.mp3"), log(5, 72_410, "summary of 214 words", "INFO", SUMMARIZE)]
    return transaction(spans, invocations, logs, duration_ns=72_488 * MS)


def hanging_transaction() -> TransactionDetail:
    """The function reached its time limit while a call had not returned."""
    spans = _start_spans(failed=False)[:2]
    spans[0] = replace(spans[0], duration_ns=2900 * MS, finished=False, failed=True, error_type="Sandbox.Timedout")
    spans[0] = replace(spans[0], error_message="Task timed out after 3.00 seconds", response=None)
    spans.append(
        span(
            3,
            parent=spans[0].key,
            name="S3.GetObject",
            started_ns=START_NS + 35 * MS,
            duration_ns=2860 * MS,
            resource=AUDIO,
            finished=False,
            request='{"Bucket":"audio-uploads","Key":"long.wav"}',
        )
    )
    return transaction(
        spans, [invocation(1, result=Result.TIMEOUT, finished=False, issues=(TIMEOUT,), cost_pd=20_200_000)]
    )


def system_map() -> SystemMap:
    def function(ref: FunctionRef) -> str:
        return f"function:{ref.id}"

    def resource(ref: ResourceRef) -> str:
        return f"resource:{ref.id}"

    return SystemMap(
        (
            MapFunction(START, 1204, 37, 412.4, 1210.0, 4_213_000_000),
            MapFunction(SUMMARIZE, 1150, 0, 38.0, 88.0, 812_000_000),
        ),
        (
            MapResource(AUDIO, 2408, 8),
            MapResource(TRANSCRIBE, 1196, 29),
            MapResource(TRANSCRIPTS, 1150, 0),
            MapResource(SUMMARIES, 1150, 0),
        ),
        (
            MapEdge(resource(AUDIO), function(START), True, 1204, 0, None, None),
            MapEdge(function(START), resource(AUDIO), False, 2408, 8, 61.0, 240.0),
            MapEdge(function(START), resource(TRANSCRIBE), False, 1196, 29, 170.0, 320.0),
            MapEdge(resource(TRANSCRIPTS), function(SUMMARIZE), True, 1150, 0, None, None),
            MapEdge(function(SUMMARIZE), resource(TRANSCRIPTS), False, 1150, 0, 31.0, 52.0),
            MapEdge(function(SUMMARIZE), resource(SUMMARIES), False, 1150, 0, 12.0, 20.0),
        ),
    )
