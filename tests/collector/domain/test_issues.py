from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.issues import Frame, aws_error, fingerprint, first_line, normalise, own_frames, short_type

TRANSCRIBE = (
    "An error occurred (BadRequestException) when calling the StartTranscriptionJob operation: 1 validation error "
    "detected: Value 'my file.mp3' at 'transcriptionJobName' failed to satisfy constraint: Member must satisfy regular "
    "expression pattern: ^[0-9a-zA-Z._-]+"
)
PYTHON = """Traceback (most recent call last):
  File "/opt/python/clew/invocation.py", line 60, in run
    return handler(event, context)
  File "/var/task/app.py", line 12, in handler
    start(bucket, key)
  File "/var/task/jobs/start.py", line 34, in start
    transcribe.start_transcription_job(**job)
  File "/var/lang/lib/python3.12/site-packages/botocore/client.py", line 565, in _api_call
    return self._make_api_call(operation_name, kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/var/task/botocore/client.py", line 1017, in _make_api_call
    raise error_class(parsed_response, operation_name)
botocore.errorfactory.BadRequestException: An error occurred
"""
NODE = """TypeError: Cannot read properties of undefined (reading 'name')
    at parse (/var/task/src/parse.js:10:15)
    at async Object.handler [as default] (file:///var/task/index.mjs:5:3)
    at new Thing (/var/task/node_modules/lib/thing.js:1:1)
    at /var/task/src/anonymous.js:7:9
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
"""


@contextmanager
def bounded(seconds: int = 5) -> Iterator[None]:
    """Ends the test if what is inside hangs: a thousand times what it takes, for what took minutes to hours."""

    def give_up(signum: int, frame: object) -> None:
        raise AssertionError(f"still not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def issue(message: str, *, function: int = 1, type: str = "ValueError", stacktrace: str = "") -> int:
    return fingerprint(function, type, message, own_frames(stacktrace))


@pytest.mark.parametrize(
    "other",
    [
        TRANSCRIBE.replace("my file.mp3", "interviews/day 2.mp3"),
        TRANSCRIBE.replace("my file.mp3", "it's my file.mp3"),
        TRANSCRIBE.replace("my file.mp3", ""),
        TRANSCRIBE.replace("my file.mp3", "日本語 ファイル"),
        TRANSCRIBE.replace("1 validation error", "2 validation error"),
        TRANSCRIBE + "\nand a second line",
        "\n  " + TRANSCRIBE,
    ],
)
def test_a_rejected_file_name_is_one_issue(other: str) -> None:
    """Transcribe's rejection is the same issue whatever the file is called."""
    assert issue(TRANSCRIBE) == issue(other)


def test_another_operation_is_another_issue() -> None:
    """The operation and the constraint are words of the message that stay."""
    assert issue(TRANSCRIBE) != issue(TRANSCRIBE.replace("StartTranscriptionJob", "GetTranscriptionJob"))
    assert issue(TRANSCRIBE) != issue(TRANSCRIBE.replace("failed to satisfy constraint", "is not unique"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("user 17 is gone", "user 4711 is gone"),
        ("user 17.5 is gone", "user 4,711 is gone"),
        ("it took 17ms", "it took 2.5s"),
        ("no order 8f5d3b1c-0000-4000-8000-000000000001", "no order 01234567-89ab-cdef-0123-456789abcdef"),
        ("request 4F2A9C0B1D2E3F40 failed", "request ABCDEF0123456789 failed"),
        ("job job12 failed", "job job1 failed"),
        ("bad key b'abc'", "bad key b'xyz x'"),
        ("<Foo object at 0x7f8a1c2d3e4f>", "<Foo object at 0x1>"),
        ("at 2026-05-28T20:26:40Z it broke", "at 2025-01-01 00:00:00.123+02:00 it broke"),
        ("GET https://a.example.com/x?y=1 failed", "GET http://b/ failed"),
        ("cannot read s3://uploads/a.mp3", "cannot read s3://other/b/c"),
        ("no access to arn:aws:sqs:eu-west-1:1:jobs", "no access to arn:aws:sns:us-east-1:2:alarms"),
        ("no such file: /tmp/abc/in.mp3", "no such file: /tmp/def.wav"),
        ("mail to ada@example.com bounced", "mail to bob@example.org bounced"),
        ('invalid "name"', 'invalid "other name"'),
        ("invalid `name`", "invalid `it's`"),
        ("cut off in 'a long val", "cut off in 'another one that is lon"),
        ('cut off in "a long val', 'cut off in "another'),
        ("key not found: deadbeefcafebabe", "key not found: feedfacecafebeef"),
        ('{"code": 42, "msg": "x"} rejected', '{"code": 43, "msg": "y", "more": [1, [2, null]]} rejected'),
        ("payload {'a': 1} is bad", "payload {'a': None, 'b': ['x', True]} is bad"),
        ("validation failed: [1, 2, 3]", "validation failed: []"),
        ("not a pair: (1, 2)", "not a pair: (1, 2, 3)"),
        ("キー 'abc123' が見つかりません", "キー 'xyz' が見つかりません"),
        ("订单12345不存在", "订单98765不存在"),
        ("“fancy” is missing", "“another value” is missing"),
        ("«foo» introuvable", "«bar baz» introuvable"),
        ("„so“ fehlt", "„oder so“ fehlt"),
        ("「名前」がありません", "「住所」がありません"),
        ("Sun Nov 21 15:05:53 2026 lock expired", "Mon Jan  5 01:02:03 2026 lock expired"),
        ("Sat, 21 Nov 2026 15:05:53 GMT is past", "Mon, 5 Jan 2026 01:02:03 GMT is past"),
        ("12/May/2024:10:11:12 +0000 failed", "13/Jun/2025:11:11:12 +0200 failed"),
        ("GET failed: /a/b?c=1 (Caused by X)", "GET failed: /x/y/z?q=2&r=3 (Caused by X)"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIifQ.abc-DEF expired", "token eyJraWQiOiJhIn0.eyJhIn0.zzz expired"),
        ("fe80::a:b is unreachable", "2001:db8::8a2e:370:7334 is unreachable"),
        ("item id=-5 rejected", "item id=+7.5e-3 rejected"),
        ("it is -5 now", "it is +7.5e-3 now"),
        ("user_id=abc, tenant=acme", "user_id=def, tenant=other"),
        ("order #A-1001 is gone", "order #B-22 is gone"),
        ("Thread-12 died", "Thread-3 died"),
        ("invalid base64: SGVsbG8gV29ybGQ9", "invalid base64: QUJDREVGR0hJSktMTU5PUA=="),
        (r"C:\Users\bob\x.txt is missing", r"D:\tmp\y.txt is missing"),
        ("first line 1\rsecond line", "first line 2\rsecond, another"),
        ("x" + ", y 'abc'" * 200, "x" + ", y 'abcdefghi'" * 200),
    ],
)
def test_values_make_no_difference(one: str, other: str) -> None:
    """Numbers, ids, times, quoted values, URLs, ARNs and paths are what differs between failures of one cause."""
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("connection refused", "connection reset"),
        ("can't connect to 'db'", "can't read from 'db'"),
        ("Value 'a' at 'b' is bad", "Key 'a' at 'b' is bad"),
        ("list index out of range", "string index out of range"),
        ("feed is dead", "bead is faded"),
        ("it may fail", "it will fail"),
        ("function f() is missing", "function g() is missing"),
        ("std::vector is empty", "std::deque is empty"),
    ],
)
def test_words_make_a_difference(one: str, other: str) -> None:
    """What a message says, beside its values, keeps issues apart."""
    assert normalise(one) != normalise(other)


