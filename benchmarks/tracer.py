"""What each tracer costs a function: INIT, memory, time per invocation and per boto3 call, bytes, and in trouble.

    scripts/bench tracer --runs 7
    scripts/bench tracer --only clew --runs 5

Every tracer runs in an environment of its own (locks in benchmarks/tracers/requirements), in turns: one process of each
per run and scenario, in an order that changes. Collector and AWS are one process on loopback. Figures are what is added
to the same handler without a tracer in the same run. A process's figure is its fastest tenth: what disturbs the others
on a shared machine costs more than most of what is measured. Printed are medians over the runs, with least and most.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import describe_machine, percentile, spread
from benchmarks.tracers import responses
from benchmarks.tracers.environments import ROOT, make_environment, zipped_size
from collector.app.layer import build

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTION = ROOT / "benchmarks" / "tracers" / "function.py"
BASELINE = "none"
VARIANTS = ("none", "clew", "opentelemetry", "lumigo", "powertools", "epsagon", "datadog")
CALLS = 5
LIMIT_S = 200
TROUBLE_INVOCATIONS = 4


@contextmanager
def endpoints(directory: Path) -> Iterator[dict[str, int]]:
    """The ports of `benchmarks.tracers.endpoints`, while it runs."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate), *subject], check=True, capture_output=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.tracers.endpoints", str(certificate), str(key)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()


