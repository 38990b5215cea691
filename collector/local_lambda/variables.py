"""The environment variables of a function's processes."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

from collector.local_lambda import runtime
from collector.local_lambda.function import LocalFunction
from collector.local_lambda.layers import LayerRoot

RUNTIME_DIRECTORY = Path(runtime.__path__[0])


def runtime_variables(function: LocalFunction, api: str, stream: str, layers: LayerRoot) -> dict[str, str]:
    """Lambda's variables and the function's own. Nothing of this process' environment but PATH.

    Where a value names something in /opt, it gets the directory that stands for it.
    """
    return {
        **_common(function, api, layers),
        "_LOCAL_LAMBDA_OPT": str(layers.path),  # for bootstrap.py, which takes it away
        "PYTHONDONTWRITEBYTECODE": "1",  # a function's code directory is read-only
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python_version(function.python)}",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "LAMBDA_TASK_ROOT": str(function.code),
        "LAMBDA_RUNTIME_DIR": str(RUNTIME_DIRECTORY),
        "_HANDLER": function.handler,
        **({"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"} if function.json_log else {}),
        **_own(function, layers),
    }


def extension_variables(function: LocalFunction, api: str, layers: LayerRoot) -> dict[str, str]:
    """Those of an external extension, which is told less."""
    return {**_common(function, api, layers), **_own(function, layers)}


def _own(function: LocalFunction, layers: LayerRoot) -> dict[str, str]:
    return {name: layers.place(value) for name, value in function.environment.items()}


def _common(function: LocalFunction, api: str, layers: LayerRoot) -> dict[str, str]:
    return {
        "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), str(layers.path / "bin")]),
        "LD_LIBRARY_PATH": str(layers.path / "lib"),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": str(function.initialization_type),
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_ACCESS_KEY_ID": "ASIALOCALLOCALLOCAL0",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SESSION_TOKEN": "local",
    }


@functools.cache
def python_version(python: Path) -> str:
    """`3.11`.

    Raises:
        OSError: there is no such program.
        subprocess.CalledProcessError: it is no Python.
    """
    if python == Path(sys.executable):
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = [str(python), "-Ic", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
