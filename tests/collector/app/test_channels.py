"""`clew channels …`, as a person or a script runs it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector.alerts.services.teams import SECRET, Webhook
from tests.collector.app.clew import TIMEOUT_S, clew, command, environment
from tests.databases import create_sqlite


@pytest.fixture
def url(tmp_path: Path) -> str:
    return create_sqlite(tmp_path / "clew.db")


def run(url: str, *arguments: str, input: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("channels", *arguments, "--database-url", url),
        env=environment(settings),
        input=input,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_a_channel_from_adding_to_removing(url: str, tmp_path: Path) -> None:
    """Its secrets come from standard input and a variable; what is printed holds none."""
    with Webhook() as service:
        address = f"{service.url}/hooks/very-secret-path"
        adding = ("add", "webhook", "ops", "--secret", "url", "--secret-env", "secret=HOOK_SECRET", "--default")
        refused = run(url, *adding, input=f"{address}\n", HOOK_SECRET=SECRET)
        assert 1 == refused.returncode
        assert "CLEW_ALERT_NETWORKS" in refused.stderr
        added = run(url, *adding, input=f"{address}\n", HOOK_SECRET=SECRET, CLEW_ALERT_NETWORKS="127.0.0.0/8")
        assert (0, "") == (added.returncode, added.stderr)
        blocked = run(url, "test", "ops")
        assert 1 == blocked.returncode
        assert "CLEW_ALERT_NETWORKS" in blocked.stderr
        tested = run(url, "test", "ops", CLEW_ALERT_NETWORKS="127.0.0.0/8", CLEW_PUBLIC_URL="https://clew.example.com/")
        assert (0, "The test arrived at ops.\n") == (tested.returncode, tested.stdout)
        assert {"clew": "https://clew.example.com"} == service.received[0].json()["alerts"][0]["links"]
    assert [] == service.faults

    shown = run(url, "list")
    assert ["ops", "webhook", "yes", "info", "yes", "0", "0", "0", "arrived"] == shown.stdout.splitlines()[1].split()
    (row,) = json.loads(run(url, "list", "--json").stdout)
    assert ("ops", {}) == (row["name"], row["settings"])
    for done in (refused, added, blocked, tested, shown):
        assert "very-secret-path" not in done.stdout + done.stderr
        assert SECRET not in done.stdout + done.stderr
    assert 0o600 == (tmp_path / "clew.db.key").stat().st_mode & 0o777

    assert "The secrets of 1 channel are encrypted with the first key alone.\n" == run(url, "rotate").stdout
    assert 0 == run(url, "deliveries").returncode
    assert 0 == run(url, "remove", "ops").returncode
    assert "There is no channel yet.\n" == run(url, "list").stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["add", "webhook", "ops", "--set", "secret=open"], "secret is a secret: give --secret secret"),
        (["add", "webhook", "ops", "--secret-env", "url=NOT_SET"], "The variable NOT_SET is not set."),
        (["add", "webhook", "ops"], "Nothing came on standard input for url."),
        (["add", "slack", "ops", "--set", "channel"], "channel needs a value after it"),
        (["add", "slack", "ops", "--set", "colour=red"], "Slack has no field colour."),
        (["remove", "nobody"], "There is no channel nobody."),
        (["test", "nobody"], "There is no channel nobody."),
        (["deliveries", "--channel", "nobody"], "There is no channel nobody."),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(url: str, arguments: list[str], reason: str) -> None:
    """Exit code 1, one line, no traceback."""
    done = run(url, *arguments)

    assert (1, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert reason in done.stderr


def test_postgresql_needs_a_key_in_the_settings(postgres_url: str) -> None:
    """There is no file beside it; a key of `new-key` does."""
    added = ("add", "slack", "ops", "--secret", "webhook_url")
    address = "https://hooks.slack.com/services/T/B/x\n"
    refused = run(postgres_url, *added, input=address)
    assert (1, True) == (refused.returncode, "Set CLEW_SECRET_KEY" in refused.stderr)
    key = clew("channels", "new-key").stdout.strip()

    assert 0 == run(postgres_url, *added, input=address, CLEW_SECRET_KEY=key).returncode
    unusable = run(postgres_url, *added, input=address, CLEW_SECRET_KEY="x" * 44)
    assert (2, True) == (unusable.returncode, "CLEW_SECRET_KEY holds no key" in unusable.stderr)


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    server = request.getfixturevalue("postgres_server")
    name = server.create()
    yield server.url(name)
    server.drop(name)


def test_networks_that_cannot_be_read_are_told(url: str) -> None:
    """As for every setting: exit code 2."""
    done = run(url, "list", CLEW_ALERT_NETWORKS="10.0.0.1/8")

    assert (2, True) == (done.returncode, "CLEW_ALERT_NETWORKS cannot be used" in done.stderr)
