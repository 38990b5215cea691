"""Extensions within the function's process and beside it, against the local Extensions API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collector.local_lambda import LocalLambda, Response, Status
from tests.collector.local_lambda.conftest import Deploy, layer, state, wait_for_file, wait_gone, wait_until

# Registers while the module is loaded; its thread tells `seen` every event and may do `work` before it asks for more.
INTERNAL = """
import os, threading, time
api, seen = Api(), []
api.register("ours")
def follow():
    while True:
        event = api.next()
        seen.append(event)
        work(event)
threading.Thread(target=follow, daemon=True).start()
"""


def test_the_response_does_not_wait_for_an_extension_but_the_invocation_does(
    functions: LocalLambda, function: Deploy, tmp_path: Path
) -> None:
    """The caller has the response while the extension still works; the outcome comes when that asks for more."""
    go, done = tmp_path / "go", tmp_path / "done"
    probe = function(
        INTERNAL
        + f"""
def work(event):
    while not os.path.exists({str(go)!r}): time.sleep(0.01)
    open({str(done)!r}, "w").write("done")
def handler(event, context): return "mine"
""",
        timeout=20.0,
    )
    responses: list[Response] = []

    def on_response(response: Response) -> None:
        responses.append(response)
        assert not done.exists()
        go.write_text("go")

    outcome = functions.invoke(probe, {}, on_response=on_response)

    assert done.exists()
    assert [(one.payload, one.error) for one in responses] == [(b'"mine"', None)]
    assert responses[0].request_id == outcome.request_id
    assert outcome.response_time is not None
    assert outcome.response_time < outcome.duration
    assert outcome.platform.status == "success"


def test_an_extension_is_told_of_each_invocation(functions: LocalLambda, function: Deploy) -> None:
    """Its events hold what Lambda's hold."""
    probe = function(
        INTERNAL
        + """
def work(event): pass
def handler(event, context):
    while not seen or seen[-1]["requestId"] != context.aws_request_id: time.sleep(0.001)
    return seen
"""
    )

    functions.invoke(probe, {}, request_id="one")
    first, second = functions.invoke(probe, {}, request_id="two", trace="Root=1-2-3;Parent=4;Sampled=1").value()

    assert first["requestId"] == "one"
    deadline = second.pop("deadlineMs")
    assert second == {
        "eventType": "INVOKE",
        "requestId": "two",
        "invokedFunctionArn": probe.arn,
        "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-2-3;Parent=4;Sampled=1"},
    }
    assert deadline > first["deadlineMs"]


def test_nothing_is_frozen_before_the_extension_is_done(frozen: LocalLambda, function: Deploy, tmp_path: Path) -> None:
    """A process goes on until its extension asks for more, and stands still from then on."""
    go = tmp_path / "go"
    probe = function(
        INTERNAL
        + f"""
def work(event):
    while not os.path.exists({str(go)!r}): time.sleep(0.01)
def handler(event, context): return os.getpid()
""",
        timeout=20.0,
    )
    during: list[str] = []

    def on_response(response: Response) -> None:
        during.append(state(int(response.payload)))
        go.write_text("go")

    pid = frozen.invoke(probe, {}, on_response=on_response).value()

    assert during != ["T"]
    wait_until(lambda: state(pid) == "T", "the process was never stopped")


def test_an_extension_that_is_busy_at_the_deadline_resets_the_environment(
    functions: LocalLambda, function: Deploy, tmp_path: Path
) -> None:
    """The caller has its response all the same; for Lambda it was a timeout, and the next INIT is within `duration`."""
    probe = function(
        INTERNAL
        + """
def work(event):
    if event["requestId"] == "slow": time.sleep(600)
def handler(event, context): return os.getpid()
""",
        timeout=1.0,
    )

    outcome = functions.invoke(probe, {}, request_id="slow")
    after = functions.invoke(probe, {})

    assert outcome.status is Status.SUCCESS
    assert outcome.platform.status == "timeout"
    assert "slow Task timed out after 1.00 seconds" in outcome.log
    assert outcome.log.rstrip().endswith("Status: timeout")
    assert after.cold_start
    assert after.init_duration is None
    wait_gone(outcome.value())


