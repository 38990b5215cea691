"""A mail server of a few lines: greets, may ask for TLS and a login, and keeps what it gets."""

from __future__ import annotations

import base64
import socketserver
import ssl
from collections import deque
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from tests.collector.alerts.services.server import Listener

USER, PASSWORD = "clew", "smtp-password-123"


@dataclass
class Mail:
    sender: str
    to: list[str]
    message: EmailMessage
    encrypted: bool
    raw: bytes


class MailServer(Listener):
    """`failures` are answers to DATA that come first. `refused` recipients get 550."""

    def __init__(self, context: ssl.SSLContext | None = None, *, login: bool = False) -> None:
        self.mails: list[Mail] = []
        self.failures: deque[str] = deque()
        self.refused: set[str] = set()
        self.context = context
        self.login = login
        server = _Server(("127.0.0.1", 0), _Session)
        server.mail_server = self
        super().__init__(server)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    mail_server: MailServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away."""


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:  # noqa: PLR0912  # a command each
        server = self.server.mail_server
        encrypted = logged_in = False
        sender, to = "", list[str]()
        self._say("220 mail.test ESMTP")
        while line := self.rfile.readline():
            command = line.decode().strip()
            verb = command.upper()
            if verb.startswith("EHLO"):
                offers = ["mail.test", "8BITMIME", "SMTPUTF8"]
                offers += ["STARTTLS"] if server.context and not encrypted else []
                offers += ["AUTH PLAIN"] if encrypted else []
                self._say("\r\n".join(f"250-{offer}" for offer in offers[:-1]) + f"\r\n250 {offers[-1]}")
            elif verb == "STARTTLS" and server.context:
                self._say("220 go on")
                self.connection = server.context.wrap_socket(self.request, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                encrypted = True
            elif verb.startswith("AUTH PLAIN"):
                logged_in = base64.b64decode(command.split()[2]) == f"\0{USER}\0{PASSWORD}".encode()
                self._say("235 welcome" if logged_in else "535 5.7.8 authentication failed")
            elif verb.startswith("MAIL FROM:") and server.login and not logged_in:
                self._say("530 5.7.0 authentication required")
            elif verb.startswith("MAIL FROM:"):
                sender = command[10:].partition(">")[0].strip("<> ")
                self._say("250 ok")
            elif verb.startswith("RCPT TO:"):
                address = command[8:].partition(">")[0].strip("<> ")
                if address in server.refused:
                    self._say("550 5.1.1 no such user")
                else:
                    to.append(address)
                    self._say("250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                raw = self._data()
                if server.failures:
                    self._say(server.failures.popleft())
                else:
                    message = BytesParser(policy=policy.default).parsebytes(raw)
                    server.mails.append(Mail(sender, to, message, encrypted, raw))
                    self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the encrypted one, which the server knows nothing of

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
