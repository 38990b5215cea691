"""Checks a request against its service model as AWS does, down to the words of the message.

botocore's own client checks types and required members, but neither patterns nor enumerations: those reach the service.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.model

_FEWEST, _MOST = "greater than or equal to", "less than or equal to"


def violations(operation: botocore.model.OperationModel, parameters: Mapping[str, Any]) -> list[str]:
    """One clause for each constraint of the input shape that the parameters break, in the model's order."""
    if operation.input_shape is None:
        return []
    return list(_structure(operation.input_shape, parameters, ""))


def message(clauses: list[str]) -> str:
    plural = "s" if len(clauses) > 1 else ""
    return f"{len(clauses)} validation error{plural} detected: {'; '.join(clauses)}"


def error_code(operation: botocore.model.OperationModel) -> str:
    """What the service calls such an error: the first of its own that means it, else AWS's common one."""
    own = {shape.name for shape in operation.error_shapes}
    return next((name for name in ("ValidationException", "BadRequestException") if name in own), "ValidationException")


def _check(shape: botocore.model.Shape, value: Any, path: str) -> Iterator[str]:
    for constraint in _own(shape, value):
        yield f"Value '{_printed(value)}' at '{path}' failed to satisfy constraint: {constraint}"
    match shape, value:
        case botocore.model.StructureShape(), dict():
            yield from _structure(shape, value, f"{path}.")
        case botocore.model.ListShape(), list():
            for number, item in enumerate(value, start=1):
                yield from _check(shape.member, item, f"{path}.{number}.member")
        case botocore.model.MapShape(), dict():
            for key, item in value.items():
                yield from _check(shape.key, key, f"{path}.key")
                yield from _check(shape.value, item, f"{path}.{key}.member")


def _structure(shape: botocore.model.StructureShape, value: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, member in shape.members.items():
        path = f"{prefix}{name[:1].lower()}{name[1:]}"
        if value.get(name) is not None:
            yield from _check(member, value[name], path)
        elif name in shape.required_members:
            yield f"Value null at '{path}' failed to satisfy constraint: Member must not be null"


def _own(shape: botocore.model.Shape, value: Any) -> Iterator[str]:
    """The constraints of this very shape that the value breaks."""
    limits = shape.metadata
    match value:
        case str():
            pattern = limits.get("pattern")
            if pattern is not None and not _matches(pattern, value):
                yield f"Member must satisfy regular expression pattern: {pattern}"
            yield from _bounds(limits, len(value), "Member must have length")
            if "enum" in limits and value not in limits["enum"]:
                yield f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
        case bool():
            return
        case int() | float():
            yield from _bounds(limits, value, "Member must have value")
        case list() | dict():
            yield from _bounds(limits, len(value), "Member must have length")


def _bounds(limits: Mapping[str, Any], size: float, words: str) -> Iterator[str]:
    if "min" in limits and size < limits["min"]:
        yield f"{words} {_FEWEST} {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"{words} {_MOST} {limits['max']}"


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None  # AWS matches the whole value, anchors or not


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, or None where Python cannot read it (Unicode classes such as `\\p{L}`): it is not checked then."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # a bracket inside a class: an ordinary sign in both dialects
            return re.compile(pattern)
    except re.error:
        return None


def _printed(value: Any) -> str:
    match value:
        case list():
            return f"[{', '.join(_printed(item) for item in value)}]"
        case dict():
            return f"{{{', '.join(f'{key}={_printed(item)}' for key, item in value.items())}}}"
        case _:
            return str(value)
