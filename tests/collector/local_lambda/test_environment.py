"""An environment from INIT to its end: how it is initialised, what it holds, and how invocations in it can fail."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import zipfile
from pathlib import Path

import pytest

from collector.local_lambda import InitializationType, LocalFunction, LocalLambda, Response, Status
from tests.collector.local_lambda.conftest import Deploy, state, wait_gone, wait_until


def test_a_failed_init_is_tried_again_within_the_invocation(
    functions: LocalLambda, function: Deploy, tmp_path: Path
) -> None:
    """The second try counts as duration, and its invocation succeeds; only the first one is told as INIT_REPORT."""
    tried = tmp_path / "tried"
    probe = function(
        f"""
import os
if not os.path.exists({str(tried)!r}):
    open({str(tried)!r}, "w").close()
    raise RuntimeError("not yet")
def handler(event, context): return "ran"
"""
    )

    outcome = functions.invoke(probe, {})

    assert outcome.value() == "ran"
    assert outcome.cold_start
    assert outcome.init_duration is None
    assert re.search(r"INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\tStatus: error\tError Type:", outcome.log)
    assert "Phase: invoke" not in outcome.log
    assert "Init Duration" not in outcome.log.splitlines()[-1]


def test_an_init_that_fails_twice_is_the_invocations_error(functions: LocalLambda, function: Deploy) -> None:
    """Both tries are told, each with its phase."""
    outcome = functions.invoke(function("import nothing_of_that_name"), {})

    assert outcome.status is Status.ERROR
    assert outcome.error is not None
    assert outcome.error.type == "Runtime.ImportModuleError"
    assert re.findall(r"Phase: (\w+)\tStatus: error\tError Type: (\S+)", outcome.log) == [
        ("init", "Runtime.ImportModuleError"),
        ("invoke", "Runtime.ImportModuleError"),
    ]
    assert "Status: error\tError Type: Runtime.ImportModuleError" in outcome.log.splitlines()[-1]


def test_an_init_that_hangs_is_ended_at_its_limit_and_then_at_the_invocations(
    functions: LocalLambda, function: Deploy
) -> None:
    """First the limit of INIT, then the function's timeout."""
    probe = function("import time\ntime.sleep(600)", initialization_timeout=0.5, timeout=1.0)
    given: list[Response] = []

    outcome = functions.invoke(probe, {}, on_response=given.append)

    assert outcome.status is Status.TIMEOUT
    assert outcome.duration >= 1000
    assert re.findall(r"Phase: (\w+)\tStatus: timeout", outcome.log) == ["init", "invoke"]
    assert [response.error for response in given] == [outcome.error]


@pytest.mark.parametrize("timeout", [1.0, 3.0])
def test_the_deadline_is_the_timeout(functions: LocalLambda, function: Deploy, timeout: float) -> None:
    """The time left starts with the timeout, and the process is killed when it is over."""
    probe = function(
        "import time\ndef handler(event, context):\n"
        "    print(context.get_remaining_time_in_millis(), flush=True)\n    time.sleep(600)",
        timeout=timeout,
    )

    outcome = functions.invoke(probe, {})

    left = int(outcome.log.splitlines()[2])
    assert 0 < left <= timeout * 1000
    assert outcome.status is Status.TIMEOUT
    assert outcome.error is not None
    assert outcome.error.message.endswith(f"Task timed out after {timeout:.2f} seconds")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell how much memory is used")
def test_more_memory_than_the_function_has_kills_it(functions: LocalLambda, function: Deploy) -> None:
    """As Lambda does, with its error type; a child's memory counts too."""
    source = "x = b'x' * 300_000_000; import time; time.sleep(600)"
    probe = function(
        f"""
import subprocess, sys
def handler(event, context):
    if event == "child": subprocess.run([sys.executable, "-c", {source!r}])
    elif event: exec({source!r})
    return "fits"
""",
        memory=192,
        timeout=20.0,
    )

    assert functions.invoke(probe, "").value() == "fits"
    for event in ("itself", "child"):
        outcome = functions.invoke(probe, event)

        assert outcome.status is Status.EXIT
        assert outcome.error is not None
        assert outcome.error.type == "Runtime.OutOfMemory"
        assert outcome.error.message.endswith("Runtime exited with error: signal: killed")
        assert outcome.log.splitlines()[-1].endswith("Status: error\tError Type: Runtime.OutOfMemory")
    assert functions.invoke(probe, "").value() == "fits"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell how much memory is used")
