"""What comes from plain OpenTelemetry, outside Lambda: no price, no trigger, a name of its own for every root span."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine

from tests.collector.domain import otlp
from tests.collector.domain.otlp import MS
from tests.webapp.traffic import Traffic

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
