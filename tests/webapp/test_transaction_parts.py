"""What the transaction page makes of a transaction: cause, tree, timeline, graph, panel."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.facts import Result
from collector.store.queries.transaction import ExceptionDetail, TransactionDetail
from tests.webapp import samples
from tests.webapp.samples import MS, START_NS, TRACE, span_key
from webapp.graph.picture import Picture
from webapp.transaction.cause import MOST, count_failed, find_causes
from webapp.transaction.panel import build_panel
from webapp.transaction.picture import MOST_FUNCTIONS, MOST_SERVICES, draw_transaction
from webapp.transaction.timeline import build_timeline
from webapp.transaction.timescale import MOST_FOLDS, build_scale
from webapp.transaction.tree import build_tree


def picture(detail: TransactionDetail) -> Picture:
    return draw_transaction(build_tree(detail), lambda key: f"?span={key}")


def edges(drawn: Picture) -> set[tuple[str, str]]:
    titles = {item.node.key: item.node.title for item in drawn.nodes}
    return {(titles[item.edge.source], titles[item.edge.target]) for item in drawn.edges}


def test_the_cause_is_the_exception_and_the_call_that_raised_it() -> None:
    """Type, message, failing call and the function's own line in one place."""
    [cause] = find_causes(build_tree(samples.failed_transaction()))

    assert ("BadRequestException", samples.MESSAGE) == (cause.type, cause.message)
    assert cause.call is not None
    assert "Transcribe.StartTranscriptionJob" == cause.call.name
    assert cause.frame is not None
    assert ("/var/task/start_transcription.py", 17) == (cause.frame.file, cause.frame.line)


def test_a_call_that_failed_in_another_way_is_not_the_cause() -> None:
    """A handled error before the exception does not get the blame."""
    detail = samples.failed_transaction()
    spans = [replace(detail.spans[0], exceptions=(ExceptionDetail("KeyError", "'results'", ""),)), *detail.spans[1:]]
    [cause] = find_causes(build_tree(replace(detail, spans=tuple(spans))))

    assert ("KeyError", None) == (cause.type, cause.call)


def test_a_timeout_is_blamed_on_the_call_that_never_returned() -> None:
    """The one that hangs, not the one that worked."""
    [cause] = find_causes(build_tree(samples.hanging_transaction()))

    assert ("Timed out", True) == (cause.type, cause.hanging)
    assert cause.call is not None
    assert "S3.GetObject" == cause.call.name
    assert "audio-uploads" == cause.call_resource


def test_the_callee_that_failed_comes_before_its_caller() -> None:
    """A function that fails because the one it invoked failed is not the cause."""
    outer = samples.span(1, kind="invocation", via=None, duration_ns=100 * MS, failed=True, error_type="Caller")
    call = samples.span(2, parent=outer.key, name="Lambda.Invoke", duration_ns=80 * MS, failed=True)
    inner = samples.span(
        3, parent=call.key, kind="invocation", via="link", duration_ns=50 * MS, failed=True, error_type="Callee"
    )
    detail = samples.transaction(
        [outer, call, inner],
        [samples.invocation(1, result=Result.ERROR), samples.invocation(3, result=Result.ERROR, request_id="other")],
    )

    assert ["Callee", "Caller"] == [cause.type for cause in find_causes(build_tree(detail))]


def test_attempts_are_counted_by_request_id() -> None:
    """AWS tries an asynchronous invocation three times under one request id."""
    spans = [
        samples.span(n, kind="invocation", via=None, started_ns=START_NS + n * 1000 * MS, failed=True, error_type="E")
        for n in (1, 2, 3)
    ]
    detail = samples.transaction(spans, [samples.invocation(n, result=Result.ERROR) for n in (1, 2, 3)])
    tree = build_tree(detail)

    assert [(1, 3), (2, 3), (3, 3)] == [(cause.attempt, cause.attempts) for cause in find_causes(tree)]
    assert "attempt 2 of 3" in build_timeline(tree).rows[1].note
    assert "3 attempts" in {item.subtitle for item in picture(detail).nodes}


def test_a_request_id_is_an_attempt_only_within_its_function() -> None:
    """Two functions that one message reached share its id; neither was tried twice. Nor was what has no id."""
    spans = [samples.span(n, kind="invocation", via=None, started_ns=START_NS + n) for n in (1, 2, 3, 4)]
    detail = samples.transaction(
        spans,
        [
            samples.invocation(1, request_id="a"),
            samples.invocation(2, request_id="a", function=samples.SUMMARIZE),
            samples.invocation(3, request_id=None),
            samples.invocation(4, request_id=None),
        ],
    )
    tree = build_tree(detail)

    assert {(1, 1)} == {tree.attempt(span) for span in spans}


def test_of_thousands_of_failures_the_first_are_told() -> None:
    """The rest are in the timeline; the number is of all of them."""
    spans = [
        samples.span(n, kind="invocation", via=None, started_ns=START_NS + n, failed=True, error_type=f"E{n}")
        for n in range(1, 3_001)
    ]
    tree = build_tree(samples.transaction(spans, [samples.invocation(n, result=Result.ERROR) for n in range(1, 3_001)]))
    causes = find_causes(tree)

    assert [f"E{n}" for n in range(1, MOST + 1)] == [cause.type for cause in causes]
    assert {3_000} == {cause.attempts for cause in causes}
    assert 3_000 == count_failed(tree)


