"""The dashboard: pages over what the collector stored."""

from webapp.application import create_app

__all__ = ["create_app"]
