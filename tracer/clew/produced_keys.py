"""Link keys that an AWS call leaves behind, by which the invocation that it sets off is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.events import items, mapping, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# S3 puts the request id of the call into the notification that the call causes.
_S3_WRITES = frozenset(
    {
        "PutObject",
        "CopyObject",
        "CompleteMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
        "RestoreObject",
        "PutObjectAcl",
        "PutObjectTagging",
        "DeleteObjectTagging",
        "WriteGetObjectResponse",
        "RenameObject",
    }
)


def produced_keys(service: str, operation: str, params: dict[str, Any], response: dict[str, Any]) -> list[str]:
    """The keys of one successful call. `service` is botocore's service name (`s3`, `events`)."""
    find = _FINDERS.get((service, operation))
    if find is not None:
        return [key for key in find(params, response) if len(key) <= 2048]
    if service == "s3" and operation in _S3_WRITES:
        return [f"s3:{id}" for id in (_request_id(response),) if id]
    return []


def _request_id(response: dict[str, Any]) -> str:
    return text(mapping(response.get("ResponseMetadata")).get("RequestId"))


def _ids(kind: str, entries: object, name: str) -> Iterator[str]:
    for entry in items(entries):
        id = text(mapping(entry).get(name))
        if id:
            yield f"{kind}:{id}"


def _sent(kind: str) -> Callable[[dict[str, Any], dict[str, Any]], Iterator[str]]:
    return lambda _, response: _ids(kind, [response], "MessageId")


def _sent_batch(kind: str) -> Callable[[dict[str, Any], dict[str, Any]], Iterator[str]]:
    return lambda _, response: _ids(kind, response.get("Successful"), "MessageId")


def _invoked(_: dict[str, Any], response: dict[str, Any]) -> Iterator[str]:
    """Lambda gives the callee the request id that it answers the caller with."""
    if id := _request_id(response):
        yield f"lambda:{id}"


def _transcribed(params: dict[str, Any], _: dict[str, Any]) -> Iterator[str]:
    """The transcript, which Transcribe writes itself: its notification has a request id that nobody was told.

    An OutputKey that does not end in `.json` names a folder.
    """
    bucket, name = text(params.get("OutputBucketName")), text(params.get("TranscriptionJobName"))
    if not bucket or not name:
        return
    key = text(params.get("OutputKey"))
    if not key:
        key = f"{name}.json"
    elif not key.endswith(".json"):
        key = f"{key.rstrip('/')}/{name}.json"
    yield f"s3-object:{bucket}/{key}"


_FINDERS: dict[tuple[str, str], Callable[[dict[str, Any], dict[str, Any]], Iterator[str]]] = {
    ("sqs", "SendMessage"): _sent("sqs"),
    ("sqs", "SendMessageBatch"): _sent_batch("sqs"),
    ("sns", "Publish"): _sent("sns"),
    ("sns", "PublishBatch"): _sent_batch("sns"),
    ("events", "PutEvents"): lambda _, response: _ids("eventbridge", response.get("Entries"), "EventId"),
    ("lambda", "Invoke"): _invoked,
    ("lambda", "InvokeWithResponseStream"): _invoked,
    ("lambda", "InvokeAsync"): _invoked,
    ("transcribe", "StartTranscriptionJob"): _transcribed,
}
