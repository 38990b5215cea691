"""Where alerts are delivered to, and what was."""

from webapp.channels.views import blueprint

__all__ = ["blueprint"]
