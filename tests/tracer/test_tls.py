"""Exports over TLS: who is trusted, who we are, and what is no reason to wait."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.tracer.local import LocalFunctions
from tests.tracer.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 3.0


class Identity(NamedTuple):
    """Files of a certificate and its key."""

    certificate: str
    key: str


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._signed(self._name, self._key, ca=True)
        self.file = str(folder / f"{name}.pem")
        (folder / f"{name}.pem").write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, ca=False)
        files = Identity(str(self._folder / f"{name}.crt"), str(self._folder / f"{name}.key"))
        (self._folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (self._folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        now = dt.datetime.now(dt.timezone.utc)  # noqa: UP017  # Python 3.10
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.KeyUsage(True, False, False, False, False, ca, ca, False, False), critical=True)
        )
        if not ca:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture(name="authority")
def _authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture(name="secure")
def _secure(tmp_path: Path, authority: Authority) -> Iterator[Callable[[str | None], Sink]]:
    """`secure(trusted)`: a collector over TLS, which asks its clients for a certificate of `trusted`."""
    sinks: list[Sink] = []

    def make(trusted: str | None) -> Sink:
        server = authority.issue("server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.certificate, server.key)
        if trusted is not None:
            context.load_verify_locations(trusted)
            context.verify_mode = ssl.CERT_REQUIRED
        sinks.append(Sink(tls=context))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


def handler(event: Any, context: Any) -> Any:
    return "done"


def test_a_collector_that_is_trusted(trace: Any, secure: Any, authority: Authority) -> None:
    """One connection, one handshake, and all exports."""
    sink = secure(None)
    traced = trace(handler, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, OTEL_EXPORTER_OTLP_CERTIFICATE=authority.file)

    assert [traced({}, None) for _ in range(3)] == ["done"] * 3
    assert len(sink.spans()) == 3
    assert sink.connections == 1


def test_a_collector_that_is_not_trusted_gets_nothing(
    trace: Any, secure: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its certificate is of an authority that nobody named."""
    sink = secure(None)
    traced = trace(handler, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)

    assert [traced({}, None) for _ in range(3)] == ["done"] * 3
    assert sink.spans() == []
    assert capfd.readouterr().err.count("clew: export failed") == 1


def test_a_collector_that_asks_who_we_are(
    tmp_path: Path, trace: Any, secure: Any, authority: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a certificate of its authority exports arrive; without one they are refused."""
    (tmp_path / "clients").mkdir()
    clients = Authority(tmp_path / "clients", "clients")
    sink = secure(clients.file)
    client = clients.issue("function")
    known = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_EXPORTER_OTLP_CERTIFICATE": authority.file}
    own = {
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": client.certificate,
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": client.key,
    }

    assert trace(handler, **known)({}, None) == "done"
    assert sink.spans() == []
    assert "clew: export failed" in capfd.readouterr().err
    assert trace(handler, **known, **own)({}, None) == "done"
    assert len(sink.spans()) == 1


def test_files_that_are_not_there(sink: Sink, trace: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """The handler is as it was, and what is missing is said."""
    traced = trace(
        handler,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url.replace("http:", "https:"),
        OTEL_EXPORTER_OTLP_CERTIFICATE="/nowhere/ca.pem",
    )

    assert [traced({}, None) for _ in range(2)] == ["done"] * 2
    assert capfd.readouterr().err.count("clew: exports will fail: FileNotFoundError") == 1


@pytest.mark.parametrize("says", [b"", b"\x16\x03\x03", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"])
def test_a_handshake_that_goes_on_for_ever(trace: Any, says: bytes) -> None:
    """A server that accepts and says nothing, a little, or something else takes no more than the bound."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(says)
                stop.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        traced = trace(
            handler,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"https://127.0.0.1:{server.getsockname()[1]}",
            CLEW_EXPORT_TIMEOUT="200",
        )
        started = time.monotonic()
        assert traced({}, None) == "done"
        seconds = time.monotonic() - started
        stop.set()
        thread.join()

    assert seconds < PATIENCE


def test_the_extension_over_tls(tmp_path: Path, secure: Any, authority: Authority) -> None:
    """There the certificates are loaded after the first response."""
    sink = secure(None)
    source = """
    import clew

    @clew.trace
    def handler(event, context):
        return "done"
    """
    with LocalFunctions(tmp_path, sink, source, OTEL_EXPORTER_OTLP_CERTIFICATE=authority.file) as functions:
        outcomes = [functions.invoke() for _ in range(3)]

    assert [outcome.value() for outcome in outcomes] == ["done"] * 3
    assert len(sink.spans()) == 3
    assert "clew:" not in functions.log
