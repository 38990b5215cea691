"""Who may send: a token with every request, unless only this machine can reach the collector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from collector.receivers.refusal import Code, Refusal
from collector.store.tokens import Scope

if TYPE_CHECKING:
    from collector.receivers.keyring import Key, Keyring

SCHEME = "bearer"
# What a proxy adds: then the peer's address is the proxy's, and says nothing about who sends.
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA", "HTTP_X_FORWARDED_PROTO")
_FORWARDED_METADATA = frozenset({"x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-proto"})
_MISSING = (
    "A token is needed here, as `Authorization: Bearer …`; OpenTelemetry sends it where OTEL_EXPORTER_OTLP_HEADERS is "
    "set. `clew tokens create NAME` makes one."
)


class Authentication:
    """`always`: a token is needed even where only this machine can reach us. Otherwise it is needed when a proxy has
    passed the request on, and one that is sent all the same counts if it is known."""

    def __init__(self, keyring: Keyring, *, always: bool) -> None:
        self._keyring = keyring
        self.always = always

    def required(self, environ: Mapping[str, Any]) -> bool:
        """Of a request over HTTP."""
        return self.always or any(name in environ for name in FORWARDED)

    def http(self, environ: Mapping[str, Any]) -> Key | None:
        """The token that the request is sent with, let in; None where none is needed. Raises Refusal."""
        required = self.required(environ)
        key = self._let_in(environ.get("HTTP_AUTHORIZATION"), required=required)
        if key is None and "HTTP_ORIGIN" in environ:
            # Programs send none. A page in this machine's browser, of whatever site, could fill the database.
            raise Refusal(
                403, "forbidden", "Web pages may not send exports without a token.", code=Code.PERMISSION_DENIED
            )
        return key

    def grpc(self, metadata: Iterable[tuple[str, str | bytes]]) -> Key | None:
        """The same for OTLP/gRPC."""
        given, required = None, self.always
        for name, value in metadata:
            if name == "authorization" and isinstance(value, str):
                given = value
            elif name in _FORWARDED_METADATA:
                required = True
        return self._let_in(given, required=required)

    def look(self, environ: Mapping[str, Any]) -> None:
        """Raises Refusal unless the request comes with a dashboard token, where one is needed."""
        if not self.required(environ):
            return
        secret = bearer(environ.get("HTTP_AUTHORIZATION", ""))
        key = self._keyring.find(secret) if secret else None
        if key is None:
            raise Refusal(
                401,
                "unauthenticated",
                "A dashboard token is needed here, as `Authorization: Bearer …`.",
                code=Code.UNAUTHENTICATED,
            )
        if key.token.scope != Scope.DASHBOARD:
            raise Refusal(403, "forbidden", "This takes a dashboard token.", code=Code.PERMISSION_DENIED)
        key.enter()

    def secret(self, secret: str) -> Key | None:
        """An ingest token however it was sent, let in; None if it is none. Raises Refusal."""
        key = self._keyring.find(secret)
        if key is None or key.token.scope != Scope.INGEST:
            return None
        key.enter()
        return key

    def _let_in(self, given: str | None, *, required: bool) -> Key | None:
        secret = bearer(given) if given else None
        if secret is None:
            if required:
                raise Refusal(401, "unauthenticated", _MISSING, code=Code.UNAUTHENTICATED)
            return None
        key = self._keyring.find(secret)
        if key is not None and key.token.scope == Scope.INGEST:
            key.enter()
            return key
        if not required:
            return None
        if key is not None:
            raise Refusal(
                403,
                "forbidden",
                "This token is for signing in to the dashboard: send exports with an ingest token.",
                code=Code.PERMISSION_DENIED,
            )
        raise Refusal(401, "unauthenticated", "The token is not known here, or was revoked.", code=Code.UNAUTHENTICATED)


def bearer(value: str) -> str | None:
    """The token of an Authorization header; None if it holds none."""
    scheme, _, secret = value.strip().partition(" ")
    if not secret and value[:9].lower() == f"{SCHEME}%20":  # exporters that do not decode OTEL_EXPORTER_OTLP_HEADERS
        scheme, secret = SCHEME, value[9:]
    return secret.strip() or None if scheme.lower() == SCHEME else None