def test_lines_of_code_make_no_difference() -> None:
    """An edit elsewhere in the file moves the line, not the issue."""
    assert issue("boom", stacktrace=PYTHON) == issue("boom", stacktrace=PYTHON.replace("line 34", "line 99"))
    assert issue("boom", stacktrace=NODE) == issue("boom", stacktrace=NODE.replace(":10:15", ":11:2"))


def test_type_function_and_frame_make_a_difference() -> None:
    """The same words elsewhere are another issue."""
    here = issue("boom", stacktrace=PYTHON)
    assert here != issue("boom", stacktrace=PYTHON, type="KeyError")
    assert here != issue("boom", stacktrace=PYTHON, function=2)
    assert here != issue("boom", stacktrace=PYTHON.replace("in start\n", "in restart\n"))
    assert here != issue("boom", stacktrace=PYTHON.replace("jobs/start.py", "jobs/stop.py"))


def test_ids_in_types_and_built_code_make_no_difference() -> None:
    """Classes that are made at run time, and bundles that are called by their digest. The status of an answer stays."""
    assert issue("boom", type="Task_84f2ac91_Failed") == issue("boom", type="Task_0912bb3e_Failed")
    assert issue("boom", type="HTTP 502") != issue("boom", type="HTTP 503")
    node = "    at run (/var/task/dist/chunk-8f3ab2c1.js:1:2)\n"
    assert issue("boom", stacktrace=node) == issue("boom", stacktrace=node.replace("8f3ab2c1", "0ab7e91d"))
    assert issue("boom", stacktrace=node) != issue("boom", stacktrace=node.replace("chunk", "index"))


def test_own_frames_of_python() -> None:
    """The innermost first, without the runtime, layers and libraries, be they installed or beside the handler."""
    assert own_frames(PYTHON) == (Frame("jobs/start.py", "start"), Frame("app.py", "handler"))


def test_own_frames_of_node() -> None:
    """The innermost first, without node_modules and Node itself; file URLs and methods are understood."""
    assert own_frames(NODE) == (
        Frame("src/parse.js", "parse"),
        Frame("index.mjs", "Object.handler [as default]"),
        Frame("src/anonymous.js", ""),
    )


