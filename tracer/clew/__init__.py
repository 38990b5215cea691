"""Clew's tracer: decorate a Lambda handler, and its invocations, AWS calls and log lines reach the collector."""

from clew.decorator import trace
from clew.version import VERSION

__version__ = VERSION
__all__ = ["__version__", "trace"]
