"""What `clew layer build` does with its options, and what it says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from collector.app.errors import InvalidSetting
from collector.app.layer import ARCHITECTURES, VERSIONS, Layer, build, publish_command


def build_layers(
    python: str | None, architecture: str | None, output: str | None, *, every: bool, bytecode: bool
) -> Iterator[str]:
    """Builds, and gives the lines to print.

    Raises:
        InvalidSetting: the options contradict each other, or there is no runtime of that version.
        LayerError: as `collector.app.layer.build`.
    """
    if every and python is not None:
        raise InvalidSetting("--all and --python exclude each other.")
    version = python or "{}.{}".format(*sys.version_info[:2])
    if version not in VERSIONS:
        raise InvalidSetting(f"--python must be one of {', '.join(VERSIONS)}: '{version}' is not.")
    architectures = ARCHITECTURES if architecture is None else (architecture,)
    for one in VERSIONS if every else (version,):
        name = f"clew-{one}.zip"
        path = Path(output or ".", name) if every else Path(output or name)
        yield from _lines(build(one, path, bytecode=bytecode), architectures)


def _lines(layer: Layer, architectures: tuple[str, ...]) -> Iterator[str]:
    code = "with bytecode" if layer.has_bytecode else "without bytecode"
    sizes = f"{layer.zipped / 1e6:.2f} MB zipped, {layer.unzipped / 1e6:.2f} MB unzipped"
    yield f"{layer.path}: for Python {layer.python}, {code}, {sizes}"
    yield f"  holds {', '.join(layer.distributions)}"
    yield "  publish it with"
    yield f"  {publish_command(layer, architectures)}"
