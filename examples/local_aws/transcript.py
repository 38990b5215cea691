"""Transcripts in the shape that Amazon Transcribe writes them."""

from __future__ import annotations

import random
import re
from typing import Any

from examples.local_aws import identifiers

_SENTENCES = (
    "Thanks for calling, how can I help you today?",
    "The delivery was promised for Tuesday and it still has not arrived.",
    "Let me look that up for you.",
    "We moved the whole pipeline to functions last spring.",
    "That cut our costs by about a third.",
    "Nobody could tell which of the forty functions had failed.",
    "So we followed one request from the bucket to the table.",
    "It turned out to be the name of the file.",
    "I would like to change the address on my account.",
    "Our next guest has been recording birds in the north for twenty years.",
    "You can hear the sea behind the microphone.",
    "We will send you a confirmation within the hour.",
    "Let us go through the questions from last week.",
    "The budget for next year is not settled yet.",
    "Is there anything else I can do for you?",
)
_WAV_HEADER = 44


def is_silent(audio: bytes) -> bool:
    """True when the recording holds nothing but zeros."""
    return not any(audio[_WAV_HEADER:])


def text_for(job_name: str) -> str:
    """What is said in a recording: made up, the same for the same name."""
    chance = random.Random(job_name)
    return " ".join(chance.sample(_SENTENCES, chance.randint(4, 9)))


def document(job_name: str, text: str) -> dict[str, Any]:
    """The JSON that Transcribe puts into the output bucket, with every word timed."""
    chance = random.Random(text)
    items: list[dict[str, Any]] = []
    segments: list[dict[str, Any]] = []
    clock = 0.0
    for sentence in re.findall(r"[^.?!]+[.?!]", text):
        first, begin = len(items), clock
        for word in re.findall(r"[\w'-]+|[.,?!]", sentence):
            if word in ".,?!":
                items.append(_item(len(items), word, 0.0, None))
            else:
                end = clock + 0.08 * len(word) + 0.05
                items.append(_item(len(items), word, chance.uniform(0.91, 0.999), (clock, end)))
                clock = end
        segments.append(
            {
                "id": len(segments),
                "transcript": sentence.strip(),
                "start_time": f"{begin:.3f}",
                "end_time": f"{clock:.3f}",
                "items": list(range(first, len(items))),
            }
        )
        clock += 0.4
    return {
        "jobName": job_name,
        "accountId": identifiers.ACCOUNT_ID,
        "status": "COMPLETED",
        "results": {"transcripts": [{"transcript": text}], "items": items, "audio_segments": segments},
    }


def _item(number: int, token: str, confidence: float, span: tuple[float, float] | None) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": number,
        "type": "punctuation" if span is None else "pronunciation",
        "alternatives": [{"confidence": f"{confidence:.3f}", "content": token}],
    }
    if span is not None:
        item |= {"start_time": f"{span[0]:.3f}", "end_time": f"{span[1]:.3f}"}
    return item
