"""The services as fixtures, for the conftest.py of each package whose tests need them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collector.alerts import wire
from tests.collector.alerts.services.incidents import PagerDuty
from tests.collector.alerts.services.slack import Slack
from tests.collector.alerts.services.tls import Authority, make_authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """The services' authority is trusted as long as the test runs, also by processes that it starts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    wire.ssl_context.cache_clear()
    yield authority
    wire.ssl_context.cache_clear()


@pytest.fixture
def slack(trusted: Authority) -> Iterator[Slack]:
    """It found nothing wrong with what it was sent."""
    with Slack(trusted.server_context()) as service:
        yield service
    assert [] == service.faults


@pytest.fixture
def pager(trusted: Authority) -> Iterator[PagerDuty]:
    """Likewise."""
    with PagerDuty(trusted.server_context()) as service:
        yield service
    assert [] == service.faults
