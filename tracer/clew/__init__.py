"""Clew's tracer: decorate a Lambda handler, and its invocations, AWS calls and log lines reach the collector.

Nothing here loads OpenTelemetry: that is done when a handler is decorated.
"""

from clew import init_lines
from clew.api import issue, tag, transaction_url
from clew.decorator import trace
from clew.spans import span
from clew.version import VERSION

__version__ = VERSION
__all__ = ["__version__", "issue", "span", "tag", "trace", "transaction_url"]

init_lines.keep()
