"""What `clew up` runs: the writer, the receivers and the dashboard, in one process on one address."""

from __future__ import annotations

import ipaddress
import logging
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from collector.alerts.measures import AlertCounts, alert_measures
from collector.app.access import DashboardKeys, first_token
from collector.app.alerting import make_alerting, make_directory
from collector.app.database import opened
from collector.app.errors import CannotListen, InvalidSetting
from collector.app.memory import give_memory_back
from collector.app.own_telemetry import start_metrics
from collector.app.prometheus import exposition
from collector.app.server import Server, bind, url_of
from collector.app.settings import RESERVED_THREADS, Settings, variable
from collector.app.tls import Tls, read_tls
from collector.domain.limits import Limits
from collector.domain.price_file import PriceTableError, load_prices
from collector.domain.prices import PriceTable
from collector.receivers import firehose, otlp, status
from collector.receivers.admission import Admission
from collector.receivers.authentication import Authentication
from collector.receivers.counters import Counters
from collector.receivers.exports import Exports
from collector.receivers.firehose import FirehoseReceiver
from collector.receivers.keyring import Keyring
from collector.receivers.measures import receiver_measures
from collector.receivers.otlp import OtlpReceiver
from collector.receivers.status import StatusPages
from collector.store.engine import describe
from collector.store.measures import store_measures
from collector.store.retention import Retention
from collector.store.schema import claim, upgrade
from collector.store.tokens import Tokens
from collector.store.writer import Writer
from webapp import create_app
from webapp.access import Access

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

    from collector.receivers.otlp_grpc import GrpcServer

LOOPBACK_NAME = "localhost"
# Between threads. With Python's own 5 ms a page that is being computed holds up each export at every step of its way.
SWITCH_S = 0.0005


_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Running:
    url: str
    database: str  # for a person: a path, or a server without its password
    grpc_port: int | None = None  # where OTLP/gRPC is taken, if it is
    first_token: str | None = None  # the dashboard token that was made because there was none
    drained: bool = True  # False, after the end: some requests had not ended in time and their threads still run


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    """Everything, ready for requests. On leaving, what was answered 200 is in the database and nothing is half done.

    Raises StartError or StoreError.
    """
    sys.setswitchinterval(SWITCH_S)
    give_memory_back()
    with ExitStack() as stack:
        # The port first: one that is taken is told before a database is touched, and a client that comes meanwhile
        # waits instead of being refused.
        host = "127.0.0.1" if settings.host == LOOPBACK_NAME else settings.host
        tls = read_tls(settings)
        listener = bind(host, settings.port)
        stack.callback(listener.close)
        prices = _prices(settings)
        writing = stack.enter_context(opened(settings))
        stack.enter_context(claim(writing))
        upgrade(writing)
        reading = stack.enter_context(opened(settings, read_only=True))

        tokens = Tokens(writing, reading)
        keyring = Keyring(tokens)
        authentication = Authentication(keyring, always=settings.require_tokens or not _is_loopback(host))
        first = first_token(tokens) if authentication.always else None
        _start(keyring, stack)

        writer = Writer(
            writing,
            max_queue_bytes=settings.max_queue_bytes,
            prices=prices,
            grace_s=settings.crash_grace_s,
            limits=Limits(settings.near_timeout, settings.near_memory),
        )
        _start(writer, stack)
        retention = Retention(writing, reading, settings.periods())
        _start(retention, stack)
        admission = Admission(max_requests=settings.threads - RESERVED_THREADS, max_bytes=settings.max_queue_bytes)
        counters = Counters()
        exports = Exports(writer, counters=counters, prices=prices)
        receiver = OtlpReceiver(
            exports,
            admission=admission,
            counters=counters,
            max_body_bytes=settings.max_body_bytes,
            authentication=authentication,
        )
        deliveries = FirehoseReceiver(
            exports.submit, counters=counters, access_key=settings.firehose_access_key, authentication=authentication
        )
        alert_counts = AlertCounts()
        measures = [
            *receiver_measures(admission, counters),
            *store_measures(writer, reading),
            *alert_measures(alert_counts, reading),
        ]
        pages = StatusPages(
            writer,
            metrics=exposition(measures),
            version=version("clew-server"),
            authentication=authentication,
        )
        dashboard = create_app(
            reading,
            writing=writing,
            access=Access(tokens, DashboardKeys(keyring), authentication.required),
            secret_key=tokens.secret_key("sessions"),
            trusted_proxies=settings.trusted_proxies,
            directory=make_directory(settings, writing, url_of(listener, tls=tls is not None)),
        )
        server = Server(
            route(receiver, pages, dashboard, deliveries),
            listener,
            threads=settings.threads,
            max_connections=settings.max_connections,
            never_waits=receives,
            body_timeout_s=settings.body_timeout_s,
            most_slow=(settings.threads - RESERVED_THREADS) // 2,
            most_slow_bytes=settings.max_queue_bytes // 2,
            tls=tls,
        )
        grpc_server = _grpc_server(
            settings, host, exports, admission=admission, counters=counters, authentication=authentication, tls=tls
        )
        alerting = make_alerting(settings, writing, reading, server.url, alert_counts)
        server.start()
        alerting.start()
        process = Running(server.url, describe(writing), first_token=first)
        if tls is None and not _is_loopback(host):
            _logger.warning("Without TLS, tokens and telemetry cross the network in clear: docs/security.md")
        if grpc_server is not None:
            grpc_server.start()
            process.grpc_port = grpc_server.port

        stop_metrics = start_metrics(measures, version=version("clew-server"), ports=(server.port, process.grpc_port))

        def stop() -> None:
            pages.draining = True
            stop_metrics()
            process.drained = _drain(server, grpc_server, settings.stop_timeout_s)
            process.drained = alerting.close(settings.stop_timeout_s) and process.drained

        stack.callback(stop)
        yield process


