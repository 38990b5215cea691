"""What the local Telemetry API delivers, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.local_lambda import LocalLambda, Status
from collector.local_lambda.refusal import Refusal
from collector.local_lambda.subscription import Subscription, parse_subscription
from collector.local_lambda.telemetry import TelemetryHub
from tests.collector.local_lambda.conftest import Deploy, layer
from tests.collector.local_lambda.listener import Listener

SUBSCRIBED = """
import os, threading, time
api = Api()
api.register("ours")
print("subscribed", api.subscribe(int(os.environ["PORT"]), os.environ["TYPES"].split(), os.environ["VERSION"])[0])
def follow():
    while True: api.next()
threading.Thread(target=follow, daemon=True).start()
"""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


def environment(listener: Listener, types: str = "platform function", version: str = "2025-01-29") -> dict[str, str]:
    return {"PORT": str(listener.port), "TYPES": types, "VERSION": version}


def test_an_environments_life_is_told_in_order(frozen: LocalLambda, function: Deploy, listener: Listener) -> None:
    """From before the subscription until the end; each REPORT comes with the next invocation, the last at the end."""
    probe = function(
        SUBSCRIBED + "def handler(event, context): print('hello'); return 'mine'", environment=environment(listener)
    )

    first = frozen.invoke(probe, {}, request_id="one")
    assert listener.of("platform.report") == []
    second = frozen.invoke(probe, {}, request_id="two")
    assert len(listener.of("platform.report")) < 2
    frozen.close()

    assert [event["type"] for event in listener.events if event["type"] != "function"] == [
        "platform.initStart",
        "platform.telemetrySubscription",
        "platform.initRuntimeDone",
        "platform.extension",
        "platform.initReport",
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
    ]
    assert listener.of("function") == ["subscribed 200", "hello", "hello"]
    reports = listener.of("platform.report")
    for outcome, report in zip((first, second), reports, strict=True):
        assert report["requestId"] == outcome.request_id
        assert report["status"] == "success"
        assert report["metrics"] == outcome.metrics()
        assert report["tracing"] == {"type": "X-Amzn-Trace-Id", "value": outcome.trace_header}
        assert [span["name"] for span in report["spans"]] == ["extensionOverhead"]
    assert {"durationMs", "billedDurationMs", "memorySizeMB", "initDurationMs"} <= reports[0]["metrics"].keys()
    assert "initDurationMs" not in reports[1]["metrics"]
    (done, _) = listener.of("platform.runtimeDone")
    assert done["metrics"]["producedBytes"] == len('"mine"')
    assert [span["name"] for span in done["spans"]] == ["responseLatency", "responseDuration", "runtimeOverhead"]
    (init,) = listener.of("platform.initReport")
    assert init["metrics"]["durationMs"] == reports[0]["metrics"]["initDurationMs"]


def test_a_timeout_is_reported_before_the_environment_ends(
    functions: LocalLambda, function: Deploy, listener: Listener
) -> None:
    """The listener's process is reset after it: it gets all there is while it still can."""
    probe = function(
        SUBSCRIBED + "def handler(event, context): time.sleep(600)", environment=environment(listener), timeout=1.0
    )

    outcome = functions.invoke(probe, {})

    (done,), (report,) = listener.of("platform.runtimeDone"), listener.of("platform.report")
    assert (done["status"], report["status"]) == ("timeout", "timeout")
    assert report["metrics"] == outcome.metrics()


def test_a_handler_that_raises_is_a_success_of_the_platform(
    functions: LocalLambda, function: Deploy, listener: Listener
) -> None:
    """The runtime did what it should: only crashes, timeouts and failed INITs have another status."""
    probe = function(SUBSCRIBED + "def handler(event, context): raise KeyError('x')", environment=environment(listener))

    outcome = functions.invoke(probe, {})

    assert outcome.status is Status.ERROR
    assert listener.wait_for("platform.runtimeDone")[0]["status"] == "success"


def test_lines_of_both_kinds_go_to_who_asked_for_them(
    functions: LocalLambda, function: Deploy, listener: Listener, tmp_path: Path
) -> None:
    """The function's lines and an external extension's are events of their own; platform events are left out here."""
    beside = layer(
        tmp_path / "layer", "print('from beside', flush=True)\napi = Api()\napi.register('beside', [])\napi.next()"
    )
    probe = function(
        SUBSCRIBED + "def handler(event, context): print('from inside')",
        layers=(beside,),
        environment=environment(listener, "function extension"),
    )

    functions.invoke(probe, {})

    assert listener.wait_for("extension") == ["from beside"]
    assert listener.wait_for("function", 2) == ["subscribed 200", "from inside"]
    assert {event["type"] for event in listener.events} == {"function", "extension"}


