"""The example as a whole, with no collector: what its functions do is what the story says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from collector.local_lambda import InvocationOutcome, Status
from examples.audio_to_text.example import Example, running_example
from examples.audio_to_text.recordings import recording, traffic


@pytest.fixture
def outcomes() -> list[InvocationOutcome]:
    return []


@pytest.fixture
def example(tmp_path: Path, outcomes: list[InvocationOutcome]) -> Iterator[Example]:
    with running_example(otlp_endpoint=None, directory=tmp_path, on_outcome=outcomes.append) as example:
        yield example


def test_a_recording_becomes_a_summary_by_way_of_both_functions(
    example: Example, outcomes: list[InvocationOutcome]
) -> None:
    """An upload runs `transcribe`, its transcript runs `summarize`, which writes one item."""
    example.upload("podcast-042.mp3")
    example.wait_idle()

    assert [(outcome.function_name, outcome.status) for outcome in outcomes] == [
        ("transcribe", Status.SUCCESS),
        ("summarize", Status.SUCCESS),
    ]
    (item,) = example.summaries()
    assert item["recording"] == {"S": "podcast-042.mp3"}
    assert item["written_by"] == {"S": outcomes[1].request_id}


@pytest.mark.parametrize("key", ["customer call 17.wav", "2026/10/interview.mp3"])
def test_a_name_that_transcribe_refuses_fails_the_first_function(
    example: Example, outcomes: list[InvocationOutcome], key: str
) -> None:
    """The handler's own botocore exception is what the invocation ends with, and nothing follows."""
    example.upload(key)
    example.wait_idle()

    (outcome,) = outcomes
    assert outcome.status is Status.ERROR
    assert outcome.error is not None
    assert outcome.error.type == "BadRequestException"
    assert outcome.error.message == (
        "An error occurred (BadRequestException) when calling the StartTranscriptionJob operation: "
        f"1 validation error detected: Value '{key}' at 'transcriptionJobName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: ^[0-9a-zA-Z._-]+"
    )
    assert any("start_transcription_job(" in line for line in outcome.error.stack)


def test_a_conference_times_out_while_transcribe_keeps_it_waiting(
    example: Example, outcomes: list[InvocationOutcome]
) -> None:
    """The call hangs for longer than the function may run, so its environment is killed."""
    example.upload("conference-day-1.wav")
    example.wait_idle()

    (outcome,) = outcomes
    assert outcome.status is Status.TIMEOUT
    assert "Task timed out after 3.00 seconds" in outcome.log


def test_a_silent_recording_fails_only_downstream(example: Example, outcomes: list[InvocationOutcome]) -> None:
    """Nothing said is nothing to summarise: the first function succeeds, the second does not."""
    example.upload(recording("voicemail-7.wav", silent=True))
    example.wait_idle()

    assert [(outcome.function_name, outcome.status) for outcome in outcomes] == [
        ("transcribe", Status.SUCCESS),
        ("summarize", Status.ERROR),
    ]


def test_the_traffic_is_the_mix_it_promises() -> None:
    """Of twenty recordings two have names that Transcribe refuses, one stalls, one is silent; no key comes twice."""
    recordings = list(islice(traffic(Random(1), date(2026, 10, 3), 100), 60))

    keys = [item.key for item in recordings]
    assert len(set(keys)) == 60
    assert sum(" " in key for key in keys) == 3
    assert sum(key.startswith("2026/10/") for key in keys) == 3
    assert sum(key.startswith("conference-") for key in keys) == 3
    assert sum(not any(item.content[44:]) for item in recordings) == 3
    assert all(item.content.startswith(b"RIFF") for item in recordings)
