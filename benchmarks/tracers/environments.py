"""An environment for each of those compared, with what its lock names, under .cache/bench.

Made once, and again after changes of the lock.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LOCKS = Path(__file__).parent / "requirements"
# In every function anyway, or no part of one.
_NOT_THEIRS = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "pip", "setuptools", "six.py"}


def make_environment(name: str, locks: Path = _LOCKS) -> Path:
    """The environment's Python. `locks`: the directory in which its lock is."""
    lock = locks / f"{name}.txt"
    place = ROOT / ".cache" / "bench" / name
    python = place / "bin" / "python"
    stamp = place / "lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        print(f"making the environment of {name} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*pip, "-r", str(lock)], check=True)
        stamp.write_text(digest)
    return python


def zipped_size(name: str) -> int:
    """Bytes of a zip of what the tracer brings, without bytecode, boto3 and its dependencies."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = ROOT / ".cache" / "bench" / name / "lib" / version / "site-packages"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(packages.rglob("*")):
            inside = file.relative_to(packages)
            top = inside.parts[0].split("-")[0]
            if file.is_file() and top not in _NOT_THEIRS and "__pycache__" not in inside.parts:
                archive.write(file, inside)
    return len(data.getvalue())
