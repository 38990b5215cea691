"""Finds the interpreter of a given version of Python on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_ASK = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"


def find_python(version: str) -> str | None:
    """The path of a CPython of that version ("3.12"); None if there is none.

    Looked for in this order: the interpreter that runs this, `python3.12` on PATH, pyenv's and uv's.
    """
    for candidate in _candidates(version):
        if _answer([candidate, "-I", "-S", "-c", _ASK]) == f"cpython {version}":
            return candidate
    return None


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    if found := shutil.which(f"python{version}"):
        yield found
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(path) for path in sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True))
    if uv := shutil.which("uv"):
        yield _answer([uv, "python", "find", "--no-project", "--no-python-downloads", version])


def _answer(command: list[str]) -> str:
    """What the command prints, or nothing if it fails: one of pyenv's shims may stand for nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
