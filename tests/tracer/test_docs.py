"""docs/tracer.md names what the tracer reads, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from clew import settings

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\b(?:CLEW|OTEL|AWS)_[A-Z_]+[A-Z]\b")


class _Recording(dict[str, str]):
    """An environment that notes what is looked up in it."""

    def __init__(self) -> None:
        super().__init__({"OTEL_TRACES_SAMPLER": "traceidratio"})
        self.read: set[str] = set()

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]  # as Mapping has it
        self.read.add(key)
        return super().get(key, default)


def test_every_variable_is_documented() -> None:
    """Each variable that the settings read is in the document, and each in the document is read."""
    environ = _Recording()
    settings.parse(environ)
    documented = set(NAME.findall((ROOT / "docs" / "tracer.md").read_text()))

    general = {re.sub(r"_OTLP_(TRACES|LOGS)_", "_OTLP_", name) for name in environ.read}
    files = [*(ROOT / "tracer" / "clew").glob("*.py"), ROOT / "tracer" / "clew" / "layer" / "clew-exec"]
    environment = "".join(file.read_text() for file in files)
    assert general <= documented
    assert {name for name in documented - general if name not in environment} <= {
        "OTEL_EXPORTER_OTLP_TRACES",
        "OTEL_EXPORTER_OTLP_LOGS",
    }
