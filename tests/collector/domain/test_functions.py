from __future__ import annotations

import pytest

from collector.domain.functions import describe_function
from collector.domain.ids import hash63
from collector.domain.spans import Value
from tests.collector.domain.otlp import ACCOUNT, FUNCTION, FUNCTION_ARN, REGION, resource

INVOCATION: dict[str, Value] = {
    "cloud.resource_id": FUNCTION_ARN,
    "cloud.account.id": ACCOUNT,
    "clew.lambda.timeout": 3_000,
}


def described(**more: object) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, value in resource(**more).items():  # type: ignore[arg-type]  # `more` never holds the function's name
        assert isinstance(value, str | int | float | bool)
        values[name] = value
    return values


def test_a_function_of_the_tracer() -> None:
    """Everything that the tracer's resource and invocation say about a function."""
    found = describe_function(described(), INVOCATION, 17)
    assert found._asdict() == {
        "id": hash63("lambda", ACCOUNT, REGION, FUNCTION),
        "kind": "lambda",
        "account": ACCOUNT,
        "region": REGION,
        "name": FUNCTION,
        "runtime": "python3.12",
        "architecture": "x86_64",
        "memory_mb": 512,
        "timeout_ms": 3_000,
        "seen_ms": 17,
    }


def test_account_and_region_come_from_the_arn_where_nothing_else_names_them() -> None:
    """An alias in the ARN makes no other function of it."""
    found = describe_function(described(cloud__region=None), {"faas.id": FUNCTION_ARN + ":live"}, 0)
    assert (found.account, found.region, found.name) == (ACCOUNT, REGION, FUNCTION)
    assert found.id == describe_function(described(), INVOCATION, 0).id


def test_a_function_known_by_its_invocations_arn_only() -> None:
    """A sender without resource attributes of its own is a Lambda function if its invocation names one."""
    found = describe_function({"service.name": "unknown_service"}, {"cloud.resource_id": FUNCTION_ARN}, 0)
    assert (found.kind, found.name, found.region, found.account) == ("lambda", FUNCTION, REGION, ACCOUNT)


def test_a_service_is_its_name_wherever_it_runs() -> None:
    """Two regions of one service are one function of kind "service", without region and account."""
    one = describe_function({"service.name": "cart", "cloud.region": "eu-west-1", "cloud.account.id": "1"}, {}, 0)
    other = describe_function({"service.name": "cart", "cloud.region": "us-east-1"}, {}, 0)
    assert (one.kind, one.name, one.region, one.account) == ("service", "cart", "", "")
    assert one.id == other.id


def test_a_function_of_another_cloud_is_a_service() -> None:
    """Google's functions have a `faas.name` too, and no price by AWS's table."""
    found = describe_function(described(cloud__platform="gcp_cloud_functions"), {}, 0)
    assert (found.kind, found.name) == ("service", FUNCTION)


def test_a_sender_without_a_name() -> None:
    """OpenTelemetry's own word for it."""
    assert describe_function({}, {}, 0).name == "unknown_service"


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (512 * 1_048_576, 512),
        (512, 512),
        ("512", 512),
        (512.0, 512),
        (10_240 * 1_048_576, 10_240),
        (2**62, None),
        (1_048_575, None),
        (0, None),
        (-512, None),
        (float("nan"), None),
        ("much", None),
    ],
)
def test_memory_is_in_megabytes(memory: Value, expected: int | None) -> None:
    """From bytes, from the megabytes of older senders, and unknown where it cannot be."""
    assert describe_function(described() | {"faas.max_memory": memory}, {}, 0).memory_mb == expected


@pytest.mark.parametrize(
    ("name", "version", "language", "expected"),
    [
        ("cpython", "3.12.4", "python", "python3.12"),
        (None, None, "python", "python"),
        ("nodejs", "v22.3.0", "nodejs", "nodejs22.x"),
        ("OpenJDK Runtime Environment", "21.0.3+9-LTS", "java", "java21"),
        ("go", "go1.22.4", "go", "go1.22"),
        (".NET", "8.0.6", "dotnet", "dotnet8"),
        (None, None, None, None),
    ],
)
def test_runtimes_are_written_as_lambda_writes_them(
    name: str | None, version: str | None, language: str | None, expected: str | None
) -> None:
    """Name and version of the runtime, whatever the SDK calls it."""
    values = described(
        process__runtime__name=name, process__runtime__version=version, telemetry__sdk__language=language
    )
    assert describe_function(values, {}, 0).runtime == expected


@pytest.mark.parametrize(
    ("arch", "expected"), [("amd64", "x86_64"), ("arm64", "arm64"), ("aarch64", "arm64"), ("ppc32", None)]
)
def test_architectures_are_written_as_lambda_writes_them(arch: str, expected: str | None) -> None:
    """OpenTelemetry's word and uname's, as Lambda's."""
    assert describe_function(described(host__arch=arch), {}, 0).architecture == expected


def test_a_timeout_is_at_most_lambdas() -> None:
    """A timeout that cannot be does not overflow its column or become a price."""
    assert describe_function(described(), {"clew.lambda.timeout": 2**62}, 0).timeout_ms == 900_000
    assert describe_function(described(), {"clew.lambda.timeout": "3000"}, 0).timeout_ms == 3_000


def test_what_is_remembered_answers_for_the_same_words_alone() -> None:
    """A value of another type that is equal as a key (1 and True) is another value, whichever came first."""
    given: list[tuple[Value, str]] = [(1, "1"), (True, ""), (1, "1"), (1.0, ""), (["1"], "")]
    for account, expected in given:
        attributes: dict[str, Value] = {"faas.name": "f", "cloud.platform": "aws_lambda", "cloud.account.id": account}
        assert expected == describe_function(attributes, {}, 17).account
        assert expected == describe_function(attributes, {}, 17).account
