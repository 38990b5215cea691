"""Every page over the example's traffic in a real database: what a person reads, and where links lead."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.webapp.traffic import AUDIO, FIRST, MESSAGE, SECOND_FUNCTION, TRANSCRIPTS, Traffic, trace_hex
from webapp.formatting.numbers import DASH

PAGES = ("/", "/issues", "/transactions", "/map")


def read(client: FlaskClient, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert status == response.status_code, response.text
    return response.text


def words(html: str) -> str:
    """The text that is shown, with single spaces."""
    html = re.sub(r"<(script|head|title|svg|textarea)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def hrefs(html: str) -> list[str]:
    return [unescape(href) for href in re.findall(r'href="([^"]*)"', html)]


def rows(html: str) -> list[str]:
    """Of the page's own list, after what else stands in tables."""
    own = re.sub(r'<table class="rows (?:cost-parts|tag-sums)">.*?</table>', "", html, flags=re.DOTALL)
    body = own.partition("<tbody>")[2].partition("</tbody>")[0]
    return [words(row) for row in body.split("</tr>")[:-1]]


def link(html: str, start: str) -> str:
    """The first link that starts so."""
    return next(href for href in hrefs(html) if href.startswith(start))


def test_functions_are_listed_with_their_figures(filled: FlaskClient) -> None:
    """Both functions with invocations, errors, durations, memory, cost and when they were last seen."""
    first, second = rows(read(filled, "/"))

    assert f"{FIRST} eu-west-1" in first
    assert "12 4 33 %" in first
    assert "ms" in first
    assert "78 / 512 MB" in first
    assert "$0.00" in first
    assert "8 min ago" in first
    assert second.startswith(SECOND_FUNCTION)


def test_functions_are_searched_and_sorted(filled: FlaskClient) -> None:
    """The address says both; the header that sorts says so to screen readers."""
    assert [SECOND_FUNCTION] == [row.split()[0] for row in rows(read(filled, "/?q=summary"))]
    page = read(filled, "/?sort=name&dir=asc")
    assert [FIRST, SECOND_FUNCTION] == [row.split()[0] for row in rows(page)]
    assert 'aria-sort="ascending"' in page


def test_an_unsuccessful_search_says_so(filled: FlaskClient) -> None:
    """An empty table is no answer."""
    assert "No function matches “ nothing ”. Show all" in words(read(filled, "/?q=nothing"))


def test_a_quiet_period_offers_a_longer_one(filled: FlaskClient) -> None:
    """Nothing in this range is not nothing at all."""
    page = read(filled, "/?from=2026-05-01T00:00Z&to=2026-05-01T01:00Z")

    assert "No invocations in this time range. Show the last 4 hours" in words(page)
    assert FIRST in page


def test_a_function_leads_to_its_page(filled: FlaskClient) -> None:
    """Charts and one row per invocation with result, issue, duration, cost and services."""
    page = read(filled, link(read(filled, "/"), "/functions/"))
    listed = rows(page)

    assert 12 == len(listed)
    assert "Invocations 12 4 failed 33 %" in words(page)
    assert any("Failure BadRequestException 100 ms" in row for row in listed)
    assert any("Timed out unfinished" in row for row in listed)
    assert any("cold start" in row and "310 ms" in row for row in listed)
    assert all("S3" in row and "$0.0000" in row for row in listed)
    assert 4 == page.count("data-chart=")


@pytest.mark.parametrize(
    ("query", "count"), [("result=ok", 8), ("result=error", 3), ("result=timeout", 1), ("cold=1", 1), ("q=0000000b", 1)]
)
def test_invocations_are_filtered(filled: FlaskClient, query: str, count: int) -> None:
    """By result, cold start and request id."""
    function = link(read(filled, "/"), "/functions/").partition("?")[0]

    assert count == len(rows(read(filled, f"{function}?{query}")))


def test_an_invocation_leads_to_its_span_in_the_transaction(filled: FlaskClient) -> None:
    """The panel of that very invocation is open."""
    function = read(filled, link(read(filled, "/"), "/functions/") + "&result=error")
    target = link(function, "/transactions/")

    assert "span=" in target
    assert "BadRequestException" in words(read(filled, target).partition('id="details"')[2])


