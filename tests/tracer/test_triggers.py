"""Triggers and link keys, by events as the services send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clew.consumed_keys import consumed_keys
from clew.produced_keys import produced_keys
from clew.triggers import find_trigger, http_attributes

ACCOUNT = "123456789012"
TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:orders"
QUEUE = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders"


def s3(key: str = "a+b%2Fc.txt", request_id: str = "S3ID") -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:s3",
                "responseElements": {"x-amz-request-id": request_id},
                "s3": {"bucket": {"name": "audio", "arn": "arn:aws:s3:::audio"}, "object": {"key": key}},
            }
        ]
    }


def sqs(*bodies: Any) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:sqs",
                "eventSourceARN": QUEUE,
                "messageId": f"m{number}",
                "body": body if isinstance(body, str) else json.dumps(body),
            }
            for number, body in enumerate(bodies)
        ]
    }


def notification(message: Any) -> dict[str, Any]:
    return {"Type": "Notification", "MessageId": "n1", "TopicArn": TOPIC, "Message": json.dumps(message)}


def sns(message: Any) -> dict[str, Any]:
    return {"Records": [{"EventSource": "aws:sns", "Sns": notification(message)}]}


BRIDGE = {"id": "e1", "detail-type": "Order placed", "source": "shop", "detail": {}, "resources": []}
S3_BRIDGE = {
    "id": "e2",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "resources": ["arn:aws:s3:::audio"],
    "detail": {"bucket": {"name": "audio"}, "object": {"key": "a+b.txt"}, "request-id": "S3ID"},
}
SCHEDULE = {
    "id": "e3",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "resources": [f"arn:aws:events:eu-west-1:{ACCOUNT}:rule/nightly"],
    "detail": {},
}
REST = {
    "resource": "/pets/{id}",
    "path": "/pets/7",
    "httpMethod": "GET",
    "requestContext": {"apiId": "abc", "stage": "prod", "requestId": "r1", "accountId": ACCOUNT},
}
HTTP = {
    "version": "2.0",
    "routeKey": "POST /pets",
    "rawPath": "/pets",
    "requestContext": {
        "apiId": "abc",
        "stage": "$default",
        "requestId": "r2",
        "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
        "http": {"method": "POST", "path": "/pets"},
    },
}
FUNCTION_URL = {**HTTP, "requestContext": {**HTTP["requestContext"], "domainName": "xyz.lambda-url.eu-west-1.on.aws"}}  # type: ignore[dict-item]  # a dict of dicts
BALANCER = {
    "httpMethod": "GET",
    "path": "/",
    "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
}
API = f"arn:aws:execute-api:eu-west-1:{ACCOUNT}:abc"


@pytest.mark.parametrize(
    ("event", "type", "resource", "keys"),
    [
        (s3(), "s3", "arn:aws:s3:::audio", ["s3:S3ID", "s3-object:audio/a b/c.txt"]),
        (sqs("x", "y"), "sqs", QUEUE, ["sqs:m0", "sqs:m1"]),
        (sqs(notification("x")), "sqs", QUEUE, ["sqs:m0", "sns:n1"]),
        (sqs(BRIDGE), "sqs", QUEUE, ["sqs:m0", "eventbridge:e1"]),
        (sqs(s3()), "sqs", QUEUE, ["sqs:m0", "s3:S3ID", "s3-object:audio/a b/c.txt"]),
        (sqs(notification(s3())), "sqs", QUEUE, ["sqs:m0", "sns:n1", "s3:S3ID", "s3-object:audio/a b/c.txt"]),
        (sqs(S3_BRIDGE), "sqs", QUEUE, ["sqs:m0", "eventbridge:e2", "s3:S3ID", "s3-object:audio/a+b.txt"]),
        (sns(s3()), "sns", TOPIC, ["sns:n1", "s3:S3ID", "s3-object:audio/a b/c.txt"]),
        (BRIDGE, "eventbridge", "shop", ["eventbridge:e1"]),
        (S3_BRIDGE, "eventbridge", "aws.s3", ["eventbridge:e2", "s3:S3ID", "s3-object:audio/a+b.txt"]),
        (SCHEDULE, "schedule", SCHEDULE["resources"][0], ["eventbridge:e3"]),  # type: ignore[index]  # a list
        (REST, "apigateway", f"{API}/prod", ["apigateway:r1"]),
        (HTTP, "apigateway", f"{API}/$default", ["apigateway:r2"]),
        (FUNCTION_URL, "function_url", "xyz.lambda-url.eu-west-1.on.aws", ["apigateway:r2"]),
        (BALANCER, "alb", "arn:aws:elasticloadbalancing:x", []),
        ({"any": "thing"}, "direct", "", []),
        (None, "direct", "", []),
    ],
)
def test_an_event_tells_its_trigger_and_its_keys(event: Any, type: str, resource: str, keys: list[str]) -> None:
    """Each service's event is told from the others, and every id in it is a key, however deep it is wrapped."""
    found = find_trigger(event, "eu-west-1", ACCOUNT)

    assert (found.type, found.resource) == (type, resource)
    assert consumed_keys(event) == keys