REGISTER, NEXT = "/2020-01-01/extension/register", "/2020-01-01/extension/event/next"
NAME, IDENTIFIER = "Lambda-Extension-Name", "Lambda-Extension-Identifier"


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ("api.register('x', ['SHUTDOWN'])", "403 Extension.InvalidEventType"),
        ("api.register('x', ['OTHER'])", "403 Extension.InvalidEventType"),
        ("api.register('')", "403 Extension.InvalidExtensionName"),
        ("[api.register('x') for _ in range(2)][1]", "403 Extension.InvalidExtensionState"),
        ("[api.register(f'x{n}') for n in range(11)][10]", "403 Extension.TooManyExtensions"),
        (f"api.ask('POST', {REGISTER!r}, b'{{', **{{{NAME!r}: 'x'}})", "403 InvalidRequestFormat"),
        (f"api.ask('POST', {REGISTER!r}, [], **{{{NAME!r}: 'x'}})", "403 InvalidRequestFormat"),
        (f"api.ask('GET', {NEXT!r})", "403 Extension.MissingExtensionIdentifier"),
        (f"api.ask('GET', {NEXT!r}, **{{{IDENTIFIER!r}: '1'}})", "403 Extension.InvalidExtensionIdentifier"),
        (f"api.ask('GET', {NEXT!r}, **{{{IDENTIFIER!r}: '0' * 32}})", "403 Extension.UnknownExtensionIdentifier"),
        ("[api.register('x'), api.fail('init', '')][1]", "403 Extension.MissingHeader"),
        ("api.ask('GET', '/2020-01-01/extension/other')", "404 InvalidPath"),
        ("api.ask('PUT', '/2022-07-01/telemetry', {})", "403 Extension.MissingExtensionIdentifier"),
        ("[api.register('x'), api.ask('PUT', '/2022-07-01/telemetry', {})][1]", "400 ValidationError"),
        ("[api.register('x'), api.ask('PUT', '/2022-07-01/telemetry', b'{')][1]", "400 ValidationError"),
    ],
)
def test_what_an_extension_must_not_ask_is_refused(
    functions: LocalLambda, function: Deploy, asked: str, refusal: str
) -> None:
    """Each refusal has Lambda's status and error type, and a message."""
    # It ends at once: one that registered and never asks for an event would keep INIT going until its timeout.
    probe = function(
        f"""
api = Api()
answer = {asked}
print("answered", answer[0], answer[-1]["errorType"], len(answer[-1]["errorMessage"]) > 0)
os._exit(1)
"""
    )

    assert f"answered {refusal} True" in functions.invoke(probe, {}).log


def test_nobody_registers_after_init(functions: LocalLambda, function: Deploy) -> None:
    """Neither for events nor for telemetry: the environment is complete."""
    probe = function(
        INTERNAL
        + """
def work(event): pass
def handler(event, context):
    late = Api()
    late.headers = api.headers
    return [late.subscribe(1)[::2], Api().register("late")]
"""
    )

    (telemetry, extension) = functions.invoke(probe, {}).value()

    assert (telemetry[0], telemetry[1]["errorType"]) == (403, "Telemetry.SubscriptionClosed")
    assert (extension[0], extension[1]["errorType"]) == (403, "Extension.RegistrationClosed")


def test_registration_tells_the_function_and_the_account_if_asked(functions: LocalLambda, function: Deploy) -> None:
    """The answer holds the function's name, version and handler; the account only by request."""
    probe = function(
        """
plain, asking = Api(), Api()
answers = [plain.register("a"), asking.register("b", **{"Lambda-Extension-Accept-Feature": "other, accountId"})]
import threading
for one in (plain, asking): threading.Thread(target=one.next, daemon=True).start()
def handler(event, context): return answers
""",
        timeout=1.0,
    )

    # Neither asks again after its first event.
    responses: list[Response] = []
    functions.invoke(probe, {}, on_response=responses.append)

    known = {"functionName": "probe", "functionVersion": "$LATEST", "handler": "app.handler"}
    assert json.loads(responses[0].payload) == [[200, known], [200, {**known, "accountId": "123456789012"}]]


@pytest.mark.parametrize(("kind", "error_type"), [("init", "Extension.InitError"), ("exit", "Extension.ExitError")])
def test_an_extension_that_gives_up_ends_the_invocation(
    functions: LocalLambda, function: Deploy, kind: str, error_type: str
) -> None:
    """Its report reaches the caller as Lambda's error."""
    probe = function(
        f"""
api = Api()
api.register("ours")
api.fail({kind!r}, "Ours.Broken")
def handler(event, context): return 1
"""
    )

    outcome = functions.invoke(probe, {})

    assert outcome.status is Status.EXIT
    assert outcome.error is not None
    assert outcome.error.type == error_type
    assert "ours: Ours.Broken" in outcome.error.message
    assert f"Error Type: {error_type}" in outcome.log


EXTERNAL = """
import sys
api = Api()
api.register(os.path.basename(sys.argv[0]), ["INVOKE", "SHUTDOWN"])
with open(os.environ["SEEN"], "a") as file:
    print(json.dumps(dict(os.environ)), file=file, flush=True)
    while True:
        event = api.next()
        print(json.dumps(event), file=file, flush=True)
        print("an extension's line", flush=True)
        if event["eventType"] == "SHUTDOWN": break
"""


