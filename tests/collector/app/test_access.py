"""`clew up` where others can reach it: tokens, sign-in, TLS, each with real clients."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlencode

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from collector.store.engine import open_engine
from collector.store.tokens import Limits, Scope, Tokens
from tests.collector.app.certificates import make_certificate
from tests.collector.app.clew import Clew, clew
from tests.collector.receivers import exports
from tests.databases import create_sqlite

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"content-type": "application/x-protobuf"}
WAIT_S = 30
NOW = 1_800_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "clew.db"
    create_sqlite(path)
    return path


@pytest.fixture
def tokens(path: Path) -> Iterator[Tokens]:
    """The tokens, as another process sees them."""
    engine = open_engine(f"sqlite:///{path}")
    yield Tokens(engine)
    engine.dispose()


@pytest.fixture
def locked(path: Path) -> Iterator[Clew]:
    """A Clew that always asks for tokens."""
    with Clew(path, CLEW_REQUIRE_TOKENS="true") as process:
        yield process


def request(
    port: int,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    context: ssl.SSLContext | None = None,
) -> http.client.HTTPResponse:
    """A GET, or a POST where there is a body; the answer is read."""
    connection: http.client.HTTPConnection
    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    with closing(connection):
        connection.request("GET" if body is None else "POST", path, body, dict(headers))
        response = connection.getresponse()
        response.text = response.read().decode(errors="replace")  # type: ignore[attr-defined]
        return response


def export(process: Clew, secret: str | None = None) -> int:
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    return request(process.port, "/v1/traces", exports.traces(), PROTOBUF | headers).status


def grpc_port(process: Clew) -> str:
    return process.banner.partition("OTLP/gRPC on port ")[2].partition(",")[0]


def first_token(process: Clew) -> str:
    assert process._process.stdout is not None
    return process._process.stdout.readline().rpartition(" ")[2].strip()


def test_who_gets_what_without_a_token(locked: Clew) -> None:
    """Whether the process is well, and nothing else."""
    assert 200 == locked.get("/healthz")[0]
    assert 401 == locked.get("/metrics")[0]
    assert 303 == locked.get("/")[0]
    assert 401 == export(locked)
    firehose = request(locked.port, "/v1/firehose", json.dumps({"requestId": "r", "records": []}).encode())
    assert 401 == firehose.status


def test_a_token_made_elsewhere_is_good_at_once_and_revoked_within_seconds(locked: Clew, tokens: Tokens) -> None:
    """The process that makes it and the one that checks it share a database only."""
    token, secret = tokens.create("prod", Scope.INGEST, now_ms=NOW)
    deadline = time.monotonic() + WAIT_S
    while (status := export(locked, secret)) != 200:
        assert status == 401
        assert time.monotonic() < deadline
    tokens.revoke(token.id, now_ms=NOW)
    while (status := export(locked, secret)) != 401:
        assert status == 200
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_was_sent_is_told_when_it_stops(path: Path, tokens: Tokens) -> None:
    """Requests, bytes and refusals, and nothing of the secret in its log."""
    _, secret = tokens.create("prod", Scope.INGEST, now_ms=NOW, limits=Limits(max_requests_s=1))
    with Clew(path, CLEW_REQUIRE_TOKENS="true", CLEW_LOG_LEVEL="debug") as process:
        statuses = [export(process, secret) for _ in range(15)]
        process.signal(2)
        _, out, err = process.wait()
    assert {200, 429} == set(statuses)
    (token,) = [token for token in tokens.list() if token.name == "prod"]
    assert (statuses.count(200), statuses.count(429)) == (token.requests, token.refused)
    assert token.bytes > 100 * token.requests
    assert token.last_used_ms is not None
    assert secret not in out + err


def test_stock_exporters_send_with_the_variable(locked: Clew, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's own, over HTTP and gRPC, with nothing set but OTEL_EXPORTER_OTLP_HEADERS."""
    _, secret = tokens.create("prod", Scope.INGEST, now_ms=NOW)
    deadline = time.monotonic() + WAIT_S
    while export(locked, secret) != 200:  # strangers' tokens may have had it asked for the last time half a second ago
        assert time.monotonic() < deadline
        time.sleep(0.1)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"Authorization=Bearer%20{secret}")
    span = TracerProvider().get_tracer("test").start_span("work")
    span.end()
    assert isinstance(span, ReadableSpan)
    results = []
    for exporter in (
        OTLPSpanExporter(endpoint=f"{locked.url}/v1/traces"),
        GrpcSpanExporter(endpoint=f"127.0.0.1:{grpc_port(locked)}", insecure=True),
    ):
        results.append(exporter.export([span]))
        exporter.shutdown()
    assert [SpanExportResult.SUCCESS] * 2 == results
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port(locked)}") as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(METHOD)(exports.traces(), timeout=20)
    assert grpc.StatusCode.UNAUTHENTICATED == raised.value.code()


