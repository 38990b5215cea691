"""The emulated AWS as boto3 meets it over HTTP, and what it sends to functions."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import botocore.exceptions
import pytest

from collector.local_lambda import LocalFunction, LocalLambda
from examples.audio_to_text.example import REGION, client
from examples.audio_to_text.recordings import recording
from examples.local_aws.aws_process import AwsProcess, AwsProcessError
from examples.local_aws.invoke_endpoint import InvokeEndpoint
from examples.local_aws.settings import AwsSettings, Stall

RECORDER = """
import json, os
def handler(event, context):
    with open(os.environ["EVENTS"], "a") as file: file.write(json.dumps(event) + "\\n")
    return event
"""


class Cloud:
    """The emulated AWS with one function, `recorder`, that writes down the events it gets."""

    def __init__(self, url: str, events: Path, arn: str) -> None:
        self._events = events
        self._arn = arn
        self.s3 = client("s3", url)
        self.transcribe = client("transcribe", url, retries={"max_attempts": 0})
        self.functions = client("lambda", url)
        self.dynamodb = client("dynamodb", url)

    def bucket(self, name: str, *, notify: bool = False, suffix: str = "") -> str:
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        if notify:
            configuration: dict[str, Any] = {"LambdaFunctionArn": self._arn, "Events": ["s3:ObjectCreated:*"]}
            if suffix:
                configuration["Filter"] = {"Key": {"FilterRules": [{"Name": "suffix", "Value": suffix}]}}
            self.s3.put_bucket_notification_configuration(
                Bucket=name, NotificationConfiguration={"LambdaFunctionConfigurations": [configuration]}
            )
        return name

    def record(self, bucket: str, *, count: int = 1) -> list[dict[str, Any]]:
        """The S3 records of events from that bucket, once there are `count`."""
        deadline = time.monotonic() + 20
        while True:
            events = [json.loads(line) for line in self._events.read_text().splitlines()]
            records = [record for event in events for record in event["Records"]]
            found = [record for record in records if record["s3"]["bucket"]["name"] == bucket]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, f"{len(found)} of {count} events came"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("cloud")
    (directory / "recorder.py").write_text(RECORDER)
    events = directory / "events"
    events.touch()
    function = LocalFunction(
        name="recorder", handler="recorder.handler", code=directory, region=REGION, environment={"EVENTS": str(events)}
    )
    with LocalLambda(directory / "logs") as functions, InvokeEndpoint(functions) as endpoint:
        functions.add(function)
        stall = Stall("transcribe.StartTranscriptionJob", "stalling", 0.3)
        settings = AwsSettings(lambda_url=endpoint.url, transcription_seconds=0.05, stalls=(stall,))
        with AwsProcess(settings, directory / "aws.log") as aws:
            yield Cloud(aws.url, events, function.arn)


@pytest.mark.parametrize("name", ["my file.mp3", "2026/10/interview.mp3", "x" * 201])
def test_transcribe_refuses_a_bad_job_name(cloud: Cloud, name: str) -> None:
    """boto3 lets the name through; the service answers 400 with its own error class and AWS's message."""
    with pytest.raises(cloud.transcribe.exceptions.BadRequestException) as caught:
        cloud.transcribe.start_transcription_job(
            TranscriptionJobName=name, LanguageCode="en-US", Media={"MediaFileUri": "s3://somewhere/x.mp3"}
        )

    response = caught.value.response
    assert response["Error"]["Code"] == "BadRequestException"
    assert response["Error"]["Message"].startswith(
        f"1 validation error detected: Value '{name}' at 'transcriptionJobName' failed to satisfy constraint: Member "
    )
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert re.fullmatch(r"[0-9a-f-]{36}", response["ResponseMetadata"]["RequestId"])