def test_own_frames_of_a_real_traceback() -> None:
    """What this Python prints, also for an exception group, is understood."""
    printed = ""
    try:
        int("one")
    except ValueError as error:
        printed = "".join(traceback.format_exception(ExceptionGroup("several", [error])))
    assert own_frames(printed)[0] == Frame("domain/test_issues.py", "test_own_frames_of_a_real_traceback")


def test_frames_of_others_are_better_than_none() -> None:
    """Where nothing is the user's own, the innermost frames stand."""
    only = 'File "/opt/python/x.py", line 1, in load\n'
    assert own_frames(only) == (Frame("python/x.py", "load"),)


def test_a_path_is_the_same_on_every_machine() -> None:
    """Outside Lambda the last two parts of a path count; Windows' are read alike."""
    assert own_frames('File "/home/ada/shop/app.py", line 1, in x') == (Frame("shop/app.py", "x"),)
    assert own_frames('File "C:\\work\\shop\\app.py", line 1, in x') == (Frame("shop/app.py", "x"),)


def test_frames_hold_no_nul_and_are_short() -> None:
    """What a stack trace names can be stored, whatever it holds."""
    frame = own_frames(f'File "a\x00{"b" * 9_000}", line 1, in c\x00{"d" * 9_000}')[0]
    assert "\x00" not in frame.path + frame.where
    assert max(len(frame.path), len(frame.where)) <= 256


def test_the_innermost_frames_of_a_long_stack_are_found() -> None:
    """A recursion of a thousand frames is cut where it says least: before Python's end, after Node's beginning."""
    deep = 'File "/var/task/app.py", line 1, in outer\n' * 5_000 + 'File "/var/task/app.py", line 9, in inner\n'
    assert own_frames(deep)[0].where == "inner"
    deep = "Error\n at inner (/var/task/a.js:1:1)\n" + "    at outer (/var/task/a.js:2:2)\n" * 5_000
    assert own_frames(deep)[0].where == "inner"


def test_aws_errors_name_code_and_operation() -> None:
    """botocore's message, also after retries."""
    assert aws_error(TRANSCRIBE) == ("BadRequestException", "StartTranscriptionJob")
    retried = (
        "An error occurred (AWS.SimpleQueueService.NonExistentQueue) when calling the SendMessage operation "
        "(reached max retries: 4): gone"
    )
    assert aws_error(retried) == ("AWS.SimpleQueueService.NonExistentQueue", "SendMessage")
    assert aws_error("An error occurred") is None


def test_types_are_said_without_their_module() -> None:
    """As people say it; a name that ends in a dot stays whole."""
    assert short_type("botocore.errorfactory.BadRequestException") == "BadRequestException"
    assert short_type("ValueError") == "ValueError"
    assert short_type("odd.") == "odd."


def test_the_first_line_says_something() -> None:
    """Blank lines before it are passed over; it is cut to a thousand characters."""
    assert first_line("\n \n  first  \nsecond") == "first"
    assert len(first_line("x" * 9_000)) == 1_000
    assert first_line("") == ""


HOSTILE = [
    "\n" * 65_536,
    " " * 65_536,
    ("\t" * 100 + "\n") * 650,
    "at " * 22_000,
    "    at " + "x" * 65_000,
    ("    at " + "x" * 300 + "\n") * 200,
    "    at " + " (" * 32_000,
    'File "' + "x" * 65_000,
    ('File "' + "x" * 300 + "\n") * 200,
    'File "a", line ' + "1" * 65_000,
    "    at a (b" + ":1" * 32_000,
    ("    at :1:" * 1 + "1" * 60 + "\n") * 900,
    "|" * 65_536,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_stack_traces_take_no_time(text: str) -> None:
    """64 kB made to set a pattern searching again and again are read as fast as others."""
    with bounded():
        for _ in range(20):
            own_frames(text)


# fmt: off
BEGINNINGS = [
    "'", "' ", " 'a", "'a", '"', "`", "a'", "b'", "0", "a0", "1.", "1,", "a-", "ab12-", "a/", "/", "@", "a@", "a.", "+",
    "\\", "x.", "_", "ä", "s3:/", "http://", "arn:aws:", "abcdef12-", "0x", "2026-", "2026-05-28T", "aaaaaaaa:",
]
# fmt: on


@pytest.mark.parametrize("part", BEGINNINGS)
def test_hostile_messages_take_no_time(part: str) -> None:
    """1,000 characters that fit the beginning of a pattern everywhere are normalised as fast as others."""
    with bounded():
        for number in range(200):
            normalise((part * 1_000)[:990] + f" {number}")


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=400))
def test_any_text_has_a_fingerprint(type: str, message: str, stacktrace: str) -> None:
    """Nothing raises, and the same failure is the same issue."""
    assert issue(message, type=type, stacktrace=stacktrace) == issue(message, type=type, stacktrace=stacktrace)
    assert 0 <= issue(message) < 2**63
