"""Calls of real botocore clients against an emulated AWS over HTTP."""

from __future__ import annotations

import copy
import io
import json
import threading
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from tests.tracer.sink import Sink, attributes


class Context:
    aws_request_id = "request-1"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:transcribe"


def client(service: str, address: str, **config: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=address,
        region_name="eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(**config),
    )


def run(trace: Any, handler: Any, **environ: str) -> Any:
    return trace(lambda event, context: handler(), **environ)({}, Context())


def call_of(sink: Sink, name: str) -> dict[str, Any]:
    (span,) = [span for span in sink.spans() if span.name == name]
    return attributes(span)


def test_a_stream_is_handed_over_unread(sink: Sink, trace: Any, aws: str) -> None:
    """The body of an object is the handler's to read, and a file is not read before its time; both stay unknown."""
    s3 = client("s3", aws)

    def handler() -> bytes:
        s3.create_bucket(Bucket="streams", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_object(Bucket="streams", Key="k", Body=io.BytesIO(b"content"))
        body: bytes = s3.get_object(Bucket="streams", Key="k")["Body"].read()
        return body

    assert run(trace, handler) == b"content"
    assert json.loads(call_of(sink, "S3.PutObject")["clew.request"])["Body"] == "[stream]"
    got = call_of(sink, "S3.GetObject")
    assert json.loads(got["clew.response"])["Body"] == "[stream]"
    assert got["clew.resource.arn"] == "arn:aws:s3:::streams"
    assert got["aws.s3.key"] == "k"


def test_an_error_of_aws_is_the_handlers_and_the_spans(sink: Sink, trace: Any, aws: str) -> None:
    """The handler gets botocore's exception; the span has its code, message, status and the error's payloads."""
    table = client("dynamodb", aws)

    def handler() -> str:
        with pytest.raises(ClientError) as caught:
            table.get_item(TableName="nothing", Key={"id": {"S": "1"}})
        return type(caught.value).__name__

    assert run(trace, handler) == "ResourceNotFoundException"
    (span, invocation) = sink.spans()
    found = attributes(span)
    assert found["error.type"] == "ResourceNotFoundException"
    assert found["http.response.status_code"] == 400
    assert found["aws.dynamodb.table_names"] == ["nothing"]
    assert found["clew.resource.arn"] == "arn:aws:dynamodb:eu-west-1:123456789012:table/nothing"
    assert json.loads(found["clew.request"])["Key"] == {"id": {"S": "1"}}
    assert "ResourceNotFoundException" in found["clew.response"]
    assert span.status.code == 2
    assert span.status.message == "Requested resource not found"
    assert invocation.status.code == 0


def test_parameters_are_not_changed_and_secrets_not_kept(sink: Sink, trace: Any, aws: str) -> None:
    """The caller's dict is what it was; a secret service's request and response are never kept."""
    secrets = client("secretsmanager", aws)
    parameters = client("ssm", aws)
    queue = client("sqs", aws)
    given = {"MessageBody": json.dumps({"password": "hunter2"}), "MessageAttributes": {
        "token": {"DataType": "String", "StringValue": "hunter2"}}}  # fmt: skip
    before = copy.deepcopy(given)

    def handler() -> str:
        secrets.create_secret(Name="db", SecretString="hunter2")
        parameters.put_parameter(Name="p", Value="hunter2", Type="SecureString")
        parameters.get_parameter(Name="p", WithDecryption=True)
        url = queue.create_queue(QueueName="orders")["QueueUrl"]
        queue.send_message(QueueUrl=url, **given)
        value: str = secrets.get_secret_value(SecretId="db")["SecretString"]
        return value[:3]

    assert run(trace, handler) == "hun"
    assert given == before
    assert not any(b"hunter2" in one.body for one in sink.received)
    assert "clew.response" not in call_of(sink, "Secrets Manager.GetSecretValue")
    sent = call_of(sink, "SQS.SendMessage")
    assert sent["messaging.destination.name"] == "orders"
    assert sent["clew.link.keys"][0].startswith("sqs:")
    assert sent["clew.resource.arn"] == "arn:aws:sqs:eu-west-1:123456789012:orders"


def test_a_service_that_is_not_there_is_an_error_with_a_name(sink: Sink, trace: Any) -> None:
    """Without a response there is no code: the exception's class tells."""
    queue = client("sqs", "http://127.0.0.1:1", retries={"total_max_attempts": 1})

    def handler() -> None:
        with pytest.raises(EndpointConnectionError):
            queue.list_queues()

    run(trace, handler)
    assert call_of(sink, "SQS.ListQueues")["error.type"] == "EndpointConnectionError"


def test_retries_are_counted(sink: Sink, trace: Any) -> None:
    """A call that was sent three times says so."""
    trouble = Sink("error")
    queue = client("sqs", trouble.url, retries={"total_max_attempts": 3, "mode": "standard"})

    def handler() -> None:
        with pytest.raises(ClientError):
            queue.list_queues()

    run(trace, handler)
    trouble.close()
    found = call_of(sink, "SQS.ListQueues")
    assert found["http.request.resend_count"] == 2
    assert found["http.response.status_code"] == 500


def test_a_call_in_a_thread_belongs_to_the_invocation(sink: Sink, trace: Any, aws: str) -> None:
    """A thread without context of its own is the running invocation's."""
    queue = client("sqs", aws)

    def handler() -> None:
        thread = threading.Thread(target=queue.list_queues)
        thread.start()
        thread.join()

    run(trace, handler)
    call, invocation = sink.spans()
    assert (call.trace_id, call.parent_span_id) == (invocation.trace_id, invocation.span_id)


def test_calls_outside_an_invocation_are_not_traced(sink: Sink, trace: Any, aws: str) -> None:
    """What INIT or another part of the process calls is not the invocation's."""
    queue = client("sqs", aws)
    traced = trace(lambda event, context: None)
    queue.list_queues()
    traced({}, Context())

    assert [span.name for span in sink.spans()] == ["transcribe"]


def test_payloads_can_be_left_out(sink: Sink, trace: Any, aws: str) -> None:
    """CLEW_CAPTURE_PAYLOADS=false keeps names and ids, and no content."""
    queue = client("sqs", aws)

    run(trace, lambda: queue.create_queue(QueueName="q") and None, CLEW_CAPTURE_PAYLOADS="false")
    for span in sink.spans():
        assert not {"clew.request", "clew.response", "clew.event", "clew.return_value"} & set(attributes(span))


def test_requests_on_the_wire_are_what_they_were(trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Body and headers of a request are the same with and without the tracer, X-Ray's header included."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "transcribe")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
    recorder = Sink()
    recorder.response_body = b"{}"
    queue = client("sqs", recorder.url)

    def handler() -> Any:
        return queue.send_message(QueueUrl=f"{recorder.url}/123456789012/orders", MessageBody='{"password": "x"}')

    handler()
    run(trace, handler)
    recorder.close()
    plain, traced = recorder.received
    different = {"amz-sdk-invocation-id", "x-amz-date", "authorization"}

    assert plain.body == traced.body
    assert plain.headers["x-amzn-trace-id"].startswith("Root=1-5759e988")
    assert {name: value for name, value in plain.headers.items() if name not in different} == {
        name: value for name, value in traced.headers.items() if name not in different
    }


def test_odd_answers_of_a_stub(sink: Sink, trace: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Metadata of a type that AWS never sends is left out, and nothing is logged about it."""
    s3 = client("s3", "http://127.0.0.1:1")
    with Stubber(s3) as stub:
        metadata = {"RequestId": {"a": 1}, "HostId": object(), "HTTPStatusCode": 200, "RetryAttempts": "x"}
        stub.add_response("list_buckets", {"Buckets": [], "ResponseMetadata": metadata})
        assert run(trace, lambda: s3.list_buckets()["Buckets"]) == []

    call = call_of(sink, "S3.ListBuckets")
    assert call["http.response.status_code"] == 200
    assert not {"aws.request_id", "aws.extended_request_id", "http.request.resend_count"} & set(call)
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