def test_memory_is_no_limit_where_the_function_says_so(functions: LocalLambda, function: Deploy) -> None:
    """`kill_above_memory=False`; REPORT then tells more than the function has."""
    probe = function("def handler(event, context): return len(b'x' * 300_000_000)", memory=128, kill_above_memory=False)

    outcome = functions.invoke(probe, {})

    assert outcome.value() == 300_000_000
    assert outcome.max_memory_used is not None
    assert outcome.max_memory_used > 300


def test_provisioned_concurrency_is_initialised_before_the_first_invocation(
    functions: LocalLambda, function: Deploy
) -> None:
    """Every environment, when the function is added; no invocation has anything of it in its REPORT."""
    probe = function(
        "import os, time\nprint('made ready')\nmade = time.time()\n"
        "def handler(event, context): return [made, os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']]",
        initialization_type=InitializationType.PROVISIONED_CONCURRENCY,
    )
    functions.add(probe)
    added = time.time()

    outcome = functions.invoke(probe, {})

    made, type = outcome.value()
    assert made < added
    assert type == "provisioned-concurrency"
    assert not outcome.cold_start
    assert outcome.init_duration is None
    assert "made ready" in outcome.log
    assert "Phase: init" in outcome.log


def test_an_environment_made_ready_ahead_still_tells_its_init(functions: LocalLambda, function: Deploy) -> None:
    """Proactive initialisation of an ordinary function: the first REPORT has its Init Duration."""
    probe = function("import time\nmade = time.time()\ndef handler(event, context): return made")
    functions.add(probe)
    functions.prepare(probe)
    prepared = time.time()

    first, second = functions.invoke(probe, {}), functions.invoke(probe, {})

    assert first.value() < prepared
    assert first.init_duration is not None
    assert second.value() == first.value()
    assert second.init_duration is None


SNAPPED = """
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
steps = []
register_before_snapshot(steps.append, "before")
register_after_restore(steps.append, "after")
steps.append(os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"])
def handler(event, context): return [os.getpid(), *steps]
"""


def test_snap_start_freezes_after_init_and_restores_with_the_first_invocation(
    functions: LocalLambda, function: Deploy
) -> None:
    """The hooks run on their sides of the snapshot; REPORT has the restore in place of INIT."""
    probe = function(SNAPPED, initialization_type=InitializationType.SNAP_START)
    functions.add(probe)

    first, second = functions.invoke(probe, {}), functions.invoke(probe, {})

    pid, *steps = first.value()
    assert steps == ["snap-start", "before", "after"]
    assert second.value() == first.value()
    assert first.cold_start
    assert first.init_duration is None
    assert first.restore_duration is not None
    assert first.billed_duration >= first.duration
    assert re.search(r"Restore Duration: [\d.]+ ms\tBilled Restore Duration: \d+ ms$", first.log.splitlines()[-1])
    assert "RESTORE_START" in first.log
    assert "RESTORE_REPORT" in first.log
    assert second.restore_duration is None
    assert not second.cold_start
    assert state(pid) != "T"


def test_snap_start_stands_still_until_its_first_invocation(
    functions: LocalLambda, function: Deploy, tmp_path: Path
) -> None:
    """A snapshot does nothing."""
    pid = tmp_path / "pid"
    probe = function(
        f"import os\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ndef handler(event, context): return 1",
        initialization_type=InitializationType.SNAP_START,
    )

    functions.add(probe)

    wait_until(lambda: state(int(pid.read_text())) == "T", "it was never stopped")
    assert functions.invoke(probe, {}).value() == 1


def test_a_restore_that_fails_is_the_invocations_error(functions: LocalLambda, function: Deploy) -> None:
    """What a hook raises after the restore reaches the caller."""
    probe = function(
        """
from snapshot_restore_py import register_after_restore
def broken():
    raise LookupError("gone")
register_after_restore(broken)
def handler(event, context): return 1
""",
        initialization_type=InitializationType.SNAP_START,
    )

    outcome = functions.invoke(probe, {})

    assert outcome.status is Status.ERROR
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("LookupError", "gone")
    assert re.search(r"RESTORE_REPORT Restore Duration: [\d.]+ ms\tStatus: error\tError Type: Runtime\.", outcome.log)


def test_layers_lie_over_one_another_where_the_function_finds_them(
    functions: LocalLambda, function: Deploy, tmp_path: Path
) -> None:
    """A directory and a zip, the last one on top: modules, programs and permissions; /opt itself is not touched."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    below = tmp_path / "below"
    for path, text in {
        "python/plain.py": "name = 'plain below'",
        f"python/lib/{version}/site-packages/versioned.py": "name = 'versioned'",
        "python/kept.py": "name = 'kept'",
    }.items():
        (below / path).parent.mkdir(parents=True, exist_ok=True)
        (below / path).write_text(text)
    above = tmp_path / "above.zip"
    with zipfile.ZipFile(above, "w") as archive:
        archive.writestr("python/plain.py", "name = 'plain above'")
        tool = zipfile.ZipInfo("bin/tool-of-the-layer")
        tool.external_attr = 0o755 << 16
        archive.writestr(tool, "#!/bin/sh\necho tool ran")
    probe = function(
        """
