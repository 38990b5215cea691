"""What the server writes to stderr: for a person, or one JSON object a line for a machine. Neither holds secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal

from collector.app.settings import Settings

_HUMAN = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_NOISY = ("alembic", "_granian", "apprise")  # they tell every step of what they do
# A password in a URL, whatever is in an Authorization header, a token of ours, and what is named as one of these.
_SECRETS = re.compile(
    r"(?P<url>://[^\s:/@]*:)[^\s/@]+(?=@)"
    r"|(?P<scheme>\b(?:bearer|basic)(?:\s|%20)+)[\w.~+/=-]+"
    r"|(?P<token>\bclew_[a-z]+_)[\w-]{8,}"
    r"|(?P<name>\b(?:password|passwd|secret|token|api_key|access_key)['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&}]+",
    re.IGNORECASE,
)
# What could end a line, or move a terminal's cursor, in a name that a client sent.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {10: "\\n", 13: "\\r", 9: "\\t"}
_SEPARATORS = {0x2028: "\\u2028", 0x2029: "\\u2029"}


def log_to_stderr(settings: Settings) -> None:
    """From now on, all loggers, of the libraries too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings.log_format))
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper())
    if settings.log_level != "debug":
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.WARNING)


def formatter(kind: Literal["text", "json"]) -> logging.Formatter:
    return _Json() if kind == "json" else _Text(_HUMAN)


def without_secrets(text: str) -> str:
    return _SECRETS.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    return f"{found[found.lastgroup or 0]}****"


class _Text(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        record.message = without_secrets(record.message).translate(_CONTROLS | _SEPARATORS)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802  # logging's name
        return without_secrets(super().formatException(ei))  # type: ignore[arg-type]  # passed through


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, default=str)
