"""A corpus of handlers, alone and traced: results, errors, output and requests are the same, byte for byte."""

from __future__ import annotations

import ast
import re
import shutil
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collector.local_lambda import InvocationOutcome
from tests.proof.ways import HEAD, TRACED, Deployed, Way, everywhere, seen, steady
from tests.proof.wire import Request, Wire
from tests.tracer.sink import attributes

CORPUS = Path(__file__).parent / "corpus"

FUNCTION = """
import importlib, sys

@trace
def handler(event, context):
    module, _, name = event["case"].partition(".")
    return getattr(importlib.import_module(module), name)(event, context)
"""


def cases(module: str) -> list[str]:
    """The handlers of a module, in their order: some go on where the one before ended."""
    tree = ast.parse((CORPUS / f"{module}.py").read_text())
    return [
        f"{module}.{one.name}"
        for one in tree.body
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)) and not one.name.startswith("_")
    ]


@dataclass
class Case:
    """What came of one case in one way."""

    outcome: InvocationOutcome
    out: bytes
    err: bytes


def prepare(folder: Path) -> None:
    shutil.copytree(CORPUS, folder / "code", ignore=shutil.ignore_patterns("__pycache__", "__init__.py"))
    (folder / "code" / "app.py").write_text(HEAD + FUNCTION)


class Corpus:
    """Runs the cases of some modules in one environment for each way, and keeps what came of each."""

    def __init__(self, *modules: str) -> None:
        self.names = [name for module in modules for name in cases(module)]
        self.cases: dict[tuple[Way, str], Case] = {}
        self.runs: dict[Way, Deployed] = {}
        self.requests: dict[Way, list[Request]] = {}

    def drive(self, run: Deployed) -> None:
        seen_out = seen_err = 0
        for name in self.names:
            outcome = run.invoke({"case": name, "deep": {"a": [1], "password": "hunter2"}})
            out, err = run.output()
            self.cases[run.way, name] = Case(outcome, out[seen_out:], err[seen_err:])
            seen_out, seen_err = len(out), len(err)

    def run(self, folder: Path, layer: Path, **options: Any) -> Corpus:
        prepare(folder)
        self.runs |= everywhere(folder, layer, self.drive, keep_output=True, **options)
        return self

    def check(self, way: Way, name: str) -> None:
        """One case is, in this way, what it is without us."""
        plain, traced = self.cases[Way.PLAIN, name], self.cases[way, name]
        assert traced.outcome.status is plain.outcome.status
        assert first_difference(comparable(plain.outcome.payload), comparable(traced.outcome.payload)) is None
        assert traced.outcome.platform == plain.outcome.platform
        for printed, alone in ((traced.out, plain.out), (traced.err, plain.err)):
            mine = printed
            if name in SAID or name.startswith("replacements."):
                mine = re.sub(rb"(?m)^clew: .*\n", b"", mine)
            if name in ASKED:
                lines, expected = (Counter(comparable(text).splitlines()) for text in (mine, alone))
                assert lines >= expected
                assert not re.search(r"^clew:", "\n".join(lines), re.MULTILINE)
            else:
                assert first_difference(comparable(alone), comparable(mine)) is None

    def check_collected(self, way: Way) -> None:
        """Each case is one invocation, with the error type that Lambda told."""
        found = seen(self.runs[way].sink)
        assert len(found) == len(self.names)
        for name in self.names:
            outcome = self.cases[way, name].outcome
            one = found[outcome.request_id]
            expected = outcome.error.type if outcome.error is not None else None
            assert one.complete == 1, name
            if "http.response.status_code" not in one.invocation and name not in UNNOTICED:
                assert one.result == expected, name
        assert not any(b"hunter2" in received.body for received in self.runs[way].sink.received)


def first_difference(alone: str, mine: str) -> tuple[list[str], list[str]] | None:
    """The lines around it, short: pytest and difflib take minutes to describe the difference of large texts."""
    if alone == mine:
        return None
    texts = alone.split("\n"), mine.split("\n")
    number = next((n for n, (one, other) in enumerate(zip(*texts, strict=False)) if one != other), min(map(len, texts)))
    shown = [[line[:300] for line in lines[max(0, number - 1) : number + 3]] for lines in texts]
    return shown[0], shown[1]


def comparable(text: bytes) -> str:
    """Bytes, each as a character, but for what differs in every run."""
    told = steady(text.decode("latin-1"))
    told = re.sub(r"repeated \d+ more times", "MANY TIMES", told)  # our frame on the stack is one call less
    # Where Python says that nobody awaited a coroutine is where it was let go.
    return re.sub(r"(?m)^\S+:\d+: RuntimeWarning: (coroutine .*)\n.*\n", r"\1\n", told)


