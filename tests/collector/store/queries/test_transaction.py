"""The transaction page's query: from stored exports to one tree of spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import Connection, Engine

from collector.domain.facts import Result
from collector.store.engine import open_engine
from collector.store.queries.common import ServiceCount
from collector.store.queries.transaction import get_transaction
from tests.collector.domain import otlp
from tests.collector.domain.otlp import MS, START_NS, call, exception, export, export_logs, invocation, log
from tests.collector.store.queries.stored import Store, by_key, get, key, trace_id
from tests.databases import create_sqlite


@pytest.mark.parametrize("id", [b"", b"\0", bytes(16), b"\xff" * 16, b"x" * 40])
def test_no_such_transaction(page: Connection, id: bytes) -> None:
    """An id that names nothing, of any length, finds nothing and is no error."""
    assert get_transaction(page, id) is None


def test_one_invocation_whole(store: Store, page: Connection) -> None:
    """The invocation, its calls with request and response, its failure with its stack, and its log lines."""
    store.traces(
        export(
            spans=[
                invocation(
                    id=1,
                    duration=300 * MS,
                    error="no such job",
                    attrs={
                        "clew.event": '{"Records": []}',
                        "clew.return_value": "null",
                        "faas.coldstart": True,
                        "clew.lambda.init_duration": 120.5,
                        "clew.trigger.type": "s3",
                        "clew.trigger.resource": "arn:aws:s3:::uploads",
                        "error.type": "BadRequestException",
                    },
                    events=[exception("botocore.errorfactory.BadRequestException", "no such job", "Traceback …")],
                ),
                call(
                    "Transcribe.StartTranscriptionJob",
                    id=2,
                    parent=1,
                    start=10 * MS,
                    duration=20 * MS,
                    error="bad name",
                    error_type="BadRequestException",
                    attrs={"clew.request": '{"Name": "a b"}', "clew.response": '{"Error": {}}', "list": ["ü", 1, None]},
                ),
                otlp.span("parse", id=3, parent=1, start=5 * MS, duration=2 * MS),
            ]
        )
    )
    store.logs(export_logs(log("starting", span=1, at=MS), logger="app"))
    found = get(page)
    spans = by_key(found)

    assert (found.id, found.started_ns, found.duration_ns) == (trace_id(1), START_NS, 300 * MS)
    assert (found.result, found.entry.name, found.trigger) == (Result.ERROR, otlp.FUNCTION, "s3")
    assert found.trigger_resource is not None
    assert (found.trigger_resource.service, found.trigger_resource.name) == ("s3", "uploads")
    assert (found.accounts, found.regions) == ((otlp.ACCOUNT,), (otlp.REGION,))
    assert found.services == (ServiceCount("transcribe", 1),)
    assert (found.invocations_total, found.failed_invocations, found.cold_starts) == (1, 1, 1)
    assert (found.spans_total, found.logs_total, found.unreadable) == (3, 1, 0)
    assert [span.key for span in found.spans] == [key(1), key(3), key(2)]

    entry = spans[key(1)]
    assert (entry.kind, entry.parent, entry.via, entry.name) == ("invocation", None, None, otlp.FUNCTION)
    assert (entry.failed, entry.error_type, entry.error_message) == (True, "BadRequestException", "no such job")
    assert (entry.request, entry.response) == ('{"Records": []}', "null")
    assert [error.stacktrace for error in entry.exceptions] == ["Traceback …"]
    assert entry.resource == found.trigger_resource
    assert "clew.event" not in entry.attributes
    assert entry.attributes["faas.coldstart"] == "true"
    assert list(entry.attributes) == sorted(entry.attributes)

    made = spans[key(2)]
    assert (made.kind, made.parent, made.via) == ("call", key(1), "span")
    assert (made.started_ns, made.duration_ns, made.finished) == (START_NS + 10 * MS, 20 * MS, True)
    assert (made.failed, made.error_type, made.error_message) == (True, "BadRequestException", "bad name")
    assert (made.request, made.response) == ('{"Name": "a b"}', '{"Error": {}}')
    assert made.resource is not None
    assert made.resource.service == "transcribe"
    assert made.attributes["list"] == '["ü", 1, null]'
    assert (spans[key(3)].kind, spans[key(3)].function) == ("internal", entry.function)

    [detail] = found.invocations
    assert (detail.key, detail.result, detail.cold_start) == (key(1), Result.ERROR, True)
    assert (detail.init_ns, detail.memory_mb, detail.max_memory_mb) == (120_500_000, 512, 78)
    assert detail.issues == found.issues
    assert len(found.issues) == 1
    [line] = found.logs
    assert (line.message, line.logger, line.severity, line.invocation) == ("starting", "app", "INFO", key(1))


def test_an_asynchronous_hop_hangs_under_the_call_that_caused_it(store: Store, page: Connection) -> None:
    """Across S3 the second function's invocation is a child of the first one's PutObject, and its lines are merged."""
    second = export(
        resource=otlp.resource("second"),
        spans=[
            invocation("second", id=1, trace=2, start=900 * MS, attrs={"clew.link.keys": ["s3:REQ1"]}),
            call("DynamoDB.PutItem", id=2, trace=2, parent=1, start=950 * MS, name="summaries"),
        ],
    )
    first = export(
        spans=[
            invocation(id=1, request="8f5d3b1c-0000-4000-8000-0000000000ff"),
            call("S3.PutObject", id=2, parent=1, start=MS, name="texts", keys=["s3:REQ1"]),
        ]
    )
    store.logs(
        export_logs(log("third", trace=2, span=1, at=960 * MS), resource=otlp.resource("second")),
        export_logs(log("second", span=1, at=50 * MS), log("first", span=2, at=2 * MS)),
    )
    store.traces(second, first)
    found = get(page)
    spans = by_key(found)

    assert [span.key for span in found.spans] == [key(1), key(2), key(1, 2), key(2, 2)]
    hop = spans[key(1, 2)]
    assert (hop.parent, hop.via, hop.causes) == (key(2), "link", (key(2),))
    assert (hop.function.name, spans[key(2, 2)].function.name) == ("second", "second")
    assert [invocation.function.name for invocation in found.invocations] == [otlp.FUNCTION, "second"]
    assert [(line.message, line.function.name, line.invocation) for line in found.logs] == [
        ("first", otlp.FUNCTION, key(1)),
        ("second", otlp.FUNCTION, key(1)),
        ("third", "second", key(1, 2)),
    ]
    assert get(page, trace=2) == found


def test_a_batch_names_all_its_causes(store: Store, page: Connection) -> None:
    """A consumer with span links to several producers is a child of the latest and names all that are in sight."""
    store.traces(
        export(
            spans=[
                invocation(id=1),
                otlp.span("a send", id=2, parent=1, start=MS, kind=Span.SPAN_KIND_PRODUCER),
                otlp.span("b send", id=3, parent=1, start=2 * MS, kind=Span.SPAN_KIND_PRODUCER),
            ]
        ),
        export(
            resource=otlp.resource("batch"),
            spans=[
                invocation("batch", id=9, trace=2, start=500 * MS, links=[(1, 2), (1, 3), (77, 7)], request="other"),
            ],
        ),
    )
    consumer = by_key(get(page))[key(9, 2)]

    assert (consumer.parent, consumer.via) == (key(3), "link")
    assert consumer.causes == (key(3), key(2))


def test_the_finished_version_of_a_span_counts(store: Store, page: Connection) -> None:
    """A span that came unfinished and came again is shown complete, whichever arrived first."""
    for trace, early_first in ((1, True), (2, False)):
        early = invocation(id=trace, trace=trace, duration=50 * MS, attrs={"clew.unfinished": True, "state": "open"})
        late = invocation(id=trace, trace=trace, duration=80 * MS, attrs={"state": "closed"})
        for span in (early, late) if early_first else (late, early):
            store.traces(export(spans=[span]))
        [shown] = get(page, trace).spans
        assert (shown.finished, shown.duration_ns, shown.attributes["state"]) == (True, 80 * MS, "closed")
        page.rollback()


def test_a_call_that_hangs_is_shown_unfinished(store: Store, page: Connection) -> None:
    """A timeout: the invocation failed, and the call that was open says so."""
    store.traces(
        export(
            spans=[
                invocation(id=1, error="timed out", attrs={"clew.unfinished": True, "error.type": "Sandbox.Timedout"}),
                call("S3.GetObject", id=2, parent=1, name="b", attrs={"clew.unfinished": True}),
            ]
        )
    )
    found = get(page)

    assert found.result == Result.TIMEOUT
    assert [(span.finished, span.failed) for span in found.spans] == [(False, True), (False, True)]
    assert found.spans[1].error_type == "Unfinished"


def test_other_traces_of_the_same_export_stay_out(store: Store, page: Connection) -> None:
    """A batch of many traces gives each transaction its own spans and lines only."""
    store.traces(
        export(spans=[invocation(id=trace, trace=trace, request=f"request-{trace}") for trace in range(1, 30)])
    )
    store.logs(export_logs(*(log(f"line {trace}", trace=trace, span=trace) for trace in range(1, 30))))
    found = get(page, 7)

    assert [span.key for span in found.spans] == [key(7, 7)]
    assert [line.message for line in found.logs] == ["line 7"]
    assert (found.spans_total, found.logs_total) == (1, 1)


def test_a_service_within_the_trace_is_part_of_it(store: Store, page: Connection) -> None:
    """An HTTP hop with trace context: one trace, two services, each with its own function."""
    service = {"service.name": "shop", "telemetry.sdk.language": "java"}
    store.traces(
        export(
            spans=[
                invocation(id=1),
                otlp.span(
                    "POST",
                    id=2,
                    parent=1,
                    kind=Span.SPAN_KIND_CLIENT,
                    attrs={"http.request.method": "POST", "server.address": "shop.example"},
                ),
            ]
        ),
        export(
            resource=service,
            spans=[
                otlp.span("POST /buy", id=3, parent=2, start=MS, kind=Span.SPAN_KIND_SERVER),
                otlp.span("pack", id=4, parent=3, start=2 * MS),
                otlp.span("lost", id=5, parent=99, start=3 * MS),
            ],
        ),
    )
    found = get(page)
    spans = by_key(found)

    assert [span.key for span in found.spans] == [key(1), key(2), key(3), key(4), key(5)]
    assert (spans[key(3)].kind, spans[key(3)].parent, spans[key(3)].name) == ("invocation", key(2), "POST /buy")
    assert {key: spans[key].function.name for key in (key(2), key(3), key(4), key(5))} == {
        key(2): otlp.FUNCTION,
        key(3): "shop",
        key(4): "shop",
        key(5): "shop",
    }
    assert (spans[key(5)].parent, spans[key(5)].kind) == (None, "internal")
    reached = spans[key(2)].resource
    assert reached is not None
    assert reached.name == "shop.example"


def test_a_sender_without_a_row_names_itself(store: Store, page: Connection) -> None:
    """Spans whose invocation never arrived still say whose they are."""
    stray = {"service.name": "stray", "cloud.account.id": "5", "cloud.region": "us-east-1"}
    store.traces(
        export(spans=[invocation(id=1)]),
        export(resource=stray, spans=[otlp.span("step", id=8, parent=7)]),
        export(resource={}, spans=[otlp.span("nameless", id=9, parent=7)]),
    )
    store.logs(export_logs(log("mine", span=8), resource=stray))
    found = get(page)
    spans = by_key(found)

    assert spans[key(8)].function.name == "stray"
    assert (spans[key(8)].function.account, spans[key(8)].function.region) == ("5", "us-east-1")
    assert spans[key(9)].function.name == "unknown"
    assert found.logs[0].invocation == key(1)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_cycles_among_parents_end(store: Store, page: Connection, length: int) -> None:
    """Spans that are each other's ancestors are all shown; the earliest of them is the root."""
    circle = [
        otlp.span(f"s{index}", id=10 + index, parent=10 + (index + 1) % length, start=(index + 1) * MS)
        for index in range(length)
    ]
    store.traces(export(spans=[invocation(id=1), *circle, otlp.span("leaf", id=99, parent=10, start=50 * MS)]))
    found = get(page)
    spans = by_key(found)

    assert len(spans) == length + 2
    assert [span.key for span in found.spans if span.parent is None] == [key(1), key(10)]
    assert spans[key(99)].parent == key(10)