def test_issues_are_grouped_by_cause(filled: FlaskClient) -> None:
    """Type, message, failing call, function, count and share; first the most frequent."""
    failed, late = rows(read(filled, "/issues"))

    assert "BadRequestException" in failed
    assert MESSAGE in failed
    assert "StartTranscriptionJob" in failed
    assert f"{FIRST} eu-west-1 3 25 %" in failed
    assert "timed out after 3.00 seconds" in late
    assert f"{FIRST} eu-west-1 1 8.3 %" in late


def test_an_issue_leads_to_the_functions_invocations_with_it(filled: FlaskClient) -> None:
    """By way of the issue's own page; its link in the list opens the latest example."""
    issues = read(filled, "/issues")
    issue = read(filled, link(issues, "/issues/"))
    function = read(filled, next(href for href in hrefs(issue) if href.startswith("/functions/") and "issue=" in href))
    example = read(filled, link(issues, "/transactions/"))

    assert 3 == len(rows(function))
    assert "Only invocations with BadRequestException" in words(function)
    assert MESSAGE in words(example)


def test_issues_are_filtered(filled: FlaskClient) -> None:
    """By type and by text."""
    assert 1 == len(rows(read(filled, "/issues?type=BadRequestException")))
    assert 1 == len(rows(read(filled, "/issues?q=timed+out")))
    assert "No open issue in the last hour matches" in words(read(filled, "/issues?q=nothing"))


def test_transactions_show_entry_result_and_issues_apart(filled: FlaskClient) -> None:
    """Trigger, functions and services touched, duration through the asynchronous tail, and cost."""
    page = read(filled, "/transactions")
    listed = rows(page)

    assert 12 == len(listed)
    assert "Started 12 Failed 4 33 % With issues 4 33 %" in words(page)
    good = listed[0]
    assert f"{FIRST} S3 · {AUDIO} {SECOND_FUNCTION}" in good
    assert "DynamoDB" in good
    assert f"Success {DASH} 40.0 s" in good
    assert "Failure BadRequestException 100 ms" in listed[1]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("outcome=failed", 4),
        ("outcome=ok", 8),
        ("q=store-summary", 8),
        ("q=" + trace_hex(4)[:32], 1),
        ("q=transcribe", 11),
    ],
)
def test_transactions_are_filtered(filled: FlaskClient, query: str, count: int) -> None:
    """By outcome, and by text in ids and names."""
    assert count == len(rows(read(filled, f"/transactions?{query}")))


def test_a_filter_that_came_with_a_link_is_named(filled: FlaskClient) -> None:
    """Also where the time range holds nothing of it: the issue with its function, the resource, the function."""
    quiet = "from=2026-05-01T00:00Z&to=2026-05-01T01:00Z"
    issue = link(read(filled, "/issues"), "/issues/").partition("?")[0].rpartition("/")[2]
    resource = re.findall(r"resource=([0-9a-f]{16})", read(filled, "/map"))[0]
    function = link(read(filled, "/"), "/functions/").partition("?")[0].rpartition("/")[2]
    named = words(read(filled, f"/transactions?{quiet}&issue={issue}"))

    assert f"Only transactions with BadRequestException in {FIRST}" in named
    assert "touch one resource" not in words(read(filled, f"/transactions?{quiet}&resource={resource}"))
    assert f"selected>{FIRST}<" in read(filled, f"/transactions?{quiet}&function={function}")


def test_the_cause_comes_first(filled: FlaskClient) -> None:
    """Exception, message, failing call and one's own line of code before everything else."""
    page = read(filled, f"/transactions/{trace_hex(4)}")
    cause = words(page.partition('<section class="cause')[2].partition("</section>")[0])

    assert cause.index("BadRequestException") < cause.index("Transcribe.StartTranscriptionJob")
    assert MESSAGE in cause
    assert "start.py:17 in handler transcribe.start_transcription_job(TranscriptionJobName=name)" in cause
    assert page.index('class="cause') < page.index("Graph") < page.index("Timeline") < page.index("Logs")


