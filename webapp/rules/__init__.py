"""The rules that alerts come of, and the windows in which nobody is told."""

from webapp.rules import file
from webapp.rules.mutes import blueprint as mutes
from webapp.rules.views import blueprint

__all__ = ["blueprint", "file", "mutes"]
