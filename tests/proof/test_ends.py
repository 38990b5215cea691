"""However an invocation ends: Lambda says of it what it says without us, and the collector has it once, as it was."""

from __future__ import annotations

import difflib
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from collector.local_lambda import InvocationOutcome, Status
from tests.proof.ways import (
    TRACED,
    Deployed,
    Seen,
    Way,
    everywhere,
    log_of,
    reports,
    request_id,
    seen,
    told,
    write,
)
from tests.tracer.sink import attributes

FUNCTION = """
import ctypes, signal, sys, threading, time

print("initializing")

def fails(depth):
    if depth:
        fails(depth - 1)
    raise LookupError("no such order")

@trace
def handler(event, context):
    print("begin", event["n"])
    time.sleep(event.get("sleep", 0))
    how = event.get("how")
    if how == "error":
        fails(2)
    if how == "thread":
        thread = threading.Thread(target=fails, args=(0,), name="worker")
        thread.start()
        thread.join()
    if how == "os._exit":
        os._exit(7)
    if how == "sys.exit":
        sys.exit(event["status"])
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "segmentation fault":
        ctypes.string_at(0)
    if how == "memory":
        held = [bytearray(b"x" * 50_000_000) for _ in range(20)]
        time.sleep(10)
    print("end", event["n"])
    return {"n": event["n"]}
"""


def check_same(runs: dict[Way, Deployed], without: str = "") -> None:
    """Every outcome, log included (but for what matches `without`), is that of the function alone, of which the
    collector heard nothing.
    """
    plain = runs[Way.PLAIN]
    assert not plain.sink.received
    for way in TRACED:
        for expected, actual in zip(plain.outcomes, runs[way].outcomes, strict=True):
            *rest, log = told(actual)
            *same, as_alone = told(expected)
            log = re.sub(without, "", str(log)) if without else log
            assert rest == same, way
            difference = difflib.unified_diff(str(as_alone).split("\n"), str(log).split("\n"), "plain", way)
            assert log == as_alone, "\n".join(difference)


def check_lines(run: Deployed, found: dict[str, Seen]) -> None:
    """Every line that the function printed in an invocation that the collector knows is there once."""
    for outcome in run.outcomes:
        if outcome.request_id in found:
            printed = [line for line in outcome.log.splitlines() if line.startswith(("begin ", "end "))]
            lines = [line for line in found[outcome.request_id].lines if line.startswith(("begin ", "end "))]
            assert lines == printed, run.way


def check_reports(run: Deployed, *, some: bool = True) -> None:
    """With the layer Lambda's report of an invocation is forwarded, never twice. A process that crashes takes the one
    of the invocation before with it.
    """
    forwarded = reports(run.sink)
    assert len(forwarded) == len(set(forwarded))
    assert set(forwarded) <= {outcome.request_id for outcome in run.outcomes}
    if some or not run.way.layered:
        assert bool(forwarded) is run.way.layered


@pytest.fixture(name="ordinary", scope="module")
def _ordinary(tmp_path_factory: pytest.TempPathFactory, layer: Path) -> dict[Way, Deployed]:
    """Successes and failures in one environment, which stands still between them, once for long."""
    folder = tmp_path_factory.mktemp("ordinary")
    write(folder, FUNCTION)

    def drive(run: Deployed) -> None:
        for number, how in enumerate([None, "error", None, "thread", "error"]):
            run.invoke({"n": number, "how": how})
        time.sleep(2)
        run.invoke({"n": 5})
        run.invoke({"n": 6, "sleep": 0.8})

    return everywhere(folder, layer, drive)


def test_successes_and_errors_are_lambdas(ordinary: dict[Way, Deployed]) -> None:
    """Status, payload, error, cold start and log."""
    check_same(ordinary)
    statuses = [outcome.status for outcome in ordinary[Way.PLAIN].outcomes]
    assert (
        statuses == [Status.SUCCESS, Status.ERROR, Status.SUCCESS, Status.SUCCESS, Status.ERROR] + [Status.SUCCESS] * 2
    )


