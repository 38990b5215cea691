"""Requests checked against botocore's service models, in AWS's words."""

from __future__ import annotations

from typing import Any

import botocore.model
import pytest

from examples.local_aws import constraints
from examples.local_aws.operations import service_model

PATTERN = "Member must satisfy regular expression pattern: ^[0-9a-zA-Z._-]+"


def operation(service: str, name: str) -> botocore.model.OperationModel:
    model = service_model(service)
    assert model is not None
    return model.operation_model(name)


def start_job(**changes: Any) -> list[str]:
    """The violations of a StartTranscriptionJob that is right but for the changes; None leaves a member out."""
    request = {"TranscriptionJobName": "good", "Media": {"MediaFileUri": "s3://bucket/good.mp3"}, **changes}
    given = {name: value for name, value in request.items() if value is not None}
    return constraints.violations(operation("transcribe", "StartTranscriptionJob"), given)


@pytest.mark.parametrize("name", ["podcast-042.mp3", "a", "A_b-c.9", "x" * 200])
def test_a_good_name_passes(name: str) -> None:
    """Names of the pattern and length that the model states break nothing."""
    assert start_job(TranscriptionJobName=name) == []


@pytest.mark.parametrize("name", ["my file.mp3", "2026/10/interview.mp3", "café.mp3", "trailing\n", " lead"])
def test_a_name_outside_the_pattern_is_refused_in_awss_words(name: str) -> None:
    """The whole name has to match, though the pattern has no end anchor, and the message quotes both."""
    clause = refused(name, "transcriptionJobName", PATTERN)

    assert start_job(TranscriptionJobName=name) == [clause]
    assert constraints.message([clause]) == f"1 validation error detected: {clause}"


def refused(value: str, path: str, constraint: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: {constraint}"


def test_a_name_too_long_or_empty_is_refused() -> None:
    """Length bounds are those of the model."""
    long = "x" * 201

    assert start_job(TranscriptionJobName=long) == [
        refused(long, "transcriptionJobName", "Member must have length less than or equal to 200")
    ]
    assert start_job(TranscriptionJobName="") == [
        refused("", "transcriptionJobName", PATTERN),
        refused("", "transcriptionJobName", "Member must have length greater than or equal to 1"),
    ]


def test_ranges_enumerations_and_missing_members_are_checked() -> None:
    """Numbers, enumerations and required members are refused as AWS does, nested ones by their path."""
    formats = "[mp3, mp4, wav, flac, ogg, amr, webm, m4a]"

    assert start_job(MediaSampleRateHertz=7999) == [
        refused("7999", "mediaSampleRateHertz", "Member must have value greater than or equal to 8000")
    ]
    assert start_job(MediaFormat="aiff") == [
        refused("aiff", "mediaFormat", f"Member must satisfy enum value set: {formats}")
    ]
    assert start_job(TranscriptionJobName=None) == [
        "Value null at 'transcriptionJobName' failed to satisfy constraint: Member must not be null"
    ]
    (nested,) = start_job(Media={"MediaFileUri": "ftp://x"})
    assert nested.startswith("Value 'ftp://x' at 'media.mediaFileUri' failed")
    (listed,) = start_job(Tags=[{"Key": "", "Value": "v"}])
    assert listed.startswith("Value '' at 'tags.1.member.key' failed")


def test_several_violations_are_told_together() -> None:
    """The message counts them and names each."""
    clauses = start_job(TranscriptionJobName="a b", MediaSampleRateHertz=1)

    assert len(clauses) == 2
    assert constraints.message(clauses) == f"2 validation errors detected: {clauses[0]}; {clauses[1]}"


def test_the_error_code_is_the_services_own() -> None:
    """Transcribe calls it BadRequestException; a service without such an error answers AWS's ValidationException."""
    assert constraints.error_code(operation("transcribe", "StartTranscriptionJob")) == "BadRequestException"
    assert constraints.error_code(operation("dynamodb", "PutItem")) == "ValidationException"


@pytest.mark.parametrize("service", ["transcribe", "dynamodb", "sqs", "events", "logs"])
def test_every_pattern_of_a_model_can_be_asked(service: str) -> None:
    """No pattern of the models raises or warns, also those that Python cannot read: they are passed over."""
    model = service_model(service)
    assert model is not None
    patterns = [model.shape_for(name).metadata.get("pattern") for name in model.shape_names]

    for pattern in filter(None, patterns):
        constraints._matches(pattern, "value")
