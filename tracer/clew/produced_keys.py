"""What an AWS response tells: link keys, by which the invocation that the call sets off is found; refused entries."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from clew.events import items, mapping, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    _Find = Callable[[dict[str, Any], dict[str, Any]], Iterator[str]]

_MAX_KEYS = 1000  # Kinesis takes 500 records at once
_MAX_LENGTH = 2048

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


def produces_keys(service: str, operation: str) -> bool:
    """Whether such calls may have keys at all."""
    return service == "dynamodb" or (service, operation) in _FINDERS or (service == "s3" and operation in _S3_WRITES)


def produced_keys(
    service: str, operation: str, params: dict[str, Any], response: dict[str, Any], region: str = ""
) -> list[str]:
    """The keys of one successful call. `service` is botocore's service name (`s3`, `events`), `region` the client's."""
    if service == "dynamodb":
        return _written_keys()(operation, params, response, region)
    find = _FINDERS.get((service, operation))
    if find is not None:
        return [key for key in find(params, response) if len(key) <= _MAX_LENGTH][:_MAX_KEYS]
    if service == "s3" and operation in _S3_WRITES:
        return [f"s3:{id}" for id in (_request_id(response),) if id]
    return []


# Members of responses that tell what was refused: a count, or what the refused entries are listed under.
_COUNTS = frozenset({"FailedEntryCount", "FailedRecordCount", "FailedPutCount"})
_LISTS = frozenset(
    {
        "Failed",
        "failed",
        "Failures",
        "failures",
        "FailedEntries",
        "failedEntries",
        "errorEntries",
        "UnprocessedItems",
        "UnprocessedKeys",
        "unprocessedItems",
    }
)
_ERRORS = frozenset({"Errors", "errors", "ErrorList"})


def failed_entries(operation: str, response: dict[str, Any]) -> int:
    """How many entries of a batch AWS refused in a response that is none of an error."""
    count = 0
    for name, value in response.items():
        if name in _COUNTS:
            count += value if type(value) is int and 0 <= value < 2**31 else 0
        elif name in _LISTS or (name in _ERRORS and ("Batch" in operation or operation == "DeleteObjects")):
            count += _entries(value)
        elif name == "Responses" and "Statement" in operation:  # PartiQL's batch has an answer for each
            count += sum("Error" in mapping(answer) for answer in items(value))
    return count


def failure(service: str, operation: str, response: dict[str, Any]) -> tuple[str, str] | None:
    """Error type and message of what failed although AWS answered 200: a function, an execution that was waited for."""
    if service == "lambda" and (error := text(response.get("FunctionError"))):
        return error, "The function that was invoked failed"
    status = text(response.get("status")) if operation == "StartSyncExecution" else ""
    if status and status != "SUCCEEDED":
        return text(response.get("error")) or status, text(response.get("cause"))
    return None


@cache
def _written_keys() -> Callable[..., list[str]]:
    from clew.item_keys import written_keys  # noqa: PLC0415  # most functions have one database, not always this

    return written_keys


def _entries(value: object) -> int:
    """Of a list its entries; of DynamoDB's `{table: [entries]}` and `{table: {"Keys": [entries]}}` those of all."""
    if isinstance(value, dict):
        return sum(len(items(mapping(one).get("Keys"))) or len(items(one)) for one in value.values())
    return len(items(value))


def _request_id(response: dict[str, Any]) -> str:
    return text(mapping(response.get("ResponseMetadata")).get("RequestId"))


def _ids(kind: str, entries: object, name: str, joint: str = ":") -> Iterator[str]:
    for entry in items(entries):
        id = text(mapping(entry).get(name))
        if id:
            yield f"{kind}{joint}{id}"


def _sent(kind: str) -> _Find:
    return lambda _, response: _ids(kind, [response], "MessageId")


def _sent_batch(kind: str, entries: str = "Successful") -> _Find:
    return lambda _, response: _ids(kind, response.get(entries), "MessageId")


def _invoked(_: dict[str, Any], response: dict[str, Any]) -> Iterator[str]:
    """Lambda gives the callee the request id that it answers the caller with."""
    if id := _request_id(response):
        yield f"lambda:{id}"
    if arn := text(response.get("DurableExecutionArn")):
        yield f"durable:{arn}"


def _put(params: dict[str, Any], response: dict[str, Any]) -> Iterator[str]:
    """A sequence number is of one stream's; records that were refused have none."""
    stream = text(params.get("StreamName")) or text(params.get("StreamARN")).rpartition(":stream/")[2]
    records = response.get("Records", [response])
    return _ids(f"kinesis:{stream}", records, "SequenceNumber", "/") if stream else iter(())


def _started(_: dict[str, Any], response: dict[str, Any]) -> Iterator[str]:
    if arn := text(response.get("executionArn")):
        yield f"states:{arn}"


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


_FINDERS: dict[tuple[str, str], _Find] = {
    ("sqs", "SendMessage"): _sent("sqs"),
    ("sqs", "SendMessageBatch"): _sent_batch("sqs"),
    ("sns", "Publish"): _sent("sns"),
    ("sns", "PublishBatch"): _sent_batch("sns"),
    ("events", "PutEvents"): lambda _, response: _ids("eventbridge", response.get("Entries"), "EventId"),
    ("kinesis", "PutRecord"): _put,
    ("kinesis", "PutRecords"): _put,
    ("lambda", "Invoke"): _invoked,
    ("lambda", "InvokeWithResponseStream"): _invoked,
    ("lambda", "InvokeAsync"): _invoked,
    ("stepfunctions", "StartExecution"): _started,
    ("stepfunctions", "StartSyncExecution"): _started,
    ("ses", "SendEmail"): _sent("ses"),
    ("ses", "SendRawEmail"): _sent("ses"),
    ("ses", "SendTemplatedEmail"): _sent("ses"),
    ("ses", "SendBulkTemplatedEmail"): _sent_batch("ses", "Status"),
    ("sesv2", "SendEmail"): _sent("ses"),
    ("sesv2", "SendBulkEmail"): _sent_batch("ses", "BulkEmailEntryResults"),
    ("transcribe", "StartTranscriptionJob"): _transcribed,
}