def test_a_timeout_names_the_call_that_hangs(filled: FlaskClient) -> None:
    """It never returned, and the timeline says so."""
    page = words(read(filled, f"/transactions/{trace_hex(9)}"))

    assert f"Timed out while waiting for S3.GetObject {AUDIO} in {FIRST}" in page
    assert "hangs" in page


def test_a_transaction_goes_through_the_bucket_into_the_second_function(filled: FlaskClient) -> None:
    """Graph, timeline and log lines of both functions, by time."""
    page = read(filled, f"/transactions/{trace_hex(1)}")
    logs = words(page.partition('id="logs"')[2])

    assert "Success" in words(page)
    assert "StartTranscriptionJob" in words(page.partition('id="timeline"')[2])
    assert re.search(r"store-summary.*PutItem DynamoDB summaries", words(page.partition('id="timeline"')[2]))
    assert logs.index("transcribing file 1") < logs.index("job started") < logs.index("summary of file 1")
    assert "3 of 3 lines" in logs


def test_a_transaction_that_fails_later_on_succeeded_for_its_caller(client: FlaskClient, engine: Engine) -> None:
    """Result and issue are two things, and the cause names the function that failed and the entry that did not."""
    Traffic(engine).success(1, follower_error="ValueError: max() arg is an empty sequence")
    page = read(client, f"/transactions/{trace_hex(1)}")
    outcome = words(page.partition('<p class="outcome">')[2].partition("</p>")[0])
    cause = words(page.partition('<section class="cause')[2].partition("</section>")[0])

    assert "Success ValueError" == outcome
    assert f"ValueError in {SECOND_FUNCTION} ; the entry, {FIRST} , succeeded" in cause
    assert "max() arg is an empty sequence" in cause
    assert "Success ValueError" in rows(read(client, "/transactions"))[0]


def test_the_second_functions_trace_leads_to_the_same_transaction(filled: FlaskClient) -> None:
    """Whichever id a person has, it finds the whole."""
    assert "transcribing file 1" in read(filled, f"/transactions/{trace_hex(0x1001)}")


def test_log_lines_are_searched(filled: FlaskClient) -> None:
    """Also without scripts."""
    page = words(read(filled, f"/transactions/{trace_hex(4)}?logs=COULD").partition('id="logs"')[2])

    assert "could not start the job" in page
    assert "transcribing" not in page


def test_a_span_shows_payloads_with_masks_and_cuts(filled: FlaskClient) -> None:
    """Request and response are laid out; masked and cut values are marked."""
    page = read(filled, f"/transactions/{trace_hex(4)}")
    keys = re.findall(r'data-span="([^"]+)"', page.partition('class="waterfall"')[2])
    read_call, start_call = (read(filled, f"/transactions/{trace_hex(4)}/spans/{key}") for key in keys[1:3])

    assert "cut here; 48 213 bytes in all" in words(read_call)
    assert '"TranscriptionJobName": "my holiday.mp3"' in re.sub(r"\s+", " ", words(start_call)).replace(" :", ":")
    assert '<span class="masked" title="Masked before it left the function">masked</span>' in start_call
    assert "****" not in start_call.partition("<pre")[2].partition("</pre>")[0]


def test_a_stack_is_folded_in_the_invocations_panel(filled: FlaskClient) -> None:
    """One's own frame in sight, botocore's behind a line that says how many."""
    page = read(filled, f"/transactions/{trace_hex(4)}")
    key = re.findall(r'data-span="([^"]+)"', page.partition('class="waterfall"')[2])[0]
    panel = read(filled, f"/transactions/{trace_hex(4)}/spans/{key}")

    assert "1 frame of libraries" in panel
    assert "Event" in panel


def test_the_map_shows_what_flows_between_what(filled: FlaskClient) -> None:
    """Functions, buckets, Transcribe and the table, with calls, errors and latency on the edges."""
    page = read(filled, "/map")
    table = rows(page)

    assert "2 functions, 4 resources" in words(page)
    assert f"{FIRST} calls Transcribe 11 3 27 % 30 ms 30 ms not priced" in [" ".join(row.split()) for row in table]
    assert any(row.startswith(f"{AUDIO} sets off {FIRST} 12") for row in table)
    assert f"{FIRST} calls Transcribe: 11 times, 3 failed" in page


