"""A small payload that is shown as it is reads as if it had been walked."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew import payload as payloads
from clew.harmless import LARGEST, room_left
from clew.masking_rules import MaskingRules
from clew.payload import Payload, Renderer
from clew.secrets import Secrets
from tests.tracer.test_masking import HARMLESS_KEYS, PLANTED, VALUES, wrapped

ODD_KEYS = st.sampled_from(
    ["password", "Name", "Value", "isBase64Encoded", "data", "offset", 7, None, b"k", ("a", "b")]
)
TEXTS = st.sampled_from(
    ["password", "--token", "x=1&token=abc", "4111 1111 1111 1111", '{"password": "x"}', " [1]", "eyJhbGciOiJIUzI1NiJ9",
     "AKIAIOSFODNN7EXAMPLE", "postgres://u:p@h/x", "%70assword=x", "a" * 2000, "ä" * 40, "\ud800", "", "H4sIAAAAAAAA"]
)  # fmt: skip
ODD = st.one_of(VALUES, TEXTS, st.sampled_from([Decimal("1.5"), {1, 2}, 4111111111111111, float("nan"), -(10**30), ()]))
ANY = st.recursive(
    st.one_of(ODD, PLANTED, wrapped(PLANTED)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(HARMLESS_KEYS, ODD_KEYS), inner, max_size=5),
    ),
    max_leaves=8,
)


def _shown(found: Payload) -> tuple[bytes, int, bool, bool]:
    return found.text, found.size, found.measured, found.plain


def _both(value: Any, limit: int, rules: MaskingRules | None = None) -> tuple[Any, Any]:
    """What is rendered, first and again when its texts are known; and what a walk alone makes of it."""
    renderer = Renderer(rules, limit)
    first, second = _shown(renderer.render(value)), _shown(renderer.render(value))
    assert first == second
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payloads, "room_left", lambda *_: -1)
        return first, _shown(Renderer(rules, limit).render(value))


@given(ANY, st.sampled_from([20, 64, 300, 2048, 100_000]))
def test_it_reads_as_if_it_had_been_walked(value: Any, limit: int) -> None:
    """Text, size and marks, whatever is in it and wherever it is cut."""
    shown, walked = _both(value, limit)

    assert shown == walked


@given(ANY)
def test_also_by_a_teams_own_rules(value: Any) -> None:
    """Keys and values that a team names are masked in small payloads too."""
    for rules in (MaskingRules(keys=(re.compile("^id$"),)), MaskingRules(values=(re.compile("[0-9]+"),))):
        shown, walked = _both(value, 2048, rules)

        assert shown == walked


@pytest.mark.parametrize(
    "value",
    [
        {},
        {
            "TableName": "orders",
            "Item": {"id": {"S": "7"}, "who": {"S": "Ada"}, "n": {"N": "1.5"}, "b": {"BOOL": True}},
        },
        {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "MessageBody": "the order 7 came"},
        {"Bucket": "reports", "Key": "2026/11/21.csv", "n": [1, 2.5, None, "x", {"a": ()}]},
    ],
)
def test_what_calls_mostly_send_is_told_without_a_walk(value: dict[str, Any]) -> None:
    """Else all of this is in vain."""
    assert room_left(value, Secrets(), LARGEST) >= 0


@pytest.mark.parametrize(
    "value",
    [
        {"password": "x"},
        {"a": {"b": {"api-key": "x"}}},
        {"a": ["password", "x"]},
        {"a": ["run", "--token", "x"]},
        {"Name": "password", "Value": "x"},
        {"a": '{"password": "x"}'},
        {"a": "card 4111 1111 1111 1111"},
        {"a": 4111111111111111},
        {"isBase64Encoded": True, "body": "cGFzc3dvcmQ9aHVudGVyMg=="},
        {"a": b"x"},
        {7: "x"},
        {"a": "x" * LARGEST},
    ],
)
def test_what_may_hold_more_is_not(value: dict[Any, Any]) -> None:
    """A secret, or something to be described or cut."""
    assert room_left(value, Secrets(), LARGEST) < 0
