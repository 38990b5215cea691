"""What every page's queries share: the window of time, and small facts about rows."""

from __future__ import annotations

from dataclasses import dataclass

from collector.domain.facts import IssueKind


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Milliseconds since 1970, UTC; the start is included, the end is not."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """Enough of a function to name it and link to it."""

    id: int
    kind: str  # "lambda" or "service"
    account: str
    region: str
    name: str


@dataclass(frozen=True, slots=True)
class ResourceRef:
    id: int
    service: str
    region: str
    name: str
    arn: str | None


@dataclass(frozen=True, slots=True)
class IssueLabel:
    """The coloured label that stands for an issue in lists."""

    id: int
    type: str
    kind: IssueKind = IssueKind.FAILURE


@dataclass(frozen=True, slots=True)
class IssueRef:
    """Enough of an issue to name it and to say whose it is."""

    id: int
    type: str
    function: FunctionRef
    kind: IssueKind = IssueKind.FAILURE


@dataclass(frozen=True, slots=True)
class ServiceCount:
    """How many calls went to one service: ("s3", 2)."""

    service: str
    calls: int


@dataclass(frozen=True, slots=True)
class Tag:
    """An execution tag, as its function set it."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Point:
    """One time bucket of a chart; buckets without data are present, with zeros."""

    start_ms: int
    value: float
