"""Functions written by the test, run by a local Lambda."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from collector.local_lambda import LocalFunction, LocalLambda

Deploy = Callable[..., LocalFunction]


@pytest.fixture
def functions(tmp_path: Path) -> Iterator[LocalLambda]:
    with LocalLambda(tmp_path / "logs") as functions:
        yield functions


@pytest.fixture
def deploy(functions: LocalLambda, tmp_path: Path) -> Deploy:
    """Makes a function of some source whose `handler` is the handler; further arguments as LocalFunction's."""

    def deploy(source: str, name: str = "probe", **configuration: Any) -> LocalFunction:
        code = tmp_path / name
        code.mkdir()
        (code / "app.py").write_text(dedent(source))
        function = LocalFunction(name=name, handler="app.handler", code=code, **configuration)
        functions.add(function)
        return function

    return deploy
