"""The digest of a DynamoDB item: equal items have one, whatever side wrote them down and however."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from clew.items import item_key

REGION, TABLE = "eu-west-1", "orders"


def key(attributes: Any) -> str:
    return item_key(REGION, TABLE, attributes)


def test_a_key_is_what_the_documentation_says() -> None:
    """Region, table, and 16 hexadecimal digits that anybody can compute from docs/attributes.md."""
    text = json.dumps({"id": ["S", "ä"], "n": ["N", "15E-1"]}, sort_keys=True, separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    assert key({"n": {"N": "1.50"}, "id": {"S": "ä"}}) == f"dynamodb-item:eu-west-1:orders/{digest}"
    assert len(digest) == 16


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"N": "1"}, {"N": "1.0"}),
        ({"N": "1"}, {"N": "1E0"}),
        ({"N": "1"}, {"N": "+01"}),
        ({"N": "100"}, {"N": "1e2"}),
        ({"N": "0.001"}, {"N": "1E-3"}),
        ({"N": "0"}, {"N": "-0.00"}),
        ({"N": "-1.5"}, {"N": "-15E-1"}),
        ({"N": "12345678901234567890123456789012345678"}, {"N": "1.2345678901234567890123456789012345678E37"}),
        ({"B": b"\xff\x00a"}, {"B": base64.b64encode(b"\xff\x00a").decode()}),
        ({"B": bytearray(b"a")}, {"B": b"a"}),
        ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}),
        ({"NS": ["1", "20"]}, {"NS": ["2E1", "1.0"]}),
        ({"BS": [b"a", b"b"]}, {"BS": ["Yg==", "YQ=="]}),
        ({"M": {"a": {"N": "1"}, "b": {"L": [{"N": "2"}]}}}, {"M": {"b": {"L": [{"N": "2.0"}]}, "a": {"N": "1.0"}}}),
    ],
)
def test_equal_items_have_one_key(one: Any, other: Any) -> None:
    """However a number, a binary value, a set or a map is written."""
    assert key({"id": one}) == key({"id": other}) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"N": "1"}, {"S": "1"}),
        ({"N": "1"}, {"N": "-1"}),
        ({"N": "1"}, {"N": "10"}),
        ({"N": "12345678901234567890123456789012345678"}, {"N": "12345678901234567890123456789012345679"}),
        ({"L": [{"S": "a"}, {"S": "b"}]}, {"L": [{"S": "b"}, {"S": "a"}]}),
        ({"SS": ["a"]}, {"S": "a"}),
        ({"BOOL": True}, {"NULL": True}),
        ({"BOOL": True}, {"BOOL": False}),
        ({"M": {"a": {"S": "b"}}}, {"M": {"b": {"S": "a"}}}),
    ],
)
def test_different_items_have_different_keys(one: Any, other: Any) -> None:
    """Nothing but the notation of one value is evened out."""
    assert key({"id": one}) != key({"id": other})
    assert key({"id": one})


def test_a_table_may_be_named_by_its_arn() -> None:
    """By the table's and by its stream's, and then the ARN's region counts."""
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"
    attributes = {"id": {"S": "1"}}

    assert item_key("us-east-1", arn, attributes) == key(attributes)
    assert item_key("", f"{arn}/stream/2026-05-28T00:00:00.000", attributes) == key(attributes)
    assert item_key("eu-west-1", "arn:aws:dynamodb:eu-west-1", attributes) == ""


@pytest.mark.parametrize(
    "attributes",
    [
        None,
        {},
        [],
        "x",
        {"id": "1"},
        {"id": {}},
        {"id": {"S": "1", "N": "1"}},
        {"id": {"S": 1}},
        {"id": {"N": "one"}},
        {"id": {"N": "1E" + "9" * 5000}},
        {"id": {"N": "1EE1"}},
        {"id": {"N": ""}},
        {"id": {"N": 1}},
        {"id": {"B": memoryview(b"a")}},
        {"id": {"BOOL": 1}},
        {"id": {"SS": "ab"}},
        {"id": {"X": "1"}},
        {"id": {None: "1"}},
        {1: {"S": "1"}},
        {"id": {"S": "x" * 500_000}},
        {"id": {"L": [{"N": "1"}] * 5_000}},
    ],
)
def test_what_is_no_item_has_no_key(attributes: Any) -> None:
    """Nothing raises: a function may pass boto3 anything, and an event may hold anything."""
    assert key(attributes) == ""


def test_an_item_without_end_has_no_key() -> None:
    """Deeper than DynamoDB allows, and an item that holds itself."""
    endless: dict[str, Any] = {}
    endless["id"] = {"M": endless}
    deep: dict[str, Any] = {"S": "a"}
    for _ in range(40):
        deep = {"L": [deep]}

    assert key(endless) == key({"id": deep}) == ""


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=3)
    | st.sets(st.text(min_size=1, max_size=5), min_size=1, max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def as_streamed(value: Any) -> Any:
    """The same item as a stream record has it: binary as base64, sets and maps in another order, numbers shortened."""
    ((kind, content),) = value.items()
    if kind == "M":
        return {"M": {name: as_streamed(content[name]) for name in reversed(content)}}
    if kind == "L":
        return {"L": [as_streamed(element) for element in content]}
    if kind == "SS":
        return {"SS": content[::-1]}
    if kind == "B":
        return {"B": base64.b64encode(content).decode()}
    if kind == "N":
        return {"N": str(Decimal(content).normalize())}
    return value


@given(st.dictionaries(st.text(min_size=1, max_size=5), VALUES, min_size=1, max_size=4))
def test_any_item_that_boto3_writes_is_found_in_the_stream(item: dict[str, Any]) -> None:
    """As boto3's own serializer writes it and as a stream would show it: one key, and nothing is changed."""
    written = {name: TypeSerializer().serialize(value) for name, value in item.items()}
    before = copy.deepcopy(written)

    assert key(written) == key({name: as_streamed(value) for name, value in written.items()}) != ""
    assert written == before
