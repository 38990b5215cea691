"""`clew local invoke`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.collector.app.clew import TIMEOUT_S, clew, command, environment


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A directory with the module `app`."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "app.py").write_text(
        """
import os, time
count = 0
def echo(event, context):
    global count
    count += 1
    print("printed", count)
    return event
def fail(event, context):
    raise LookupError("not there")
def hang(event, context):
    time.sleep(600)
def variables(event, context):
    return [os.environ.get("GIVEN"), os.environ.get("TAKEN"), context.memory_limit_in_mb, context.function_name]
def layered(event, context):
    import of_the_layer
    return of_the_layer.name
def kind(event, context):
    return os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
"""
    )
    return folder


def invoke(handler: str, code: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return clew("local", "invoke", handler, "--code", str(code), *options, bound_by_permissions=False, **settings)


def test_the_result_is_on_stdout_and_the_log_on_stderr(code: Path) -> None:
    """So that the result can be piped on."""
    ran = invoke("app.echo", code, "--event", '{"a": 1}')

    assert (ran.returncode, ran.stdout) == (0, '{"a": 1}\n')
    lines = ran.stderr.splitlines()
    assert lines[0].startswith("INIT_START ")
    assert [line.partition(" ")[0] for line in lines[1:]] == ["START", "printed", "END", "REPORT"]
    assert "Memory Size: 512 MB" in lines[-1]


def test_an_environment_serves_all_the_times(code: Path) -> None:
    """`--times` invokes one after the other in the same process, also when it is frozen in between."""
    ran = invoke("app.echo", code, "--times", "3", "--freeze")

    assert ran.stdout == "{}\n" * 3
    assert re.findall(r"printed (\d)", ran.stderr) == ["1", "2", "3"]
    assert ran.stderr.count("Init Duration") == 1


@pytest.mark.parametrize("way", ["file", "stdin"])
def test_the_event_comes_from_a_file_or_stdin(code: Path, tmp_path: Path, way: str) -> None:
    """As well as from the command line."""
    path = tmp_path / "event.json"
    path.write_text('["ä"]')
    given = str(path) if way == "file" else "-"
    line = command("local", "invoke", "app.echo", "--code", str(code), "--event", given)

    ran = subprocess.run(
        line,
        input=path.read_text(),
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert (ran.returncode, json.loads(ran.stdout)) == (0, ["ä"])


@pytest.mark.parametrize(
    ("handler", "options", "error_type"),
    [
        ("app.fail", (), "LookupError"),
        ("app.hang", ("--timeout", "0.5"), "Sandbox.Timedout"),
        ("app.nothing", (), "Runtime.HandlerNotFound"),
        ("nothing.handler", (), "Runtime.ImportModuleError"),
    ],
)
def test_an_invocation_that_fails_makes_exit_code_1(
    code: Path, handler: str, options: tuple[str, ...], error_type: str
) -> None:
    """The result is Lambda's error document."""
    ran = invoke(handler, code, *options)

    assert (ran.returncode, json.loads(ran.stdout)["errorType"]) == (1, error_type)


def test_options_become_the_functions_configuration(code: Path, tmp_path: Path) -> None:
    """Variables by value or as they are here, memory, name, and a layer."""
    layer = tmp_path / "layer" / "python"
    layer.mkdir(parents=True)
    (layer / "of_the_layer.py").write_text("name = 'of the layer'")
    options = ("--env", "GIVEN=a=b", "--env", "TAKEN", "--env", "ABSENT", "--memory", "1024", "--name", "mine")

    assert json.loads(invoke("app.variables", code, *options, TAKEN="here").stdout) == ["a=b", "here", "1024", "mine"]
    assert json.loads(invoke("app.layered", code, "--layer", str(layer.parent)).stdout) == "of the layer"


def test_snap_start_restores_before_the_first_invocation(code: Path) -> None:
    """The log tells the restore."""
    ran = invoke("app.kind", code, "--snap-start", "--times", "2")

    assert ran.stdout == '"snap-start"\n' * 2
    assert ran.stderr.count("RESTORE_REPORT") == 1
    assert ran.stderr.count("\tRestore Duration: ") == 1


@pytest.mark.parametrize(
    ("options", "code_", "said"),
    [
        (("app.echo", "--event", "{"), 2, "--event is to be JSON"),
        (("app.echo", "--event", "nothing.json"), 2, "--event is to be JSON"),
        (("app.echo", "--event", sys.executable), 2, "--event is to be JSON"),
        (("app",), 2, "HANDLER is to be MODULE.FUNCTION, not 'app'"),
        (("app.echo", "--env", "=x"), 2, "--env is to be NAME=VALUE or NAME"),
        (("app.echo", "--timeout", "0"), 2, "--timeout"),
        (("app.echo", "--memory", "64"), 2, "--memory"),
        (("app.echo", "--code", "nowhere"), 1, "nowhere: No directory with the function's code"),
        (("app.echo", "--layer", "nothing.zip"), 1, "nothing.zip: No such file"),
        (("app.echo", "--layer", __file__), 1, "neither a directory nor a zip file"),
        (("app.echo", "--python", "/nowhere/python"), 1, "/nowhere/python: No such file"),
        (("app.echo", "--python", "/bin/false"), 1, "/bin/false has no awslambdaric: /bin/false -m pip install"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_sentence(
    code: Path, options: tuple[str, ...], code_: int, said: str
) -> None:
    """Bad options with 2, what is missing with 1; nothing is run."""
    ran = clew("local", "invoke", *(("--code", str(code)) if "--code" not in options else ()), *options)

    assert (ran.returncode, ran.stdout) == (code_, "")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_the_runtime_client_it_says_what_to_install(code: Path) -> None:
    """The extra that brings it."""
    hidden = "import sys; sys.modules['awslambdaric'] = None; from collector.app.cli import main; main()"

    ran = subprocess.run(
        [sys.executable, "-c", hidden, "local", "invoke", "app.echo", "--code", str(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )

    assert ran.returncode == 1
    assert ran.stderr.startswith("clew: AWS's runtime client is missing: pip install 'clew-server[local]'")
