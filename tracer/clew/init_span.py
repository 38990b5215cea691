"""The span of an initialization that failed. Loaded only then."""

from __future__ import annotations

import base64
import os
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Status, StatusCode

from clew import failures
from clew.engine import start
from clew.environment import process_start
from clew.events import MAX_NAME
from clew.guard import Guard
from clew.logs import Lines
from clew.settings import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.encoder import LogRecord
    from clew.engine import Engine
    from clew.settings import Settings

# A snapshot is restored long after its process was started: then the failure is all that is timed.
_LONGEST_INIT = 900.0


def export(settings: Settings, error: BaseException | None, told: Mapping[str, Any], kind: str) -> None:
    """Export within the bound. `told` and `kind` as in `clew.init_errors.report`; nothing but clew's own may raise."""
    engine = start(replace(settings, extension="false"))  # the process ends
    ended = time_ns()
    began = process_start()
    started = ended if began is None or ended / 1e9 - began > _LONGEST_INIT else int(began * 1e9)
    failure = _Failure(engine, error, told, kind)
    attributes: dict[str, Any] = {"clew.lambda.phase": "init", "error.type": failure.kind}
    if kind_of_start := os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE"):
        attributes["clew.lambda.initialization_type"] = kind_of_start[:MAX_NAME]
    if owner := account_of(os.environ.get("AWS_ACCESS_KEY_ID", "")):
        attributes["cloud.account.id"] = owner
    span = engine.provider.tracer.start_span(
        settings.function_name or str(engine.provider.resource.attributes["service.name"]),
        context=Context(),
        kind=trace.SpanKind.SERVER,
        attributes=attributes,
        start_time=min(started, ended),
    )
    span.add_event("exception", failure.exception, ended)
    span.set_status(Status(StatusCode.ERROR, failure.message or None))
    span.end(ended)
    engine.delivery.deliver(engine.provider.buffer.take(), _lines(engine, span))


def account_of(key_id: str) -> str:
    """The account that temporary credentials are of; empty if that cannot be told.

    Only an invocation's context has the ARN with the account, and here was none. The id of an access key holds it: the
    first 40 of the bits behind its prefix and one more, in base32.
    """
    if not key_id.startswith("ASIA") or len(key_id) != 20:
        return ""
    try:
        number = int.from_bytes(base64.b32decode(key_id[4:])[:6], "big") >> 7 & (1 << 40) - 1
    except ValueError:
        return ""
    return f"{number:012}" if 0 < number < 10**12 else ""


def _lines(engine: Engine, span: trace.Span) -> list[LogRecord]:
    """What was printed before: nobody else will take it."""
    with Guard("taking the lines"):
        ids = span.get_span_context()
        if engine.settings.capture_logs and ids.trace_flags.sampled:
            limit = engine.settings.max_log_records
            lines = Lines(engine.renderer, limit, ids.trace_id, ids.span_id, int(ids.trace_flags))
            return lines.take()[0]
    return []


class _Failure:
    """What Lambda says of it (`kind`, `message`), and the exception behind it as attributes."""

    def __init__(self, engine: Engine, error: BaseException | None, told: Mapping[str, Any], kind: str) -> None:
        clean = engine.renderer.secrets.masked_text
        own = getattr(error, "exception_type", None) if _is_fault(error) else None
        name = "Runtime.ExitError" if isinstance(error, SystemExit) else type(error).__name__
        self.kind = str(kind or told.get("errorType") or own or name)[:MAX_NAME]
        message = told.get("errorMessage")
        if message is None:
            message = getattr(error, "msg", "") if own else failures.message_of(error) if error is not None else ""
        self.message = clean(str(message)[: failures.MAX_MESSAGE])
        cause = error
        if _is_fault(error) and error is not None and error.__context__ is not None:
            cause = error.__context__
        if cause is not None and not _is_fault(cause):
            failures.with_traceback(cause, failures.without_our_frames(cause))
            renderer = engine.renderer if engine.settings.capture_locals else None
            self.exception = failures.exception_attributes(cause, clean, renderer)
            return
        stack = told.get("stackTrace")
        lines = [line for line in stack if isinstance(line, str)] if isinstance(stack, list) else []
        text = f"Traceback (most recent call last):\n{''.join(lines)}{self.kind}: {self.message}\n"
        self.exception = {
            "exception.type": self.kind,
            "exception.message": self.message,
            "exception.stacktrace": clean(text),
        }


def _is_fault(error: BaseException | None) -> bool:
    """Whether the runtime's own exception stands for another: it has the name that Lambda reports, and no text."""
    return type(error).__name__ == "FaultException" and isinstance(getattr(error, "exception_type", None), str)
