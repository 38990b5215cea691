"""`POST /v1/firehose`: CloudWatch Logs as Amazon Data Firehose delivers them to an HTTP endpoint, and as a
subscription's Lambda function gets them (`{"awslogs": {"data": …}}`).

Firehose takes nothing for an answer but 200, JSON without a content encoding, and the request's own id in it; anything
else it sends again for as long as it is told to, with the same id. Only 413 is final, and what was refused so is lost.
"""

from __future__ import annotations

import binascii
import hmac
import ipaddress
import json
import logging
import re
import threading
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

from collector.domain.cloudwatch import Batch, batch_facts, read_message
from collector.domain.errors import MalformedExport
from collector.domain.facts import Signal
from collector.receivers.admission import Admission, Grant
from collector.receivers.answer import JSON, respond
from collector.receivers.authentication import FORWARDED, bearer
from collector.receivers.body import decompress, read_body
from collector.receivers.refusal import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse

    from collector.domain.facts import Facts
    from collector.receivers.authentication import Authentication
    from collector.receivers.counters import Counters
    from collector.receivers.keyring import Key

PATH = "/v1/firehose"
MAX_BODY = 64 * 1024 * 1024  # Firehose's own bound, before compression
MAX_RECORDS = 10_000
MAX_RECORD = 16 * 1024 * 1024  # decompressed; what Firehose takes for a record is 1 MB, compressed
MAX_TOTAL = 2 * 1024 * 1024 * 1024  # of all records of a request; logs become a tenth by gzip, bombs a thousandth
MAX_REQUESTS = 32  # at once
_MAX_BYTES = 3 * MAX_BODY  # of all of them: two of the largest would not do, one as sent and as read does
_EXPORT = 4 * 1024 * 1024  # of lines that are stored as one export
_EVENT = 200  # bytes of an export, beside its text
_MAX_ERROR = 8_192
_GZIP = b"\x1f\x8b"
_ARCHITECTURES = {"arm64", "x86_64"}
_REGION = re.compile(r"[a-z0-9-]{1,32}")
_NO_MESSAGE = (
    "no record is a message of CloudWatch Logs with its group and stream. If message extraction is on in the delivery "
    "stream, turn it off: bare lines do not say which function wrote them, or when"
)

_logger = logging.getLogger(__name__)


