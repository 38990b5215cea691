"""TLS by certificate files, for HTTP and gRPC alike."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from collector.app.errors import InvalidSetting
from collector.app.settings import variable

if TYPE_CHECKING:
    from collector.app.settings import Settings


class Tls(NamedTuple):
    certificate: Path  # PEM: the certificate, then those that lead to its authority
    key: Path  # PEM, without a password


def read_tls(settings: Settings) -> Tls | None:
    """None: plain. Raises InvalidSetting where the files cannot be read or do not belong together.

    The settings hold either both or neither.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    tls = Tls(settings.tls_certificate.resolve(), settings.tls_key.resolve())
    for path, name in zip(tls, ("tls_certificate", "tls_key"), strict=True):
        try:
            path.read_bytes()
        except OSError as error:
            raise InvalidSetting(f"{variable(name)} cannot be used: {path}: {error.strerror}.") from error
    try:
        # A password would be asked for on the terminal, and the server would wait for it.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*tls, password="")
    except ssl.SSLError as error:
        reason = (error.reason or "no certificate and key in PEM, or the key has a password").replace("_", " ").lower()
        raise InvalidSetting(
            f"{variable('tls_certificate')} and {variable('tls_key')} cannot be used: {reason}."
        ) from error
    return tls
