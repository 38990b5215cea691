"""Link keys of calls, by what the services answer."""

from __future__ import annotations

from typing import Any

import pytest

from clew.produced_keys import produced_keys

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
