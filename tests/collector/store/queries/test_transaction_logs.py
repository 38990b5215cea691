"""The log lines on the transaction page."""

from __future__ import annotations

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from sqlalchemy import Connection

from collector.store.queries import transaction as module
from tests.collector.domain.otlp import MS, export, export_logs, invocation, log
from tests.collector.store.queries.stored import Store, get, key


def test_of_too_many_lines_the_earliest_are_shown(
    store: Store, page: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit cuts the latest lines, and the total tells how many there are."""
    monkeypatch.setattr(module, "MAX_LOGS", 2)
    store.traces(export(spans=[invocation(id=1)]))
    store.logs(export_logs(*(log(f"{at}", at=at) for at in (3, 1, 2))))
    found = get(page)

    assert ([line.message for line in found.logs], found.logs_total) == (["1", "2"], 3)


def test_lines_belong_to_the_invocation_that_was_running(store: Store, page: Connection) -> None:
    """Without a span that is known, time decides among the trace's invocations."""
    store.traces(
        export(
            spans=[
                invocation(id=1, request="one"),
                invocation("other", id=2, parent=1, start=40 * MS, request="two"),
            ]
        )
    )
    store.logs(export_logs(log("a", at=0), log("b", at=39 * MS, span=77), log("c", at=45 * MS)))

    assert [line.invocation for line in get(page).logs] == [key(1), key(1), key(2)]


@pytest.mark.parametrize(
    ("record", "severity", "message"),
    [
        (log("plain", severity=""), "", "plain"),
        (log({"level": "info"}), "INFO", '{"level": "info"}'),
        (log(b"\x00\xff"), "INFO", '"00ff"'),
        (log(None), "INFO", ""),
        (log("failed", severity="ERROR", attrs={"exception.stacktrace": "Traceback"}), "ERROR", "failed\nTraceback"),
        (log("Traceback", attrs={"exception.stacktrace": "Traceback"}), "INFO", "Traceback"),
    ],
)
def test_lines_are_text(store: Store, page: Connection, record: LogRecord, severity: str, message: str) -> None:
    """Structured bodies become JSON; a stack that is kept beside the line is part of it."""
    store.traces(export(spans=[invocation(id=1)]))
    store.logs(export_logs(record))
    [line] = get(page).logs

    assert (line.severity, line.message) == (severity, message)


@pytest.mark.parametrize(
    ("number", "severity"), [(0, ""), (1, "TRACE"), (9, "INFO"), (17, "ERROR"), (24, "FATAL"), (25, "")]
)
def test_severity_numbers_have_names(store: Store, page: Connection, number: int, severity: str) -> None:
    """Where the sender gives only a number, its group's name is shown."""
    record = log("line", severity="")
    record.severity_number = number  # type: ignore[assignment] # also numbers that the enumeration lacks
    store.traces(export(spans=[invocation(id=1)]))
    store.logs(export_logs(record))

    assert get(page).logs[0].severity == severity