def test_a_long_chain_is_no_problem(store: Store, page: Connection) -> None:
    """Three thousand spans inside each other come in order, all of the same function."""
    store.traces(
        export(
            spans=[
                invocation(id=1),
                *(otlp.span("deeper", id=id, parent=id - 1, start=id) for id in range(2, 3_001)),
            ]
        )
    )
    found = get(page)

    assert [span.key for span in found.spans] == [key(id) for id in range(1, 3_001)]
    assert len({span.function for span in found.spans}) == 1


def test_of_too_many_spans_the_earliest_are_shown(store: Store, page: Connection) -> None:
    """The limit cuts the latest, and the total tells how many there are, over all exports."""
    for part in range(3):
        store.traces(
            export(
                spans=[
                    *([invocation(id=1)] if part == 0 else ()),
                    *(
                        otlp.span("s", id=100 * part + id, parent=1, start=(100 * part + id) * MS)
                        for id in range(2, 12)
                    ),
                ]
            )
        )
    found = get(page, max_spans=5)

    assert [span.key for span in found.spans] == [key(id) for id in (1, 2, 3, 4, 5)]
    assert found.spans_total == 31
    assert get(page).spans_total == len(get(page).spans) == 31


def test_other_instrumentations_payloads_are_found(store: Store, page: Connection) -> None:
    """A database statement is a call's request, unless the tracer's own is there."""
    store.traces(
        export(
            spans=[
                invocation(id=1),
                otlp.span(
                    "SELECT",
                    id=2,
                    parent=1,
                    kind=Span.SPAN_KIND_CLIENT,
                    attrs={"db.system.name": "postgresql", "db.query.text": "SELECT 1", "n": 1.5, "raw": b"\x01"},
                ),
            ]
        )
    )
    span = by_key(get(page))[key(2)]

    assert (span.request, span.response) == ("SELECT 1", None)
    assert dict(span.attributes) == {"db.system.name": "postgresql", "n": "1.5", "raw": '"01"'}
    assert "db.query.text" not in span.attributes
    assert len(span.attributes) == 3