@pytest.mark.parametrize("way", TRACED)
def test_successes_and_errors_are_the_collectors(ordinary: dict[Way, Deployed], way: Way) -> None:
    """Each is one invocation with its result and its lines; only the first is a cold start."""
    run = ordinary[way]
    found = seen(run.sink)

    assert list(found) == [request_id(number) for number in range(1, 8)]
    assert [one.result for one in found.values()] == [None, "LookupError", None, None, "LookupError", None, None]
    assert [one.complete for one in found.values()] == [1] * 7
    assert [one.invocation["faas.coldstart"] for one in found.values()] == [True] + [False] * 6
    for number, one in enumerate(found.values()):
        returned = one.invocation.get("clew.return_value")
        assert returned == (None if one.result else json.dumps({"n": number}, separators=(",", ":")))
    # Only the last one lasted until a checkpoint.
    assert [bool(one.unfinished) for one in found.values()] == [False] * 6 + [True]
    check_lines(run, found)
    assert "initializing" in found[request_id(1)].lines
    assert sum(line == "initializing" for line in run.sink.lines()) == 1
    check_reports(run)
    if way.layered:
        assert reports(run.sink) == list(found)


@pytest.mark.parametrize("way", TRACED)
def test_an_error_of_a_thread_is_an_issue(ordinary: dict[Way, Deployed], way: Way) -> None:
    """The invocation goes on without the thread; Python says of it on stderr what it says without us."""
    one = seen(ordinary[way].sink)[request_id(4)]

    events = [attributes(event) for event in one.span.events if event.name == "clew.issue"]
    assert [event["clew.issue.message"] for event in events] == ["LookupError: no such order"]
    assert ordinary[way].outcomes[3].log.count("Exception in thread worker:") == 1


HANGS = """
import boto3, botocore.config
config = botocore.config.Config(retries={"total_max_attempts": 1})
queues = boto3.client("sqs", endpoint_url=os.environ["HANGING"], config=config)

@trace
def handler(event, context):
    print("begin", event["n"])
    if event["n"]:
        queues.send_message(QueueUrl=os.environ["HANGING"] + "/123456789012/jobs", MessageBody="work")
    print("end", event["n"])
    return event["n"]
"""


@pytest.fixture(name="timeouts", scope="module")
def _timeouts(tmp_path_factory: pytest.TempPathFactory, layer: Path) -> dict[int, dict[Way, Deployed]]:
    """By the function's timeout in seconds: an invocation that ends, and one that hangs in a call."""
    import socket

    def drive(run: Deployed) -> None:
        run.invoke({"n": 0})
        run.invoke({"n": 1})

    def runs(seconds: int) -> dict[Way, Deployed]:
        folder = tmp_path_factory.mktemp(f"hangs-{seconds}")
        write(folder, HANGS)
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            address = f"http://127.0.0.1:{silent.getsockname()[1]}"
            environment = {"HANGING": address, "AWS_EC2_METADATA_DISABLED": "true"}
            return everywhere(folder, layer, drive, timeout=float(seconds), environment=environment)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip((1, 3), pool.map(runs, (1, 3)), strict=True))


@pytest.mark.parametrize("seconds", [1, 3])
def test_a_timeout_is_lambdas(timeouts: dict[int, dict[Way, Deployed]], seconds: int) -> None:
    """It comes when it comes without us, and is told in the same words."""
    runs = timeouts[seconds]
    check_same(runs)
    for run in runs.values():
        assert [outcome.status for outcome in run.outcomes] == [Status.SUCCESS, Status.TIMEOUT]
        assert f"Task timed out after {seconds}.00 seconds" in run.outcomes[1].log


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize("seconds", [1, 3])
def test_a_timeout_is_the_collectors(timeouts: dict[int, dict[Way, Deployed]], seconds: int, way: Way) -> None:
    """The invocation that was ended is there, open, with the call that hangs."""
    run = timeouts[seconds][way]
    found = seen(run.sink)

    assert list(found) == [request_id(1), request_id(2)]
    ended, hanging = found.values()
    assert (ended.result, ended.complete, ended.unfinished) == (None, 1, 0)
    assert (hanging.result, hanging.complete) == ("Sandbox.Timedout", 0)
    assert hanging.invocation["clew.unfinished"] is True
    assert hanging.invocation["clew.lambda.timeout"] == seconds * 1000
    (call,) = hanging.calls
    told_of = attributes(call)
    assert told_of["rpc.method"] == "SQS/SendMessage"
    assert told_of["clew.unfinished"] is True
    assert call.parent_span_id == hanging.span.span_id
    check_lines(run, found)
    check_reports(run)


