"""The way of an alert in a browser: a channel and a rule are made, something breaks, somebody is told, it ends."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from collector.alerts.delivery import Deliverer
from collector.alerts.directory import Directory
from collector.alerts.keyring import Keyring
from collector.alerts.networks import Networks
from collector.alerts.rounds import Rounds
from tests.browser import DESKTOP, PHONE, open_page, serve
from tests.collector.alerts.world import DAY_S, World
from tests.collector.domain.otlp import START_NS
from tests.webapp.traffic import FIRST, Traffic
from webapp import create_app

SECRET = "a-secret-of-the-webhook"
START_S = START_NS // 10**9


@dataclass
class Hook:
    """A service on loopback that takes webhooks; `status` is what it answers."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200

    @property
    def told(self) -> list[tuple[str, str]]:
        """The rule and the event of every message, in the order in which they came."""
        return [(alert["rule"]["name"], alert["event"]) for body in self.bodies for alert in body["alerts"]]


@pytest.fixture
def hook() -> Iterator[Hook]:
    found: list[Hook] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found[0].bodies.append(json.loads(body))
            answer = b"thank you" if found[0].status == 200 else b"the payload is <b>not</b> welcome"
            self.send_response(found[0].status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.append(Hook(f"http://127.0.0.1:{server.server_port}/hooks/on-call"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found[0]
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Scene:
    """A running dashboard, with an evaluation and a delivery whose clock the test turns."""

    url: str
    world: World
    traffic: Traffic
    rounds: Rounds
    deliverer: Deliverer

    def at(self, seconds: float) -> None:
        """So long after the example's first transaction: what is due is decided and delivered."""
        self.world.now_s = START_S + seconds - DAY_S
        while self.rounds.run().behind:
            pass
        while self.deliverer.run_pass():
            self.world.now_s += 2  # a channel's own pace


@pytest.fixture
def scene(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    world = World(engine, engine, monkeypatch, now_s=START_S + 600 - DAY_S)
    keyring, networks = Keyring(path=tmp_path / "clew.key"), Networks.parse(["127.0.0.1"])

    def now_ms(*_: object) -> int:
        return world.clock() // 1_000_000

    directory = Directory(engine, keyring, networks, "http://127.0.0.1", now=now_ms)
    deliverer = Deliverer(engine, engine, keyring=keyring, networks=networks, base_url="http://127.0.0.1", clock=now_ms)
    with serve(create_app(engine, now=now_ms, directory=directory)) as url:
        yield Scene(url, world, Traffic(engine), Rounds(engine, engine, now=world.clock), deliverer)


def add_channel(page: Page, hook: Hook) -> None:
    page.get_by_role("link", name="Webhook").click()
    page.locator("input[name=name]").fill("On call")
    page.locator("input[name=value-url]").fill(hook.url)
    page.locator("input[name=value-secret]").fill(SECRET)
    page.get_by_role("button", name="Add the channel").click()


def test_the_way_of_an_alert(scene: Scene, hook: Hook, chromium: Browser) -> None:
    """From nobody being told to an alert that somebody acknowledged and that ended by itself."""
    scene.traffic.failure(4, 60)
    scene.at(600)
    with open_page(chromium, DESKTOP) as page:
        page.goto(f"{scene.url}/alerts")
        expect(page.locator("main")).to_contain_text("Nobody is told of alerts")
        page.get_by_role("link", name="Add Slack").click()
        add_channel(page, hook)
        expect(page.locator("main")).to_contain_text("It was never tried")
        page.get_by_role("button", name="Send test").click()
        expect(page.get_by_role("status")).to_contain_text("The test arrived")
        assert len(hook.bodies) == 1
        for secret in (SECRET, hook.url):
            assert secret not in page.content()

        page.get_by_role("link", name="Alerts", exact=False).first.click()
        page.get_by_role("link", name="Rules", exact=True).click()
        page.get_by_role("link", name="New rule").click()
        page.get_by_role("link", name="Errors", exact=True).click()
        preview = page.locator("#preview")
        expect(preview).to_contain_text("1 alert since")
        expect(preview.locator(".js-plotly-plot")).to_have_count(1)
        page.locator("input[name=above]").fill("100")
        expect(preview).to_contain_text("No alert since")
        page.locator("input[name=above]").fill("many")
        expect(preview.get_by_role("alert")).to_contain_text("Fires above: not a number")
        page.locator("input[name=above]").fill("0")
        page.locator("textarea[name=functions]").fill("nothing-*")
        expect(preview).to_contain_text("No function that was seen so far is in the scope")
        page.locator("textarea[name=functions]").fill("audio-*")
        expect(preview).to_contain_text(FIRST)
        page.locator("input[name=name]").fill("Transcription fails")
        page.locator("select[name=severity]").select_option("critical")
        page.locator("textarea[name=description]").fill("Look at the file's name.")
        page.locator("input[name=resolve-after]").fill("2m")
        page.get_by_role("button", name="Create the rule").click()
        row = page.get_by_role("row").filter(has_text="Transcription fails")
        expect(row).to_contain_text("an invocation fails")
        expect(row).to_contain_text("On call")

        scene.traffic.failure(8, 660)
        scene.at(670)
        page.goto(f"{scene.url}/alerts")
        alert = page.get_by_role("article").filter(has_text="critical")
        expect(alert).to_contain_text(f"{FIRST} fails")
        expect(alert).to_contain_text("BadRequestException")
        expect(alert).to_contain_text("Transcribe.StartTranscriptionJob")
        expect(alert).to_contain_text("Look at the file's name.")
        assert int(page.locator(".open-count").inner_text()) >= 1
        sample = alert.get_by_role("link", name="Sample transaction").get_attribute("href")
        assert sample is not None
        assert sample.startswith("/transactions/")
        alert.get_by_role("button", name="Acknowledge").click()
        expect(alert).to_contain_text("acknowledged")
        scene.at(680)

        alert.get_by_role("heading").get_by_role("link").click()
        events = page.get_by_role("region", name="What happened")
        expect(events).to_contain_text(re.compile(r"Acknowledged.*Told\s+On call\s+that it opened.*Opened", re.DOTALL))
        expect(page.locator(".js-plotly-plot")).to_have_count(1)
        expect(page.get_by_role("table").filter(has_text="Failure")).to_contain_text("BadRequestException")

        scene.at(6_000)
        page.reload()
        expect(page.locator(".head").first).to_contain_text("resolved")
        expect(events).to_contain_text(re.compile(r"Told\s+On call\s+that it is over.*Resolved\s+by itself", re.DOTALL))
        assert page.locator("form", has_text="Acknowledge").count() == 0
        page.goto(f"{scene.url}/alerts/history?state=resolved")
        expect(page.get_by_role("row").filter(has_text="Transcription fails")).to_contain_text("by itself")
        page.goto(f"{scene.url}/alerts")
        expect(page.locator("main")).to_contain_text("Nothing is wrong")
        assert page.locator(".open-count").count() == 0
    events_told = [event for rule, event in hook.told if rule in ("Test", "Transcription fails")]
    assert events_told == ["test", "opened", "acknowledged", "resolved"]


def test_a_service_that_refuses(scene: Scene, hook: Hook, chromium: Browser) -> None:
    """The test's page says what it answered; what was given up is told, with a way to try again."""
    hook.status = 400
    scene.at(600)
    with open_page(chromium, PHONE, dark=True) as page:
        page.goto(f"{scene.url}/alerts/new-channel")
        add_channel(page, hook)
        page.get_by_role("button", name="Send test").click()
        expect(page.get_by_role("status")).to_contain_text("127.0.0.1 answered 400: the payload is <b>not</b> welcome")

        scene.traffic.failure(8, 660)
        scene.at(670)
        page.goto(f"{scene.url}/alerts")
        page.get_by_role("link", name="See why").click()
        dead = page.get_by_role("row").filter(has_text="given up").first
        expect(dead).to_contain_text("the payload is <b>not</b> welcome")
        hook.status = 200
        before = page.get_by_role("row").filter(has_text="given up").count()
        dead.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("row").filter(has_text="given up")).to_have_count(before - 1)
        scene.at(700)
        page.goto(f"{scene.url}/alerts/deliveries?state=sent")
        expect(page.locator("tbody tr").filter(has_text="sent").first).to_contain_text("On call")