import subprocess, sys
import kept, plain, versioned
def handler(event, context):
    ran = subprocess.run(["tool-of-the-layer"], capture_output=True, text=True).stdout
    return [kept.name, plain.name, versioned.name, ran, plain.__file__]
""",
        layers=(below, above),
    )

    *names, place = functions.invoke(probe, {}).value()

    assert names == ["kept", "plain above", "versioned", "tool ran\n"]
    assert not place.startswith("/opt/")
    functions.close()
    assert not Path(place).exists()


def test_an_exec_wrapper_gets_the_runtimes_command_line(
    functions: LocalLambda, function: Deploy, tmp_path: Path
) -> None:
    """It may change variables and the handler before it goes on; its path in /opt is found in the layer."""
    layer = tmp_path / "layer"
    layer.mkdir()
    wrapper = layer / "wrap"
    wrapper.write_text('#!/bin/sh\nexport GIVEN="$*" ORIGINAL="$_HANDLER" _HANDLER=app.other\nexec "$@"\n')
    wrapper.chmod(0o755)
    probe = function(
        """
import os
def handler(event, context): return "unchanged"
def other(event, context): return [os.environ["GIVEN"], os.environ["ORIGINAL"]]
""",
        layers=(layer,),
        environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"},
    )

    given, original = functions.invoke(probe, {}).value()

    assert re.fullmatch(rf"{re.escape(sys.executable)} /\S+/bootstrap\.py", given)
    assert original == "app.handler"


@pytest.mark.parametrize(("mode", "code"), [(None, 127), (0o644, 126)])
def test_a_wrapper_that_cannot_be_run_fails_init(
    functions: LocalLambda, function: Deploy, tmp_path: Path, mode: int | None, code: int
) -> None:
    """The log names it, as the shell that starts Lambda's runtime does."""
    layer = tmp_path / "layer"
    layer.mkdir()
    if mode is not None:
        (layer / "wrap").write_text("#!/bin/sh\n")
        (layer / "wrap").chmod(mode)
    environment = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}
    probe = function("def handler(event, context): return 1", layers=(layer,), environment=environment)

    outcome = functions.invoke(probe, {})

    assert outcome.status is Status.EXIT
    assert outcome.error is not None
    assert outcome.error.message.endswith(f"Runtime exited with error: exit status {code}")
    assert "/wrap: " in outcome.log


@pytest.mark.parametrize("kind", ["missing", "no zip", "a link", "outside"])
def test_a_layer_that_cannot_be_unpacked_is_refused(
    functions: LocalLambda, function: Deploy, tmp_path: Path, kind: str
) -> None:
    """When the function is added, and nothing of it stays; a path that leads out of the layer stays within."""
    archive = tmp_path / "layer.zip"
    if kind == "no zip":
        archive.write_text("text")
    elif kind == "a link":
        with zipfile.ZipFile(archive, "w") as opened:
            link = zipfile.ZipInfo("python")
            link.external_attr = 0o120777 << 16
            opened.writestr(link, "/tmp")
    elif kind == "outside":
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("../../outside", "here")
        functions.add(function("def handler(event, context): return 1", layers=(archive,)))
        assert not (tmp_path.parent / "outside").exists()
        return

    with pytest.raises((FileNotFoundError, zipfile.BadZipFile)):
        functions.add(function("", layers=(archive,)))