@pytest.mark.parametrize(("version", "is_object"), [("2022-07-01", False), ("2022-12-13", True), ("2025-01-29", True)])
def test_json_lines_are_objects_from_the_second_schema_on(
    functions: LocalLambda, function: Deploy, listener: Listener, version: str, is_object: bool
) -> None:
    """With the JSON log format; the oldest schema has strings only. The log itself holds the platform's events too."""
    probe = function(
        SUBSCRIBED + "import logging\ndef handler(event, context): logging.warning('look')",
        environment=environment(listener, "function", version),
        json_log=True,
    )

    outcome = functions.invoke(probe, {})

    (_, record) = listener.wait_for("function", 2)
    assert isinstance(record, dict) is is_object
    line = record if isinstance(record, dict) else json.loads(record)
    assert (line["message"], line["requestId"]) == ("look", outcome.request_id)
    logged = [json.loads(text) for text in outcome.log.splitlines() if text.startswith("{")]
    assert logged[-1]["type"] == "platform.report"
    assert logged[-1]["record"]["metrics"] == outcome.metrics()


def test_a_listener_that_refuses_costs_the_function_nothing(functions: LocalLambda, function: Deploy) -> None:
    """What it did not take is told as dropped, once it takes something."""
    with Listener(status=500) as listener:
        probe = function(
            SUBSCRIBED + "def handler(event, context): return 1", environment=environment(listener, "platform")
        )
        outcome = functions.invoke(probe, {})
        listener.wait_for("platform.logsDropped")

    assert outcome.status is Status.SUCCESS
    dropped = listener.of("platform.logsDropped")[0]
    assert dropped["droppedRecords"] > 0
    assert dropped["droppedBytes"] > 0
    assert dropped["reason"] == "The listener answered 500"


def subscription(listener: Listener, name: str = "ours") -> Subscription:
    destination = {"protocol": "HTTP", "URI": f"http://127.0.0.1:{listener.port}"}
    body = {"schemaVersion": "2022-12-13", "types": ["platform"], "buffering": {"timeoutMs": 25}}
    return parse_subscription(name, {**body, "destination": destination})


def test_nothing_is_delivered_while_paused(listener: Listener) -> None:
    """A frozen environment could not take it; it arrives when that goes on, in order, with what was deferred."""
    hub = TelemetryHub()
    hub.subscribe(subscription(listener))
    hub.publish("platform.a", {})
    listener.wait_for("platform.a")
    hub.publish("platform.c", {}, deferred=True)
    hub.pause()
    hub.publish("platform.b", {})
    hub.publish("platform.d", {}, deferred=True)

    assert [event["type"] for event in listener.events] == ["platform.a"]
    hub.resume()
    listener.wait_for("platform.d")

    assert [event["type"] for event in listener.events] == ["platform.a", "platform.b", "platform.c", "platform.d"]
    hub.close()


def test_the_second_subscription_of_an_extension_replaces_the_first(listener: Listener) -> None:
    """Events go where it said last, once."""
    with Listener() as other:
        hub = TelemetryHub()
        hub.subscribe(subscription(other))
        hub.subscribe(subscription(listener))
        hub.publish("platform.a", {})

        assert listener.wait_for("platform.a") == [{}]
        assert other.events == []
        hub.close()


GOOD = {
    "schemaVersion": "2022-12-13",
    "types": ["platform", "function", "extension"],
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/there"},
}


def test_a_subscription_is_read_with_lambdas_defaults() -> None:
    """Without `buffering` it has 10,000 events, 256 KiB and a second."""
    read = parse_subscription("ours", GOOD)

    assert (read.name, read.port, read.path) == ("ours", 8080, "/there")
    assert (read.max_items, read.max_bytes, read.timeout) == (10_000, 262_144, 1.0)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"schemaVersion": "2021-01-01"}, "schemaVersion"),
        ({"schemaVersion": None}, "schemaVersion"),
        ({"types": []}, "types"),
        ({"types": "platform"}, "types"),
        ({"types": ["platform", "other"]}, "types"),
        ({"types": [["platform"]]}, "types"),
        ({"destination": None}, "destination"),
        ({"destination": {"protocol": "TCP", "port": 1}}, "destination"),
        ({"destination": {"protocol": "HTTP", "URI": "http://example.com:8080"}}, "URI"),
        ({"destination": {"protocol": "HTTP", "URI": "https://sandbox.localdomain:8080"}}, "URI"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:x"}}, "URI"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:9001"}}, "9001"),
        ({"buffering": []}, "buffering"),
        ({"buffering": {"maxItems": 999}}, "maxItems"),
        ({"buffering": {"maxItems": 10_001}}, "maxItems"),
        ({"buffering": {"maxBytes": 262_143}}, "maxBytes"),
        ({"buffering": {"maxBytes": 1_048_577}}, "maxBytes"),
        ({"buffering": {"timeoutMs": 24}}, "timeoutMs"),
        ({"buffering": {"timeoutMs": 30_001}}, "timeoutMs"),
        ({"buffering": {"timeoutMs": "100"}}, "timeoutMs"),
        ({"buffering": {"timeoutMs": True}}, "timeoutMs"),
    ],
)
def test_a_subscription_out_of_bounds_is_refused(changed: dict[str, Any], named: str) -> None:
    """The message names what is wrong."""
    with pytest.raises(Refusal, match=named) as refused:
        parse_subscription("ours", {**GOOD, **changed})

    assert (refused.value.status, refused.value.error_type) == (400, "ValidationError")
