"""The tracer's functions on a local Lambda, which freezes their environments as Lambda does."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from collector.local_lambda import InvocationOutcome, LocalFunction, LocalLambda, Response
from tests.tracer.runtime_api import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Self

    from tests.tracer.sink import Sink


class LocalFunctions:
    """One function, `source`, whose `handler` is the handler, exporting into the sink; `variables` are its own."""

    def __init__(
        self,
        folder: Path,
        sink: Sink,
        source: str,
        *,
        timeout: float = 10.0,
        environ: Mapping[str, str] | None = None,
        **variables: str,
    ) -> None:
        self._folder = folder
        code = folder / "code"
        code.mkdir()
        (code / "app.py").write_text(dedent(source))
        variables = {
            "PYTHONPATH": str(ROOT / "tracer"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
            # Machines that run tests pause for longer than a collector on loopback ever takes.
            "CLEW_EXPORT_TIMEOUT": "5000",
            "CLEW_EXTENSION": "true",
            "CLEW_CHECKPOINT_AFTER": "0",  # on a busy machine any handler may run for half a second
            **(environ or {}),
            **variables,
        }
        self.function = LocalFunction(
            "transcribe", "app.handler", code, timeout=timeout, memory=512, environment=variables
        )

    def __enter__(self) -> Self:
        self._lambda = LocalLambda(self._folder / "logs", freeze=True)
        return self

    def invoke(self, event: Any = None, on_response: Callable[[Response], None] | None = None) -> InvocationOutcome:
        outcome = self._lambda.invoke(self.function, event or {}, on_response=on_response)
        sys.stdout.write(outcome.log)
        return outcome

    def __exit__(self, *_: object) -> None:
        self._lambda.close()

    @property
    def log(self) -> str:
        return (self._folder / "logs" / "transcribe.log").read_text()
