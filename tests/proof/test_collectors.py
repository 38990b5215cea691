"""Whatever the collector does and whenever: the function does not notice, and what was lost is counted and told."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.local_lambda import Status
from tests.proof.unsteady import GARBAGE, HANGING, REFUSED, RETRY_AFTER, SILENT, SLOW, STATUSES, TORN, UnsteadyCollector
from tests.proof.ways import TRACED, Deployed, Way, deploy, seen, told, without_warnings, write
from tests.tracer.sink import Sink
from tests.tracer.test_tls import Authority

FUNCTION = """
import time

print("initializing")

@trace
def handler(event, context):
    print("run", event["n"])
    time.sleep(event.get("sleep", 0))
    if event.get("fails"):
        raise LookupError("no such order")
    return event["n"]
"""

TLS = "silent TLS"  # the connection is there, and the handshake never begins
TROUBLES = (REFUSED, SILENT, TLS, HANGING, TORN, GARBAGE, *STATUSES, SLOW)
# From the first invocation on: two, one that lasts until a checkpoint, and one that fails.
FIRST: list[dict[str, object]] = [{"n": 0}, {"n": 1}, {"n": 2, "sleep": 0.7}, {"n": 3, "fails": True}]
BETWEEN = [{"n": 4}, {"n": 5}]
# The collector was there, and is not any more.
LATER = [{"n": 6}, {"n": 7, "fails": True}]
LAST = [{"n": 8}, {"n": 9}]
EVENTS = [*FIRST, *BETWEEN, *LATER, *LAST]
PAUSE = 10  # seconds for which a collector that failed is left alone
STORIES = [
    (way, trouble)
    for trouble in TROUBLES
    for way in TRACED
    # With the layer exports are made alike, decorated or not.
    if way is not Way.BOTH or trouble in {REFUSED, HANGING}
]
GUARD = 60  # far more than any of these takes


class Story:
    """One function in one way, with one kind of trouble."""

    def __init__(self, folder: Path, way: Way, trouble: str, *, code: Path, layer: Path, authority: Authority) -> None:
        folder.mkdir()
        tls = None
        # Machines that run tests pause for longer than a collector on loopback ever takes.
        environment = {"CLEW_EXPORT_TIMEOUT": "1500"}
        if trouble == TLS:
            server = authority.issue(f"server-{way.name}")
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(server.certificate, server.key)
            environment["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(authority.file)
        self.collector = UnsteadyCollector(SILENT if trouble == TLS else trouble, tls)
        self.run = deploy(folder, way, self.collector, layer, environment=environment, timeout=20.0, code=code)
        self._pause = (RETRY_AFTER if trouble == "429" else PAUSE) + 0.5
        self.seconds = 0.0

    def tell(self) -> None:
        try:
            self._invoke(FIRST)
            self.collector.recover()
            time.sleep(self._pause)
            self._invoke(BETWEEN)
            self.collector.fail()
            self._invoke(LATER)
            self.collector.recover()
            time.sleep(self._pause)
            self._invoke(LAST)
        finally:
            self.run.close()
            self.collector.close()

    def _invoke(self, events: Sequence[Mapping[str, object]]) -> None:
        began = time.monotonic()
        for event in events:
            self.run.invoke(event)
        self.seconds += time.monotonic() - began


@pytest.fixture(name="plain", scope="module")
def _plain(tmp_path_factory: pytest.TempPathFactory, layer: Path) -> Deployed:
    folder = tmp_path_factory.mktemp("plain")
    write(folder, FUNCTION)
    sink = Sink()
    run = deploy(folder, Way.PLAIN, sink, layer, timeout=20.0)
    for event in EVENTS:
        run.invoke(event)
    run.close()
    sink.close()
    return run


@pytest.fixture(name="stories", scope="module")
def _stories(tmp_path_factory: pytest.TempPathFactory, layer: Path, plain: Deployed) -> dict[tuple[Way, str], Story]:
    """All at once, because each waits for the end of a pause, twice."""
    folder = tmp_path_factory.mktemp("stories")
    authority = Authority(folder, "authority")
    code = plain.function.code
    stories = {
        (way, trouble): Story(
            folder / f"{way.name}-{trouble}", way, trouble, code=code, layer=layer, authority=authority
        )
        for way, trouble in STORIES
    }
    with ThreadPoolExecutor(len(stories)) as pool:
        list(pool.map(Story.tell, stories.values()))
    return stories


@pytest.mark.parametrize(("way", "trouble"), STORIES)
def test_lambda_does_not_notice(plain: Deployed, stories: dict[tuple[Way, str], Story], trouble: str, way: Way) -> None:
    """Responses, results of the platform and log are those of the function alone, but for one line of warning of each
    kind; and nothing hangs.
    """
    story = stories[way, trouble]

    for expected, outcome in zip(plain.outcomes, story.run.outcomes, strict=True):
        assert told(without_warnings(outcome)) == told(expected)
        assert outcome.platform.status == "success"
    warnings = re.findall(r"^clew: .*$", "".join(outcome.log for outcome in story.run.outcomes), re.MULTILINE)
    assert len(warnings) == len(set(warnings))
    assert all(warning.startswith("clew: export failed: ") for warning in warnings)
    assert bool(warnings) is (trouble != SLOW)
    assert story.seconds < GUARD


@pytest.mark.parametrize(("way", "trouble"), STORIES)
def test_what_was_lost_is_told(stories: dict[tuple[Way, str], Story], trouble: str, way: Way) -> None:
    """Once the collector is back, invocations arrive again, and the first one counts those that did not, with their
    lines.
    """
    story = stories[way, trouble]
    outcomes = story.run.outcomes
    found = seen(story.collector)

    if trouble == SLOW:
        assert list(found) == [outcome.request_id for outcome in outcomes]
        assert not any("clew.dropped.spans" in one.invocation for one in found.values())
        return
    between, last = outcomes[4:6], outcomes[8:10]
    assert list(found) == [outcome.request_id for outcome in (*between, *last)]
    assert all((one.result, one.complete) == (None, 1) for one in found.values())
    lost = [one.invocation.get("clew.dropped.spans", 0) for one in found.values()]
    assert lost == [len(FIRST), 0, len(LATER), 0]
    lines = [one.invocation.get("clew.dropped.log_records", 0) for one in found.values()]
    printed = [len(FIRST) + 1, 0, len(LATER), 0]
    if way.layered:  # Lambda's reports are lost with them
        assert all(count >= least for count, least in zip(lines, printed, strict=True))
    else:
        assert lines == printed
    for outcome, event in zip((*between, *last), (*BETWEEN, *LAST), strict=True):
        assert found[outcome.request_id].lines.count(f"run {event['n']}") == 1


@pytest.mark.parametrize("way", [Way.DECORATED, Way.LAYER])
@pytest.mark.parametrize("trouble", [REFUSED, SILENT, HANGING, "503"])
def test_a_collector_that_failed_is_left_alone(stories: dict[tuple[Way, str], Story], trouble: str, way: Way) -> None:
    """Of the first four invocations one has tried, or its checkpoint; of the later two one."""
    story = stories[way, trouble]

    if trouble in {REFUSED, SILENT}:
        assert not story.collector.refused
    else:
        traces = [one for one in story.collector.refused if one.path == "/v1/traces"]
        assert len(traces) == 2


@pytest.mark.parametrize("trouble", [REFUSED, SILENT])
def test_an_initialization_that_fails_is_not_held_up(tmp_path: Path, layer: Path, trouble: str) -> None:
    """Its export has a bound of its own, and INIT ends as it does alone."""
    write(tmp_path, FUNCTION + "\nraise ValueError('at import')\n")
    collectors = {way: UnsteadyCollector(trouble) for way in Way}
    environment = {"CLEW_EXPORT_TIMEOUT": "300"}
    runs = {way: deploy(tmp_path, way, one, layer, environment=environment) for way, one in collectors.items()}

    def run(deployed: Deployed) -> float:
        began = time.monotonic()
        deployed.invoke({"n": 0})
        deployed.close()
        return time.monotonic() - began

    with ThreadPoolExecutor(4) as pool:
        seconds = list(pool.map(run, runs.values()))
    for collector in collectors.values():
        collector.close()

    expected = runs[Way.PLAIN].outcomes[0]
    assert expected.status is Status.ERROR
    for way in TRACED:
        assert told(without_warnings(runs[way].outcomes[0])) == told(expected)
    assert max(seconds) < GUARD
