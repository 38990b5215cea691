"""Lines of Lambda functions' logs, as Lambda and its runtimes write them."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.facts import ReportStatus
from collector.domain.issues import Frame
from collector.domain.log_lines import EXIT, TIMEOUT, read_line
from collector.domain.reports import read_report
from tests.collector.domain.cloudwatch import PYTHON_ERROR, end, report, request, start

ID = request()
REFUSED = "An error occurred (AccessDenied) when calling the PutObject operation: no"
NOT_FOUND = "Unable to import module 'app': No module named 'x'"
NAMES = ["type", "record", "requestId", "message", "errorType", "stackTrace", "level", "metrics"]
NODE_ERROR = {
    "errorType": "TypeError",
    "errorMessage": "Cannot read properties of undefined (reading 'name')",
    "stack": [
        "TypeError: Cannot read properties of undefined (reading 'name')",
        "    at Runtime.handler (file:///var/task/index.mjs:2:9)",
        "    at Runtime.handleOnceNonStreaming (file:///var/runtime/index.mjs:1173:29)",
    ],
}
JAVA_ERROR = (
    "Input must contain 2 numbers.: example.InputLengthException\n"
    "example.InputLengthException: Input must contain 2 numbers.\n"
    "\tat example.HandlerDivide.handleRequest(HandlerDivide.java:23)\n"
    "\tat java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(Unknown Source)\n"
    "\tat lambdainternal.AWSLambda.main(AWSLambda.java:33)\n"
)


@pytest.mark.parametrize(
    ("message", "type", "request_id"),
    [
        (start(ID), "platform.start", ID),
        (end(ID), "platform.runtimeDone", ID),
        (report(ID), "platform.report", ID),
        (
            "INIT_START Runtime Version: python:3.13.v12\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:ab\n",
            "platform.initStart",
            "",
        ),
        ("INIT_REPORT Init Duration: 10008.68 ms\tPhase: init\tStatus: timeout\n", "platform.initReport", ""),
        ("RESTORE_START Runtime Version: java:21.v5\tRuntime Version ARN: arn:x\n", "platform.restoreStart", ""),
        ("RESTORE_REPORT Restore Duration: 398.97 ms\n", "platform.restoreReport", ""),
        ("EXTENSION\tName: otel\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n", "platform.extension", ""),
        ("TELEMETRY\tName: otel\tState: Subscribed\tTypes: [Platform]\n", "platform.telemetrySubscription", ""),
        (
            "XRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 53995c3f42cd8ad8\tSampled: true\t\n",
            "platform.xray",
            "",
        ),
        (f"2026-05-28T20:26:43.010Z {ID} Task timed out after 3.01 seconds\n\n", TIMEOUT, ID),
        (f"RequestId: {ID} Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n", EXIT, ID),
        (f"RequestId: {ID} Process exited before completing request\n", EXIT, ID),
        (f"[INFO]\t2026-05-28T20:26:43.010Z\t{ID}\thello\n", "", ID),
        (f"2026-05-28T20:26:43.010Z\t{ID}\tINFO\thello\n", "", ID),
        ("2026-05-28T20:26:43.010Z\tundefined\tINFO\tin INIT\n", "", ""),
        ("START of the day\n", "", ""),
        ("REPORT: nothing new\n", "", ""),
        ("EXTENSION cord\n", "", ""),
        ("", "", ""),
    ],
)
def test_what_a_line_is(message: str, type: str, request_id: str) -> None:
    """Lines that only begin like the platform's are the function's."""
    line = read_line(message)

    assert (line.type, line.request_id) == (type, request_id)


def test_a_report_is_read_by_its_fields_names_in_any_order() -> None:
    """The order of the optional fields differs between lines that were seen; X-Ray adds a line of its own."""
    fields = [
        "Duration: 2338.66 ms",
        "Billed Duration: 2521 ms",
        "Memory Size: 512 MB",
        "Max Memory Used: 178 MB",
        "Init Duration: 333.05 ms",
        "Restore Duration: 398.97 ms",
        "Billed Restore Duration: 182 ms",
        "Status: error",
        "Error Type: Runtime.OutOfMemory",
    ]
    for seed in range(20):
        random.Random(seed).shuffle(fields)
        message = f"REPORT RequestId: {ID}\t" + "\t".join(fields)
        message += (
            "\t\nXRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 53995c3f42cd8ad8\tSampled: true\t\n"
        )

        read = read_report(read_line(message).event, time_ns=7)

        assert read is not None
        assert (read.request_id, read.time_ns, read.status, read.error_type) == (
            ID,
            7,
            ReportStatus.ERROR,
            "Runtime.OutOfMemory",
        )
        assert (read.duration_ns, read.billed_ms) == (2_338_660_000, 2_521)
        assert (read.memory_mb, read.max_memory_mb) == (512, 178)
        assert (read.init_ns, read.restore_ns) == (333_050_000, 398_970_000)


def test_the_json_format_says_the_same() -> None:
    """`platform.report` of LogFormat JSON has the Telemetry API's record; only the line's own time counts."""
    metrics = {"durationMs": 3001.5, "billedDurationMs": 3002, "memorySizeMB": 512, "maxMemoryUsedMB": 91}
    event = {
        "time": "2026-05-28T20:26:43.015Z",
        "type": "platform.report",
        "record": {"requestId": ID, "status": "success", "metrics": metrics},
    }

    assert read_report(read_line(json.dumps(event)).event, time_ns=7) == read_report(
        read_line(report(ID)).event, time_ns=7
    )


@pytest.mark.parametrize(
    ("message", "type", "said", "frame"),
    [
        (PYTHON_ERROR, "ValueError", "no such file: a.mp3", Frame("app.py", "convert")),
        (
            f"[ERROR] ClientError: {REFUSED}\nTraceback (most recent call last):\n",
            "AccessDenied",
            REFUSED,
            None,
        ),
        (
            f"[ERROR] Runtime.ImportModuleError: {NOT_FOUND}\nTraceback (most recent call last):",
            "ImportModuleError",
            NOT_FOUND,
            None,
        ),
        ("[ERROR] KeyError\nTraceback (most recent call last):\n", "KeyError", "", None),
        (
            f"2026-05-28T20:26:43.010Z\t{ID}\tERROR\tInvoke Error \t{json.dumps(NODE_ERROR)}\n",
            "TypeError",
            "Cannot read properties of undefined (reading 'name')",
            Frame("index.mjs", "Runtime.handler"),
        ),
        (
            f"2026-05-28T20:26:43.010Z\t{ID}\tERROR\tUncaught Exception \t"
            + json.dumps(NODE_ERROR, indent=4).replace("\n", "\r"),
            "TypeError",
            "Cannot read properties of undefined (reading 'name')",
            Frame("index.mjs", "Runtime.handler"),
        ),
        (
            JAVA_ERROR,
            "InputLengthException",
            "Input must contain 2 numbers.",
            Frame("HandlerDivide.java", "example.HandlerDivide.handleRequest"),
        ),
        (
            'Error raised from handler method\n{"errorMessage": "boom", "errorType": "Function<RuntimeError>"}',
            "Function<RuntimeError>",
            "boom",
            None,
        ),
        (
            json.dumps(
                {
                    "timestamp": "2026-05-28T20:26:43Z",
                    "level": "ERROR",
                    "errorMessage": "no such file",
                    "errorType": "ValueError",
                    "requestId": ID,
                    "stackTrace": ['  File "/var/task/app.py", line 7, in handler\n    raise ValueError\n'],
                }
            ),
            "ValueError",
            "no such file",
            Frame("app.py", "handler"),
        ),
    ],
)
def test_what_a_runtime_says_of_an_error(message: str, type: str, said: str, frame: Frame | None) -> None:
    """Type, first line and the innermost frame of the function's own code, whatever the language."""
    error = read_line(message).error

    assert error is not None
    assert (error.type, error.message, error.certain) == (type, said, True)
    assert (error.frames[0] if error.frames else None) == frame


