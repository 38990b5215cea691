"""A function that has no tracer: its log arrives by Firehose, and its pages show what it costs."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import time
from base64 import b64encode
from contextlib import closing
from pathlib import Path

from tests.collector.app.clew import Clew
from tests.collector.domain.cloudwatch import PYTHON_ERROR, end, report, request, start

KEY = "a key of this test"
STREAM = "2026/05/28/[$LATEST]0123456789abcdef0123456789abcdef"


def delivery(now_ms: int) -> bytes:
    """What Firehose sends of an invocation that failed a minute ago."""
    lines = [
        (0, start(request())),
        (5, "converting a.mp3\n"),
        (2_999, PYTHON_ERROR),
        (3_000, end(request())),
        (3_001, report(request())),
    ]
    message = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/aws/lambda/untraced",
        "logStream": STREAM,
        "subscriptionFilters": ["clew"],
        "logEvents": [
            {"id": f"{index:056d}", "timestamp": now_ms - 60_000 + at, "message": text}
            for index, (at, text) in enumerate(lines)
        ],
    }
    data = b64encode(gzip.compress(json.dumps(message).encode())).decode()
    body = {"requestId": "delivery-1", "timestamp": now_ms, "records": [{"data": data}]}
    return gzip.compress(json.dumps(body).encode())


def post(process: Clew, body: bytes) -> tuple[int, dict[str, object]]:
    headers = {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "X-Amz-Firehose-Protocol-Version": "1.0",
        "X-Amz-Firehose-Request-Id": "delivery-1",
        "X-Amz-Firehose-Source-Arn": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/clew",
        "X-Amz-Firehose-Access-Key": KEY,
    }
    with closing(http.client.HTTPConnection("127.0.0.1", process.port, timeout=20)) as connection:
        connection.request("POST", "/v1/firehose", body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def page(process: Clew, path: str, wanted: str) -> str:
    """A page, as soon as it shows `wanted`: transactions are stitched a moment after they are stored."""
    deadline = time.monotonic() + 30
    while True:
        status, body = process.get(path)
        if (status == 200 and wanted in body.decode()) or time.monotonic() > deadline:
            return body.decode()
        time.sleep(0.1)


def test_the_log_of_an_untraced_function_shows_on_its_pages(tmp_path: Path) -> None:
    """Sent twice, as Firehose does without an answer: one invocation, with its cost, issue and lines."""
    now_ms = time.time_ns() // 1_000_000
    with Clew(tmp_path / "clew.db", CLEW_FIREHOSE_ACCESS_KEY=KEY) as process:
        for _ in range(2):
            status, answer = post(process, delivery(now_ms))
            assert (status, answer["requestId"], type(answer["timestamp"])) == (200, "delivery-1", int)

        functions = page(process, "/", "untraced")
        transactions = page(process, "/transactions", 'href="/transactions/')
        issues = page(process, "/issues", "ValueError")
        found = re.search(r'href="(/transactions/[0-9a-f]{32})', transactions)
        assert found is not None
        transaction = page(process, found[1], "converting a.mp3")

    assert "untraced" in functions
    assert "$0.00002522" in re.sub(r"<[^>]+>", "", functions)
    assert "untraced" in transactions
    assert "converting a.mp3" in transaction
    assert "no such file: a.mp3" in transaction
    assert "ValueError" in issues
    assert "no such file: a.mp3" in issues
