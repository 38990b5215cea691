"""`clew-run` puts this file's folder on PYTHONPATH: every Python that is started below it imports this first."""

# ruff: noqa: INP001  # no package: Python looks for this name

import os
import sys


def _customize() -> None:
    """What another `sitecustomize` further down the path does, as if this one were not there."""
    from importlib.machinery import PathFinder  # noqa: PLC0415

    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # nothing is imported for this
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]  # noqa: PTH100
    if PathFinder.find_spec("sitecustomize") is not None:
        ours = sys.modules.pop("sitecustomize")
        try:
            __import__("sitecustomize")
        finally:
            sys.modules.setdefault("sitecustomize", ours)  # the import of this one is not over


def _start() -> None:
    if sys.version_info < (3, 10):  # noqa: UP036  # it may be any Python that the program starts
        return
    try:
        from clew.service import start  # noqa: PLC0415
    except ImportError:
        sys.stderr.write(f"clew: {sys.executable} has no package clew: what it runs is not traced\n")
        return  # a Python of another environment
    start()


try:
    _customize()
finally:
    _start()
