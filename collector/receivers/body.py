"""A request's body, whole and decompressed, within its limits."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import zstandard

from collector.receivers.admission import RETRY_AFTER_S
from collector.receivers.refusal import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from collector.receivers.admission import Grant

# What an environment holds the request's body under, for whoever does not wait for it: `next(then)` calls `then`, from
# whatever thread, with the next piece, and with nothing at the end; `finish(then)` calls it when an answer can be sent.
BODY = "clew.body"
# zlib copies what it did not use of its input at the end of every member, and what it did not come to whenever its
# output is full; small inputs keep those copies small.
_INPUT = 64 * 1024
_OUTPUT = 1024 * 1024
_MAX_MEMBERS = 1024  # of a gzip stream: a million empty ones would cost seconds
# Four bytes of zstd can stand for 128 KiB, and all that they stand for comes at once: from this many bytes, 8 MiB.
_ZSTD_INPUT = 256
_ZSTD_WINDOW = 8 * 1024 * 1024  # what RFC 9659 allows in HTTP
_PIECE = 256 * 1024
_MAX_DRAINED = 64 * 1024 * 1024
_GZIP = 31  # zlib's number for "gzip header, largest window"


def read_body(environ: Mapping[str, Any], limit: int, grant: Grant) -> bytes:
    """The body as sent, waited for. Raises Refusal when it is too long, cut short or of unknown length."""
    reading = _reading(environ, limit, grant)
    try:
        size = next(reading)
        while True:
            size = reading.send(environ["wsgi.input"].read(size))
    except StopIteration as end:
        body: bytes = end.value
        return body


class LaterBody:
    """The same without waiting: `then` is called, from whatever thread, with the body or what `read_body` raises."""

    __slots__ = ("_ask", "_reading", "_then")

    def __init__(
        self, environ: Mapping[str, Any], limit: int, grant: Grant, then: Callable[[bytes | Exception], object]
    ) -> None:
        self._ask = environ[BODY].next
        self._reading = _reading(environ, limit, grant)
        self._then = then

    def read(self, piece: bytes | None = None) -> None:
        """Begins."""
        try:
            self._reading.send(piece)
        except StopIteration as end:
            outcome: bytes | Exception = end.value
        except Refusal as refusal:
            # Its frames would keep the request in memory, and with it the connection, until the garbage is collected.
            outcome = refusal.with_traceback(None)
        except Exception as error:  # noqa: BLE001  # whoever waits must hear of it
            outcome = error
        else:
            self._ask(self.read)
            return
        self._then(outcome)


def _reading(environ: Mapping[str, Any], limit: int, grant: Grant) -> Generator[int, bytes | None, bytes]:
    """Gives how many bytes may come, and takes what came of them, nothing at the end; what comes without having been
    waited for may be more. In pieces, because what a client says it will send takes no room before it comes: eight
    clients that say 8 MiB and send nothing would keep all others out."""
    length = _length(environ)
    if length is not None and length > limit:
        yield from _draining(environ)
        raise too_large(limit)
    pieces: list[bytes] = []
    size = 0
    left = limit + 1 if length is None else length
    while left > 0 and (piece := (yield min(left, _PIECE))):
        size += len(piece)
        left -= len(piece)
        refusal = None
        try:
            grant.take(len(piece))
        except Refusal as error:
            refusal = error
        if size > limit:
            refusal = too_large(limit)
        if refusal is not None:
            pieces.clear()
            yield from _draining(environ)
            raise refusal
        pieces.append(piece)
    if length is None or size < length:
        _check_whole(environ)
    if length is not None and size < length:
        raise Refusal(400, "cut_short", f"The body ended after {size} of {length} bytes.")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _length(environ: Mapping[str, Any]) -> int | None:
    """As stated; None where it comes in chunks."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    stated = environ.get("CONTENT_LENGTH", "")
    if not stated:
        raise Refusal(411, "no_length", "Say how long the body is: send Content-Length, or send it chunked.")
    if not (stated.isascii() and stated.isdigit()):
        raise Refusal(400, "malformed", "The Content-Length is no number.")
    return int(stated)


