"""What comes from plain OpenTelemetry, outside Lambda: no price, no trigger, a name of its own for every root span."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.collector.domain import otlp
from tests.collector.domain.otlp import MS
from tests.webapp.test_pages import link, read, words
from tests.webapp.traffic import Traffic, trace_hex

SERVICE = {"service.name": "billing-cron", "telemetry.sdk.language": "python"}


@pytest.fixture
def billing(engine: Engine, client: FlaskClient) -> FlaskClient:
    """A service's own job, which fails."""
    failure = [otlp.exception("KeyError", "'amount'")]
    root = otlp.span("run-billing", id=16, trace=1, duration=80 * MS, error="'amount'", events=failure)
    Traffic(engine).send(otlp.export(resource=SERVICE, spans=[root]))
    return client


@pytest.mark.parametrize("path", ["/", "/issues"])
def test_a_cost_that_nobody_knows_is_no_figure(billing: FlaskClient, path: str) -> None:
    """Nowhere on the page: neither in a row nor in a sum."""
    html = billing.get(path).text

    assert "billing-cron" in html
    assert "$" not in html
    assert 'class="money unknown"' in html


def test_a_root_span_is_named_wherever_its_service_is(billing: FlaskClient) -> None:
    """One service does many things: heading, timeline and panel tell which one this was."""
    html = read(billing, f"/transactions/{trace_hex(1)}?span={16:016x}")
    heading, _, rest = html.partition('<dl class="facts strip">')
    timeline, _, panel = rest.partition('id="timeline"')[2].partition('<div class="panel-content"')

    assert "billing-cron run-billing" in words(heading)
    assert "billing-cron run-billing" in words(timeline)
    assert "billing-cron run-billing" in words(panel)


def test_a_service_that_nobody_called_started_by_itself(billing: FlaskClient) -> None:
    """It has no invoker, on no page and in no graph."""
    function = link(read(billing, "/"), "/functions/")
    for path in (f"/transactions/{trace_hex(1)}?span={16:016x}", "/transactions", function):
        html = read(billing, path)
        assert "Started by itself" in words(html), path
        assert "Direct invoke" not in html, path
