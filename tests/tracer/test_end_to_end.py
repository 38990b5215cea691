"""The whole way, through AWS's runtime client: a handler in, its invocation with calls and lines out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.tracer.runtime_api import ARN, Lambda
from tests.tracer.sink import Sink, attributes

if TYPE_CHECKING:
    from pathlib import Path

COPY = """
import logging
import boto3
import clew

s3 = boto3.client("s3")
transcribe = boto3.client("transcribe")

@clew.trace
def handler(event, context):
    print("printed")
    logging.getLogger("app").warning("logged %s", 1)
    record = event["Records"][0]["s3"]
    s3.put_object(Bucket=record["bucket"]["name"], Key="out/a b.txt", Body=b"text")
    transcribe.start_transcription_job(
        TranscriptionJobName=record["object"]["key"].replace("+", " "), LanguageCode="en-US",
        Media={"MediaFileUri": "s3://audio/x.mp3"}, OutputBucketName="transcripts")
    return {"password": "hunter2", "ok": True}
"""


def s3_event(bucket: str, key: str, request_id: str = "C3D13FE58DE4C810") -> dict[str, object]:
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "eu-west-1",
                "eventName": "ObjectCreated:Put",
                "responseElements": {"x-amz-request-id": request_id},
                "s3": {"bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"}, "object": {"key": key}},
            }
        ]
    }


def test_an_invocation_arrives_with_its_calls_and_lines(tmp_path: Path, sink: Sink, aws: str) -> None:
    """One run of a handler that AWS's runtime calls is one trace: invocation, calls, lines, keys, no secret."""
    import boto3

    boto3.client(
        "s3", endpoint_url=aws, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    ).create_bucket(Bucket="audio", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "AWS_ENDPOINT_URL": aws, "CLEW_EXPORT_TIMEOUT": "5000"}
    with Lambda(tmp_path, COPY, environ) as function:
        answer = function.invoke(s3_event("audio", "talk.mp3"), "11111111-2222-3333-4444-555555555555")

        assert json.loads(answer.result or b"") == {"password": "hunter2", "ok": True}
        put, start, invocation = sink.spans()
        found = attributes(invocation)
        assert invocation.name == "transcribe"
        assert found["faas.invocation_id"] == "11111111-2222-3333-4444-555555555555"
        assert found["faas.coldstart"] is True
        assert found["clew.trigger.type"] == "s3"
        assert found["clew.trigger.resource"] == "arn:aws:s3:::audio"
        assert found["clew.link.keys"] == ["s3:C3D13FE58DE4C810", "s3-object:audio/talk.mp3"]
        assert found["clew.lambda.timeout"] == 3000
        assert found["cloud.resource_id"] == ARN + "transcribe"
        assert found["clew.return_value"] == '{"password":"****","ok":true}'
        assert found["clew.lambda.init_duration"] > 10
        assert found["clew.lambda.max_memory_used"] > 10_000_000
        assert {put.parent_span_id, start.parent_span_id} == {invocation.span_id}
        assert {put.trace_id, start.trace_id} == {invocation.trace_id}
        called = attributes(put)
        assert put.name == "S3.PutObject"
        assert called["clew.link.keys"] == [f"s3:{called['aws.request_id']}"]
        assert called["http.response.status_code"] == 200
        assert json.loads(called["clew.request"])["Key"] == "out/a b.txt"
        assert attributes(start)["clew.link.keys"] == ["s3-object:transcripts/talk.mp3.json"]
        assert sorted(sink.lines()) == ["logged 1", "printed"]
        assert {record.trace_id for record in sink.records()} == {invocation.trace_id}
        assert function.stdout.startswith("printed\n[WARNING]")
        resource = attributes(sink.traces()[0].resource_spans[0].resource)
        assert resource["faas.name"] == resource["service.name"] == "transcribe"
        assert resource["faas.max_memory"] == 256 * 1024 * 1024
        assert function.stderr == ""
