"""The decoders under atheris, which looks for input that reaches new code.

    pip install atheris
    python -m tests.fuzz.atheris_decoders traces -max_total_time=600

The first argument is a decoder of `tests.fuzz.decoders`; libFuzzer takes the rest. It ends with the first fault.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["collector"]):
    from tests.fuzz.decoders import DECODERS, decode, seeds


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in DECODERS:
        sys.exit(f"Name a decoder: {', '.join(DECODERS)}")
    name = sys.argv.pop(1)

    def run(data: bytes) -> Any:
        decode(name, data)

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(name)):
            Path(corpus, str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, corpus], run)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