def test_a_decorated_function_sends_with_a_token(locked: Clew, tokens: Tokens, tmp_path: Path) -> None:
    """In AWS's own runtime client: with it the invocation arrives, without it the function works all the same."""
    _, secret = tokens.create("prod", Scope.INGEST, now_ms=NOW)
    code = tmp_path / "code"
    code.mkdir()
    (code / "app.py").write_text("import clew\n@clew.trace\ndef handler(event, context):\n    return event\n")

    def invoke(name: str, *options: str) -> str:
        done = clew(
            *("local", "invoke", "app.handler", "--code", str(code), "--name", name, "--event", '{"a": 1}'),
            *("--env", f"OTEL_EXPORTER_OTLP_ENDPOINT={locked.url}", *options),
        )
        assert (0, '{"a": 1}\n') == (done.returncode, done.stdout)
        return done.stderr

    assert "HTTP 401" in invoke("stranger")
    assert "HTTP 401" not in invoke("friend", "--env", f"OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20{secret}")
    page = signed_in(locked, first_token(locked))
    assert "friend" in page
    assert "stranger" not in page


def signed_in(process: Clew, secret: str, context: ssl.SSLContext | None = None) -> str:
    page = request(process.port, "/sign-in", context=context)
    field = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)  # type: ignore[attr-defined]
    assert field is not None
    form = urlencode({"form_token": field[1], "token": secret}).encode()
    answer = request(process.port, "/sign-in", form, {"content-type": "application/x-www-form-urlencoded"}, context)
    assert 303 == answer.status
    cookies = SimpleCookie(answer.headers["Set-Cookie"])
    assert all(bool(cookie["secure"]) == (context is not None) for cookie in cookies.values())
    cookie = "; ".join(f"{name}={value.coded_value}" for name, value in cookies.items())
    page = request(process.port, "/", None, {"cookie": cookie}, context)
    assert 200 == page.status
    text: str = page.text  # type: ignore[attr-defined]
    return text


def test_the_first_dashboard_token_is_printed_once(path: Path) -> None:
    """It signs in, also after a restart, which prints none."""
    with Clew(path, CLEW_REQUIRE_TOKENS="true") as process:
        secret = first_token(process)
        assert secret.startswith("clew_dashboard_")
        signed_in(process, secret)
        metrics = request(process.port, "/metrics", None, {"authorization": f"Bearer {secret}"})
        assert 200 == metrics.status
    with Clew(path, CLEW_REQUIRE_TOKENS="true") as process:
        signed_in(process, secret)
        process.signal(2)
        assert "" == process.wait()[1]


def test_on_loopback_none_is_made(path: Path, tokens: Tokens) -> None:
    """Where nobody needs a token nothing is said of it, and everything is open to this machine."""
    with Clew(path) as process:
        assert 200 == process.get("/")[0]
        assert 200 == process.get("/metrics")[0]
        assert 200 == export(process)
        assert 401 == request(process.port, "/v1/traces", exports.traces(), PROTOBUF | {"via": "1.1 proxy"}).status
        assert 303 == request(process.port, "/", None, {"via": "1.1 proxy"}).status
        assert 400 == request(process.port, "/", None, {"host": "evil.example"}).status
        process.signal(2)
        assert "" == process.wait()[1]
    assert [] == tokens.list()


def test_on_every_address_tokens_are_needed(path: Path) -> None:
    """And the log says that without TLS they cross the network in clear."""
    with Clew(path, CLEW_HOST="0.0.0.0", address="0.0.0.0") as process:
        first_token(process)
        assert 401 == export(process)
        assert 303 == process.get("/")[0]
        process.signal(2)
        assert "Without TLS" in process.wait()[2]


def test_tls(path: Path, tmp_path: Path) -> None:
    """HTTPS and gRPC over TLS, for clients that check the certificate; plain ones get nowhere."""
    certificate, key = make_certificate(tmp_path)
    context = ssl.create_default_context(cafile=certificate)
    with Clew(path, CLEW_TLS_CERTIFICATE=certificate, CLEW_TLS_KEY=key, CLEW_REQUIRE_TOKENS="true") as process:
        assert process.url.startswith("https://")
        signed_in(process, first_token(process), context)
        assert 401 == request(process.port, "/v1/traces", exports.traces(), PROTOBUF, context).status
        credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
        with (
            grpc.secure_channel(f"127.0.0.1:{grpc_port(process)}", credentials) as channel,
            pytest.raises(grpc.RpcError) as raised,
        ):
            channel.unary_unary(METHOD)(exports.traces(), timeout=20)
        assert grpc.StatusCode.UNAUTHENTICATED == raised.value.code()
        with pytest.raises((http.client.HTTPException, OSError)):
            process.get("/healthz")


def test_certificates_that_cannot_be_used(path: Path, tmp_path: Path) -> None:
    """Told before anything is listened on, with the settings' names."""
    certificate, key = make_certificate(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, locked_key = make_certificate(other, password=b"secret")
    for chain, secret, said in (
        (certificate, "", "are set together, or neither"),
        (tmp_path / "none.pem", key, "CLEW_TLS_CERTIFICATE cannot be used"),
        (certificate, certificate, "cannot be used"),
        (certificate, locked_key, "cannot be used"),
    ):
        done = clew(
            "up",
            CLEW_PORT=0,
            CLEW_DATABASE_URL=f"sqlite:///{path}",
            CLEW_TLS_CERTIFICATE=chain,
            CLEW_TLS_KEY=secret,
        )
        assert (2, 1) == (done.returncode, len(done.stderr.splitlines())), done.stderr
        assert said in done.stderr
