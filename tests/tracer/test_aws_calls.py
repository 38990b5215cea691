"""Calls of real botocore clients against an emulated AWS over HTTP."""

from __future__ import annotations

import copy
import io
import json
import struct
import threading
import zlib
from datetime import datetime
from typing import Any
from unittest import mock

import boto3
import opentelemetry.context
import opentelemetry.trace
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from clew import engine
from tests.tracer.aws_answers import answered
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
    different = {"amz-sdk-invocation-id", "x-amz-date", "authorization", "content-length"}

    sent = json.loads(traced.body)
    assert list(sent.pop("MessageAttributes")) == ["traceparent"]  # tests/tracer/test_injection.py has the rest
    assert sent == json.loads(plain.body)
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


def own_tracer() -> Any:
    """That of the tracer of this test: the process's is the first test's."""
    assert engine._engine is not None
    return engine._engine.provider.tracer


def tree(sink: Sink) -> list[tuple[str, str]]:
    """`(span, parent)` by name, in the order in which the spans ended."""
    names = {span.span_id: span.name for span in sink.spans()}
    return [(span.name, names.get(span.parent_span_id, "")) for span in sink.spans()]


def test_the_threads_of_a_transfer_are_where_it_was_started(sink: Sink, trace: Any, aws: str) -> None:
    """Parts that s3transfer sends from threads of its own are children of the span that the transfer was started in."""
    s3 = client("s3", aws)
    s3.create_bucket(Bucket="parts", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    transfer = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20, max_concurrency=4)
    got = io.BytesIO()

    def handler() -> None:
        s3.upload_fileobj(io.BytesIO(bytes(11 << 20)), "parts", "first", Config=transfer)
        with own_tracer().start_as_current_span("backup"):
            s3.upload_fileobj(io.BytesIO(bytes(11 << 20)), "parts", "large", Config=transfer)
            s3.copy({"Bucket": "parts", "Key": "large"}, "parts", "copy", Config=transfer)
            s3.download_fileobj("parts", "copy", got, Config=transfer)

    run(trace, handler)
    assert got.getvalue() == bytes(11 << 20)
    found = tree(sink)
    parts = ["S3.CreateMultipartUpload", *["S3.UploadPart"] * 3, "S3.CompleteMultipartUpload"]
    outside, inside = found[:5], found[5 : found.index(("backup", "transcribe"))]
    assert outside == [(name, "transcribe") for name in parts]
    assert {parent for _, parent in inside} == {"backup"}
    assert [name for name, _ in inside[:5]] == parts
    assert {"S3.HeadObject", "S3.UploadPartCopy", "S3.GetObject"} < {name for name, _ in inside[5:]}
    done = [attributes(span) for span in sink.spans() if span.name == "S3.CompleteMultipartUpload"]
    assert all(one["clew.link.keys"] == [f"s3:{one['aws.request_id']}"] for one in done)


def test_pages_and_waiters_are_calls_under_one_parent(sink: Sink, trace: Any, aws: str) -> None:
    """Each page, and each look of a waiter, is a call of its own beside the others."""
    s3 = client("s3", aws)

    def handler() -> list[str]:
        s3.create_bucket(Bucket="pages", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.get_waiter("bucket_exists").wait(Bucket="pages")
        for number in range(3):
            s3.put_object(Bucket="pages", Key=str(number))
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="pages", PaginationConfig={"PageSize": 1})
        return [item["Key"] for page in pages for item in page["Contents"]]

    assert run(trace, handler) == ["0", "1", "2"]
    names = ["S3.CreateBucket", "S3.HeadBucket", *["S3.PutObject"] * 3, *["S3.ListObjectsV2"] * 3]
    assert tree(sink) == [*((name, "transcribe") for name in names), ("transcribe", "")]


def test_a_presigned_address_is_no_call(sink: Sink, trace: Any) -> None:
    """It is what it is without the tracer, and nothing is sent."""
    queue, s3 = answered("sqs")[0], answered("s3")[0]
    message = {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "MessageBody": "x"}

    def handler() -> list[Any]:
        return [
            s3.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}),
            s3.generate_presigned_post("b", "k"),
            queue.generate_presigned_url("send_message", message),
        ]

    with mock.patch("botocore.auth.get_current_datetime", return_value=datetime(2026, 1, 1)):  # noqa: DTZ001  # as botocore's
        plain, traced = handler(), run(trace, handler)
    assert json.dumps(plain, default=str) == json.dumps(traced, default=str)
    assert [span.name for span in sink.spans()] == ["transcribe"]