# How a process may end within an invocation: what Lambda says of it, and whether it can be told of at its very end.
CRASHES: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "os._exit": ({"how": "os._exit"}, "Runtime exited with error: exit status 7", None),
    "kill": ({"how": "kill"}, "signal: killed", None),
    "segmentation fault": ({"how": "segmentation fault"}, "signal: segmentation fault", None),
    "memory": ({"how": "memory"}, "signal: killed", None),
    "sys.exit": ({"how": "sys.exit", "status": 3}, "exit status 3", "Runtime.ExitError"),
    "sys.exit 0": ({"how": "sys.exit", "status": 0}, "without providing a reason", "Runtime.ExitError"),
    "interrupt": ({"how": "interrupt"}, "Runtime exited with error", "KeyboardInterrupt"),
}


@pytest.fixture(name="crashes", scope="module")
def _crashes(tmp_path_factory: pytest.TempPathFactory, layer: Path) -> dict[Way, Deployed]:
    """One after the other: a run that ends well, one that crashes at once, and one that crashes after a checkpoint, if
    that is what can be known of it.
    """
    folder = tmp_path_factory.mktemp("crashes")
    write(folder, FUNCTION)

    def drive(run: Deployed) -> None:
        for event, _, kind in CRASHES.values():
            run.invoke({"n": 0})
            run.invoke({"n": 1, **event})
            if kind is None:
                run.invoke({"n": 2, **event, "sleep": 0.8})

    return everywhere(folder, layer, drive, memory=256)


def by_crash(run: Deployed) -> dict[str, list[InvocationOutcome]]:
    outcomes = iter(run.outcomes)
    return {name: [next(outcomes) for _ in range(3 if kind is None else 2)] for name, (_, _, kind) in CRASHES.items()}


def test_a_crash_is_lambdas(crashes: dict[Way, Deployed]) -> None:
    """Exit status, error type and log; the next invocation begins in a new environment. Where Python itself prints the
    stack of what ends it, our frame is in it.
    """
    check_same(crashes, without=r'  File "[^"]*/clew/bootstrap\.py", line \d+, in traced\n    .*\n(    +\^+\n)?')
    for name, (good, *bad) in by_crash(crashes[Way.PLAIN]).items():
        assert good.status is Status.SUCCESS
        for outcome in bad:
            assert outcome.status is Status.EXIT
            assert CRASHES[name][1] in outcome.log
            expected = "Runtime.OutOfMemory" if name == "memory" else "Runtime.ExitError"
            assert outcome.platform.error_type == expected


@pytest.mark.parametrize("way", TRACED)
def test_a_crash_is_the_collectors(crashes: dict[Way, Deployed], way: Way) -> None:
    """What leaves by Python's own ways is told of at once. Of what is killed there is what was sent before: nothing of
    the first half second, and after it the invocation as it was at its checkpoint, open.
    """
    run = crashes[way]
    found = seen(run.sink)

    for name, outcomes in by_crash(run).items():
        good, at_once, *late = (outcome.request_id for outcome in outcomes)
        assert (found[good].result, found[good].complete) == (None, 1)
        assert found[good].invocation["faas.coldstart"] is True
        kind = CRASHES[name][2]
        if kind is not None:
            assert (found[at_once].result, found[at_once].complete) == (kind, 1)
        else:
            # On a busy machine it may last until its checkpoint, and be killed before its lines have followed.
            early = found.pop(at_once, None)
            assert early is None or early.complete == 0
            left = found[late[0]]
            assert (left.result, left.complete) == (None, 0)
            assert left.invocation["clew.lambda.deadline"] > left.span.start_time_unix_nano
    assert not set(found) - {outcome.request_id for outcome in run.outcomes}
    check_lines(run, found)
    check_reports(run, some=False)