# What the tracer itself says on stderr, in lines that start with `clew:`.
SAID = {"results.unfriendly", "output.annotations"}
# Objects that print when their methods are called. What describes them for the collector calls some of these once more:
# the runtime's own encoder, by which a result that cannot be encoded is noticed before it is (see
# `clew.invocation`), Python's formatting of an exception, and the text of a log's message.
ASKED = {
    "results.loud_dict",
    "results.loud_within",
    "results.loud_list",
    "results.loud_key",
    "results.loud_number",
    "results.anything",
    "results.anything_within",
    "failures.curious",
    "logs.odd_messages",
}
UNNOTICED = {"results.unfriendly"}

MODULES = ("results", "failures", "output", "logs", "processes", "interpreter")
GROUPS = {"text": MODULES, "JSON": ("logs",), "replaced": ("replacements",), "calls": ("calls",)}


@pytest.fixture(name="corpora", scope="module")
def _corpora(tmp_path_factory: pytest.TempPathFactory, layer: Path, aws: str) -> dict[str, Corpus]:
    """By group: what a function may do, its log as JSON, and its calls of AWS, one way after the other."""
    corpora = {group: Corpus(*modules) for group, modules in GROUPS.items()}
    wire = Wire(aws)

    def run_calls() -> None:
        corpus = corpora["calls"]
        folder = tmp_path_factory.mktemp("calls")
        prepare(folder)
        for way in Way:
            urllib.request.urlopen(f"{aws}/moto-api/reset", data=b"", timeout=30).close()
            environment = {"AWS_ADDRESS": wire.url, "AWS_EC2_METADATA_DISABLED": "true"}
            corpus.runs |= everywhere(
                folder, layer, corpus.drive, ways=(way,), keep_output=True, environment=environment, timeout=60.0
            )
            corpus.requests[way], wire.requests = wire.requests, []

    def run(group: str) -> None:
        if group == "calls":
            run_calls()
        else:
            corpora[group].run(tmp_path_factory.mktemp(group), layer, json_log=group == "JSON")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, corpora))
    wire.close()
    return corpora


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize(
    ("group", "name"),
    [(group, name) for group, modules in GROUPS.items() for module in modules for name in cases(module)],
)
def test_a_handler_is_the_same(corpora: dict[str, Corpus], group: str, name: str, way: Way) -> None:
    """Status, result, error with its stack, and each byte on stdout and stderr."""
    corpora[group].check(way, name)


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize("group", GROUPS)
def test_the_collector_has_all(corpora: dict[str, Corpus], group: str, way: Way) -> None:
    """Each once, with Lambda's own error type, and without the secrets that are in it."""
    if group != "replaced":  # without its parts the tracer may lose an export, which it counts
        corpora[group].check_collected(way)
    assert not corpora[group].runs[Way.PLAIN].sink.received


@pytest.mark.parametrize("way", TRACED)
def test_the_requests_are_the_same(corpora: dict[str, Corpus], way: Way) -> None:
    """Each byte of method, path, headers and body, but for the trace context that is added where AWS has a place for
    it; and each request, retries included, is signed as it was sent.
    """
    plain, traced = (corpora["calls"].requests[one] for one in (Way.PLAIN, way))

    assert len(plain) > 70
    for alone, mine in zip(plain, traced, strict=False):
        for part, as_alone in zip(mine.comparable(), alone.comparable(), strict=True):
            assert part == as_alone
        assert mine.correctly_signed is alone.correctly_signed
        assert alone.correctly_signed is not False
    assert len(traced) == len(plain)
    assert sum(request.correctly_signed is True for request in plain) > 70
    assert not any(b"traceparent" in request.body for request in plain)
    assert any(b"traceparent" in request.body for request in traced)


@pytest.mark.parametrize("way", TRACED)
def test_every_call_is_a_span(corpora: dict[str, Corpus], way: Way) -> None:
    """Of the invocation that made it."""
    run = corpora["calls"].runs[way]
    found = seen(run.sink)
    methods = {
        name: [
            attributes(call).get("rpc.method")
            for call in found[corpora["calls"].cases[way, name].outcome.request_id].calls
        ]
        for name in corpora["calls"].names
    }

    assert corpora["calls"].cases[way, "calls.retries"].outcome.value() == 2
    assert methods["calls.s3_objects"] == [
        *["S3/CreateBucket", "S3/PutObject", "S3/PutObject", "S3/GetObject", "S3/GetObject", "S3/HeadObject"],
        *["S3/CopyObject", "S3/DeleteObjects"],
    ]
    assert methods["calls.s3_pages"] == ["S3/PutObject"] * 5 + ["S3/ListObjectsV2"] * 3
    assert methods["calls.threads"] == ["S3/PutObject"] * 4
    assert methods["calls.retries"] == ["SQS/GetQueueUrl", "SQS/SendMessage"]
    assert methods["calls.s3_presigned"] == []
