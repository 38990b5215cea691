"""`clew layer build`: what is in the zip file, that it is enough, and that it is the same every time."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest

from collector.app import layer, pythons
from collector.app.errors import LayerError
from tests.collector.app.clew import clew
from tests.tracer.runtime_api import Lambda
from tests.tracer.sink import Sink

HERE = "{}.{}".format(*sys.version_info[:2])
HANDLER = """
import json, os, sys
from importlib.util import cache_from_source
def handler(event, context):
    from opentelemetry import trace
    with trace.get_tracer("own").start_as_current_span("own"):
        layer = [module.__file__ for module in list(sys.modules.values())
                 if (getattr(module, "__file__", None) or "").startswith(event["layer"])]
    return {
        "modules": [name for name, module in sys.modules.items() if name.split(".")[0] in ("clew", "opentelemetry")
                    and not (getattr(module, "__file__", None) or event["layer"]).startswith(event["layer"])],
        "layer": len(layer),
        "compiled here": [path for path in layer if not os.path.exists(cache_from_source(path))],
        "handler": os.environ["_HANDLER"],
    }
"""


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("built") / "layer.zip"
    done = clew("layer", "build", "--output", str(path), "--arch", "arm64")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{path}: for Python {HERE}, with bytecode, {path.stat().st_size / 1e6:.2f} MB zipped, " in done.stdout
    assert f"--zip-file fileb://{path} --compatible-runtimes python{HERE} " in done.stdout
    assert done.stdout.endswith("--compatible-architectures arm64\n")
    return path


@pytest.fixture(name="opt", scope="module")
def _opt(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer as Lambda has it: unpacked, with the modes that the file tells."""
    opt = tmp_path_factory.mktemp("opt")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(opt)
        for entry in archive.infolist():
            (opt / entry.filename).chmod(stat.S_IMODE(entry.external_attr >> 16))
    return opt


def test_the_same_every_time(built: Path, tmp_path: Path) -> None:
    """Bit by bit, whatever the environment and the folder are."""
    again = clew(
        "layer", "build", "--output", str(tmp_path / "other" / "again.zip"), PYTHONHASHSEED="7", TZ="Asia/Tokyo"
    )

    assert again.returncode == 0
    assert built.read_bytes() == (tmp_path / "other" / "again.zip").read_bytes()


def test_what_is_in_it(built: Path) -> None:
    """The wrapper, and pure Python with its bytecode; no tests, no foreign files, within the budget."""
    assert built.stat().st_size <= 2_000_000
    with zipfile.ZipFile(built) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        assert archive.testzip() is None
    assert list(entries) == sorted(entries)
    assert {entry.date_time for entry in entries.values()} == {(1980, 1, 1, 0, 0, 0)}
    assert {name for name in entries if not name.startswith("python/")} == {"clew-exec"}
    assert stat.S_IMODE(entries["clew-exec"].external_attr >> 16) == 0o755
    top = {name.split("/")[1].partition("-")[0] for name in entries if name.startswith("python/")}
    assert top == {
        *("clew", "opentelemetry", "typing_extensions.py", "__pycache__", "typing_extensions"),
        *("opentelemetry_api", "opentelemetry_sdk", "opentelemetry_semantic_conventions"),
    }
    assert {Path(name).suffix for name in entries if ".dist-info" not in name} == {"", ".py", ".pyc"}
    tag = sys.implementation.cache_tag
    assert f"python/clew/__pycache__/handler.{tag}.pyc" in entries
    assert "python/opentelemetry_api-" in "".join(name for name in entries if "licenses/LICENSE" in name)


def test_the_layer_alone_traces_a_function(opt: Path, tmp_path: Path) -> None:
    """With nothing but the layer, all that is loaded of it is compiled already."""
    sink = Sink()
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "CLEW_EXPORT_TIMEOUT": "5000",
        "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with Lambda(tmp_path, HANDLER, environ, wrapper=opt / "clew-exec") as function:
        answer: dict[str, Any] = json.loads(function.invoke({"layer": str(opt)}).result or b"")
        function.process.terminate()
        function.process.wait(timeout=30)
        assert (function.stdout, function.stderr) == ("", "")

    assert answer.pop("layer") > 50
    assert answer == {"modules": [], "compiled here": [], "handler": "app.handler"}
    assert {span.name for span in sink.spans()} == {"transcribe", "own"}
    assert "clew" in {scope.scope.name for scope in sink.traces()[0].resource_spans[0].scope_spans}
    sink.close()


IMPORT_ALL = """
import importlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(root))
for path in sorted(root.rglob("*.py")):
    parts = path.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    if name != "clew.handler":
        importlib.import_module(name)
assert "clew.engine" in sys.modules
"""


@pytest.mark.parametrize("version", layer.VERSIONS)
def test_every_module_can_be_imported(version: str, tmp_path: Path) -> None:
    """With nothing else on the path, on every Python that is here."""
    python = pythons.find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    layer.build(version, tmp_path / "layer.zip")
    with zipfile.ZipFile(tmp_path / "layer.zip") as archive:
        archive.extractall(tmp_path / "opt")
    done = subprocess.run(
        [python, "-I", "-S", "-B", "-W", "error", "-c", IMPORT_ALL, tmp_path / "opt" / "python"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_without_bytecode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Needs no interpreter; without one, a layer with bytecode is refused with what to do."""
    monkeypatch.setattr(layer, "find_python", lambda version: None)
    plain = layer.build("3.13", tmp_path / "plain.zip", bytecode=False)

    with zipfile.ZipFile(plain.path) as archive:
        assert not any(name.endswith(".pyc") for name in archive.namelist())
        assert plain.unzipped == sum(entry.file_size for entry in archive.infolist())
    with pytest.raises(LayerError, match=r"no Python 3\.13 here .* --without-bytecode"):
        layer.build("3.13", tmp_path / "other.zip")
    assert not (tmp_path / "other.zip").exists()


@pytest.mark.parametrize(
    ("arguments", "said", "status"),
    [
        (["--python", "3.9"], "--python must be one of 3.10, ", 2),
        (["--python", "3.12", "--all"], "--all and --python exclude each other", 2),
        (["--without-bytecode", "--output", "/dev/null/layer.zip"], "Cannot write /dev/null/layer.zip: ", 1),
    ],
)
def test_what_cannot_be_built_is_said(arguments: list[str], said: str, status: int) -> None:
    """In one sentence."""
    done = clew("layer", "build", *arguments)

    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"clew: {said}")


def test_one_for_every_version(tmp_path: Path) -> None:
    """`--all` writes them side by side."""
    done = clew("layer", "build", "--all", "--without-bytecode", "--output", str(tmp_path))

    assert done.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"clew-{version}.zip" for version in layer.VERSIONS}


class Foreign(Distribution):
    """A distribution that is installed in a folder, with whatever files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read_text(self, filename: str) -> str | None:
        if filename == "METADATA":
            return "Name: opentelemetry-sdk\nVersion: 9\n"
        return "x/fast.so,,\nx/__init__.py,,\n" if filename == "RECORD" else None

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        return self._folder / path


def test_native_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer serves both architectures, or it is not built."""
    monkeypatch.setattr(
        layer, "distribution", lambda name: Foreign(tmp_path) if name == "opentelemetry-sdk" else distribution(name)
    )
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "fast.so").touch()
    (tmp_path / "x" / "__init__.py").touch()

    with pytest.raises(LayerError, match=r"opentelemetry-sdk is not pure Python \(x/fast\.so\)"):
        layer.build(HERE, tmp_path / "layer.zip")
