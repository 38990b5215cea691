"""A folder as a function's package has it: other people's packages, of real versions, that are not installed here."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def companions(kind: str = "companions") -> Path:
    """The packages of an extra of the tracer's, and an OpenTelemetry that fits these; made once.

    `companions`: Powertools and three of OpenTelemetry's instrumentations. `companions-async`: aiobotocore, the boto3
    that goes with it, and OpenTelemetry's instrumentation of both.
    """
    lock = _ROOT / "requirements" / f"tracer-{kind}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    cache = _ROOT / ".cache"
    folder = cache / "{}-{}.{}-{}".format(kind, *sys.version_info[:2], digest)
    if not folder.exists():
        cache.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=cache, prefix="companions-"))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*command, "--require-hashes", "--no-deps", "--target", made, "-r", lock], check=True)
        try:
            made.rename(folder)
        except OSError:  # another test run was faster
            shutil.rmtree(made)
    return folder
