"""A way to the emulated AWS that keeps what goes over it, and checks each request's signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "local"  # the local Lambda's
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=\w+/(\d{8})/([\w-]+)/([\w-]+)/aws4_request, SignedHeaders=([\w;-]+), Signature=(\w+)"
)
# What is another in every request or run, with or without us. Signatures are checked instead.
_VARYING = {"authorization", "x-amz-date", "amz-sdk-invocation-id", "host"}


@dataclass
class Request:
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    correctly_signed: bool | None  # None: not signed in the headers

    def comparable(self) -> tuple[Any, ...]:
        """All of it but what varies, and what we add: the attributes and the client context that carry a trace."""
        headers = {name.lower(): value for name, value in self.headers if name.lower() not in _VARYING}
        if (context := headers.pop("x-amz-client-context", None)) is not None:
            document = json.loads(base64.b64decode(context))
            document.pop("w3c", None)
            if document not in ({}, {"custom": {}}):
                headers["x-amz-client-context"] = json.dumps(document)
        assert int(headers.pop("content-length", "0")) == len(self.body)
        body = self.body
        if b"MessageBody" in body or b"Message=" in body or b"Message." in body:
            body = without_context(body)
            headers.pop("x-amz-content-sha256", None)
        if "attempt=" in headers.get("amz-sdk-request", ""):  # until when to try is a time
            headers["amz-sdk-request"] = re.sub(r"ttl=\w+; ", "", headers["amz-sdk-request"])
        body = re.sub(rb'"(ReceiptHandle|Id|NextToken)": ?"[^"]{40,}"', rb'"\1":"VARYING"', body)
        body = re.sub(rb"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", b"VARYING", body)  # tokens that botocore makes
        path = re.sub(r"uploadId=[^&]+", "uploadId=VARYING", self.path)
        return self.method, path, sorted(headers.items()), body


@dataclass
class Wire:
    """Forwards to `target`, http://host:port. A request with a header X-Fail-Twice gets 503 twice before it does."""

    target: str
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        wire = self
        host, _, port = self.target.removeprefix("http://").partition(":")
        self._failed: dict[str, int] = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = list(self.headers.items())
                signed = correctly_signed(self.command, self.path, dict(headers), body)
                wire.requests.append(Request(self.command, self.path, headers, body, signed))
                if self.headers.get("X-Fail-Twice") and wire.fails(self.headers["amz-sdk-invocation-id"]):
                    self.answer(503, {}, b"")
                    return
                connection = http.client.HTTPConnection(host, int(port), timeout=30)
                connection.request(self.command, self.path, body, dict(headers))
                response = connection.getresponse()
                data = response.read()
                connection.close()
                self.answer(response.status, dict(response.getheaders()), data)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = forward  # noqa: N815  # http.server's names

            def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    if name.lower() not in {"connection", "transfer-encoding", "content-length"}:
                        self.send_header(name, value)
                is_head = self.command == "HEAD"
                length = headers.get("Content-Length", "0") if is_head else str(len(body))
                self.send_header("Content-Length", length)
                self.end_headers()
                if not is_head:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Tests read `requests`."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def fails(self, identifier: str) -> bool:
        self._failed[identifier] = self._failed.get(identifier, 0) + 1
        return self._failed[identifier] <= 2

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def without_context(body: bytes) -> bytes:
    """A body of SQS (JSON) or SNS (a form) without the message attribute `traceparent`."""
    if body.startswith(b"{"):
        document = json.loads(body)
        for message in [document, *document.get("Entries", [])]:
            attributes = message.get("MessageAttributes", {})
            if attributes.pop("traceparent", None) is not None and not attributes:
                del message["MessageAttributes"]
        return json.dumps(document).encode()
    fields = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)
    ours = {name.rpartition(".")[0] for name, value in fields if value == "traceparent"}
    kept = [(name, value) for name, value in fields if not any(name.startswith(f"{prefix}.") for prefix in ours)]
    return urllib.parse.urlencode(kept).encode()


def correctly_signed(method: str, path: str, headers: dict[str, str], body: bytes) -> bool | None:
    """Whether AWS would take the request's signature, Version 4; None if there is none in the headers."""
    by_name = {name.lower(): value for name, value in headers.items()}
    match = _AUTHORIZATION.fullmatch(by_name.get("authorization", ""))
    if match is None:
        return None
    day, region, service, names, signature = match.groups()
    place, _, query = path.partition("?")
    if service != "s3":
        place = urllib.parse.quote(place, safe="/-_.~")
    canonical = "\n".join(
        [
            method,
            place,
            "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&"))) if query else "",
            *(f"{name}:{' '.join(by_name[name].split())}" for name in names.split(";")),
            "",
            names,
            by_name.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{by_name['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{SECRET}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature)