INITIALIZATIONS = {
    "import error": ("import nothing_of_that_name", "Runtime.ImportModuleError", "app.handler"),
    "syntax error": ("def broken(:\n    pass", "Runtime.UserCodeSyntaxError", "app.handler"),
    "exception": ("def fails():\n    raise ValueError('at import')\nfails()", "ValueError", "app.handler"),
    "exception behind": (
        "try:\n    {}['a']\nexcept KeyError as error:\n    raise RuntimeError('no a') from error",
        "RuntimeError",
        "app.handler",
    ),
    "no handler": ("", "Runtime.HandlerNotFound", "app.missing"),
    "no module": ("", "Runtime.ImportModuleError", "missing.handler"),
    "no name": ("", "Runtime.MalformedHandlerName", "handler"),
    "leaves": ("import sys\nsys.exit(4)", "Runtime.ExitError", "app.handler"),
}


@pytest.fixture(name="initializations", scope="module")
def _initializations(tmp_path_factory: pytest.TempPathFactory, layer: Path) -> dict[str, dict[Way, Deployed]]:
    """By what goes wrong: an invocation of a function that never gets to its handler."""

    def runs(case: str) -> dict[Way, Deployed]:
        code, _, handler = INITIALIZATIONS[case]
        folder = tmp_path_factory.mktemp("initialization")
        write(folder, f"{FUNCTION}\n{code}\n")
        return everywhere(folder, layer, Deployed.invoke, handler=handler)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(INITIALIZATIONS, pool.map(runs, INITIALIZATIONS), strict=True))


@pytest.mark.parametrize("case", INITIALIZATIONS)
def test_an_initialization_that_fails_is_lambdas(initializations: dict[str, dict[Way, Deployed]], case: str) -> None:
    """Within INIT, and again within the invocation: error type, message, stack and log."""
    check_same(initializations[case])
    for outcome in initializations[case][Way.PLAIN].outcomes:
        assert outcome.error is not None
        assert outcome.error.type == INITIALIZATIONS[case][1]


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize("case", INITIALIZATIONS)
def test_an_initialization_that_fails_is_the_collectors(
    initializations: dict[str, dict[Way, Deployed]], case: str, way: Way
) -> None:
    """Each that failed is there once, with Lambda's error type, and no invocation is. The decorator knows of it from
    `import clew` on, which a file that cannot be compiled or found never gets to.
    """
    run = initializations[case][way]
    failed = [span for span in run.sink.spans() if attributes(span).get("clew.lambda.phase") == "init"]

    assert not seen(run.sink)
    assert len(failed) == len(run.sink.spans())
    unnoticed = way is Way.DECORATED and case in {"syntax error", "no module", "no name"}
    # INIT fails, and then once more within the invocation.
    assert len(failed) == (0 if unnoticed else 2)
    assert {attributes(span)["error.type"] for span in failed} == (set() if unnoticed else {INITIALIZATIONS[case][1]})
    assert len({span.span_id for span in failed}) == len(failed)
    printed = sum(outcome.log.count("initializing\n") for outcome in run.outcomes)
    assert sum(line == "initializing" for line in run.sink.lines()) == printed


def test_environments_at_the_same_time(tmp_path: Path, layer: Path) -> None:
    """Each has its own: invocations, lines and reports are not mixed up."""
    write(tmp_path, FUNCTION)
    environments = 2

    def drive(run: Deployed) -> None:
        with ThreadPoolExecutor(environments) as pool:
            for _ in range(2):
                list(pool.map(lambda number: run.invoke({"n": number, "sleep": 0.3}), range(environments)))

    runs = everywhere(tmp_path, layer, drive, concurrency=environments)
    for way in Way:
        # They end in any order.
        runs[way].outcomes.sort(key=lambda outcome: outcome.request_id)
        assert [outcome.status for outcome in runs[way].outcomes] == [Status.SUCCESS] * 2 * environments
        # In each environment's log are its own lines only.
        for outcome in runs[way].outcomes:
            number = outcome.value()["n"]
            assert f"begin {number}\nend {number}\nEND" in log_of(outcome)
    assert not runs[Way.PLAIN].sink.received
    for way in TRACED:
        run = runs[way]
        found = seen(run.sink)
        assert sorted(found) == [outcome.request_id for outcome in run.outcomes]
        assert all((one.result, one.complete) == (None, 1) for one in found.values())
        assert sum(one.invocation["faas.coldstart"] for one in found.values()) == environments
        instances = {
            attributes(resource.resource)["faas.instance"]
            for one in run.sink.traces()
            for resource in one.resource_spans
        }
        assert len(instances) == environments
        check_lines(run, found)
        check_reports(run)
