"""E-mail by SMTP: plain text and HTML. What follows an alert stays in its thread."""

from __future__ import annotations

import html
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from collector.alerts.channels.sending import Envelope, InvalidChannel, Values
from collector.alerts.message import Message
from collector.alerts.model import Severity
from collector.alerts.networks import Networks, describe
from collector.alerts.outcomes import DeliveryError, Receipt, Refused, TryAgain
from collector.alerts.text import one_line
from collector.alerts.wire import MAX_ANSWER_BYTES, TIMEOUT_S, Wire, ssl_context

MAX_SUBJECT = 180  # a header line may have 998; what lists show is shorter
_COLORS = {
    Severity.CRITICAL: "#b3261e",
    Severity.ERROR: "#b3261e",
    Severity.WARNING: "#9a5b00",
    Severity.INFO: "#1f5fa8",
}


def check(values: Values) -> None:
    for name in ("to", "from"):
        if not addresses(values[name]):
            raise InvalidChannel(name, "That is no e-mail address.")
    if not values["port"].isascii() or not values["port"].isdigit() or not 0 < int(values["port"]) < 65_536:
        raise InvalidChannel("port", "A port is a number up to 65535.")
    if values.get("password") and not values.get("username"):
        raise InvalidChannel("username", "A password needs a user name.")
    if values.get("password") and values["security"] == "none":
        raise InvalidChannel("security", "A password is not sent without encryption.")


def addresses(text: str) -> list[str]:
    """Those of a list with commas; empty where one of them is none."""
    found = []
    for part in text.split(","):
        if not part.strip():
            continue
        address = parseaddr(part.strip())[1]
        local, at, domain = address.rpartition("@")
        try:
            Address(username=local, domain=domain)
        except (ValueError, IndexError):
            return []
        if not (local and at and domain and address.isascii()) or any(c.isspace() for c in address):
            return []
        found.append(address)
    return found


def send(values: Values, envelope: Envelope, wire: Wire) -> Receipt:
    to = addresses(values["to"])
    message = email(envelope, addresses(values["from"])[0], to)
    host = values["host"]
    try:
        with _connected(values, wire) as server:
            refused = server.send_message(message, to_addrs=to)
            server.quit()
    except smtplib.SMTPRecipientsRefused as error:
        raise _because(host, *next(iter(error.recipients.values()))) from None
    except smtplib.SMTPResponseException as error:
        raise _because(host, error.smtp_code, error.smtp_error) from None
    except smtplib.SMTPNotSupportedError as error:
        raise Refused(f"{host} cannot do what is asked: {describe(error)}.") from None
    except ssl.SSLCertVerificationError as error:
        raise TryAgain(f"The certificate of {host} is not trusted: {error.verify_message}.") from None
    except (OSError, smtplib.SMTPException) as error:
        raise TryAgain(f"The connection to {host} failed: {describe(error)}.") from None
    remark = f"Not taken for {', '.join(sorted(refused))}." if refused else None
    return Receipt(reference=str(message["Message-ID"]), remark=remark)


def email(envelope: Envelope, sender: str, to: list[str]) -> EmailMessage:
    """The message, the same each time it is sent: servers may tell by its id that they have it."""
    first = envelope.first
    domain = sender.rpartition("@")[2]
    message = EmailMessage()
    message["Subject"] = one_line(f"[{first.severity.upper()}] {envelope.title}", MAX_SUBJECT)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(datetime.fromtimestamp(envelope.at_s, UTC))
    message["Message-ID"] = f"<{envelope.id}@{domain}>"
    if len(envelope.messages) == 1 and first.alert_id:
        message["References"] = f"<{first.key}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Clew-Alert"] = first.key
    message.set_content(envelope.text())
    message.add_alternative(page(envelope), subtype="html")
    return message


def page(envelope: Envelope) -> str:
    """The message in HTML, in a shape that mail programs of all ages show."""
    first = envelope.first
    color = "#1a7f37" if all(message.over for message in envelope.messages) else _COLORS[first.severity]
    if len(envelope.messages) == 1:
        parts = [_single(first, envelope.base_url)]
    else:
        parts = [_row(message, envelope.base_url) for message in envelope.messages]
    return (
        '<!doctype html><html><head><meta charset="utf-8"></head>'
        '<body style="margin:0;font:15px/1.5 sans-serif;color:#1b1f24">'
        f'<div style="max-width:640px;margin:0 auto;padding:20px;border-top:4px solid {color}">'
        f'<h1 style="font-size:19px;line-height:1.3;margin:0 0 12px">{html.escape(envelope.title)}</h1>'
        f"{''.join(parts)}</div></body></html>"
    )


def _single(message: Message, base_url: str) -> str:
    parts = []
    if message.error:
        parts.append(
            '<pre style="white-space:pre-wrap;background:#f4f5f7;padding:10px;margin:0 0 12px;font:13px/1.5 monospace">'
            f"{html.escape(message.error)}</pre>"
        )
    rows = "".join(
        f'<tr><td style="padding:2px 14px 2px 0;color:#57606a;vertical-align:top;white-space:nowrap">{fact.label}</td>'
        f'<td style="padding:2px 0">{html.escape(fact.value)}</td></tr>'
        for fact in message.facts()
        if fact.label != "Error"
    )
    parts.append(f'<table style="border-collapse:collapse;font-size:15px">{rows}</table>')
    if message.description and not message.over:
        parts.append(f"<p>{html.escape(message.description).replace(chr(10), '<br>')}</p>")
    links = " &nbsp; ".join(f'<a href="{html.escape(link.url)}">{link.label}</a>' for link in message.links(base_url))
    parts.append(f"<p>{links}</p>")
    rule = html.escape(message.rule_name)
    parts.append(f'<p style="color:#57606a;font-size:13px">Clew, {message.severity}, rule {rule}</p>')
    return "".join(parts)


def _row(message: Message, base_url: str) -> str:
    link = message.links(base_url)[0]
    error = f"<br><code>{html.escape(message.error)}</code>" if message.error else ""
    return f'<p><a href="{html.escape(link.url)}"><b>{html.escape(message.headline)}</b></a>{error}</p>'


def _because(host: str, code: int, said: bytes | str) -> DeliveryError:
    text = one_line(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said), MAX_ANSWER_BYTES)
    reason = f"{host} answered {code}: {text}"
    return TryAgain(reason) if 400 <= code < 500 or code < 0 else Refused(reason)


class _Smtp(smtplib.SMTP):
    """Connects to checked addresses alone."""

    networks: Networks
    tls: ssl.SSLContext | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = self.networks.connect(host, port, timeout)
        return connection if self.tls is None else self.tls.wrap_socket(connection, server_hostname=host)


@contextmanager
def _connected(values: Values, wire: Wire) -> Iterator[smtplib.SMTP]:
    """A server that was greeted and logged in to; closed at the deadline, however slowly it talks."""
    server = _Smtp(timeout=TIMEOUT_S, local_hostname="clew")
    server.networks = wire.networks
    server.tls = ssl_context() if values["security"] == "tls" else None

    def cut() -> None:
        if server.sock is not None:
            server.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(wire.left_s, cut)
    timer.daemon = True
    timer.start()
    try:
        code, said = server.connect(values["host"], int(values["port"]))
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)
        if values["security"] == "starttls":
            server._host = values["host"]  # type: ignore[attr-defined]  # whom the certificate is of
            server.starttls(context=ssl_context())
        if values.get("username"):
            server.login(values["username"], values.get("password", ""))
        yield server
    finally:
        timer.cancel()
        server.close()
