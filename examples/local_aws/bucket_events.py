"""S3's event notifications to functions, as S3 shapes them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

import urllib3
from moto.s3.models import FakeBucket, s3_backends

from examples.local_aws import identifiers

# The operations that create objects, and what S3 calls each in an event.
CREATED = {
    "PutObject": "ObjectCreated:Put",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
}
_sequence = itertools.count(time.time_ns())


class NotificationError(Exception):
    """A function's events are refused."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One event on its way to one function."""

    function_arn: str
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """A successful request that created an object, with the ids that its own response carried."""

    operation: str
    region: str
    bucket: str
    key: str
    request_id: str
    extended_request_id: str
    source_ip: str


def notifications(created: ObjectCreated) -> Iterator[Notification]:
    """What the bucket's configuration says is to be sent because of it."""
    bucket = s3_backends[identifiers.ACCOUNT_ID]["aws"].get_bucket(created.bucket)
    if bucket.notification_configuration is None:
        return
    name = CREATED[created.operation]
    for configured in bucket.notification_configuration.cloud_function:
        if configured.matches(f"s3:{name}", created.key):
            yield Notification(configured.arn, {"Records": [_record(created, name, bucket, configured.id)]})


def send(notification: Notification, lambda_url: str) -> None:
    """Hand the event to Lambda, asynchronously as S3 does.

    Raises:
        NotificationError: Lambda refuses it.
        urllib3.exceptions.HTTPError: Lambda cannot be reached.
    """
    answer = urllib3.request(
        "POST",
        f"{lambda_url}/2015-03-31/functions/{quote(notification.function_arn, safe='')}/invocations",
        body=identifiers.json_bytes(notification.event),
        headers={"X-Amz-Invocation-Type": "Event", "Content-Type": "application/json"},
        timeout=10.0,
        retries=False,
    )
    if answer.status != 202:
        raise NotificationError(f"Lambda answered {answer.status}: {answer.data.decode(errors='replace')}")


def _record(created: ObjectCreated, name: str, bucket: FakeBucket, configuration_id: str) -> dict[str, Any]:
    item = bucket.keys[created.key]
    described: dict[str, Any] = {
        "key": quote_plus(created.key, safe="/"),
        "size": item.size,
        "eTag": item.etag.strip('"'),
        "sequencer": f"{next(_sequence):018X}",
    }
    if bucket.is_versioned:
        described["versionId"] = item.version_id
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": created.region,
        "eventTime": identifiers.iso_time(),
        "eventName": name,
        "userIdentity": {"principalId": f"AWS:{identifiers.ACCOUNT_ID}"},
        "requestParameters": {"sourceIPAddress": created.source_ip},
        "responseElements": {
            "x-amz-request-id": created.request_id,
            "x-amz-id-2": created.extended_request_id,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": identifiers.ACCOUNT_ID},
                "arn": f"arn:aws:s3:::{bucket.name}",
            },
            "object": described,
        },
    }