def test_the_event_of_an_upload_is_s3s(cloud: Cloud) -> None:
    """The record has S3's shape, an encoded key, and the very request id that the upload's response carried."""
    bucket = cloud.bucket("shapes", notify=True)
    key = "2026/10/customer call+ä.wav"

    response = cloud.s3.put_object(Bucket=bucket, Key=key, Body=b"12345")
    (record,) = cloud.record(bucket)

    metadata = response["ResponseMetadata"]
    assert re.fullmatch(r"[0-9A-Z]{16}", metadata["RequestId"])
    assert record["responseElements"] == {
        "x-amz-request-id": metadata["RequestId"],
        "x-amz-id-2": metadata["HostId"],
    }
    assert (record["eventVersion"], record["eventSource"], record["awsRegion"]) == ("2.1", "aws:s3", REGION)
    assert record["eventName"] == "ObjectCreated:Put"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["eventTime"])
    assert record["s3"]["s3SchemaVersion"] == "1.0"
    assert record["s3"]["configurationId"]
    assert record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    assert record["s3"]["bucket"]["ownerIdentity"]["principalId"]
    described = record["s3"]["object"]
    assert described["key"] == "2026/10/customer+call%2B%C3%A4.wav"
    assert unquote_plus(described["key"]) == key
    assert (described["size"], described["eTag"]) == (5, response["ETag"].strip('"'))
    assert int(described["sequencer"], 16) > 0


def test_every_upload_has_a_request_id_of_its_own(cloud: Cloud) -> None:
    """Ids differ from request to request, and sequencers rise."""
    bucket = cloud.bucket("ids", notify=True)

    ids = [cloud.s3.put_object(Bucket=bucket, Key="same", Body=b"")["ResponseMetadata"]["RequestId"] for _ in range(3)]
    records = cloud.record(bucket, count=3)

    assert len(set(ids)) == 3
    assert sorted(record["responseElements"]["x-amz-request-id"] for record in records) == sorted(ids)
    assert len({record["s3"]["object"]["sequencer"] for record in records}) == 3


