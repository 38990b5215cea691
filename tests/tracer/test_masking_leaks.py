"""No planted secret leaves the process, whatever it is wrapped in: neither in payloads nor in lines nor with errors."""

from __future__ import annotations

import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.payload import Renderer
from tests.tracer.planted_secrets import TOKENS, encoded, payloads, texts

if TYPE_CHECKING:
    from tests.tracer.sink import Sink


def shows(exported: str, token: str) -> bool:
    """Whether the token, most of it, or its base64 at any of the three offsets can be read."""
    base64 = [encoded("x" * shift + token)[4:-4] for shift in range(3)]
    return token in exported or token[:12] in exported or any(part in exported for part in base64)


@given(st.data(), TOKENS, st.sampled_from([64, 2048, 100_000]), st.sampled_from(["event", "response", ""]))
def test_no_planted_secret_is_in_a_payload(data: st.DataObject, token: str, limit: int, place: str) -> None:
    """However it is wrapped and wherever the text is cut."""
    payload = data.draw(payloads(token))
    shown = Renderer(limit=100_000).render(payload, place).cut(limit)

    assert not shows(shown, token)


@given(st.data(), TOKENS, st.integers(0, 300))
def test_no_planted_secret_is_in_a_text(data: st.DataObject, token: str, before: int) -> None:
    """Lines, messages and stacks: also behind other text, and where a line is cut."""
    text = data.draw(texts(token))
    renderer = Renderer()

    for line in (text, f"{'lorem, ipsum (dolor): '[: before % 23]} {text}", f"{'x ' * before}{text} end"):
        assert not shows(renderer.line(line, 200), token)
        assert not shows(renderer.line(line, 16_384), token)
        assert not shows(renderer.secrets.masked_text(line), token)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), TOKENS)
def test_no_planted_secret_is_exported(sink: Sink, trace: Any, data: st.DataObject, token: str) -> None:
    """Not in a single byte of the traces and logs of a traced handler."""
    fails = data.draw(st.booleans())
    event, result = data.draw(payloads(token)), data.draw(payloads(token))
    line, message = data.draw(texts(token)), data.draw(texts(token))
    sink.received.clear()

    def handler(event: Any, context: object) -> Any:
        logging.getLogger("app").warning("got %s", line)
        try:
            int(message)
        except ValueError:
            logging.getLogger("app").exception("failed")
            if fails:
                raise
        return result

    with contextlib.suppress(ValueError):
        trace(handler)(event, None)

    assert {one.path for one in sink.received} == {"/v1/traces", "/v1/logs"}
    for one in sink.received:
        assert not shows(one.body.decode("utf-8", "replace"), token)


CORPUS: dict[str, Any] = {
    "api": {
        "version": "2.0", "routeKey": "POST /orders", "rawPath": "/orders", "rawQueryString": "page=2&sort=asc%20x",
        "headers": {"accept": "*/*", "host": "a1b2.execute-api.eu-west-1.amazonaws.com",
                    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
                    "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678", "x-forwarded-for": "203.0.113.17"},
        "requestContext": {"accountId": "434567890123", "requestId": "JKJaXmPLvHcESHA=", "timeEpoch": 1773342238000,
                           "time": "12/Mar/2026:19:03:58 +0000", "http": {"method": "POST", "path": "/orders"}},
        "body": '{"order": {"id": "o-1", "items": [{"sku": "4006381333931", "n": 1}]}, "note": "leave, please"}',
        "isBase64Encoded": False,
    },
    "sqs": {"Records": [{
        "messageId": "19dd0b57-b21e-4ac1-bd88-01bbb068cb78", "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a" * 8,
        "body": "Hello from SQS: a=1, b: 2 > 3 (\"x\", 'y')", "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1523232000000",
                       "SenderId": "AIDAIENQZJOLO23YVJ4VO", "SequenceNumber": "18849496460467696128"},
        "messageAttributes": {}, "eventSourceARN": "arn:aws:sqs:us-east-2:434567890123:my-queue"}]},
    "s3": {"Records": [{"eventTime": "1970-01-01T00:00:00.000Z", "s3": {
        "bucket": {"name": "artifacts-deafc19498e3f2df", "arn": "arn:aws:s3:::artifacts-deafc19498e3f2df"},
        "object": {"key": "b21b84d653bb07b05b1e6b33684dc11b/a%20b+c.txt", "size": 1305107,
                   "eTag": "b21b84d653bb07b05b1e6b33684dc11b", "sequencer": "0C0F6F405D6ED209E1"}},
        "responseElements": {
            "x-amz-request-id": "D82B88E5F771F645",
            "x-amz-id-2": "vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYBDXOo6QBU0Wo="}}]},
    "dynamodb": {"Records": [{"dynamodb": {
        "Keys": {"pk": {"S": "order#1"}}, "NewImage": {"n": {"N": "101"}, "data": {"B": "AAEqQQ=="}},
        "SequenceNumber": "4421584500000000017450439091", "StreamViewType": "NEW_AND_OLD_IMAGES",
        "ApproximateCreationDateTime": 1479499740}}]},
    "paging": {"NextToken": "eyJ2IjoyLCJpIjoiYWJjIn0=", "LastEvaluatedKey": {"pk": {"S": "a"}}, "Marker": "abc"},
    "numbers": {"ids": [1234567890123456, 412345678901234567, 1773342238000000000, 4111111111111112, 0.4111111111],
                "text": ["4111 1111 1111 1112", "+49 4123 456789", "978-3-16-148410-0", "2026-03-12 10:00:00.123456",
                         "49590338271490256608559692538361571095921575989136588898",
                         "f47ac10b-58cc-4372-a567-0e02b2c3d479",
                         "12345678-1234-1234-1234-123456789012", "4000-1234-5678-9010-4000-1234", "a4111111111111111"]},
    "prose": ["Basic authentication failed", "the bearer authentication scheme", "a basic Example", "keyboard: qwerty",
              "sk-learn-is-a-very-long-hyphenated-word", "tokens used: 12", "https://a.example:8443/x?q=%22a%22&b=c%26d",
              "<order><id>7</id></order>", "AT&amp;T &lt;b&gt;", "C:\\users\\u0041", "50% of all, e.g. 3%25",
              "git@github.com:a/b.git", "eyJhIjoxfQ==", "-x -- y", "Wyoming", "eyebrow", "H4sIrens"],
}  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_what_holds_no_secret_is_unchanged(name: str) -> None:
    """Events as AWS sends them come through byte for byte, and so does each of their texts as a line."""
    value = CORPUS[name]
    renderer = Renderer(limit=100_000)

    for _ in range(2):  # the second time most of it is remembered
        assert json.loads(renderer.render(value, "event").cut(100_000)) == value
        text = json.dumps(value)
        assert renderer.line(text, 100_000) == text
