"""Alerts: those that are open, those that were, and the page of one."""

from webapp.alerts.views import blueprint

__all__ = ["blueprint"]
