"""Every decoder of what clients send, as one function of bytes, and what must hold of all that they let through.

`test_decoders.py` feeds them with hypothesis within the suite; `atheris_decoders.py` for as long as one likes.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import zstandard
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.domain.facts import Facts, Signal
from collector.receivers.admission import Admission
from collector.receivers.body import decompress
from collector.receivers.counters import Counters
from collector.receivers.exports import Exports
from collector.receivers.firehose import FirehoseReceiver
from collector.receivers.metrics import count_points, count_points_of_json
from collector.receivers.refusal import Refusal
from tests.collector.receivers import exports

_LIMIT = 1024 * 1024
_NOW_MS = 1_795_000_000_000


class _Store:
    """Looks at what it is given."""

    def hand_in(self, facts: Facts, size: int, settle: Callable[[Exception | None], None]) -> None:
        assert size > 0
        check(facts)
        settle(None)

    def hand_over(self, read: Callable[[], Facts | None], settle: Callable[[Exception | None], None]) -> None:
        facts = read()
        if facts is not None:
            self.hand_in(facts, facts.size, settle)


def check(facts: Facts) -> None:
    """Both databases can hold it: numbers of 64 bits, text in UTF-8 without NUL (which PostgreSQL refuses)."""
    for value in _leaves(facts):
        if isinstance(value, str):
            value.encode()
            assert "\0" not in value
        elif isinstance(value, int):
            assert -(2**63) <= value < 2**63


def _leaves(value: Any) -> Iterator[object]:
    if is_dataclass(value):
        for field in fields(value):
            yield from _leaves(getattr(value, field.name))
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _leaves(pair)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _exports() -> Exports:
    return Exports(_Store(), counters=Counters(), now_ms=lambda: _NOW_MS)


def traces(data: bytes) -> None:
    _exports().take(Signal.TRACES, data)


def traces_json(data: bytes) -> None:
    _exports().take(Signal.TRACES, data, json=True)


def logs(data: bytes) -> None:
    _exports().take(Signal.LOGS, data)


def logs_json(data: bytes) -> None:
    _exports().take(Signal.LOGS, data, json=True)


def metrics(data: bytes) -> None:
    count_points(data)


def metrics_json(data: bytes) -> None:
    count_points_of_json(data)


def firehose(data: bytes) -> None:
    """Through its WSGI callable, which answers whatever is in it."""
    answers: list[str] = []
    receiver = FirehoseReceiver(_exports().submit, counters=Counters(), now_ms=lambda: _NOW_MS)
    environ = {
        "REQUEST_METHOD": "POST",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.input": io.BytesIO(data),
    }

    def start_response(status: str, _headers: object, _error: object = None, /) -> Callable[[bytes], object]:
        answers.append(status)
        return answers.append  # type: ignore[return-value]  # never called

    json.loads(b"".join(receiver(environ, start_response)))
    assert answers[0][:3] in ("200", "400", "413"), answers


def bodies(data: bytes) -> None:
    with Admission(max_requests=1, max_bytes=8 * _LIMIT).enter() as grant:
        encoding = ("gzip", "deflate", "zstd", "identity")[data[0] % 4] if data else "gzip"
        assert len(decompress(data[1:], encoding, _LIMIT, grant)) <= max(_LIMIT, len(data))


DECODERS: dict[str, Callable[[bytes], None]] = {
    decoder.__name__: decoder
    for decoder in (traces, traces_json, logs, logs_json, metrics, metrics_json, firehose, bodies)
}


def decode(name: str, data: bytes) -> bool:
    """Whether it was taken; a Refusal is an answer too. Anything else that is raised is a fault."""
    try:
        DECODERS[name](data)
    except Refusal:
        return False
    return True


@cache
def seeds(name: str) -> list[bytes]:
    """What honest clients send, to begin with."""
    if name.startswith("metrics"):
        point = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"sum": {"dataPoints": [{"asInt": "1"}]}}]}]}]}
        return [json.dumps(point).encode()] if name == "metrics_json" else [b"\n\x0c\x12\n\x12\x08\n\x01x*\x03\n\x01\n"]
    if name == "firehose":
        message = {
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": "/aws/lambda/resize",
            "logStream": "2026/11/21/[$LATEST]0",
            "subscriptionFilters": ["all"],
            "logEvents": [{"id": "1", "timestamp": _NOW_MS, "message": "REPORT RequestId: 1 Duration: 1 ms"}],
        }
        data = base64.b64encode(json.dumps(message).encode()).decode()
        return [json.dumps({"requestId": "1", "timestamp": _NOW_MS, "records": [{"data": data}]}).encode()]
    body = exports.logs(2) if name.startswith("logs") else exports.traces(3, payload='{"a": 1}')
    if name == "bodies":
        return [
            b"\0" + gzip.compress(body),
            b"\1" + zlib.compress(body),
            b"\2" + zstandard.compress(body),
            b"\3" + body,
        ]
    if not name.endswith("json"):
        return [body]
    request = (ExportLogsServiceRequest if name.startswith("logs") else ExportTraceServiceRequest).FromString(body)
    # As OTLP writes it: ids in hexadecimal, where protobuf's JSON has base64.
    written = json_format.MessageToJson(request)
    return [re.sub(r'(Id": ")([^"]+)', lambda found: found[1] + base64.b64decode(found[2]).hex(), written).encode()]