def run(
    variant: str,
    ports: dict[str, int],
    directory: Path,
    *,
    calls: int,
    invocations: int,
    sink: str = "sink",
    **environ: str,
) -> dict[str, Any] | None:
    """What the function's process measured; None if it did not end in time."""
    sink_tls = "closed" if sink == "closed" else f"{sink}_tls"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]0123456789abcdef",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "AWS_REGION": "eu-west-1",
        "LAMBDA_TASK_ROOT": str(directory),
        "_HANDLER": "traced_function.handler",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        "BENCH_SINK": str(ports[sink]),
        "BENCH_SINK_TLS": str(ports[sink_tls]),
        "BENCH_AWS": str(ports["aws"]),
        "SSL_CERT_FILE": str(directory / "certificate.pem"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{ports[sink]}",
        "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{ports['daemon']}",
        "DD_TRACE_AGENT_URL": f"http://127.0.0.1:{ports[sink]}",
        "DD_API_KEY": "0123456789abcdef0123456789abcdef",
        "DD_SITE": "localhost",
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
        **environ,
    }
    if variant == "clew":
        environment["PYTHONPATH"] = str(ROOT / "tracer")
    out = directory / "out"
    command = 'exec 3>"$0"; exec "$@"'
    python = make_environment(variant)
    arguments = [str(python), str(FUNCTION), variant, str(calls), str(invocations)]
    try:
        subprocess.run(
            ["sh", "-c", command, str(out), *arguments],
            env=environment,
            cwd=directory,
            check=True,
            timeout=LIMIT_S,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except subprocess.TimeoutExpired:
        return None
    except subprocess.CalledProcessError as error:
        sys.stderr.write(error.stderr.decode()[-2000:])
        raise
    return json.loads(out.read_text())  # type: ignore[no-any-return]


def count(port: int, scheme: str) -> dict[str, int]:
    unverified = ssl._create_unverified_context() if scheme == "https" else None  # noqa: S323  # our own
    address = f"{scheme}://127.0.0.1:{port}/count"
    with urllib.request.urlopen(address, timeout=10, context=unverified) as answer:  # noqa: S310  # loopback
        return json.load(answer)  # type: ignore[no-any-return]


def taken(ports: dict[str, int]) -> tuple[int, int]:
    """Requests and bytes that the collector got since the last look."""
    found = [count(ports["sink"], "http"), count(ports["sink_tls"], "https")]
    return sum(one["requests"] for one in found), sum(one["bytes"] for one in found)


def fast(times: list[float]) -> float:
    return percentile(times, 0.1)


class Figures:
    """What was measured: `figures[scenario][variant]` has one value per run."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, scenario: str, variant: str, value: float) -> None:
        self.values[scenario][variant].append(value)


def measure(variants: list[str], runs: int, ports: dict[str, int], directory: Path) -> Figures:
    figures = Figures()
    for _ in range(runs):
        empty: dict[str, Any] = {}
        calling: dict[str, Any] = {}
        for variant in random.sample(variants, len(variants)):
            empty[variant] = run(variant, ports, directory, calls=0, invocations=300)
        for variant in random.sample(variants, len(variants)):
            taken(ports)
            calling[variant] = run(variant, ports, directory, calls=CALLS, invocations=100)
            requests, size = taken(ports)
            figures.add("requests to the collector, per invocation of 5 calls", variant, requests / 130)
            figures.add("their bodies, bytes", variant, size / 130)
        without = None
        if "clew" in variants:
            without = run("clew", ports, directory, calls=CALLS, invocations=100, CLEW_CAPTURE_PAYLOADS="false")
            figures.add("bodies without payloads, bytes", "clew", taken(ports)[1] / 130)
        plain, plain_calls = empty[BASELINE], calling[BASELINE]
        for variant in variants:
            one, many = empty[variant], calling[variant]
            figures.add("INIT, ms", variant, one["init_ms"])
            figures.add("memory, MB", variant, (one["memory_kb"] - plain["memory_kb"]) / 1024)
            added = fast(one["wall_us"]) - fast(plain["wall_us"])
            figures.add("an empty invocation, µs", variant, added)
            figures.add("the same, µs of CPU", variant, one["cpu_us"] - plain["cpu_us"])
            figures.add(
                "a boto3 call, µs", variant, (fast(many["wall_us"]) - fast(plain_calls["wall_us"]) - added) / CALLS
            )
            cpu = many["cpu_us"] - plain_calls["cpu_us"] - (one["cpu_us"] - plain["cpu_us"])
            figures.add("the same, µs of CPU (call)", variant, cpu / CALLS)
        if without is not None:
            added = (
                fast(without["wall_us"])
                - fast(plain_calls["wall_us"])
                - (fast(empty["clew"]["wall_us"]) - fast(plain["wall_us"]))
            )
            figures.add("a boto3 call without payloads, µs", "clew", added / CALLS)
    return figures


def measure_trouble(variants: list[str], ports: dict[str, int], directory: Path, figures: Figures) -> None:
    """Collectors that answer late, never, or are not there."""
    for sink in ("slow", "closed", "hanging"):
        for variant in variants:
            found = run(variant, ports, directory, calls=0, invocations=TROUBLE_INVOCATIONS, sink=sink)
            times = found["wall_us"] if found is not None else [LIMIT_S * 1e6]
            figures.add(
                f"{sink} collector, first invocation, ms", variant, (found or {"first_ms": LIMIT_S * 1e3})["first_ms"]
            )
            figures.add(f"{sink} collector, later ones, ms", variant, statistics.median(times[1:] or times) / 1000)


def measure_responses(runs: int, ports: dict[str, int], directory: Path, figures: Figures) -> None:
    """When the response leaves, decorated and with the layer, collectors near and 20 ms away, frozen between
    invocations; the near one also with the event of a traced request, and for invocations that follow each other at
    once."""
    functions = responses.prepare(directory)
    for _ in range(runs):
        for scenario, event, freeze in (
            ("sink", {}, True),
            ("slow", {}, True),
            ("sink, a request", responses.REQUEST, True),
            ("sink, not frozen", {}, False),
        ):
            sink = scenario.partition(",")[0]
            found = {
                variant: responses.measure(functions[variant], ports[sink], event, freeze=freeze)
                for variant in random.sample(responses.VARIANTS, len(responses.VARIANTS))
            }
            init, response, whole = found[responses.VARIANTS[0]]
            for variant in responses.VARIANTS[1:]:
                name = f"clew, {variant}"
                if scenario == "sink":
                    figures.add("INIT as Lambda sees it, ms", name, found[variant][0] - init)
                figures.add(f"{scenario}: until the response, µs", name, (found[variant][1] - response) * 1000)
                figures.add(f"{scenario}: until the end, µs", name, (found[variant][2] - whole) * 1000)


def show(figures: Figures, variants: list[str]) -> None:
    for scenario, values in figures.values.items():
        print(f"\n{scenario}")
        for variant in [*variants, *(name for name in values if name not in variants)]:
            if variant in values:
                print(f"  {variant:20} {spread(values[variant])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", action="append", choices=VARIANTS[1:], help="a tracer to measure; default: all")
    parser.add_argument("--without-trouble", action="store_true", help="leave out collectors in trouble")
    arguments = parser.parse_args()
    variants = [BASELINE, *(arguments.only or VARIANTS[1:])]
    for variant in variants:
        make_environment(variant)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name, endpoints(Path(name)) as ports:
        for variant in variants:  # writes bytecode, warms the file cache
            run(variant, ports, Path(name), calls=1, invocations=2)
        figures = measure(variants, arguments.runs, ports, Path(name))
        if "clew" in variants:
            measure_responses(max(1, arguments.runs // 2), ports, Path(name), figures)
        if not arguments.without_trouble:
            measure_trouble(variants, ports, Path(name), figures)
        layer = build("3.11", Path(name) / "layer-3.11.zip")
    show(figures, variants)
    print("\nzipped, without boto3, kB")
    for variant in variants[1:]:
        size = layer.zipped if variant == "clew" else zipped_size(variant)
        print(f"  {variant:20} {size / 1000:.0f}{' with bytecode' if variant == 'clew' else ''}")


if __name__ == "__main__":
    main()