def test_hostile_names_come_through_as_they_are(store: Store, page: Connection) -> None:
    """HTML, quotes and odd characters in names and values are text; keys stay safe."""
    name = "<img src=x onerror=alert(1)> ' \" % _ \u202e é"
    store.traces(
        export(
            resource=otlp.resource(name),
            spans=[invocation(name, id=1, attrs={name: name, "cloud.resource_id": None})],
        )
    )
    found = get(page)

    assert (found.entry.name, found.spans[0].name, found.spans[0].attributes[name]) == (name, name, name)
    assert found.spans[0].key.replace("-", "").isalnum()


def test_a_damaged_export_does_not_hide_the_rest(store: Store, page: Connection) -> None:
    """What cannot be read is counted, and the rows that are known are shown."""
    store.traces(export(spans=[invocation(id=1)]))
    store.damage(b"not zstd")
    found = get(page)

    assert (found.unreadable, found.spans, len(found.invocations)) == (1, (), 1)


def test_rubbish_inside_an_export_does_not_hide_the_rest(store: Store, page: Connection) -> None:
    """The same for a body that decompresses to something else."""
    from collector.store.codec import compress

    store.traces(export(spans=[invocation(id=1)]))
    store.damage(compress(b"\xff\xff\xff"))

    assert get(page).unreadable == 1