def test_what_ran_in_an_invocation_comes_in_its_order() -> None:
    """Depth first, without what it set off in another function."""
    spans = [
        samples.span(1, kind="invocation", via=None),
        samples.span(2, parent=span_key(TRACE, 1), kind="internal", started_ns=START_NS + 1),
        samples.span(3, parent=span_key(TRACE, 2), started_ns=START_NS + 2),
        samples.span(4, parent=span_key(TRACE, 1), started_ns=START_NS + 3),
        samples.span(5, parent=span_key(TRACE, 4), kind="invocation", via="link", started_ns=START_NS + 4),
        samples.span(6, parent=span_key(TRACE, 5), started_ns=START_NS + 5),
    ]
    tree = build_tree(samples.transaction(spans, [samples.invocation(1), samples.invocation(5)]))

    assert [span.key for span in spans[1:4]] == [span.key for span in tree.within(spans[0])]


def test_a_transaction_without_failures_has_no_cause() -> None:
    """No panel without a reason."""
    assert [] == find_causes(build_tree(samples.whole_transaction()))


def test_every_span_is_shown_once_whatever_its_parents() -> None:
    """Missing parents, circles and spans that are their own parent are all in the timeline."""
    spans = [
        samples.span(1, kind="invocation", parent="missing"),
        samples.span(2, parent=span_key(TRACE, 3)),
        samples.span(3, parent=span_key(TRACE, 2)),
        samples.span(4, parent=span_key(TRACE, 4)),
    ]
    tree = build_tree(samples.transaction(spans, [samples.invocation(1)]))

    assert sorted(span.key for span in spans) == sorted(span.key for span, _ in tree.order)


def test_the_graph_runs_from_the_trigger_through_the_hop_to_the_second_function() -> None:
    """Bucket, function, Transcribe, bucket, function, table; what is read back is an edge of its own."""
    assert {
        ("audio-uploads", samples.START.name),
        (samples.START.name, "audio-uploads"),
        (samples.START.name, "Transcribe"),
        ("Transcribe", "transcripts"),
        ("transcripts", samples.SUMMARIZE.name),
        (samples.SUMMARIZE.name, "transcripts"),
        (samples.SUMMARIZE.name, "summaries"),
    } == edges(picture(samples.whole_transaction()))


def test_several_calls_are_a_stack_that_says_how_many() -> None:
    """Two reads of one bucket are one node."""
    bucket = next(item for item in picture(samples.failed_transaction()).nodes if item.title == "audio-uploads")

    assert (2, "S3 · 2 calls") == (bucket.node.count, bucket.subtitle)


def test_a_failing_call_is_marked_in_the_graph() -> None:
    """Node and edge are red and the edge says so in words."""
    drawn = picture(samples.failed_transaction())
    edge = next(item for item in drawn.edges if item.edge.failed)

    assert ["StartTranscriptionJob", "failed"] == [line.text for line in edge.label]
    assert {"Transcribe", samples.START.name} == {item.node.title for item in drawn.nodes if item.node.failed}


def test_a_graph_of_very_many_things_joins_them() -> None:
    """Hundreds of functions and services are more than a person can take in; what failed keeps its node."""
    spans, invocations = [], []
    for n in range(1, 301):
        function = replace(samples.START, id=n, name=f"function-{n}")
        resource = replace(samples.AUDIO, id=n, service=f"service-{n}", name=f"resource-{n}")
        spans.append(samples.span(n, kind="invocation", via=None, function=function, failed=n == 300, resource=None))
        spans.append(samples.span(n + 1000, parent=span_key(TRACE, n), function=function, resource=resource))
        invocations.append(
            samples.invocation(n, function=function, result=Result.ERROR if n == 300 else Result.OK, request_id=str(n))
        )
    titles = [item.node.title for item in picture(samples.transaction(spans, invocations)).nodes]

    assert MOST_FUNCTIONS + MOST_SERVICES + 3 == len(titles)  # others of both kinds, and the trigger
    assert {"220 more functions", "Other services", "function-300", "function-1"} < set(titles)


def test_a_hanging_call_is_marked_in_graph_and_timeline() -> None:
    """What never returned is how one finds the cause of a timeout."""
    detail = samples.hanging_transaction()

    assert "hangs" in [line.text for item in picture(detail).edges for line in item.label]
    assert [False, True, False] == [row.span.finished for row in build_timeline(build_tree(detail)).rows]


