"""The example on this machine: its buckets, table and functions, on an AWS on loopback."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from collector.local_lambda import InvocationOutcome, LocalFunction, LocalLambda
from examples.audio_to_text.recordings import STALLING, Recording, recording
from examples.local_aws.aws_process import AwsProcess
from examples.local_aws.invoke_endpoint import InvokeEndpoint
from examples.local_aws.settings import AwsSettings, Stall

REGION = "eu-west-1"
RECORDINGS_BUCKET = "recordings"
TRANSCRIPTS_BUCKET = "transcripts"
SUMMARIES_TABLE = "summaries"
TIMEOUT = 3.0  # seconds, of both functions
_CODE = Path(__file__).parent / "functions"


class Example:
    """The running example. Upload recordings, wait until all that follows from them is done."""

    def __init__(self, aws: AwsProcess, functions: LocalLambda) -> None:
        self._aws = aws
        self._functions = functions
        self.aws_url = aws.url
        self._s3 = client("s3", aws.url)

    def upload(self, item: str | Recording) -> None:
        """Put a recording into the first bucket; of a key alone, one with some noise on it."""
        item = recording(item) if isinstance(item, str) else item
        self._s3.put_object(Bucket=RECORDINGS_BUCKET, Key=item.key, Body=item.content)

    def forget(self, key: str) -> None:
        """Delete a recording and its transcript, if there are any."""
        self._s3.delete_object(Bucket=RECORDINGS_BUCKET, Key=key)
        self._s3.delete_object(Bucket=TRANSCRIPTS_BUCKET, Key=f"{key}.json")

    def wait_idle(self, timeout: float = 60.0) -> None:
        """Wait until no event, job or invocation is under way.

        Raises:
            TimeoutError: that took longer than `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self._idle():
            if time.monotonic() > deadline:
                raise TimeoutError(f"The example was still busy after {timeout:.0f} seconds")
            time.sleep(0.05)

    def summaries(self) -> list[dict[str, Any]]:
        """The items of the summaries table, as DynamoDB's API gives them."""
        items: list[dict[str, Any]] = client("dynamodb", self._aws.url).scan(TableName=SUMMARIES_TABLE)["Items"]
        return items

    @property
    def aws_return_code(self) -> int | None:
        """None while the emulated AWS runs."""
        return self._aws.return_code

    def _idle(self) -> bool:
        # Work goes to and fro between the two, and each hands over before it counts itself done. So if the functions
        # did nothing from before to after a moment when AWS had nothing to do, nothing was under way at that moment.
        before = self._functions.activity
        return before[1] == 0 and self._aws.pending() == 0 and self._functions.activity == before


@contextlib.contextmanager
def running_example(
    *,
    otlp_endpoint: str | None,
    directory: Path,
    transcription_seconds: float = 0.2,
    latency_ms: dict[str, tuple[float, float]] | None = None,
    on_outcome: Callable[[InvocationOutcome], None] | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[Example]:
    """The example, on free ports of 127.0.0.1, its functions reporting to the collector at `otlp_endpoint`.

    Logs go to `directory`/logs. `environment` holds further variables for the functions. Leaving ends everything.

    Raises:
        AwsProcessError: the emulated AWS does not start.
    """
    logs = directory / "logs"
    # Ten functions share this machine with an AWS and a collector: an answer may take longer than Lambda's 200 ms.
    variables = {"CLEW_EXPORT_TIMEOUT": "1000", **(environment or {})}
    if otlp_endpoint is not None:
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp_endpoint
    with LocalLambda(logs, on_outcome=on_outcome) as functions, InvokeEndpoint(functions) as endpoint:
        settings = AwsSettings(
            lambda_url=endpoint.url,
            transcription_seconds=transcription_seconds,
            latency_ms=latency_ms or {},
            stalls=(Stall("transcribe.StartTranscriptionJob", STALLING, 10 * TIMEOUT),),
        )
        with AwsProcess(settings, logs / "aws.log") as aws:
            variables["AWS_ENDPOINT_URL"] = aws.url
            transcribe, summarize = _functions(variables)
            functions.add(transcribe)
            functions.add(summarize)
            _create_resources(aws.url, transcribe, summarize)
            yield Example(aws, functions)


def client(service: str, url: str, **config: Any) -> Any:
    """A boto3 client for the emulated AWS, with botocore's Config made of what else is given."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - no secret: the emulated AWS takes any
        config=Config(**config),
    )


def _functions(variables: dict[str, str]) -> tuple[LocalFunction, LocalFunction]:
    def function(name: str, memory: int) -> LocalFunction:
        return LocalFunction(
            name=name,
            handler=f"{name}.handler",
            code=_CODE,
            timeout=TIMEOUT,
            memory=memory,
            region=REGION,
            concurrency=2,
            maximum_retry_attempts=0,
            invocations_per_environment=12,
            environment={
                **variables,
                "TRANSCRIPTS_BUCKET": TRANSCRIPTS_BUCKET,
                "SUMMARIES_TABLE": SUMMARIES_TABLE,
            },
        )

    return function("transcribe", 256), function("summarize", 128)


def _create_resources(url: str, transcribe: LocalFunction, summarize: LocalFunction) -> None:
    s3 = client("s3", url)
    for bucket, function, filters in (
        (RECORDINGS_BUCKET, transcribe, []),
        (TRANSCRIPTS_BUCKET, summarize, [{"Name": "suffix", "Value": ".json"}]),
    ):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        configuration: dict[str, Any] = {"LambdaFunctionArn": function.arn, "Events": ["s3:ObjectCreated:*"]}
        if filters:
            configuration["Filter"] = {"Key": {"FilterRules": filters}}
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [configuration]}
        )
    client("dynamodb", url).create_table(
        TableName=SUMMARIES_TABLE,
        KeySchema=[{"AttributeName": "recording", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "recording", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