def decompress(data: bytes, encoding: str, limit: int, grant: Grant) -> bytes:
    """The body behind its Content-Encoding. Raises Refusal for encodings that are not taken, and as `read_body`."""
    if encoding in ("", "identity"):
        return data
    if encoding == "gzip":
        return _inflate(memoryview(data), encoding, _GZIP, limit, grant)
    if encoding == "deflate":
        # HTTP means zlib's format by it; some clients leave out its two bytes of header.
        zlib_header = len(data) > 1 and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return _inflate(memoryview(data), encoding, zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS, limit, grant)
    if encoding == "zstd":
        return _unzstd(data, limit, grant)
    raise Refusal(
        415, "encoding", f"Content-Encoding {encoding[:40]!r} is not taken: send gzip, zstd, deflate or identity."
    )


def _unzstd(data: bytes, limit: int, grant: Grant) -> bytes:
    pieces: list[bytes] = []
    total = members = position = 0
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    frame = None
    while position < len(data):
        if frame is None:
            members += 1
            if members > _MAX_MEMBERS:
                raise Refusal(400, "malformed", f"The zstd body has more than {_MAX_MEMBERS} frames.")
            frame = decompressor.decompressobj()
        given = data[position : position + _ZSTD_INPUT]
        try:
            piece = frame.decompress(given)
        except zstandard.ZstdError:
            raise Refusal(400, "malformed", "The body is not zstd, or is damaged.") from None
        position += len(given) - len(frame.unused_data)
        total += len(piece)
        if total > limit:
            raise too_large(limit)
        grant.take(len(piece))
        pieces.append(piece)
        if frame.eof:
            frame = None
    if frame is not None or not members:
        raise Refusal(400, "malformed", "The zstd body is cut short.")
    return b"".join(pieces)


def _inflate(data: memoryview, name: str, wbits: int, limit: int, grant: Grant) -> bytes:
    pieces: list[bytes] = []
    total = members = position = 0
    inflater = None
    while inflater is not None or position < len(data):
        if inflater is None:
            members += 1
            if members > _MAX_MEMBERS:
                raise Refusal(400, "malformed", f"The {name} body has more than {_MAX_MEMBERS} members.")
            inflater = zlib.decompressobj(wbits=wbits)
        given = data[position : position + _INPUT]
        try:
            piece = inflater.decompress(given, _OUTPUT)
        except zlib.error:
            where = f"The body is not {name}" if members == 1 else f"The {name} body is followed by something else"
            raise Refusal(400, "malformed", f"{where}, or is damaged.") from None
        used = len(given) - len(inflater.unconsumed_tail) - len(inflater.unused_data)
        position += used
        if piece:
            total += len(piece)
            if total > limit:
                raise too_large(limit)
            grant.take(len(piece))
            pieces.append(piece)
        if inflater.eof:
            inflater = None
        elif not piece and not used:
            break
    if inflater is not None or not members:
        raise Refusal(400, "malformed", f"The {name} body is cut short.")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _draining(environ: Mapping[str, Any]) -> Generator[int, bytes | None, None]:
    """Lets a client finish its body before it is answered: many look for an answer only then, and would see the
    connection break instead. One that waits for leave to send (`Expect: 100-continue`) needs none of this."""
    left = 0 if environ.get("HTTP_EXPECT", "").lower() == "100-continue" else _MAX_DRAINED
    while left > 0 and (piece := (yield _INPUT)):
        left -= len(piece)


def _check_whole(environ: Mapping[str, Any]) -> None:
    """Raises Refusal where the server gave up waiting for the rest, which it tells by the body's `cut`."""
    if getattr(environ.get(BODY), "cut", False):
        raise Refusal(
            503,
            "too_slow",
            "The body came too slowly: send it again, or fewer items at once.",
            code=Code.UNAVAILABLE,
            retry_after_s=RETRY_AFTER_S,
        )


def too_large(limit: int) -> Refusal:
    return Refusal(413, "too_large", f"The body is larger than {limit} bytes: send fewer items at once.")