def test_an_external_extension_lives_from_before_the_function_until_shutdown(function: Deploy, tmp_path: Path) -> None:
    """It starts first, gets every invocation, then SHUTDOWN with the reason; it knows less of the function."""
    seen = tmp_path / "seen"
    probe = function(
        "def handler(event, context): return 1",
        layers=(layer(tmp_path / "layer", EXTERNAL),),
        environment={"SEEN": str(seen)},
    )
    with LocalLambda(freeze=True) as functions:
        first = functions.invoke(probe, {}, request_id="one")
        functions.invoke(probe, {}, request_id="two")

    environment, *events = map(json.loads, seen.read_text().splitlines())
    assert [(event["eventType"], event.get("requestId")) for event in events] == [
        ("INVOKE", "one"),
        ("INVOKE", "two"),
        ("SHUTDOWN", None),
    ]
    assert events[-1]["shutdownReason"] == "spindown"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "probe"
    for missing in ("_HANDLER", "LAMBDA_TASK_ROOT", "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME"):
        assert missing not in environment
    assert "EXTENSION\tName: beside\tState: Ready\tEvents: [INVOKE, SHUTDOWN]" in first.log
    assert "an extension's line" in first.log


def test_an_external_extension_hears_of_a_timeout(functions: LocalLambda, function: Deploy, tmp_path: Path) -> None:
    """SHUTDOWN then says `timeout`, and with the next invocation it starts anew."""
    seen = tmp_path / "seen"
    probe = function(
        "import time\ndef handler(event, context): time.sleep(event)",
        layers=(layer(tmp_path / "layer", EXTERNAL),),
        environment={"SEEN": str(seen)},
        timeout=1.0,
    )

    functions.invoke(probe, 0)
    functions.invoke(probe, 600)
    told = [json.loads(line) for line in seen.read_text().splitlines()]

    assert told[-1]["shutdownReason"] == "timeout"
    assert functions.invoke(probe, 0).cold_start


@pytest.mark.parametrize(
    ("source", "error_type"),
    [
        ("import sys; sys.exit(3)", "Extension.Crash"),
        ("api = Api(); api.register('beside'); api.fail('init', 'No.Luck')", "Extension.InitError"),
    ],
)
def test_an_external_extension_that_ends_fails_init(
    functions: LocalLambda, function: Deploy, tmp_path: Path, source: str, error_type: str
) -> None:
    """The function never runs: Lambda waits for every extension to register and to ask for events."""
    probe = function("def handler(event, context): return 1", layers=(layer(tmp_path / "layer", source),))

    outcome = functions.invoke(probe, {})

    assert outcome.status is Status.EXIT
    assert outcome.platform.error_type == error_type


@pytest.mark.parametrize(("register", "expected"), [(True, "SIGTERM"), (False, None)])
def test_the_runtime_is_asked_to_end_only_where_an_extension_is(
    function: Deploy, tmp_path: Path, register: bool, expected: str | None
) -> None:
    """With an extension SIGTERM comes first; without one SIGKILL at once."""
    told = tmp_path / "told"
    probe = function(
        f"""
import os, signal, threading
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
def wait():
    number = signal.sigwait([signal.SIGTERM])
    with open({str(told)!r}, "w") as file: file.write(signal.Signals(number).name)
    os._exit(0)
threading.Thread(target=wait, daemon=True).start()
if {register}:
    api = Api()
    api.register("ours", [])
    threading.Thread(target=api.next, daemon=True).start()
def handler(event, context): return os.getpid()
"""
    )
    with LocalLambda(freeze=True) as functions:
        pid = functions.invoke(probe, {}).value()

    wait_gone(pid)
    assert (told.read_text() if told.exists() else None) == expected


def test_an_extension_that_does_not_end_is_killed(function: Deploy, tmp_path: Path) -> None:
    """SHUTDOWN has a time limit, for those inside as for those beside the function."""
    pids = tmp_path / "pids"
    stubborn = f"""
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(pids)!r}, "a").write(f"{{os.getpid()}}\\n")
"""
    probe = function(
        f"{stubborn}\ndef handler(event, context): return 1",
        layers=(
            layer(
                tmp_path / "layer",
                f"{stubborn}\napi = Api()\napi.register('beside', ['SHUTDOWN'])\napi.next()\ntime.sleep(600)",
            ),
        ),
    )
    with LocalLambda() as functions:
        functions.invoke(probe, {})

    for pid in wait_for_file(pids).split():
        wait_gone(int(pid))