def test_the_map_leads_to_functions_and_transactions(filled: FlaskClient) -> None:
    """A function to its page, a resource to the transactions that touch it."""
    page = read(filled, "/map")
    resource = link(page, "/transactions?resource=")

    assert FIRST in read(filled, link(page, "/functions/"))
    assert "Only transactions that touch" in words(read(filled, resource))


def test_a_name_is_highlighted_on_the_map(filled: FlaskClient) -> None:
    """What has nothing to do with it is drawn faint."""
    page = read(filled, "/map?q=summaries")

    assert re.search(r'class="node storage[^"]* dim"', page)
    assert re.search(r'class="node data"', page)


@pytest.mark.parametrize("path", [*PAGES, f"/transactions/{trace_hex(4)}"])
@pytest.mark.parametrize("period", ["range=24h", "from=2026-05-28T20:00Z&to=2026-05-28T21:00Z"])
def test_every_link_carries_the_time_range(filled: FlaskClient, path: str, period: str) -> None:
    """One control for all pages: it stays as it was set, relative or fixed."""
    expected = period.replace(":", "%3A")
    page = read(filled, f"{path}?{period}")
    inner = [href for href in hrefs(page) if href.startswith("/") and not href.startswith("/static")]
    choices = page.partition('aria-label="Time range"')[2].partition("</nav>")[0]

    assert inner
    for href in inner:
        assert expected in href.replace(":", "%3A") or href in hrefs(choices), href


def test_changing_the_range_keeps_the_filters(filled: FlaskClient) -> None:
    """The search is still there, the page within the list is not."""
    page = read(filled, "/transactions?q=store&outcome=ok&cursor=abc")

    assert "/transactions?q=store&outcome=ok&range=24h" in hrefs(page)


def test_a_newcomer_is_told_what_to_do(client: FlaskClient) -> None:
    """Decorate a handler, set the endpoint to this very address, or watch the example."""
    page = words(read(client, "/"))

    assert "Nothing received yet" in page
    assert "@clew.trace" in page
    assert "OTEL_EXPORTER_OTLP_ENDPOINT= http://localhost" in page
    assert "scripts/demo" in page
    assert "Nothing received yet" in words(read(client, "/transactions"))


@pytest.mark.parametrize("path", ["/issues", "/map"])
def test_pages_without_anything_to_show_say_so(client: FlaskClient, path: str) -> None:
    """An empty database is no error."""
    assert "in the last hour" in words(read(client, path))


def test_older_rows_are_a_click_away(client: FlaskClient, engine: Engine) -> None:
    """Fifty rows, then a link to the rest, which keeps the filter."""
    traffic = Traffic(engine)
    for number in range(1, 53):
        traffic.failure(number, number)
    page = read(client, "/transactions?outcome=failed")
    older = next(href for href in hrefs(page) if "cursor=" in href)

    assert 50 == len(rows(page))
    assert "outcome=failed" in older
    assert 2 == len(rows(read(client, older)))


def test_an_edge_between_resources_is_no_trigger(filled: FlaskClient) -> None:
    """A service writes its results into a bucket; the bucket sets the second function off. As on the map."""
    html = read(filled, f"/transactions/{trace_hex(1)}")

    assert f"<title>Transcribe writes to {TRANSCRIPTS}</title>" in html
    assert f"<title>{TRANSCRIPTS} sets off {SECOND_FUNCTION}</title>" in html


def test_the_example_is_offered_beside_this_server(client: FlaskClient) -> None:
    """This very server holds the port that the example would take by itself."""
    assert "scripts/demo --port 4319" in read(client, "/")


def test_no_point_of_a_line_is_cut_off(filled: FlaskClient) -> None:
    """The first and the last lie at the edges of the chart."""
    figure = read(filled, link(read(filled, "/"), "/functions/")).partition('data-chart="chart-durations">')[2]

    assert '"cliponaxis":false' in figure.partition("</script>")[0]