@pytest.mark.parametrize(
    "message",
    [
        f"[ERROR]\t2026-05-28T20:26:43.010Z\t{ID}\tvalue was bad\nTraceback (most recent call last):\n",
        "[ERROR] cannot open the file",
        f"2026-05-28T20:26:43.010Z\t{ID}\tERROR\tError: boom\n    at handler (/var/task/index.js:1:1)",
        json.dumps({"level": "ERROR", "message": "bad", "logger": "root", "errorType": "ValueError", "requestId": ID}),
        "see java.lang.String: it is\tat home",
    ],
)
def test_what_a_function_logs_of_an_error_that_it_handled_is_none(message: str) -> None:
    """A logger's record says what was handled, whatever its level."""
    assert read_line(message).error is None


def test_an_error_on_nodes_console_in_json_is_not_certain() -> None:
    """The runtime writes the same as `console.error(error)`: only the report tells whether it ended the invocation."""
    said = {
        "level": "ERROR",
        "requestId": ID,
        "message": {"errorType": "Error", "errorMessage": "boom", "stackTrace": []},
    }
    error = read_line(json.dumps(said)).error

    assert error is not None
    assert (error.type, error.message, error.certain) == ("Error", "boom", False)


@given(
    st.one_of(
        st.text(),
        st.text().map(lambda text: f"REPORT RequestId: {text}"),
        st.text().map(lambda text: f"REPORT RequestId: {ID}\tDuration: {text} ms\tBilled Duration: -{text}"),
        st.text().map(lambda text: f"[ERROR] {text}\nTraceback (most recent call last):\n{text}"),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
        ).map(lambda value: json.dumps({"type": "platform.report", "record": value, "errorType": value})),
    )
)
def test_no_line_is_too_odd(message: str) -> None:
    """Whatever a function writes, it is read without an error, and so is what it says of a report."""
    line = read_line(message)
    read_report(line.event, time_ns=7)

    line.request_id.encode()
    if line.error is not None:
        (line.error.type + line.error.message).encode()
