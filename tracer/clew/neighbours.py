"""What the fields of a dict and the items of a list tell of each other: names beside values, base64 beside its mark."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from clew.secrets import NAMES, VALUES

if TYPE_CHECKING:
    from clew.secrets import Secrets

# A dict without any of these hides nothing by its neighbours: most, and told in 0.2 µs. Not by the names of values,
# for `name` is in many: what they would tell of is the values.
NEIGHBOURS = frozenset({*VALUES, "isBase64Encoded", "data", "offset"})
# What else is in a record of a stream, queue or broker whose data is base64.
_RECORD = frozenset({"sequenceNumber", "recordId", "messageID", "basicProperties"})
_KAFKA = frozenset({"offset", "topic", "partition"})


def names(key: Any) -> list[str]:
    """The texts that a key which is no plain string consists of, and by which it may name a secret."""
    kind = type(key)  # see `Walk.value`
    if issubclass(kind, tuple):
        return [name for part in tuple.__iter__(key) for name in names(part)]
    found = []
    if issubclass(kind, Enum):
        found, key = [key._name_], key._value_
        kind = type(key)
    if issubclass(kind, str):
        found.append(str.__str__(key))
    elif issubclass(kind, bytes):
        found.append(bytes.__getitem__(key, slice(1000)).decode("utf-8", "replace"))
    return found


def hidden_values(value: dict[Any, Any], secrets: Secrets) -> dict[str, bool]:
    """The fields of a dict that its other fields tell of: false for a secret, true for base64.

    `{"Name": "password", "Value": "…"}` names its secret in a value, and base64 hides one from every look at keys.
    """
    hidden: dict[str, bool] = {}
    for name in NAMES:
        named = dict.get(value, name)
        if type(named) is dict and len(named) == 1:
            named = next(iter(named.values()))  # as DynamoDB types it: {"S": "password"}
        if type(named) is str and secrets.named_by(named):
            hidden.update(dict.fromkeys(VALUES, False))
    keys = dict.keys(value)
    if dict.get(value, "isBase64Encoded") is True:
        hidden["body"] = True
    data = dict.get(value, "data")
    if type(data) is str and (
        not keys.isdisjoint(_RECORD) or (dict.__len__(value) == 1 and data.startswith("H4sI"))
    ):  # fmt: skip
        hidden["data"] = True
    if keys >= _KAFKA:
        hidden.update(key=True, value=True)
    return hidden


def without_secret_key(item: Any) -> Any:
    """A text beside the id of an AWS access key."""
    if type(item) is not str or len(item) < 40:
        return item
    from clew.secret_values import without_secret_keys  # noqa: PLC0415  # rarely needed

    return without_secret_keys(item)
