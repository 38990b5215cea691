"""Which parameter of an AWS operation names what the operation reaches, told from the operation's own input shape.

For the services that `clew.resources` has no rule of its own for: botocore knows over 400 with 20,000 operations.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_MEMBERS = 200
_MAX_CHOICES = 6
_MAX_REMEMBERED = 500

_SUFFIX = re.compile(r"(Arn|ARN|arn|Name|name|Identifier|identifier|Id|ID|id|Url|URL)s?$")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# What comes last in the names of other things than what is reached: who may, on whose behalf, how often, with what.
# fmt: off
_OTHER = frozenset(
    {"access", "account", "address", "attribute", "caller", "client", "correlation", "credential",
     "credentials", "device", "display", "email", "event", "external", "family", "first", "given",
     "idempotency", "language", "last", "locale", "marker", "message", "metric", "next", "operation", "owner",
     "password", "phone", "principal", "request", "role", "secret", "session", "tag", "token", "transaction",
     "user", "username"}
    # One run of something: named anew by each call, so that it would be a resource of its own every time.
    | {"batch", "command", "conversation", "evaluation", "execution", "export", "import", "invocation", "job", "move",
       "query", "run", "statement", "task", "upload"}
)
# Members that hold a name without saying so.
_PLAIN = frozenset(
    {"bucket", "channel", "cluster", "collection", "database", "domain", "function", "gateway", "graph",
     "index", "pipeline", "project", "queue", "repository", "service", "stream", "table", "topic",
     "vault", "workgroup"}
)
# fmt: on
# Where something comes from or goes to besides: `OutputBucketName` of StartTranscriptionJob is not what is reached.
_ELSEWHERE = frozenset(
    {"backup", "destination", "input", "log", "logs", "output", "result", "source", "staging", "target"}
)
_KEYS = frozenset({"kms", "email", "phone"})
# Of these a name says nothing without what it is in.
_INNER = frozenset({"version", "revision", "alias", "label", "item", "record", "row", "column", "key", "object"})


class _Choice(NamedTuple):
    member: str
    rank: tuple[int, ...]


_remembered: dict[tuple[str, str], tuple[str, ...]] = {}


def identifier(service: str, operation: str, model: Any, params: dict[str, Any]) -> str:
    """The name, id or ARN of the resource that the call reaches; "" where no parameter tells.

    `model` is botocore's model of the service. Takes 50 µs for an operation's first call, then 1 µs.
    """
    choices = _remembered.get((service, operation))
    if choices is None:
        if len(_remembered) >= _MAX_REMEMBERED:
            _remembered.clear()
        choices = _remembered[service, operation] = _choices(operation, model)
    for member in choices:
        value = params.get(member)
        if type(value) is list and value:
            value = value[0]
        if type(value) is str and value:
            return value
    return ""


def _choices(operation: str, model: Any) -> tuple[str, ...]:
    """The members of the input that may name it, best first."""
    shape = model.operation_model(operation).input_shape
    if shape is None:
        return ()
    ranked = sorted(_ranked(operation, shape), key=lambda choice: choice.rank)
    return tuple(choice.member for choice in ranked[:_MAX_CHOICES])


def _ranked(operation: str, shape: Any) -> Iterator[_Choice]:
    required = list(shape.required_members)
    acted_on = [word.lower() for word in _WORDS.findall(operation)[1:]]
    for position, (member, kind) in enumerate(list(shape.members.items())[:_MAX_MEMBERS]):
        suffix = _SUFFIX.search(member)
        if not _is_text(kind) or getattr(kind, "enum", None):
            continue
        metadata = getattr(kind, "metadata", {})
        if metadata.get("sensitive") or metadata.get("idempotencyToken"):
            continue
        words = [word.lower() for word in _WORDS.findall(member[: suffix.start()] if suffix else member)]
        if suffix is None and (len(words) != 1 or words[0] not in _PLAIN):
            continue
        about_role = words == ["role"] == acted_on[-1:]  # IAM's own operations; elsewhere it is who may
        if words and not about_role and (words[-1] in _OTHER or not _KEYS.isdisjoint(words)):
            continue
        is_required = member in required
        # `TableName` of DescribeTable and the bare `Name` of DescribeAlarm name what the operation is about. What it is
        # in comes first all the same, and services list that first: `restApiId` before `resourceId`.
        about = not words or all(word in acted_on or f"{word}s" in acted_on for word in words)
        if not is_required and not about and (words[-1] not in _PLAIN or words[0] in _ELSEWHERE):
            continue
        inner = bool(words and words[-1] in _INNER)
        order = required.index(member) if is_required else position
        yield _Choice(member, (not is_required, inner, kind.type_name == "list", order))


def _is_text(kind: Any) -> bool:
    if kind.type_name == "list":
        return bool(kind.member.type_name == "string") and not getattr(kind.member, "enum", None)
    return bool(kind.type_name == "string")
