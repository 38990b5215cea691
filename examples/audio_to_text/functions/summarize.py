"""Runs when a transcript lands in the second bucket: keeps a summary of it in DynamoDB."""

import json
import logging
import os
from typing import Any
from urllib.parse import unquote_plus

import boto3

import clew

s3 = boto3.client("s3")
summaries = boto3.resource("dynamodb").Table(os.environ["SUMMARIES_TABLE"])
log = logging.getLogger()
log.setLevel(logging.INFO)


@clew.trace
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    written = event["Records"][0]["s3"]
    bucket, key = written["bucket"]["name"], unquote_plus(written["object"]["key"])
    transcript = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    text = transcript["results"]["transcripts"][0]["transcript"]
    sentences = [sentence.strip() for sentence in text.split(".") if sentence.strip()]
    print(f"{key}: {len(sentences)} sentences")
    summary = {"recording": transcript["jobName"], "words": len(text.split()), "gist": max(sentences, key=len)}
    summaries.put_item(Item={**summary, "written_by": context.aws_request_id})
    log.info("Stored the summary of %s", transcript["jobName"])
    return summary
