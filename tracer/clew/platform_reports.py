"""What Lambda says of invocations and initializations, as log records ("Platform reports" in docs/attributes.md).

Lambda tells of an invocation after its end, so that a report arrives with a later one's export.
"""

from __future__ import annotations

import json
from collections import deque
from time import time_ns  # now: a function may replace it
from typing import TYPE_CHECKING, Any

from clew.encoder import LogRecord

if TYPE_CHECKING:
    from clew.invocation import Invocation

SCOPE = "clew.telemetry"
_OF_INVOCATION = "platform.report"
_OF_INITIALIZATION = frozenset({"platform.initReport", "platform.restoreReport"})
_MAX_KNOWN = 100
_MAX_WAITING = 200
_MAX_BODY = 16_384
_INFO = 9


class _Known:
    """What a report is joined to. Not the invocation, which holds its payloads."""

    __slots__ = ("flags", "left_out", "reported", "request_id", "span_id", "started_ns", "trace_id")

    def __init__(self, invocation: Invocation) -> None:
        self.request_id = invocation.request_id
        self.trace_id = invocation.trace_id
        self.span_id = invocation.span_id
        self.started_ns = invocation.started_ns
        self.flags = invocation.trace_flags
        self.left_out = not invocation.span.is_recording()
        self.reported = False


class PlatformReports:
    """The reports that wait for an export, and the invocations that they may be of."""

    def __init__(self) -> None:
        self._known: deque[_Known] = deque(maxlen=_MAX_KNOWN)
        self._first: _Known | None = None
        self._early: deque[dict[str, Any]] = deque(maxlen=_MAX_KNOWN)  # of INIT, and there before its invocation
        # Appending and popping are atomic: several threads export.
        self._waiting: deque[LogRecord] = deque(maxlen=_MAX_WAITING)

    def begin(self, invocation: Invocation) -> None:
        known = _Known(invocation)
        self._known.append(known)
        if self._first is None:
            self._first = known

    def leave_out(self, invocation: Invocation) -> None:
        """Sampling decided against it: its report is not wanted either."""
        for known in self._known:
            if known.span_id == invocation.span_id:
                known.left_out = True

    @property
    def complete(self) -> bool:
        """Whether the last invocation's report is here."""
        return not self._known or self._known[-1].reported

    def take(self) -> list[LogRecord]:
        """What has come since the last call."""
        while self._early:
            self._event(self._early.popleft(), self._first)
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        return taken

    def receive(self, body: bytes) -> None:
        """One request of the Telemetry API. Raises ValueError for what is no JSON."""
        if b"eport" not in body:
            return  # most are of starts and ends: none is parsed that holds no report
        documents = json.loads(body)
        for document in documents if isinstance(documents, list) else ():
            if isinstance(document, dict):
                if document.get("type") in _OF_INITIALIZATION and self._first is None:
                    self._early.append(document)
                else:
                    self._event(document, self._first)

    def _event(self, document: dict[str, Any], first: _Known | None) -> None:
        kind = document.get("type")
        record = document.get("record")
        request_id = record.get("requestId") if isinstance(record, dict) else None
        moment = _nanoseconds(document.get("time"))
        if kind == _OF_INVOCATION:
            known = self._invocation(request_id, moment)
            if known is not None:
                known.reported = True
        elif kind in _OF_INITIALIZATION:
            known = first
        else:
            return
        if known is not None and known.left_out:
            return
        attributes: dict[str, object] = {}
        if known is not None:
            request_id = known.request_id
            attributes["clew.invocation.start"] = known.started_ns
        if isinstance(request_id, str) and request_id:
            attributes["faas.invocation_id"] = request_id
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":"))[:_MAX_BODY]
        ids = (0, 0, 0) if known is None else (known.trace_id, known.span_id, known.flags)
        self._waiting.append(LogRecord(moment, _INFO, "", body, SCOPE, attributes, *ids))

    def _invocation(self, request_id: object, moment: int) -> _Known | None:
        """The invocation that a report is of: a retry has the same id, and may have begun before the report came."""
        found = [known for known in self._known if known.request_id and known.request_id == request_id]
        # Lambda's times end with the milliseconds.
        begun = [known for known in found if known.started_ns <= moment + 1_000_000]
        return begun[-1] if begun else None


def _nanoseconds(text: object) -> int:
    """A time such as 2022-10-12T00:03:50.123Z; now if it is none."""
    from datetime import datetime  # noqa: PLC0415  # 2 ms of INIT

    if isinstance(text, str):
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            seconds = int(moment.replace(microsecond=0).timestamp())
        except ValueError:
            return time_ns()
        return seconds * 1_000_000_000 + moment.microsecond * 1000
    return time_ns()