class _Worker(Protocol):
    def start(self) -> None: ...

    def close(self) -> None: ...


def _start(worker: _Worker, stack: ExitStack) -> None:
    worker.start()
    stack.callback(worker.close)


def _drain(server: Server, grpc_server: GrpcServer | None, timeout_s: float) -> bool:
    """Takes no more requests on either port and waits for those that have begun. False: some did not end in time."""
    ended = grpc_server.stop(timeout_s) if grpc_server is not None else None
    drained = server.stop(timeout_s)
    return (ended is None or ended()) and drained


def _grpc_server(
    settings: Settings,
    host: str,
    exports: Exports,
    *,
    admission: Admission,
    counters: Counters,
    authentication: Authentication,
    tls: Tls | None,
) -> GrpcServer | None:
    """Where OTLP/gRPC is taken, bound but not started. Raises CannotListen."""
    if not settings.grpc:
        return None
    from collector.receivers.otlp_grpc import GrpcServer, OtlpService  # noqa: PLC0415  # 18 MB that not all need

    own = settings.grpc_port
    if own is None:
        own = settings.port - 1 if settings.port else 0
    address = f"[{host}]:{own}" if ":" in host else f"{host}:{own}"
    service = OtlpService(exports, admission=admission, counters=counters, authentication=authentication)
    files = (tls.key.read_bytes(), tls.certificate.read_bytes()) if tls is not None else None
    try:
        return GrpcServer(service, address, max_message_bytes=settings.max_body_bytes, tls=files)
    except OSError as error:
        raise CannotListen(
            f"Cannot listen on {host} port {own} for OTLP/gRPC: it is taken. Choose another by "
            f"{variable('grpc_port')}, or go without by {variable('grpc')}=false."
        ) from error


def route(
    receiver: WSGIApplication,
    pages: WSGIApplication,
    dashboard: WSGIApplication,
    deliveries: WSGIApplication | None = None,
) -> WSGIApplication:
    """One address for all."""

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if path == firehose.PATH and deliveries is not None:
            return deliveries(environ, start_response)
        if path.startswith(otlp.PREFIX):
            return receiver(environ, start_response)
        if path in status.PATHS:
            return pages(environ, start_response)
        return dashboard(environ, start_response)

    return application


def receives(path: str) -> bool:
    """Whether what `route` calls for the path waits for nothing."""
    return path.startswith(otlp.PREFIX) and path != firehose.PATH


def stop_signals() -> threading.Event:
    """Set by the first SIGINT, SIGTERM or SIGHUP; a second one ends the process as if nobody listened."""
    arrived = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def handle(_number: int, _frame: object) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_DFL)
        arrived.set()

    for number in signals:
        signal.signal(number, handle)
    return arrived


def _is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address. A name may mean any."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _prices(settings: Settings) -> PriceTable | None:
    if settings.prices_file is None:
        return None
    try:
        return load_prices(settings.prices_file)
    except PriceTableError as error:
        raise InvalidSetting(f"{variable('prices_file')} cannot be used: {error}.") from error
