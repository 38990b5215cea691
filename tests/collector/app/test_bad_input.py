"""Everything that architecture says of bad input, sent to the real process on both databases: a clear status, the rest
of the batch stored, nothing crashed, and a count of it."""

from __future__ import annotations

import calendar
import gzip
import http.client
from collections.abc import Callable
from contextlib import closing

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.collector.app.clew import Clew
from tests.collector.receivers import exports

MIB = 1024 * 1024
PROTOBUF = "application/x-protobuf"
Change = Callable[[list[Span]], object]


def changed(change: Change, spans: int = 3) -> bytes:
    """An export whose spans were tampered with."""
    request = ExportTraceServiceRequest.FromString(exports.traces(spans))
    change(list(request.resource_spans[0].scope_spans[0].spans))
    return request.SerializeToString()


def at(year: int) -> Change:
    def change(spans: list[Span]) -> None:
        started_s = calendar.timegm((year, 6, 1, 0, 0, 0))
        spans[1].start_time_unix_nano = started_s * 1_000_000_000
        spans[1].end_time_unix_nano = spans[1].start_time_unix_nano + 1

    return change


def cycle(spans: list[Span]) -> None:
    spans[0].parent_span_id = spans[2].span_id
    spans[2].parent_span_id = spans[1].span_id
    spans[1].parent_span_id = spans[0].span_id


def own_parent(spans: list[Span]) -> None:
    spans[0].parent_span_id = spans[0].span_id


def many_attributes(spans: list[Span]) -> None:
    for number in range(100_000):
        spans[0].attributes.add(key=f"{number:x}").value.int_value = number


def html(spans: list[Span]) -> None:
    for span in spans:
        span.name = "<script>alert(1)</script>\0\u202e"
        span.attributes.add(key="<img src=x onerror=alert(1)>").value.string_value = "<b>\0"
        span.status.message = "</title><script>alert(1)</script>"
        span.status.code = Status.STATUS_CODE_ERROR


def wrong_id(length: int) -> Change:
    def change(spans: list[Span]) -> None:
        spans[1].span_id = bytes(length)

    return change


# What is sent, how, what is answered, and how many of its items are stored and refused.
CASES: dict[str, tuple[bytes, dict[str, str], int, int, int]] = {
    "truncated": (exports.traces(3)[:-3], {}, 400, 0, 0),
    "oversized": (bytes(9 * MIB), {}, 413, 0, 0),
    "bomb": (gzip.compress(bytes(64 * MIB)), {"content-encoding": "gzip"}, 413, 0, 0),
    "content type": (exports.traces(3), {"content-type": "text/html"}, 415, 0, 0),
    "utf-8": (exports.traces(3).replace(b"resize", b"\xff\xfe\xff\xfe\xff\xfe"), {}, 400, 0, 0),
    "utf-8 in json": (b'{"resourceSpans": "\xff"}', {"content-type": "application/json"}, 400, 0, 0),
    "1970": (changed(at(1971)), {}, 200, 2, 1),
    "2100": (changed(at(2100)), {}, 200, 2, 1),
    "short id": (changed(wrong_id(3)), {}, 200, 2, 1),
    "no id": (changed(wrong_id(0)), {}, 200, 2, 1),
    "zero id": (changed(wrong_id(8)), {}, 200, 2, 1),
    "attributes": (changed(many_attributes), {}, 200, 3, 0),
    "attribute of 20 MB": (exports.traces(1, payload="x" * 20 * MIB), {}, 413, 0, 0),
    "attribute of 7 MB": (exports.traces(1, payload="x" * 7 * MIB), {}, 200, 1, 0),
    "cycle": (changed(cycle), {}, 200, 3, 0),
    "own parent": (changed(own_parent), {}, 200, 3, 0),
    "html": (changed(html), {}, 200, 3, 0),
}


def samples(process: Clew) -> dict[str, float]:
    text = process.get("/metrics")[1].decode()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")}


def post(process: Clew, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", process.port, timeout=60)) as connection:
        connection.request("POST", "/v1/traces", body, {"content-type": PROTOBUF} | headers)
        response = connection.getresponse()
        return response.status, response.read()


def test_bad_input(database_url: str) -> None:
    """Each kind in turn; after each the next honest export is stored and the pages are there."""
    stored = rejected = 0
    with Clew(database_url) as process:
        for kind, (body, headers, expected, some, others) in CASES.items():
            before = samples(process)
            status, answer = post(process, body, headers)
            assert expected == status, kind
            assert answer or not others, f"{kind}: no reason"
            stored, rejected = stored + some, rejected + others
            assert 200 == post(process, exports.traces(2), {})[0], kind
            stored += 2
            after = samples(process)
            name = f'clew_requests_total{{signal="traces",status="{expected}"}}'
            assert after[name] - before.get(name, 0) == (2 if expected == 200 else 1), kind
            refused = [key for key in after if key.startswith("clew_requests_refused_total")]
            grown = sum(after[key] - before.get(key, 0) for key in refused)
            assert grown == (expected != 200), kind
            assert stored == after['clew_stored_items_total{signal="traces"}'], kind
            assert rejected == after.get('clew_rejected_items_total{signal="traces"}', 0), kind
            for page in ("/", "/transactions", "/issues"):
                code, html_of_page = process.get(page)
                assert code == 200, (kind, page)
                assert b"<script>alert" not in html_of_page
        process.signal(15)
        code, _, err = process.wait()
    assert 0 == code
    assert "Traceback" not in err


@pytest.mark.parametrize("kind", ["1970", "short id"])
def test_the_reason_is_told(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Partial success names what was wrong."""
    body = CASES[kind][0]
    with Clew(tmp_path_factory.mktemp("bad") / "clew.db") as process:
        answer = post(process, body, {})[1]
    assert b"between 2015 and tomorrow" in answer or b"8 bytes" in answer