def test_a_copy_and_a_multipart_upload_are_told_once_each(cloud: Cloud) -> None:
    """Copying and completing an upload of parts are events; uploading a part, tagging and reading are none."""
    bucket = cloud.bucket("kinds", notify=True)
    cloud.s3.put_object(Bucket=bucket, Key="first", Body=b"1")
    cloud.s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "first"})
    upload = cloud.s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = cloud.s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    cloud.s3.complete_multipart_upload(
        Bucket=bucket,
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    cloud.s3.put_object_tagging(Bucket=bucket, Key="first", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    cloud.s3.get_object(Bucket=bucket, Key="first")
    cloud.s3.put_object(Bucket=bucket, Key="last", Body=b"")

    records = cloud.record(bucket, count=4)

    assert sorted((record["s3"]["object"]["key"], record["eventName"]) for record in records) == [
        ("copied", "ObjectCreated:Copy"),
        ("first", "ObjectCreated:Put"),
        ("last", "ObjectCreated:Put"),
        ("parts", "ObjectCreated:CompleteMultipartUpload"),
    ]


def test_a_filter_keeps_other_keys_away(cloud: Cloud) -> None:
    """A suffix in the bucket's configuration holds, and a failed upload sends nothing."""
    bucket = cloud.bucket("filtered", notify=True, suffix=".json")
    cloud.s3.put_object(Bucket=bucket, Key="a.txt", Body=b"")
    with pytest.raises(botocore.exceptions.ClientError):
        cloud.s3.copy_object(Bucket=bucket, Key="b.json", CopySource={"Bucket": bucket, "Key": "missing"})
    cloud.s3.put_object(Bucket=bucket, Key="c.json", Body=b"")

    assert [record["s3"]["object"]["key"] for record in cloud.record(bucket)] == ["c.json"]


def test_a_transcript_lands_in_the_output_bucket_and_sets_off_the_function(cloud: Cloud) -> None:
    """The job runs, then Transcribe itself puts its JSON under the job's name, which is an event like any other."""
    audio, output = cloud.bucket("audio"), cloud.bucket("output", notify=True)
    spoken = recording("talk.wav")
    cloud.s3.put_object(Bucket=audio, Key=spoken.key, Body=spoken.content)

    started = cloud.transcribe.start_transcription_job(
        TranscriptionJobName="talk.wav",
        LanguageCode="en-US",
        Media={"MediaFileUri": f"s3://{audio}/{spoken.key}"},
        OutputBucketName=output,
    )["TranscriptionJob"]
    (record,) = cloud.record(output)

    assert started["TranscriptionJobStatus"] == "IN_PROGRESS"
    assert started["StartTime"] == started["CreationTime"]
    assert record["s3"]["object"]["key"] == "talk.wav.json"
    written = json.loads(cloud.s3.get_object(Bucket=output, Key="talk.wav.json")["Body"].read())
    assert (written["jobName"], written["status"]) == ("talk.wav", "COMPLETED")
    results = written["results"]
    text = results["transcripts"][0]["transcript"]
    words = [item["alternatives"][0]["content"] for item in results["items"] if item["type"] == "pronunciation"]
    assert words == re.findall(r"[\w'-]+", text)
    assert all(float(item["start_time"]) < float(item["end_time"]) for item in results["items"] if "start_time" in item)
    assert [number for segment in results["audio_segments"] for number in segment["items"]] == [
        item["id"] for item in results["items"]
    ]
    job = wait_for_job(cloud, "talk.wav", "COMPLETED")
    assert job["Transcript"]["TranscriptFileUri"].endswith(f"/{output}/talk.wav.json")


def test_an_output_key_is_where_the_transcript_goes(cloud: Cloud) -> None:
    """A folder takes the job's name in it; silence has an empty transcript."""
    bucket = cloud.bucket("folders")
    silence = recording("silence.wav", silent=True)
    cloud.s3.put_object(Bucket=bucket, Key=silence.key, Body=silence.content)
    cloud.transcribe.start_transcription_job(
        TranscriptionJobName="quiet",
        LanguageCode="en-US",
        Media={"MediaFileUri": f"s3://{bucket}/{silence.key}"},
        OutputBucketName=bucket,
        OutputKey="texts/",
    )
    wait_for_job(cloud, "quiet", "COMPLETED")

    written = json.loads(cloud.s3.get_object(Bucket=bucket, Key="texts/quiet.json")["Body"].read())

    assert written["results"]["transcripts"] == [{"transcript": ""}]


def test_a_job_without_its_recording_fails(cloud: Cloud) -> None:
    """A job whose media is not there ends as FAILED."""
    cloud.transcribe.start_transcription_job(
        TranscriptionJobName="nothing-there", LanguageCode="en-US", Media={"MediaFileUri": "s3://nowhere/nothing.mp3"}
    )

    wait_for_job(cloud, "nothing-there", "FAILED")


def test_a_stalled_request_gets_a_503_and_does_nothing(cloud: Cloud) -> None:
    """Only requests that hold the text stall, and no job comes of them."""
    bucket = cloud.bucket("stalls")

    with pytest.raises(botocore.exceptions.ClientError) as caught:
        cloud.transcribe.start_transcription_job(
            TranscriptionJobName="stalling-1", LanguageCode="en-US", Media={"MediaFileUri": f"s3://{bucket}/x.mp3"}
        )

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    names = [job["TranscriptionJobName"] for job in jobs(cloud)]
    assert "stalling-1" not in names


def test_a_function_can_be_invoked_through_the_endpoint(cloud: Cloud) -> None:
    """boto3's `lambda.invoke` runs the local function and reports its errors and log as Lambda does."""
    good = cloud.functions.invoke(FunctionName="recorder", Payload=b'{"Records": []}', LogType="Tail")
    bad = cloud.functions.invoke(FunctionName="recorder", Payload=b"[]", InvocationType="DryRun")

    assert good["StatusCode"] == 200
    assert json.loads(good["Payload"].read()) == {"Records": []}
    assert good["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in good
    assert good["LogResult"]
    assert bad["StatusCode"] == 204
    with pytest.raises(cloud.functions.exceptions.ResourceNotFoundException, match="Function not found"):
        cloud.functions.invoke(FunctionName="unknown", Payload=b"{}")


def test_dynamodb_answers_with_an_id_of_its_shape(cloud: Cloud) -> None:
    """Other services than S3 have their ids in the header that boto3 reads for them."""
    metadata = cloud.dynamodb.list_tables()["ResponseMetadata"]

    assert re.fullmatch(r"[0-9A-Z]{52}", metadata["RequestId"])


def test_an_aws_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    """A process that ends at once is an error of one sentence that names the log."""
    settings = AwsSettings(latency_ms={"s3": "wrong"})  # type: ignore[dict-item]  # what makes it fail

    with pytest.raises(AwsProcessError, match="did not start"), AwsProcess(settings, tmp_path / "aws.log"):
        pass

    assert "Traceback" in (tmp_path / "aws.log").read_text()


def jobs(cloud: Cloud) -> list[dict[str, Any]]:
    summaries: list[dict[str, Any]] = cloud.transcribe.list_transcription_jobs(MaxResults=100)[
        "TranscriptionJobSummaries"
    ]
    return summaries


def wait_for_job(cloud: Cloud, name: str, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while True:
        job: dict[str, Any] = cloud.transcribe.get_transcription_job(TranscriptionJobName=name)["TranscriptionJob"]
        if job["TranscriptionJobStatus"] == status:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
