"""What moto leaves out of Transcribe: jobs that take their time and put a transcript into the output bucket."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import boto3
from moto.moto_api import state_manager
from moto.s3.models import s3_backends
from moto.transcribe.models import FakeTranscriptionJob, transcribe_backends

from examples.local_aws import identifiers, transcript
from examples.local_aws.background import Background
from examples.local_aws.operations import Operation

_NEVER = 1_000_000  # descriptions of a job before moto itself would move it on


class TranscriptionService:
    """Completes jobs `seconds` after their start, and writes like any other client: through `endpoint_url`."""

    def __init__(self, endpoint_url: str, background: Background, seconds: float) -> None:
        self._endpoint_url = endpoint_url
        self._background = background
        self._seconds = seconds
        state_manager.set_transition("transcribe::transcriptionjob", {"progression": "manual", "times": _NEVER})

    def started(self, operation: Operation, answer: bytes) -> bytes:
        """Take on the job that a StartTranscriptionJob request made; returns the answer with the job's state."""
        job = transcribe_backends[identifiers.ACCOUNT_ID][operation.region].transcriptions[
            operation.parameters["TranscriptionJobName"]
        ]
        _advance(job, "IN_PROGRESS")
        self._background.submit(lambda: self._complete(operation, job), after=self._seconds)
        document: dict[str, Any] = json.loads(answer)
        described = document["TranscriptionJob"]
        described |= {"TranscriptionJobStatus": "IN_PROGRESS", "StartTime": described["CreationTime"]}
        return identifiers.json_bytes(document)

    def _complete(self, operation: Operation, job: FakeTranscriptionJob) -> None:
        name = operation.parameters["TranscriptionJobName"]
        audio = _read(operation.parameters["Media"]["MediaFileUri"])
        if audio is None:
            job._status = "FAILED"  # moto knows no failing jobs
            return
        bucket = operation.parameters.get("OutputBucketName")
        if bucket is not None:
            text = "" if transcript.is_silent(audio) else transcript.text_for(name)
            s3 = boto3.client(
                "s3",
                endpoint_url=self._endpoint_url,
                region_name=operation.region,
                aws_access_key_id="transcribe",
                aws_secret_access_key="transcribe",  # noqa: S106 - no secret: moto takes any
            )
            s3.put_object(
                Bucket=bucket,
                Key=_output_key(name, operation.parameters.get("OutputKey")),
                Body=identifiers.json_bytes(transcript.document(name, text)),
                ContentType="application/json",
            )
        _advance(job, "COMPLETED")


def _advance(job: FakeTranscriptionJob, status: str) -> None:
    """Move a job on as if it had been described often enough, so that moto fills in what goes with the status."""
    while job.status != status:
        job._tick = _NEVER - 1  # moto offers no other way to move a single job
        job.advance()


def _output_key(job_name: str, output_key: str | None) -> str:
    """`OutputKey` may be a key or, ending in a slash, a folder; without one the job's name is the key."""
    if output_key is None:
        return f"{job_name}.json"
    key = f"{output_key}{job_name}" if output_key.endswith("/") else output_key
    return key if key.endswith(".json") else f"{key}.json"


def _read(uri: str) -> bytes | None:
    """The object that `s3://bucket/key` names, or None."""
    parts = urlsplit(uri, allow_fragments=False)
    bucket = s3_backends[identifiers.ACCOUNT_ID]["aws"].buckets.get(parts.netloc)
    key = parts.path.removeprefix("/") + (f"?{parts.query}" if parts.query else "")
    item = None if bucket is None else bucket.keys.get(key)
    return None if item is None else bytes(item.value)
