"""A folder as a function's package has it: other people's packages, of real versions, that are not installed here."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_LOCK = _ROOT / "requirements" / "tracer-companions.txt"


def companions() -> Path:
    """Powertools, three of OpenTelemetry's instrumentations, and an OpenTelemetry that fits these; made once."""
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
    cache = _ROOT / ".cache"
    folder = cache / "companions-{}.{}-{}".format(*sys.version_info[:2], digest)
    if not folder.exists():
        cache.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=cache, prefix="companions-"))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*command, "--require-hashes", "--no-deps", "--target", made, "-r", _LOCK], check=True)
        try:
            made.rename(folder)
        except OSError:  # another test run was faster
            shutil.rmtree(made)
    return folder