def test_a_batch_is_joined_to_everything_that_caused_it() -> None:
    """One invocation for two messages has two edges into it."""
    producers = [samples.span(n, kind="invocation", via=None) for n in (1, 2)]
    calls = [
        samples.span(n + 10, parent=span_key(TRACE, n), name="S3.PutObject", resource=resource)
        for n, resource in ((1, samples.AUDIO), (2, samples.TRANSCRIPTS))
    ]
    batch = samples.span(
        5, kind="invocation", via="link", parent=calls[0].key, function=samples.SUMMARIZE, resource=None
    )
    batch.causes = (calls[0].key, calls[1].key)
    detail = samples.transaction(
        [*producers, *calls, batch],
        [
            *(samples.invocation(n, request_id=str(n)) for n in (1, 2)),
            samples.invocation(5, function=samples.SUMMARIZE),
        ],
    )

    assert {("audio-uploads", samples.SUMMARIZE.name), ("transcripts", samples.SUMMARIZE.name)} < edges(picture(detail))


def test_a_lambda_invoke_joins_the_two_functions_directly() -> None:
    """No node stands for the invoke itself."""
    lambda_ = replace(samples.TRANSCRIBE, service="lambda", name=samples.SUMMARIZE.name)
    outer = samples.span(1, kind="invocation", via=None, resource=None)
    call = samples.span(2, parent=outer.key, name="Lambda.Invoke", resource=lambda_)
    inner = samples.span(3, parent=call.key, kind="invocation", function=samples.SUMMARIZE, resource=None)
    detail = samples.transaction(
        [outer, call, inner],
        [samples.invocation(1, trigger="schedule"), samples.invocation(3, function=samples.SUMMARIZE, request_id="b")],
    )

    assert {("Schedule", samples.START.name), (samples.START.name, samples.SUMMARIZE.name)} == edges(picture(detail))


def test_waiting_is_folded_and_the_rest_keeps_its_proportions() -> None:
    """72 s between the functions do not squeeze their milliseconds."""
    timeline = build_timeline(build_tree(samples.whole_transaction()))
    widths = {row.title: row.width for row in timeline.rows}

    assert 1 == len(timeline.pauses)
    assert widths[samples.START.name] > 20
    assert widths[samples.SUMMARIZE.name] > 5


def test_only_the_longest_of_many_pauses_are_folded() -> None:
    """An axis of a thousand folds would tell nothing, and each is drawn in every row."""
    second = 1_000 * MS
    starts = [n * second + (n // 100) * 100 * second for n in range(1_000)]
    scale = build_scale([(start, start + 1) for start in starts])

    assert MOST_FOLDS == len(scale.pauses)
    assert 9 == sum(pause.duration_ns == 101 * second - 1 for pause in scale.pauses)
    assert scale.at(starts[-1]) > 99


def test_a_cold_start_is_drawn_before_the_handler() -> None:
    """The environment's start is part of what was waited for."""
    row = build_timeline(build_tree(samples.failed_transaction())).rows[0]

    assert "cold start 312\N{NO-BREAK SPACE}ms" == row.note
    assert row.init_left == 0
    assert abs(row.init_left + row.init_width - row.left) < 0.01


def test_retries_are_told() -> None:
    """A call that needed three tries says so."""
    assert "2 retries" in [row.note for row in build_timeline(build_tree(samples.failed_transaction())).rows]


def test_long_timelines_show_their_beginning_and_count_the_rest() -> None:
    """Ten thousand rows are not sent unasked."""
    timeline = build_timeline(build_tree(samples.failed_transaction()), limit=3)

    assert (3, 1) == (len(timeline.rows), timeline.hidden)


@given(st.lists(st.tuples(st.integers(0, 10**13), st.integers(0, 10**12)), min_size=1, max_size=30))
def test_the_axis_is_monotonous_and_complete(raw: list[tuple[int, int]]) -> None:
    """Whatever is folded, later is further right and everything is on the axis."""
    intervals = [(start, start + length) for start, length in raw]
    scale = build_scale(intervals)
    times = sorted(time for interval in intervals for time in interval)
    places = [scale.at(time) for time in times]

    assert places == sorted(places)
    assert -0.001 <= places[0]
    assert places[-1] <= 100.001
    assert all(0 <= tick.left <= 95 for tick in scale.ticks())


def test_the_panel_pages_through_calls_to_the_same_resource() -> None:
    """The second of two reads of the bucket."""
    panel = build_panel(build_tree(samples.failed_transaction()), span_key(TRACE, 3))

    assert panel is not None
    assert (2, 2) == (panel.number, len(panel.siblings))
    assert panel.previous is not None
    assert (span_key(TRACE, 2), None) == (panel.previous.key, panel.following)


def test_a_span_is_found_by_its_own_id() -> None:
    """Lists of invocations link with the span's id alone."""
    panel = build_panel(build_tree(samples.failed_transaction()), f"{4:016x}")

    assert panel is not None
    assert ["Request", "Response"] == [body.title for body in panel.bodies]


def test_an_unknown_span_has_no_panel() -> None:
    """A mangled link opens nothing."""
    assert build_panel(build_tree(samples.failed_transaction()), "nonsense") is None


def test_what_follows_a_pause_is_told_from_its_start() -> None:
    """A round time just before the pause, here 200 ms, makes room for it."""
    scale = build_scale([(0, 210 * MS), (2_690 * MS, 2_990 * MS)])

    assert [0, 2_690, 2_800] == [tick.offset_ns // MS for tick in scale.ticks()]
