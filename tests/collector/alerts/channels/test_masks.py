"""A channel's secrets in what its service answers."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from collector.alerts.channels.sending import MAX_REASON, deliver, masked
from collector.alerts.networks import Networks
from collector.alerts.outcomes import Refused
from tests.collector.alerts.channels.envelopes import envelope
from tests.collector.alerts.services.server import Reply
from tests.collector.alerts.services.teams import SECRET, Webhook
from tests.collector.alerts.services.tls import Authority

TOKEN = "tok/en+2026 ä"
PART = "B0123456789xyz"
ADDRESS = f"https://hooks.example.com/api/{PART}/{quote(TOKEN, safe='')}?sig={quote(TOKEN)}&v=1"


@pytest.mark.parametrize(
    "echo",
    [
        ADDRESS,
        PART,
        PART.lower(),
        TOKEN,
        quote(TOKEN),
        quote(TOKEN, safe=""),
        quote(TOKEN, safe="").lower(),
        json.dumps(TOKEN),
        json.dumps(ADDRESS)[1:-1],
    ],
)
def test_parts_of_an_address(echo: str) -> None:
    """Each part by itself, in whatever form; what is no secret stays readable."""
    shown = masked("teams", {"webhook_url": ADDRESS}, f"api v=1: no route {echo} here")
    assert "en+2026" not in shown
    assert "2026" not in shown
    assert PART.lower() not in shown.lower()
    assert shown.startswith("api v=1: no route ")
    assert shown.endswith(" here")


def test_basic_authentication() -> None:
    """The header that a service echoes."""
    values = {"email": "ops@example.com", "token": "jira-token-1"}
    both = base64.b64encode(b"ops@example.com:jira-token-1").decode()
    assert both.rstrip("=") not in masked("jira", values, f"Authorization: Basic {both}")
    assert "jira-token-1" not in masked("jira", values, "Bearer jira-token-1")


@pytest.mark.parametrize("before", [0, 260, 290, 295, 370, 390, 1_000])
def test_a_secret_is_masked_before_the_answer_is_cut(trusted: Authority, networks: Networks, before: int) -> None:
    """Wherever the cut falls, no half of a secret is left."""
    secret, path = SECRET, quote(SECRET)
    with Webhook(trusted.server_context()) as service:
        url = f"{service.url}/{path}"
        service.failures.append(Reply(400, "x" * before + f" {secret} {url}"))
        with pytest.raises(Refused) as caught:
            deliver("webhook", {"url": url, "secret": secret}, envelope(), networks)
    assert "signing" not in str(caught.value)
    assert len(str(caught.value)) <= MAX_REASON + 1
