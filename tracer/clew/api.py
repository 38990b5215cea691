"""What a function calls to say something of the invocation it is in.

None of these loads OpenTelemetry, raises, or does anything where no invocation runs. They may be called from any thread
and any task; in a thread without a context of its own they mean the invocation that began last.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from clew.guard import Guard, refuse
from clew.settings import read

if TYPE_CHECKING:
    from clew.invocation import Invocation


def tag(key: str, value: str | bool | int | float) -> bool:  # noqa: PYI041  # a reader need not know that ints are floats
    """Give the invocation an execution tag, by which its transaction is found: `clew.tag("customer", "acme")`.

    At most 50 tags an invocation, keys of at most 100 characters, text of at most 200. The value is masked like a
    payload. True if the invocation has the tag now. False if it was refused, for which there is one warning per reason
    on stderr, or if the tracer is off.
    """
    with Guard("tagging"):
        invocation = _running("clew.tag")
        return invocation is not None and invocation.annotations.tag(key, value)
    return False


def issue(type: str, message: str, /, **details: Any) -> bool:
    """Report an issue that is no exception: `clew.issue("PaymentDeclined", "the card has expired", order=17)`.

    It appears among the function's issues, under its type and message; the invocation does not fail by it. The details
    are kept as masked JSON. At most 20 an invocation. True if it was taken, else False as with `tag`.
    """
    with Guard("reporting an issue"):
        invocation = _running("clew.issue")
        return invocation is not None and invocation.annotations.issue(type, message, details)
    return False


def transaction_url() -> str | None:
    """The address of the dashboard's page about the transaction that the invocation belongs to, for logs of one's own.

    It starts with CLEW_DASHBOARD_URL, by default with the collector's address. None where no invocation runs, or if it
    is not sampled.
    """
    with Guard("making the transaction's address"):
        invocation = _running(None)
        if invocation is not None:
            ids = invocation.span.get_span_context()
            if ids.trace_flags.sampled:
                settings = invocation.settings
                base = settings.dashboard_url or _address(settings.traces.url)
                return f"{base.rstrip('/')}/traces/{ids.trace_id:032x}"
    return None


def _address(url: str) -> str:
    """Scheme, host and port: neither a path, nor a user's name and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _running(caller: str | None) -> Invocation | None:
    """The invocation that the caller is in. Whoever has not loaded the engine is in none."""
    engine = sys.modules.get("clew.engine")
    invocation: Invocation | None = None if engine is None else engine.running()
    if invocation is None and caller is not None and not (engine is None and read(os.environ).disabled):
        refuse(f"{caller} is", f"{caller} was called while no invocation ran")
    return invocation