def event_message(name: str, payload: bytes) -> bytes:
    """One message of AWS' event stream encoding."""
    headers = b""
    for key, value in ((":message-type", "event"), (":event-type", name), (":content-type", "application/json")):
        headers += bytes((len(key),)) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def test_a_response_that_streams_is_handed_over_unread(sink: Sink, trace: Any) -> None:
    """The events of a stream are the handler's to take; of them the call knows nothing."""
    body = event_message("PayloadChunk", b"one") + event_message("InvokeComplete", b"{}")
    functions, _ = answered("lambda", (200, body), headers={"content-type": "application/vnd.amazon.eventstream"})

    def handler() -> list[Any]:
        response = functions.invoke_with_response_stream(FunctionName="f", Payload=b"{}")
        return [next(iter(event)) for event in response["EventStream"]]

    assert run(trace, handler) == ["PayloadChunk", "InvokeComplete"]
    found = call_of(sink, "Lambda.InvokeWithResponseStream")
    assert json.loads(found["clew.response"])["EventStream"] in {"[stream]", "[EventStream]"}
    assert found["clew.link.keys"] == ["lambda:8cf0fb0a-9a6f-4a16-8a3c-0f0e1ee0bbbb"]


def test_a_call_within_a_call_is_its_child(sink: Sink, trace: Any) -> None:
    """What botocore itself asks AWS for on the way, and what a handler of an event does, is seen too."""
    s3, _ = answered("s3", (200, b"<a/>"))
    queue, answers = answered("sqs", (200, {"MessageId": "m-1"}))
    address = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"

    def handler() -> None:
        s3.meta.events.register(
            "before-parameter-build.s3.PutObject", lambda **_: queue.send_message(QueueUrl=address, MessageBody="x")
        )
        s3.put_object(Bucket="b", Key="k")

    run(trace, handler)
    assert tree(sink) == [("SQS.SendMessage", "S3.PutObject"), ("S3.PutObject", "transcribe"), ("transcribe", "")]
    child = sink.spans()[0].span_id.hex()
    assert child in answers.sent["MessageAttributes"]["traceparent"]["StringValue"]


def test_a_handler_of_an_event_can_write_to_the_calls_span(sink: Sink, trace: Any) -> None:
    """OpenTelemetry's API works on the current span within a call, with whatever it is given."""
    s3, _ = answered("s3", (200, b"<a/>"))

    def note(**_: Any) -> None:
        span: Any = opentelemetry.trace.get_current_span()
        span.set_attribute("mine", 1)
        span.set_attributes({"list": ["a", object()], "odd": object(), "": 1})
        span.add_event("seen", {"a": 1})
        span.record_exception(ValueError("x"))
        span.add_link(span.get_span_context())
        assert span.is_recording()

    def handler() -> None:
        s3.meta.events.register("before-call.s3.PutObject", note)
        s3.put_object(Bucket="b", Key="k")

    run(trace, handler)
    found = call_of(sink, "S3.PutObject")
    assert (found["mine"], found["list"], found["odd"]) == (1, ["a", None], None)  # as on a span of OpenTelemetry's own
    assert [event.name for event in sink.spans()[0].events] == ["seen", "exception"]
    assert len(sink.spans()[0].links) == 1


@pytest.mark.parametrize(
    "environ",
    [{}, {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "5"}, {"OTEL_TRACES_SAMPLER": "traceidratio"}],
    ids=["default", "limits", "sampler"],
)
def test_processors_of_the_functions_own_see_calls(trace: Any, environ: dict[str, str], sink: Sink) -> None:
    """A span processor that the function adds gets the start and the end of every call, limited or not."""
    s3, _ = answered("s3", (200, b"<a/>"))
    seen: list[str] = []

    class Processor(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            span.set_attribute("from.processor", True)
            seen.append(f"start {span.name}")

        def on_end(self, span: ReadableSpan) -> None:
            seen.append(f"end {span.name} {span.end_time is not None}")

    def handler() -> None:
        assert engine._engine is not None
        engine._engine.provider._provider.add_span_processor(Processor())
        s3.list_buckets()

    run(trace, handler, **environ)
    assert seen[:2] == ["start S3.ListBuckets", "end S3.ListBuckets True"]
    assert call_of(sink, "S3.ListBuckets")["from.processor"] is True


@pytest.mark.parametrize(
    "key",
    ["suppress_instrumentation", opentelemetry.context._SUPPRESS_INSTRUMENTATION_KEY],
    ids=["older", "newer"],  # each process has another name for the newer one
)
def test_a_user_can_suppress_tracing(sink: Sink, trace: Any, key: str) -> None:
    """OpenTelemetry's own switch is heeded, in both its spellings."""
    s3, _ = answered("s3", (200, b"<a/>"))

    def handler() -> None:
        token = opentelemetry.context.attach(opentelemetry.context.set_value(key, True))
        s3.list_buckets()
        opentelemetry.context.detach(token)

    run(trace, handler)
    assert [span.name for span in sink.spans()] == ["transcribe"]
