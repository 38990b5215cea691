"""Log lines that are JSON objects: what they say of their level and message. Imported with the first of them.

Loggers agree on no names. Known here are those of Lambda's own format, Powertools, python-json-logger, structlog,
loguru (whose `serialize` puts all of it under `record`), Elastic's and Google's.
"""

from __future__ import annotations

import json
from typing import Any

from clew.guard import pass_on_signal
from clew.logs import severity_of

# Longer lines are not looked into: parsing one takes 1 ms.
_MAX_PARSED = 131_072
_MAX_LEVEL = 32
_LEVEL_KEYS = ("level", "severity", "levelname", "log.level", "log_level", "loglevel", "lvl", "severity_text")
_MESSAGE_KEYS = ("message", "msg", "event")
# OpenTelemetry's severity numbers.
_SEVERITIES = {
    "trace": 1, "debug": 5, "info": 9, "information": 9, "success": 10, "notice": 10, "warn": 13, "warning": 13,
    "error": 17, "err": 17, "exception": 17, "critical": 21, "fatal": 21, "alert": 21, "emergency": 21,
}  # fmt: skip
_NAMES = {50: "CRITICAL", 40: "ERROR", 30: "WARNING", 20: "INFO", 10: "DEBUG"}


def read(line: str) -> tuple[int, str, str] | None:
    """What the line tells if it is a JSON object, None for any other: OpenTelemetry's severity number, or 0 where it
    tells none; the level in the line's own word; and the message. Never raises.
    """
    if len(line) > _MAX_PARSED:
        return None
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        pass_on_signal(error)
        return None
    if type(fields) is not dict:
        return None
    inner = fields.get("record")
    if type(inner) is dict and "level" in inner:
        fields = inner
    message = next((fields[key] for key in _MESSAGE_KEYS if type(fields.get(key)) is str), "")
    severity, level = _level(fields)
    return severity, level, message


def _level(fields: dict[str, Any]) -> tuple[int, str]:
    level = next((fields[key] for key in _LEVEL_KEYS if key in fields), None)
    if level is None and type(fields.get("log")) is dict:
        level = fields["log"].get("level")
    if type(level) is dict:
        level = level.get("name")
    if type(level) is str:
        name = level.strip()[:_MAX_LEVEL]
        return _SEVERITIES.get(name.lower(), 0), name
    if type(level) is int:
        return severity_of(level), _NAMES.get(level, str(level)[:_MAX_LEVEL] if level.bit_length() < 64 else "")
    return 0, ""
