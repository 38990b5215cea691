"""What a function prints while it is being imported, from `import clew` on."""

from __future__ import annotations

import os

from clew.guard import Guard
from clew.settings import read


def keep() -> None:
    """Keep the lines of INIT in Lambda, for the first invocation's export. Elsewhere they are a program's own."""
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    with Guard("capturing what INIT prints"):
        settings = read(os.environ)
        if settings.disabled or not settings.capture_logs:
            return
        from clew import logs, streams  # noqa: PLC0415  # not for a function whose tracing is off

        logs.keep_early_lines()
        streams.install_without_invocations()
