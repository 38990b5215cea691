"""What `clew local invoke` does with its options, and what it says."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.app.errors import CannotRun, InvalidSetting
from collector.local_lambda import InitializationType, InvocationOutcome, LocalFunction, LocalLambda, Status

_CLIENT = "awslambdaric"


@dataclass(frozen=True)
class Options:
    """As they were given on the command line."""

    handler: str
    event: str
    name: str | None
    times: int
    timeout: float
    memory: int
    layers: tuple[str, ...]
    env: tuple[str, ...]
    freeze: bool
    snap_start: bool
    code: str
    python: str | None


def invoke_locally(options: Options, say: Callable[[str], None], tell: Callable[[str], None]) -> bool:
    """Run the handler as often as asked for; whether every invocation succeeded.

    `say` gets each invocation's payload, `tell` the lines of the log.

    Raises:
        InvalidSetting: an option cannot be used.
        CannotRun: the code, a layer, the Python or its runtime client is missing.
    """
    event = _event(options.event)
    function = _function(options)
    _check_client(function.python)
    with LocalLambda(freeze=options.freeze) as functions:
        try:
            functions.add(function)
        except OSError as error:
            raise CannotRun(f"{error.filename}: {error.strerror}.") from error
        except subprocess.CalledProcessError as error:
            raise CannotRun(f"{function.python} is no Python.") from error
        except zipfile.BadZipFile as error:
            raise CannotRun("A layer is neither a directory nor a zip file.") from error
        outcomes = [_invoke(functions, function, event, say, tell) for _ in range(options.times)]
    return all(outcome.status is Status.SUCCESS for outcome in outcomes)


def _invoke(
    functions: LocalLambda,
    function: LocalFunction,
    event: bytes,
    say: Callable[[str], None],
    tell: Callable[[str], None],
) -> InvocationOutcome:
    outcome = functions.invoke(function, event)
    tell(outcome.log.rstrip("\n"))
    say(outcome.payload.decode(errors="replace"))
    return outcome


def _function(options: Options) -> LocalFunction:
    module, dot, name = options.handler.rpartition(".")
    if not (module and dot and name):
        raise InvalidSetting(f"HANDLER is to be MODULE.FUNCTION, not '{options.handler}'.")
    type = InitializationType.SNAP_START if options.snap_start else InitializationType.ON_DEMAND
    return LocalFunction(
        name=options.name or module.replace("/", "-").replace(".", "-"),
        handler=options.handler,
        code=Path(options.code).absolute(),
        timeout=options.timeout,
        memory=options.memory,
        environment=dict(_variables(options.env)),
        layers=tuple(Path(layer).absolute() for layer in options.layers),
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "eu-west-1",
        initialization_type=type,
        # Not resolved: a virtual environment's Python is a link that knows by its place which packages it has.
        python=Path(sys.executable if options.python is None else options.python).absolute(),
    )


def _variables(given: Iterable[str]) -> Iterator[tuple[str, str]]:
    """`NAME=VALUE`, or `NAME` alone for the value it has here, if any."""
    for variable in given:
        name, equals, value = variable.partition("=")
        if not name:
            raise InvalidSetting(f"--env is to be NAME=VALUE or NAME, not '{variable}'.")
        if equals:
            yield name, value
        elif name in os.environ:
            yield name, os.environ[name]


def _event(given: str) -> bytes:
    """The JSON itself, that of a file, or of stdin for `-`."""
    text = given
    try:
        if given == "-":
            text = sys.stdin.read()
        elif not given.lstrip().startswith(("{", "[", '"')):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):  # then it is JSON, or nothing of use
                text = Path(given).read_text(encoding="utf-8")
        json.loads(text)
    except OSError as error:
        raise CannotRun(f"{given}: {error.strerror}.") from error
    except ValueError as error:
        what = "stdin" if given == "-" else f"'{given[:60]}'"
        raise InvalidSetting(f"--event is to be JSON, a file with it, or -: {what} is not ({error}).") from error
    return text.encode()


def _check_client(python: Path) -> None:
    """A function that cannot start would say so as well, twice and among other lines."""
    if python == Path(sys.executable).absolute():
        if importlib.util.find_spec(_CLIENT) is None:
            raise CannotRun(f"AWS's runtime client is missing: pip install 'clew-server[local]', or {_CLIENT}.")
        return
    try:
        found = subprocess.run([str(python), "-c", f"import {_CLIENT}"], capture_output=True, check=False).returncode
    except OSError as error:
        raise CannotRun(f"{python}: {error.strerror}.") from error
    if found != 0:
        raise CannotRun(f"{python} has no {_CLIENT}: {python} -m pip install {_CLIENT}.")