def test_a_whole_batch_has_a_key_for_every_record() -> None:
    """Ten thousand records give ten thousand keys, and bodies beyond the budget cost none of them."""
    event = sqs(*[{"TopicArn": TOPIC, "filler": "x" * 500}] * 10_000)

    assert [key for key in consumed_keys(event) if key.startswith("sqs:")] == [f"sqs:m{n}" for n in range(10_000)]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (REST, {"http.request.method": "GET", "url.path": "/pets/7", "http.route": "/pets/{id}"}),
        (HTTP, {"http.request.method": "POST", "url.path": "/pets", "http.route": "/pets"}),
        (BALANCER, {"http.request.method": "GET", "url.path": "/"}),
        (BRIDGE, {}),
    ],
)
def test_http_triggers_tell_their_request(event: Any, expected: dict[str, str]) -> None:
    """Method, path and route, where there is a request."""
    assert http_attributes(event, find_trigger(event, "eu-west-1", ACCOUNT)) == expected


META = {"ResponseMetadata": {"RequestId": "R"}}


@pytest.mark.parametrize(
    ("service", "operation", "params", "response", "keys"),
    [
        ("s3", "PutObject", {}, META, ["s3:R"]),
        ("s3", "GetObject", {}, META, []),
        ("sqs", "SendMessage", {}, {"MessageId": "a"}, ["sqs:a"]),
        ("sqs", "SendMessageBatch", {}, {"Successful": [{"MessageId": "a"}, {"MessageId": "b"}]}, ["sqs:a", "sqs:b"]),
        ("sns", "Publish", {}, {"MessageId": "a"}, ["sns:a"]),
        ("sns", "PublishBatch", {}, {"Successful": [{"MessageId": "a"}]}, ["sns:a"]),
        ("events", "PutEvents", {}, {"Entries": [{"EventId": "a"}, {"ErrorCode": "x"}]}, ["eventbridge:a"]),
        ("lambda", "Invoke", {}, META, ["lambda:R"]),
        ("transcribe", "StartTranscriptionJob", {"TranscriptionJobName": "j"}, {}, []),
    ],
)
def test_a_call_leaves_its_keys(
    service: str, operation: str, params: dict[str, Any], response: dict[str, Any], keys: list[str]
) -> None:
    """Every id of the response, not only the first."""
    assert produced_keys(service, operation, params, response) == keys


@pytest.mark.parametrize(
    ("output_key", "expected"),
    [
        (None, "b/job.json"),
        ("x.json", "b/x.json"),
        ("f/x.json", "b/f/x.json"),
        ("f", "b/f/job.json"),
        ("f/", "b/f/job.json"),
        ("f/g", "b/f/g/job.json"),
    ],
)
def test_a_transcription_leaves_the_place_of_its_output(output_key: str | None, expected: str) -> None:
    """Named by the job, by a key, or within a folder, as Transcribe's reference lists them."""
    params = {"TranscriptionJobName": "job", "OutputBucketName": "b"}
    if output_key is not None:
        params["OutputKey"] = output_key

    assert produced_keys("transcribe", "StartTranscriptionJob", params, {}) == [f"s3-object:{expected}"]
