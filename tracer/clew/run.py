"""`clew-run COMMAND…`: runs a program, and has every Python in it trace what it does. See docs/tracer.md."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from clew.settings import read

_USAGE = """Usage: clew-run COMMAND [ARGUMENT...]
       clew-run -m MODULE [ARGUMENT...]

Runs the command, and exports the AWS calls, OpenTelemetry spans and log lines of every Python that it starts.
OTEL_EXPORTER_OTLP_ENDPOINT says where to, OTEL_SERVICE_NAME what the program is called.

  clew-run python app.py
  clew-run gunicorn app:application
"""
_AUTOSTART = Path(__file__).parent / "autostart"
_NOT_FOUND = 127  # as shells have it
_NOT_EXECUTABLE = 126


def main() -> None:
    """Becomes the command: it keeps the process id, the signals and the exit status."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help"}:
        sys.stdout.write(_USAGE)
        sys.exit(0 if arguments else 2)
    if arguments[0].startswith("-"):
        arguments = [sys.executable, *arguments]  # -m and -c are Python's own
    environ = dict(os.environ)
    if not read(environ).disabled:
        environ["PYTHONPATH"] = _with_autostart(environ.get("PYTHONPATH", ""))
    sys.stdout.flush()
    try:
        os.execvpe(arguments[0], arguments, environ)  # noqa: S606  # a shell would be one process more
    except FileNotFoundError:
        _fail(f"there is no command '{arguments[0]}'", _NOT_FOUND)
    except OSError as error:
        _fail(f"cannot run '{arguments[0]}': {error.strerror}", _NOT_EXECUTABLE)


def _with_autostart(path: str) -> str:
    folders = [folder for folder in path.split(os.pathsep) if folder and Path(folder) != _AUTOSTART]
    return os.pathsep.join([str(_AUTOSTART), *folders])


def _fail(message: str, status: int) -> None:
    sys.stderr.write(f"clew-run: {message}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
