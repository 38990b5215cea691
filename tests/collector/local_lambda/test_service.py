"""Functions run by AWS's own runtime client against the local Runtime API."""

from __future__ import annotations

import re
import signal
import threading
from pathlib import Path

import pytest

from collector.local_lambda import (
    FunctionNotFoundError,
    InvocationOutcome,
    LocalFunction,
    LocalLambda,
    Status,
    TooManyRequestsError,
)
from tests.collector.local_lambda.conftest import Deploy, state, wait_for_file, wait_gone, wait_until


def wait_idle(functions: LocalLambda) -> None:
    wait_until(lambda: not functions.activity[1], "events are still under way")


def test_a_handler_gets_the_event_and_its_return_value_comes_back(functions: LocalLambda, deploy: Deploy) -> None:
    """The event arrives as it was given and the return value is the outcome's."""
    deploy("def handler(event, context): return {'got': event}")

    outcome = functions.invoke("probe", {"a": ["ä", 1, None]})

    assert outcome.status is Status.SUCCESS
    assert outcome.error is None
    assert outcome.value() == {"got": {"a": ["ä", 1, None]}}


def test_the_context_and_the_variables_are_lambdas(functions: LocalLambda, deploy: Deploy) -> None:
    """A handler finds in its context and environment what Lambda puts there."""
    function = deploy(
        """
        import os
        def handler(event, context):
            return {
                "request": context.aws_request_id, "arn": context.invoked_function_arn,
                "left": context.get_remaining_time_in_millis(), "memory": context.memory_limit_in_mb,
                "custom": context.client_context.custom, "environment": dict(os.environ),
            }
        """,
        memory=512,
        timeout=5.0,
        environment={"MINE": "yes"},
    )

    outcome = functions.invoke("probe", {}, request_id="the-id", client_context='{"custom": {"k": "v"}}')

    seen = outcome.value()
    assert (seen["request"], seen["arn"], seen["memory"]) == ("the-id", function.arn, "512")
    assert 0 < seen["left"] <= 5000
    assert seen["custom"] == {"k": "v"}
    environment = seen["environment"]
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "probe"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/probe"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", environment["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert environment["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    assert re.fullmatch(r"AWS_Lambda_python3\.\d+", environment["AWS_EXECUTION_ENV"])
    assert re.match(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", environment["_X_AMZN_TRACE_ID"])
    assert environment["MINE"] == "yes"
    assert "VIRTUAL_ENV" not in environment


def test_an_exception_becomes_the_error_payload(functions: LocalLambda, deploy: Deploy) -> None:
    """A handler that raises gives Lambda's error document, and its environment stays in use."""
    deploy("def handler(event, context): raise KeyError('missing')")

    first, second = functions.invoke("probe", {}), functions.invoke("probe", {})

    assert first.status is Status.ERROR
    assert first.error is not None
    assert (first.error.type, first.error.message) == ("KeyError", "'missing'")
    assert first.value()["errorType"] == "KeyError"
    assert "app.py" in first.error.stack[0]
    assert "[ERROR] KeyError: 'missing'" in first.log
    assert not second.cold_start


def test_a_module_that_cannot_be_loaded_is_an_error_of_the_invocation(functions: LocalLambda, deploy: Deploy) -> None:
    """An exception at import fails the invocation with its type, and the next one starts anew."""
    deploy("raise RuntimeError('no configuration')")

    outcomes = [functions.invoke("probe", {}) for _ in range(2)]

    for outcome in outcomes:
        assert outcome.status is Status.ERROR
        assert outcome.error is not None
        assert (outcome.error.type, outcome.error.message) == ("RuntimeError", "no configuration")
        assert outcome.cold_start


def test_a_process_that_exits_is_reported_and_replaced(functions: LocalLambda, deploy: Deploy) -> None:
    """`os._exit` in the handler is Runtime.ExitError; the next invocation has a new process."""
    deploy(
        """
        import os
        def handler(event, context):
            if event.get("exit"): os._exit(3)
            return os.getpid()
        """
    )

    before = functions.invoke("probe", {})
    crashed = functions.invoke("probe", {"exit": True})
    after = functions.invoke("probe", {})

    assert crashed.status is Status.EXIT
    assert crashed.error is not None
    assert crashed.error.type == "Runtime.ExitError"
    assert crashed.error.message.endswith("Runtime exited with error: exit status 3")
    assert "Status: error\tError Type: Runtime.ExitError" in crashed.log
    assert after.cold_start
    assert after.value() != before.value()


def test_a_handler_that_hangs_is_killed_with_its_children(
    functions: LocalLambda, deploy: Deploy, tmp_path: Path
) -> None:
    """At its timeout the environment is killed, what the handler started as well, and the next start is cold."""
    pids = tmp_path / "pids"
    deploy(
        f"""
        import os, subprocess, time
        def handler(event, context):
            if not event: return "quick"
            child = subprocess.Popen(["sleep", "600"])
            with open({str(pids)!r}, "w") as file: file.write(f"{{os.getpid()}} {{child.pid}}")
            print("hanging")
            time.sleep(600)
        """,
        timeout=1.0,
    )

    outcome = functions.invoke("probe", {"hang": True})

    assert outcome.status is Status.TIMEOUT
    assert outcome.duration >= 1000
    assert outcome.value() == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {outcome.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert "hanging\n" in outcome.log
    assert f"{outcome.request_id} Task timed out after 1.00 seconds\nEND RequestId: {outcome.request_id}" in outcome.log
    assert "Status: timeout" in outcome.log
    for pid in pids.read_text().split():
        wait_gone(int(pid))
    assert functions.invoke("probe", {}).cold_start


def test_an_environment_is_kept_and_starts_cold_only_once(functions: LocalLambda, deploy: Deploy) -> None:
    """Two invocations one after the other meet the same process; only the first has an Init Duration."""
    deploy(
        """
        import os
        count = 0
        def handler(event, context):
            global count
            count += 1
            return [os.getpid(), count]
        """
    )

    first, second = functions.invoke("probe", {}), functions.invoke("probe", {})

    assert first.cold_start
    assert first.init_duration is not None
    assert first.init_duration > 0
    assert not second.cold_start
    assert second.value() == [first.value()[0], 2]
    assert "Init Duration" in first.log
    assert "Init Duration" not in second.log


def test_an_environment_is_retired_after_its_invocations(functions: LocalLambda, deploy: Deploy) -> None:
    """`invocations_per_environment` makes the next invocation cold again."""
    deploy("def handler(event, context): return 1", invocations_per_environment=2)

    assert [functions.invoke("probe", {}).cold_start for _ in range(5)] == [True, False, True, False, True]


def test_concurrent_invocations_get_an_environment_each(functions: LocalLambda, deploy: Deploy, tmp_path: Path) -> None:
    """Two at once run in two processes, and a third one is refused as Lambda refuses it."""
    deploy(
        f"""
        import os, time
        def handler(event, context):
            mine, other = event
            open(os.path.join({str(tmp_path)!r}, mine), "w").write("here")
            while not os.path.exists(os.path.join({str(tmp_path)!r}, other)): time.sleep(0.01)
            while not os.path.exists(os.path.join({str(tmp_path)!r}, "go")): time.sleep(0.01)
            return os.getpid()
        """,
        timeout=20.0,
        concurrency=2,
    )
    outcomes: list[InvocationOutcome] = []
    threads = [
        threading.Thread(target=lambda event=event: outcomes.append(functions.invoke("probe", event)))
        for event in (["one", "two"], ["two", "one"])
    ]
    for thread in threads:
        thread.start()
    wait_for_file(tmp_path / "one")
    wait_for_file(tmp_path / "two")

    with pytest.raises(TooManyRequestsError, match="Rate Exceeded"):
        functions.invoke("probe", ["three", "three"])

    (tmp_path / "go").write_text("go")
    for thread in threads:
        thread.join()
    assert [outcome.status for outcome in outcomes] == [Status.SUCCESS] * 2
    assert outcomes[0].value() != outcomes[1].value()


def test_a_failed_event_is_tried_again_under_its_id(deploy: Deploy, functions: LocalLambda, tmp_path: Path) -> None:
    """An asynchronous invocation is retried `maximum_retry_attempts` times, with the same request id."""
    seen = tmp_path / "seen"
    deploy(
        f"""
        def handler(event, context):
            with open({str(seen)!r}, "a") as file: file.write(context.aws_request_id + "\\n")
            raise ValueError("never")
        """,
        maximum_retry_attempts=2,
        retry_delays=(0.0,),
    )

    request_id = functions.invoke_async("probe", {"n": 1})
    wait_idle(functions)

    assert seen.read_text().split() == [request_id] * 3


def test_an_event_is_not_retried_when_the_function_says_so(
    deploy: Deploy, functions: LocalLambda, tmp_path: Path
) -> None:
    """`maximum_retry_attempts` of 0 means one attempt."""
    seen = tmp_path / "seen"
    deploy(
        f"""
        def handler(event, context):
            with open({str(seen)!r}, "a") as file: file.write("x")
            raise ValueError("never")
        """,
        maximum_retry_attempts=0,
    )

    functions.invoke_async("probe", {})
    wait_idle(functions)

    assert seen.read_text() == "x"


def test_the_log_holds_what_was_printed_between_start_and_report(
    functions: LocalLambda, deploy: Deploy, tmp_path: Path
) -> None:
    """Both streams and the loggers end up in order between Lambda's own lines, also in the function's log file."""
    deploy(
        """
        import logging, sys
        logging.getLogger().setLevel(logging.INFO)
        def handler(event, context):
            print("first")
            logging.info("second")
            print("third", file=sys.stderr)
            sys.stdout.write("no newline")
        """
    )

    outcome = functions.invoke("probe", {}, request_id="rid")

    init, *lines = outcome.log.splitlines()
    assert re.match(r"INIT_START Runtime Version: python:3\.\d+", init)
    assert lines[0] == "START RequestId: rid Version: $LATEST"
    assert lines[1] == "first"
    assert re.fullmatch(r"\[INFO\]\t[\dT:.-]+Z\trid\tsecond", lines[2])
    assert lines[3:5] == ["third", "no newline"]
    assert lines[5] == "END RequestId: rid"
    assert re.fullmatch(
        r"REPORT RequestId: rid\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"(Max Memory Used: \d+ MB\t)?Init Duration: \d+\.\d\d ms",
        lines[6],
    )
    written = (tmp_path / "logs" / "probe.log").read_text().splitlines()
    assert [line.partition("] ")[2] for line in written] == [init, *lines]


def test_a_frozen_environment_does_nothing_between_invocations(tmp_path: Path) -> None:
    """With `freeze` the process is stopped after each invocation and goes on with the next one."""
    (tmp_path / "app.py").write_text("import os\ndef handler(event, context): return os.getpid()")
    with LocalLambda(tmp_path, freeze=True) as functions:
        functions.add(LocalFunction(name="probe", handler="app.handler", code=tmp_path))
        pid = functions.invoke("probe", {}).value()
        wait_until(lambda: state(pid) == "T", "the process was never stopped")

        again = functions.invoke("probe", {})

    assert again.value() == pid
    assert not again.cold_start
    wait_gone(pid)


def test_closing_ends_an_invocation_under_way(tmp_path: Path) -> None:
    """No process is left behind by `close`, not even one in the middle of an invocation."""
    (tmp_path / "app.py").write_text(
        f"import os, time\ndef handler(event, context):\n"
        f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    )

    functions = LocalLambda(tmp_path)
    functions.add(LocalFunction(name="probe", handler="app.handler", code=tmp_path, timeout=600.0))
    functions.invoke_async("probe", {})
    pid = int(wait_for_file(tmp_path / "pid"))

    functions.close()

    wait_gone(pid)


def test_an_environment_killed_from_outside_is_reported_as_a_signal(functions: LocalLambda, deploy: Deploy) -> None:
    """A process that something kills, as the system does when memory runs out, ends the invocation."""
    deploy(f"import os\ndef handler(event, context): os.kill(os.getpid(), {signal.SIGKILL})\n")

    outcome = functions.invoke("probe", {})

    assert outcome.status is Status.EXIT
    assert outcome.error is not None
    assert outcome.error.message.endswith("Runtime exited with error: signal: killed")


def test_an_unknown_function_is_said_to_be_unknown(functions: LocalLambda) -> None:
    """A name that was never added is refused by both ways of invoking."""
    with pytest.raises(FunctionNotFoundError, match="nothing"):
        functions.invoke("nothing", {})
    with pytest.raises(FunctionNotFoundError, match="nothing"):
        functions.invoke_async("nothing", {})


def test_a_function_whose_code_is_missing_is_refused(functions: LocalLambda, tmp_path: Path) -> None:
    """That is told when it is added, not when it is first run."""
    with pytest.raises(NotADirectoryError, match="nowhere"):
        functions.add(LocalFunction(name="probe", handler="app.handler", code=tmp_path / "nowhere"))
