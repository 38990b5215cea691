"""Fixtures of the tracer's proof: the layer as `clew layer build` makes it, a collector and an AWS."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from collector.app.layer import build
from tests.tracer.conftest import _aws, _sink

__all__ = ["_aws", "_sink"]


@pytest.fixture(name="layer", scope="session")
def _layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip file, for the Python that runs the functions here."""
    path = tmp_path_factory.mktemp("layer") / "clew-layer.zip"
    build("{}.{}".format(*sys.version_info[:2]), path)
    return path