def test_the_function_has_lambdas_variables_and_nothing_of_this_process(
    functions: LocalLambda, function: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the reserved ones; its own win over them."""
    monkeypatch.setenv("SOMETHING_OF_MINE", "yes")
    probe = function(
        "import os, sys\ndef handler(event, context): return [dict(os.environ), os.getcwd(), sys.path[0]]",
        environment={"TZ": "Europe/Berlin", "PYTHONPATH": "/opt/more:/elsewhere", "LATER": "/opt"},
        region="eu-north-1",
        memory=640,
    )

    seen, directory, first = functions.invoke(probe, {}).value()

    assert directory == first == seen["LAMBDA_TASK_ROOT"] == str(probe.code)
    expected = {
        "_HANDLER": "app.handler",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "AWS_REGION": "eu-north-1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_NAME": "probe",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "640",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/probe",
        "LANG": "en_US.UTF-8",
        "TZ": "Europe/Berlin",
    }
    assert {name: seen[name] for name in expected} == expected
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API"} <= seen.keys()
    assert {
        "LAMBDA_RUNTIME_DIR",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "_X_AMZN_TRACE_ID",
        "AWS_XRAY_CONTEXT_MISSING",
    } <= seen.keys()
    assert "SOMETHING_OF_MINE" not in seen
    assert seen["PYTHONPATH"] == f"{seen['LATER']}/more{os.pathsep}/elsewhere"


def test_layers_are_looked_into_only_without_a_path_of_the_functions_own(
    functions: LocalLambda, function: Deploy, tmp_path: Path
) -> None:
    """As in Lambda's own bootstrap: a function that sets PYTHONPATH names the layers' directories itself."""
    (tmp_path / "layer" / "python").mkdir(parents=True)
    (tmp_path / "layer" / "python" / "layered.py").write_text("")
    source = """
import importlib.util, os
def handler(event, context): return [importlib.util.find_spec("layered") is not None, os.environ["PYTHONPATH"]]
"""
    layers = (tmp_path / "layer",)

    plain = functions.invoke(function(source, layers=layers), {}).value()
    own = functions.invoke(function(source, layers=layers, environment={"PYTHONPATH": "/elsewhere"}), {}).value()
    named = functions.invoke(function(source, layers=layers, environment={"PYTHONPATH": "/opt/python"}), {}).value()

    assert (plain[0], own, named[0]) == (True, [False, "/elsewhere"], True)
    assert plain[1].endswith("/runtime")


def test_what_the_caller_gives_reaches_the_handler(functions: LocalLambda, function: Deploy) -> None:
    """Trace header, client context, identity, tenant."""
    probe = function(
        """
import os
def handler(event, context):
    return [
        os.environ["_X_AMZN_TRACE_ID"], context.client_context.custom,
        context.identity.cognito_identity_id, context.tenant_id,
    ]
"""
    )

    outcome = functions.invoke(
        probe,
        {},
        trace="Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        client_context=json.dumps({"custom": {"a": "b"}}),
        cognito_identity=json.dumps({"cognitoIdentityId": "me", "cognitoIdentityPoolId": "pool"}),
        tenant_id="blue",
    )

    assert outcome.value() == [outcome.trace_header, {"a": "b"}, "me", "blue"]
    assert outcome.log.splitlines()[-1] == (
        "XRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 53995c3f42cd8ad8\tSampled: true"
    )


def test_active_tracing_samples(functions: LocalLambda, function: Deploy) -> None:
    """A header that is made up says whether the function has active tracing."""
    source = "import os\ndef handler(event, context): return os.environ['_X_AMZN_TRACE_ID']"

    traced = functions.invoke(function(source, active_tracing=True), {}).value()

    assert "Sampled=1" in traced
    assert "Sampled=0" in functions.invoke(function(source, "other"), {}).value()


def test_a_python_without_the_runtime_client_says_how_to_get_it(
    functions: LocalLambda, function: Deploy, tmp_path: Path
) -> None:
    """The log has the command to run."""
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    probe = function("def handler(event, context): return 1", python=bare)

    assert "-m pip install awslambdaric" in functions.invoke(probe, {}).log


def test_no_python_is_refused_when_the_function_is_added(functions: LocalLambda, tmp_path: Path) -> None:
    """Not by every invocation."""
    probe = LocalFunction(name="probe", handler="app.handler", code=tmp_path, python=tmp_path / "python")

    with pytest.raises(FileNotFoundError, match="python"):
        functions.add(probe)


def test_a_function_that_is_added_again_is_replaced(functions: LocalLambda, function: Deploy) -> None:
    """The environments of the earlier one are ended."""
    pid = functions.invoke(function("import os\ndef handler(event, context): return os.getpid()"), {}).value()

    again = functions.invoke(function("def handler(event, context): return 'new'", memory=256), {})

    assert again.value() == "new"
    wait_gone(pid)


def test_an_invocation_that_is_interrupted_leaves_nothing_behind(functions: LocalLambda, function: Deploy) -> None:
    """Whoever raises in `on_response` gets the exception, and the function goes on anew."""
    probe = function("import os\ndef handler(event, context): return os.getpid()")
    pid: list[int] = []

    def stop(response: Response) -> None:
        pid.append(int(response.payload))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        functions.invoke(probe, {}, on_response=stop)

    wait_gone(pid[0])
    assert functions.invoke(probe, {}).cold_start
