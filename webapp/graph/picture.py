"""What a graph consists of, before and after it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """`tone` names the kind of thing for its colour; `count` > 1 draws it as a stack."""

    key: str
    title: str
    subtitle: str
    icon: str
    tone: str
    href: str
    failed: bool = False
    count: int = 1
    dim: bool = False
    span: str | None = None
    name: str = ""  # in full, for the tooltip; the title where empty


@dataclass(frozen=True, slots=True)
class Edge:
    """`rank` 0: sets the target off, and so points to the right where it can. `label`: up to two lines."""

    source: str
    target: str
    label: tuple[str, ...]
    title: str
    rank: int = 1
    failed: bool = False
    dashed: bool = False
    dim: bool = False


@dataclass(frozen=True, slots=True)
class DrawnNode:
    node: Node
    x: float
    y: float
    title: str
    subtitle: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a label, centred at (x, y)."""

    text: str
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    edge: Edge
    path: str
    label: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Picture:
    width: float
    height: float
    nodes: Sequence[DrawnNode]
    edges: Sequence[DrawnEdge]
    node_width: float
    node_height: float