class FirehoseReceiver:
    """A bare WSGI callable for PATH. `submit` returns once facts are stored, or raises Refusal.

    An ingest token is an access key too, and may come as `Authorization: Bearer …`. Without either only this machine
    may send, not through a proxy, and only if the authentication does not always ask for a token.
    """

    def __init__(
        self,
        submit: Callable[[Facts], None],
        *,
        counters: Counters,
        access_key: str | None = None,
        authentication: Authentication | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._submit = submit
        self._counters = counters
        self._key = access_key.encode() if access_key else None
        self._authentication = authentication
        self._now_ms = now_ms
        # Apart from OTLP's: one delivery may be larger than all that functions' exports may take together.
        self._admission = Admission(max_requests=MAX_REQUESTS, max_bytes=_MAX_BYTES)
        # One after the other: a small body may unpack to large records, and Python reads one at a time anyway.
        self._reading = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request_id: str = environ.get("HTTP_X_AMZ_FIREHOSE_REQUEST_ID", "")
        headers: list[tuple[str, str]] = []
        error = ""
        try:
            key = self._authorize(environ)
            with self._admission.enter() as grant:
                request_id = self._take(environ, grant, key, request_id)
            status = 200
        except Refusal as refusal:
            status, error = refusal.status, str(refusal)
            self._counters.refused(Signal.LOGS, status, refusal.reason)
            if refusal.allow is not None:
                headers.append(("allow", refusal.allow))
            if refusal.retry_after_s is not None:
                headers.append(("retry-after", str(max(1, round(refusal.retry_after_s)))))
        except Exception:
            _logger.exception("%s: a delivery could not be taken", PATH)
            status, error = 500, "Something went wrong here: the collector's log says what."
            self._counters.refused(Signal.LOGS, status, "internal")
        answer: dict[str, object] = {"requestId": request_id, "timestamp": self._now_ms()}
        if error:
            answer["errorMessage"] = error[:_MAX_ERROR]
        body = json.dumps(answer).encode()
        return respond(start_response, status, JSON, body, headers)

    def _authorize(self, environ: Mapping[str, Any]) -> Key | None:
        """The token that it came with; None: by the access key, or from this machine."""
        if environ["REQUEST_METHOD"] != "POST":
            raise Refusal(405, "method", "Deliveries are sent by POST.", code=Code.UNIMPLEMENTED, allow="POST")
        given = environ.get("HTTP_X_AMZ_FIREHOSE_ACCESS_KEY", "")
        # Headers reach WSGI as Latin-1; the key's own bytes are compared.
        if self._key is not None and hmac.compare_digest(given.encode("latin-1", "replace"), self._key):
            return None
        token_needed = False
        if self._authentication is not None:
            secret = given or bearer(environ.get("HTTP_AUTHORIZATION", ""))
            if secret and (key := self._authentication.secret(secret)) is not None:
                return key
            token_needed = self._authentication.required(environ)
        if self._key is None and not token_needed and _is_local(environ):
            return None
        raise Refusal(
            401,
            "access_key",
            "The access key in X-Amz-Firehose-Access-Key is missing or not known here. The delivery stream's "
            "destination needs one: an ingest token (`clew tokens create`), or what CLEW_FIREHOSE_ACCESS_KEY is here.",
        )

    def _take(self, environ: Mapping[str, Any], grant: Grant, key: Key | None, request_id: str) -> str:
        """Returns the request's id when all of it is stored."""
        limit = key.limit(MAX_BODY) if key is not None else MAX_BODY
        data = read_body(environ, limit, grant)
        body = decompress(data, environ.get("HTTP_CONTENT_ENCODING", "").strip().lower(), limit, grant)
        self._counters.read(len(data), len(body))
        if key is not None:
            key.add(len(body))
        del data
        with self._reading:
            request = _load(body)
            del body
            said = request.get("requestId")
            if isinstance(said, str) and len(said) <= 1_024:
                request_id = said
            stored = rejected = 0
            problem = ""
            received_ms, origin = self._now_ms(), _origin(environ)
            waiting: list[Batch] = []
            size = 0
            for message in _messages(request):
                try:
                    batch = _read(message, origin, received_ms)
                except MalformedExport as error:
                    rejected += 1
                    problem = problem or str(error)
                    continue
                if batch is None:
                    continue
                rejected += batch.rejected
                if batch.events:
                    waiting.append(batch)
                    size += sum(len(event.message) + _EVENT for event in batch.events)
                if size > _EXPORT:
                    stored += self._store(waiting, received_ms)
                    waiting, size = [], 0
            stored += self._store(waiting, received_ms)
        if rejected and not stored and problem:
            raise Refusal(400, "malformed", f"Nothing of the delivery could be read: {problem}.")
        self._counters.took(Signal.LOGS, stored=stored, rejected=rejected)
        return request_id

    def _store(self, batches: list[Batch], received_ms: int) -> int:
        facts = batch_facts(batches, received_ms=received_ms)
        if facts.export.items:
            self._submit(facts)
        return facts.export.items


class _Origin(NamedTuple):
    """What the logs themselves do not say."""

    region: str
    architecture: str | None


def _read(message: object, origin: _Origin, received_ms: int) -> Batch | None:
    if isinstance(message, MalformedExport):
        raise message
    return read_message(message, region=origin.region, received_ms=received_ms, architecture=origin.architecture)


def _load(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "malformed", "The body is not JSON.") from None
    if not isinstance(request, dict):
        raise Refusal(400, "malformed", "The body is no JSON object.")
    return request


def _messages(request: dict[str, Any]) -> Iterator[object]:
    """Every message of CloudWatch Logs in it; a MalformedExport in the place of a record that holds none.

    Records are taken out of the request one by one, so that it becomes smaller as their contents are read.
    """
    direct = request.get("awslogs")
    records = [direct] if isinstance(direct, dict) else request.get("records")
    if not isinstance(records, list):
        raise Refusal(400, "malformed", 'The body has neither "records" nor "awslogs".')
    if len(records) > MAX_RECORDS:
        raise Refusal(413, "crowded", f"The body has {len(records)} records: {MAX_RECORDS} are the most.")
    left = MAX_TOTAL
    for index, record in enumerate(records):
        records[index] = None
        data = record.get("data") if isinstance(record, dict) else None
        if isinstance(data, dict):  # Firehose's documentation shows it so; it is not what is on the wire
            yield data
            continue
        try:
            raw = _unpack(data)
        except MalformedExport as error:
            left -= MAX_RECORD
            yield error
        else:
            left -= len(raw)
            yield from _documents(raw)
        if left < 0:
            raise Refusal(413, "too_large", f"The records of the body are larger than {MAX_TOTAL} bytes.")


def _unpack(data: object) -> bytes:
    if not isinstance(data, str):
        raise MalformedExport("a record has no data")
    try:
        raw = b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedExport("a record's data is not base64") from None
    if raw[:2] != _GZIP:
        return raw
    # A bound of its own: what one record unpacks to is let go before the next.
    with Admission(max_requests=1, max_bytes=MAX_RECORD).enter() as grant:
        try:
            return decompress(raw, "gzip", MAX_RECORD, grant)
        except Refusal as refusal:
            said = str(refusal)
            raise MalformedExport(f"a record's data cannot be unpacked: {said[:1].lower()}{said[1:-1]}") from None


def _documents(raw: bytes) -> Iterator[object]:
    """Messages follow one another without a separator where several gzip members or records were joined. What comes
    after something else is left: a record of a million empty objects holds one fault, not a million."""
    text = raw.decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        try:
            document, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or "logEvents" not in document:
            yield MalformedExport(_NO_MESSAGE)
            return
        yield document


def _origin(environ: Mapping[str, Any]) -> _Origin:
    """The region is the delivery stream's, which is the log group's. The rest, and both where no delivery stream is
    named, as its parameters or the URL say: `?region=eu-west-1&architecture=arm64`."""
    said = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")[:1_024]).items()}
    try:
        common = json.loads(environ.get("HTTP_X_AMZ_FIREHOSE_COMMON_ATTRIBUTES", "{}"))["commonAttributes"]
        said |= {name: value for name, value in common.items() if isinstance(value, str)}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        pass
    parts = environ.get("HTTP_X_AMZ_FIREHOSE_SOURCE_ARN", "").split(":")
    region = parts[3] if len(parts) > 3 else said.get("region", "")
    architecture = said.get("architecture", "")
    return _Origin(
        region if _REGION.fullmatch(region) else "", architecture if architecture in _ARCHITECTURES else None
    )


def _is_local(environ: Mapping[str, Any]) -> bool:
    if "HTTP_ORIGIN" in environ or any(name in environ for name in FORWARDED):  # a web page, or a proxy
        return False
    try:
        address = ipaddress.ip_address(environ.get("REMOTE_ADDR", "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
