"""Everything that Apprise knows, in a process of its own for each message.

Apprise has more than a hundred services, each with code of its own that connects as it likes. In a process of its own
every connection it makes can be checked (`apprise_process`), it cannot run commands, and its 54 MB go with it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

from collector.alerts.channels.sending import Envelope, InvalidChannel, Values
from collector.alerts.model import Severity
from collector.alerts.networks import Networks
from collector.alerts.outcomes import Blocked, Receipt, Refused, TryAgain
from collector.alerts.text import fit, one_line
from collector.alerts.wire import MAX_ANSWER_BYTES, Wire

MAX_BODY = 4_000
MAX_TITLE = 250
_TYPES = {Severity.CRITICAL: "failure", Severity.ERROR: "failure", Severity.WARNING: "warning", Severity.INFO: "info"}
_STATUS = re.compile(r"error=(\d{3})\b")
_RETRIED = frozenset({408, 425, 429})
# What the process needs of the environment: not the settings, which hold secrets.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV")
_CHECK_S = 30.0


def check(values: Values) -> None:
    try:
        said = _run({"url": values["url"]}, Networks(), _CHECK_S)
    except TryAgain as error:
        raise InvalidChannel("url", f"The address could not be checked. {error}") from None
    if not said.get("ok"):
        raise InvalidChannel("url", "Apprise does not know such an address.")


def send(values: Values, envelope: Envelope, wire: Wire) -> Receipt:
    over = all(message.over for message in envelope.messages)
    order = {
        "url": values["url"],
        "title": fit(envelope.title, MAX_TITLE),
        "body": fit(envelope.text(), MAX_BODY),
        "type": "success" if over else _TYPES[envelope.first.severity],
    }
    said = _run(order, wire.networks, wire.left_s)
    if said.get("ok"):
        return Receipt()
    if said.get("blocked"):
        raise Blocked(str(said["blocked"]))
    reason = one_line(str(said.get("reason") or "Apprise could not send it."), MAX_ANSWER_BYTES)
    status = _STATUS.search(reason)
    code = int(status[1]) if status else 0
    if 400 <= code < 500 and code not in _RETRIED:
        raise Refused(reason)
    raise TryAgain(reason, whole_channel=code == 429)


def _run(order: dict[str, str], networks: Networks, timeout_s: float) -> dict[str, Any]:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    if "SSL_CERT_FILE" in environment:
        environment["REQUESTS_CA_BUNDLE"] = environment["SSL_CERT_FILE"]
    content = json.dumps(order | {"networks": [str(network) for network in networks.allowed]})
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "collector.alerts.channels.apprise_process"],
            input=content,
            capture_output=True,  # what it writes to stderr may hold the address, and goes nowhere
            text=True,
            env=environment,
            timeout=max(timeout_s, 1.0),
            check=False,
        )
        said = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise TryAgain("Apprise did not end in time.") from None
    except ValueError:
        raise TryAgain("Apprise ended without a word.") from None
    return said if isinstance(said, dict) else {}
