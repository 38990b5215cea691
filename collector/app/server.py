"""The HTTP server: granian's worker, run inside this process.

granian's public `Granian(...)` forks a worker process and supervises it. One process is what Clew promises, so the
worker runs here instead, in the very way granian's own child process runs it:

* two processes hold 52 MB resident with a bare callable, one holds 31 MB (with shared pages counted once, 33.5 and 31),
  and a database opened before the fork must not be used after it;
* a parent that is killed leaves its child behind, which goes on answering on the port with nobody to stop it;
* granian listens with SO_REUSEPORT, so that a second server on the same port starts without an error and gets half of
  the connections. Here the socket is ours and the second one is refused.

The price is that `granian._granian` is not granian's public interface: pyproject.toml bounds its version, and the
tests of this module run every call that is used.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import granian._granian
from granian.http import HTTP1Settings

from collector.app.environ import Scope, environ_of
from collector.app.errors import CannotListen
from collector.app.patience import Patience
from collector.app.request_body import Body, Source, stream
from collector.receivers.answer import LATER, SEND_LATER
from collector.receivers.body import BODY

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from collector.app.tls import Tls

BACKLOG = 1024  # connections that the kernel keeps while all of ours are taken
HEADERS_TIMEOUT_S = 300  # for the headers of a request to arrive, and for an idle connection; it holds no thread
IDLE_THREAD_S = 30

_logger = logging.getLogger(__name__)

_granian: Any = granian._granian  # the stubs that come with it are those of an earlier version

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class _Exchange(Source, Protocol):
    """granian's side of one request."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...


class _Request(Protocol):
    """What granian hands over. Where all let go of `proto` and nobody has answered, granian answers 500."""

    proto: _Exchange
    scope: Scope


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Otherwise a restart fails for a minute while closed connections linger. It lets nobody share the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise CannotListen(f"Cannot listen on {host} port {port}: {reason[:1].lower()}{reason[1:]}.") from error
    return listener


def url_of(listener: socket.socket, *, tls: bool) -> str:
    """Where a listening socket is reached, without a slash at its end."""
    host, port = listener.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


class Server:
    """Serves a WSGI application on a listening socket, which it owns from now on, until it is stopped.

    granian's one thread that runs Python calls the application itself where it `never_waits`, which is told by the
    path, and has it called by one of `threads` others elsewhere.
    """

    def __init__(
        self,
        application: WSGIApplication,
        listener: socket.socket,
        *,
        threads: int,
        max_connections: int,
        never_waits: Callable[[str], bool] = lambda _path: False,
        body_timeout_s: float = 30.0,
        most_slow: int | None = None,
        most_slow_bytes: int = 32 * 1024 * 1024,
        tls: Tls | None = None,
    ) -> None:
        """No more than `most_slow` slow bodies are waited for, half as many as there are threads unless told, and no
        more than `most_slow_bytes` of what came of them are kept."""
        self.port = listener.getsockname()[1]
        self.patience = Patience(
            self.port,
            timeout_s=body_timeout_s,
            most_slow=threads // 2 if most_slow is None else most_slow,
            most_bytes=most_slow_bytes,
            max_connections=max_connections,
        )
        self.url = url_of(listener, tls=tls is not None)
        self._application = application
        self._never_waits = never_waits
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._signal = _granian.WorkerSignal()
        self._stopped = threading.Event()
        self._signal.add_cb(self._stopped.set)
        self._loop = _AtOnce()
        self._scheduler = _Scheduler(self._loop, self._serve, None, _nothing, _nothing)
        self._scheduler._schedule_fn = self._serve
        self._worker = _granian.RSGIWorker(
            1,
            (None, _granian.SocketHolder(listener.detach(), False, BACKLOG)),
            None,
            1,  # thread for I/O: it does 100,000 requests/s, Python is the limit
            8,  # threads for blocking I/O, which nothing here uses
            1,  # thread that runs Python: any more would fight it for the interpreter's lock
            IDLE_THREAD_S,
            max_connections,
            "1",
            HTTP1Settings(header_read_timeout=HEADERS_TIMEOUT_S * 1000),
            None,
            False,  # WebSockets
            None,
            ssl_enabled=tls is not None,
            ssl_cert=str(tls.certificate) if tls is not None else None,
            ssl_key=str(tls.key) if tls is not None else None,
            ssl_protocol_min="tls1.2",
        )

    def start(self) -> None:
        """Returns at once; requests are answered from now on."""
        self.patience.start()
        self._worker.serve_mtr(self._scheduler, self._loop, self._signal)

    def stop(self, timeout_s: float) -> bool:
        """Takes no more connections and waits for requests that have begun. False: some had not ended in time."""
        self._signal.set()
        done = self._stopped.wait(timeout_s)
        self.patience.stop()
        self._pool.shutdown(wait=False)
        return done

    def _serve(self, request: _Request) -> None:
        """One request; called by granian's thread, which nobody would tell what is raised here."""
        try:
            exchange, environ = request.proto, environ_of(request.scope)
            environ[BODY] = Body(exchange, self.patience, environ)
            if self._never_waits(environ["PATH_INFO"]):
                _answer(self._application, environ, exchange)
            else:
                self._pool.submit(_answer_waiting, self._application, environ, exchange)
        except Exception:
            _logger.exception("a request could not be begun")


class _AtOnce:
    """In the place of an event loop, of which granian wants that it calls what waits for a future."""

    def call_soon(self, callback: Callable[..., object], *args: object, context: object = None) -> None:  # noqa: ARG002
        callback(*args)

    call_soon_threadsafe = call_soon


class _Scheduler(_granian.CallbackScheduler):  # type: ignore[misc]  # Any
    """granian's own makes a task of an event loop of each request."""


def _nothing(*_: object) -> None:
    pass


def _answer_waiting(application: WSGIApplication, environ: dict[str, Any], exchange: _Exchange) -> None:
    environ["wsgi.input"] = stream(environ[BODY])
    _answer(application, environ, exchange)


def _answer(application: WSGIApplication, environ: dict[str, Any], exchange: _Exchange) -> None:
    """A body is sent whole: all of ours are in memory or small files. granian waits for the answer, whichever thread
    gives it, also after this has returned."""
    status, headers, written = 500, list[tuple[str, str]](), list[bytes]()

    def start_response(
        line: str, fields: list[tuple[str, str]], _exc_info: _ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        nonlocal status, headers
        status, headers = int(line[:3]), fields
        return written.append

    environ[SEND_LATER] = exchange.response_bytes
    try:
        result = application(environ, start_response)
        if result is LATER:
            return
        body = _whole(result, written)
    except Exception:
        _logger.exception("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"])
        status, headers = 500, [("content-type", "text/plain; charset=utf-8")]
        body = b"Something went wrong here. The server's log says what.\n"
    exchange.response_bytes(status, headers, body)


def _whole(result: Iterable[bytes], written: list[bytes]) -> bytes:
    try:
        return b"".join((*written, *result))
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
