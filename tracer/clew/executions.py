"""Executions of Step Functions, by their ARNs in an event. Imported with the first event that may be of one."""

from __future__ import annotations

from typing import Any

from clew.events import MAX_NAME

# A state passes its own fields, the execution's context (`$$`) or parts of both, as its author arranged them.
_MAX_DEPTH = 4
# A look at each value takes 150 ns: 40 µs at most. A collection that has more is left out with all behind it.
_MAX_VALUES = 256
_MAX_ARNS = 16


def execution_arns(event: object) -> list[str]:
    """The ARNs of executions in the first four levels of an event, each once, in their order."""
    if not isinstance(event, (dict, list)):
        return []
    found: dict[str, None] = {}
    level: list[Any] = [event]
    left = _MAX_VALUES
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            left -= len(value)
            if left < 0 or len(found) >= _MAX_ARNS:
                return list(found)
            for child in value.values() if isinstance(value, dict) else value:
                if isinstance(child, str):
                    if child[:4] == "arn:" and is_execution(child):
                        found[child] = None
                elif child and isinstance(child, (dict, list)):
                    inner.append(child)
        level = inner
    return list(found)


def is_execution(arn: str) -> bool:
    """`arn:aws:states:region:account:execution:machine:name`; an express one has `express` and an id at the end."""
    parts = arn.split(":", 7)
    return len(parts) == 8 and len(arn) <= MAX_NAME and parts[2] == "states" and parts[5] in {"execution", "express"}


def state_machine(arn: str) -> str:
    """The ARN of the state machine that an execution's ARN names."""
    parts = arn.split(":")
    # A distributed map's children are executions of `machine/label`.
    return ":".join((*parts[:5], "stateMachine", parts[6].partition("/")[0]))
