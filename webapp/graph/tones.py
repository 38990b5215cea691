"""Which family of colours a thing in a graph has."""

from __future__ import annotations

FAMILIES = {
    "bucket": "storage",
    "table": "data",
    "database": "data",
    "queue": "message",
    "topic": "message",
    "stream": "message",
    "bus": "message",
    "mail": "message",
    "function": "compute",
    "service": "compute",
    "steps": "compute",
}


def tone(icon: str) -> str:
    return FAMILIES.get(icon, "other")