def test_the_number_of_statements_is_constant(store: Store, page: Connection, statements: list[str]) -> None:
    """Sixty exports and two hundred calls take as many statements as one."""
    store.traces(export(spans=[invocation(id=1, trace=500), call("S3.GetObject", id=2, trace=500, parent=1, name="a")]))
    get(page, 500)
    few = len(statements)
    page.rollback()
    for part in range(60):
        ids = range(10 * part + 2, 10 * part + 6)
        store.traces(
            export(
                spans=[
                    invocation(id=1000 + part, parent=1 if part else b"", request=f"r{part}"),
                    *(call("S3.GetObject", id=id, parent=1000 + part, start=id, name=f"b{id}") for id in ids),
                ]
            )
        )
    assert len(get(page).spans) == 300

    assert len(statements) == 2 * few <= 26


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One database for all of a property's examples, each in a trace of its own."""
    path: Path = tmp_path_factory.mktemp("property") / "clew.db"
    engine = open_engine(create_sqlite(path))
    yield engine
    engine.dispose()


EXAMPLES = count(1_000)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parents=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), min_size=1, max_size=12),
    shuffle=st.randoms(use_true_random=False),
)
def test_any_parents_make_a_forest(shared: Engine, parents: list[tuple[int, int]], shuffle: Random) -> None:
    """Whatever the parents say and in whatever order spans arrive, each is shown once, after its parent."""
    trace = next(EXAMPLES)
    base = trace * 1_000  # a span's id and start name it in all traces
    spans = [
        otlp.span("s", id=base + id, trace=trace, parent=base + parent, start=start * MS)
        for id, (parent, start) in enumerate(parents, 1)
    ]
    bodies = [export(spans=[span]) for span in (invocation(id=base + 100, trace=trace, start=-MS), *spans)]
    shuffle.shuffle(bodies)
    Store(shared).traces(*bodies)
    with shared.connect() as connection:
        found = get(connection, trace)

    place = {span.key: index for index, span in enumerate(found.spans)}
    assert len(place) == len(found.spans) == len(spans) + 1
    assert all(span.parent is None or place[span.parent] < place[span.key] for span in found.spans)
    siblings: dict[str | None, list[int]] = {}
    for span in found.spans:
        siblings.setdefault(span.parent, []).append(span.started_ns)
    assert all(starts == sorted(starts) for starts in siblings.values())


def test_details_can_be_changed_for_samples(store: Store, page: Connection) -> None:
    """A span's detail is a plain value: it can be copied with a difference and compared."""
    store.traces(export(spans=[invocation(id=1)]))
    [span] = get(page).spans

    assert replace(span, name="other") != span
    assert replace(span) == span
