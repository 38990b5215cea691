"""Runs when a recording lands in the bucket: fetches it and has Amazon Transcribe write down what is said."""

import logging
import os
from typing import Any
from urllib.parse import unquote_plus

import boto3

import clew

s3 = boto3.client("s3")
transcribe = boto3.client("transcribe")
log = logging.getLogger()
log.setLevel(logging.INFO)


@clew.trace
def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    uploaded = event["Records"][0]["s3"]
    bucket, key = uploaded["bucket"]["name"], unquote_plus(uploaded["object"]["key"])
    print(f"New recording: {key}")
    recording = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    log.info("Fetched %d bytes, %d ms left", len(recording), context.get_remaining_time_in_millis())
    started = transcribe.start_transcription_job(
        TranscriptionJobName=key,
        LanguageCode="en-US",
        Media={"MediaFileUri": f"s3://{bucket}/{key}"},
        OutputBucketName=os.environ["TRANSCRIPTS_BUCKET"],
    )
    job = started["TranscriptionJob"]
    log.info("Started transcription job %s", job["TranscriptionJobName"])
    return {"job": job["TranscriptionJobName"], "status": job["TranscriptionJobStatus"]}
