"""The Lambda layer: the tracer and what it needs as one zip file, with Python's bytecode in it.

Without bytecode a layer costs several times the INIT, because Lambda cannot write it and compiles at every cold start.
It is of one version of Python, and never checked against the sources' times, of which a zip file keeps half.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from collector.app.errors import LayerError
from collector.app.pythons import find_python

VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""Of Python, for which Lambda has a runtime and the tracer is tested."""
ARCHITECTURES = ("x86_64", "arm64")

_ROOT = "clew"
_WRAPPER = "clew-exec"
_NATIVE = (".so", ".pyd", ".dylib", ".dll")
# Beside code: what `importlib.metadata` is asked for at run time, and what the licences ask for.
_METADATA = ("METADATA", "entry_points.txt")
# Half of OpenTelemetry's names, of which its SDK needs two modules: the others are there, but not compiled, which saves
# 140 kB of the zip file.
_RARE = re.compile(r"python/opentelemetry/semconv/_incubating/(attributes|metrics)/(?!otel_|__init__)")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say

_COMPILE = """
import json, py_compile, sys
for path, name in json.load(sys.stdin):
    py_compile.compile(path, dfile=name, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


@dataclass(frozen=True)
class Layer:
    """A layer as it was built. Sizes are bytes; the two that Lambda limits are those of all a function's layers."""

    path: Path
    python: str
    has_bytecode: bool
    distributions: tuple[str, ...]  # with their versions
    zipped: int
    unzipped: int


def build(python: str, path: Path, *, bytecode: bool = True) -> Layer:
    """Build the layer for a version of Python ("3.12"), as the file `path`. The same every time, bit by bit.

    Raises:
        LayerError: a part is missing or not pure Python, there is no such Python, or the file cannot be written.
    """
    distributions = list(_needed(_ROOT))
    contents = {f"python/{name}": source for one in distributions for name, source in _files(one)}
    wrapper = contents.pop(f"python/{_ROOT}/layer/{_WRAPPER}", None)
    if wrapper is None:
        raise LayerError(f"The installed distribution '{_ROOT}' has no {_WRAPPER}.")
    contents[_WRAPPER] = wrapper
    if bytecode:
        contents |= _bytecode(contents, python)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, contents)
    except OSError as error:
        raise LayerError(f"Cannot write {path}: {error.strerror or error}.") from error
    return Layer(
        path=path,
        python=python,
        has_bytecode=bytecode,
        distributions=tuple(f"{one.metadata['Name']} {one.version}" for one in distributions),
        zipped=path.stat().st_size,
        unzipped=sum(map(len, contents.values())),
    )


def publish_command(layer: Layer, architectures: tuple[str, ...]) -> str:
    """The command of AWS's CLI that makes the layer known to Lambda."""
    name = f"clew-python{layer.python.replace('.', '')}"
    return (
        f"aws lambda publish-layer-version --layer-name {name} --zip-file fileb://{layer.path} "
        f"--compatible-runtimes python{layer.python} --compatible-architectures {' '.join(architectures)}"
    )


def _needed(root: str) -> Iterator[Distribution]:
    """The distribution and all that it needs, each once, by name."""
    found: dict[str, Distribution] = {}
    names = [root]
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError as error:
            raise LayerError(
                f"The layer needs the distribution '{name}', which is not installed beside clew-server."
            ) from error
        names += [
            match[0]
            for requirement in found[name].requires or ()
            if "extra ==" not in requirement and (match := re.match(r"[\w.-]+", requirement))
        ]
    return (found[name] for name in sorted(found))


def _files(one: Distribution) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of the distribution that belongs into a layer."""
    listed = [(str(PurePosixPath(file)), Path(str(file.locate()))) for file in one.files or ()]
    if not any(name.endswith(".py") for name, _ in listed):
        listed += _editable(one)
    for name, path in listed:
        if name.endswith(_NATIVE):
            raise LayerError(f"{one.metadata['Name']} is not pure Python ({name}): a layer of it serves no Lambda.")
        if _belongs(PurePosixPath(name)):
            try:
                yield name, path.read_bytes()
            except OSError as error:
                raise LayerError(f"Cannot read {path}, a file of {one.metadata['Name']}: {error.strerror}.") from error


def _belongs(name: PurePosixPath) -> bool:
    if name.is_absolute() or ".." in name.parts or "__pycache__" in name.parts:
        return False  # a console script, or bytecode of another Python
    if name.parts[0].endswith(".dist-info"):
        return name.name in _METADATA or "licenses" in name.parts
    return name.suffix == ".py" or name.name == _WRAPPER


def _editable(one: Distribution) -> Iterator[tuple[str, Path]]:
    """Of a distribution that is installed as a link to its sources: they are where Python finds its package."""
    package = one.metadata["Name"].replace("-", "_")
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                yield str(PurePosixPath(package, *path.relative_to(folder).parts)), path


def _bytecode(contents: dict[str, bytes], version: str) -> dict[str, bytes]:
    """Compiled by the version's own interpreter, in one process and in order, so that the outcome is the same."""
    python = find_python(version)
    if python is None:
        raise LayerError(
            f"There is no Python {version} here to compile for: install it (`uv python install {version}` does), or "
            f"build with --without-bytecode, which makes every cold start slower."
        )
    sources = sorted(name for name in contents if name.endswith(".py") and not _RARE.match(name))
    with tempfile.TemporaryDirectory(prefix="clew-layer-") as folder:
        root = Path(folder)
        for name in sources:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(contents[name])
        done = subprocess.run(
            [python, "-s", "-S", "-c", _COMPILE],
            input=json.dumps([(str(root / name), f"/opt/{name}") for name in sources]),
            env={"PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise LayerError(f"{python} could not compile the layer: {said}.")
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.pyc"))}


def _write(path: Path, contents: dict[str, bytes]) -> None:
    """Sorted, with fixed times and modes. Takes the place of `path` only when it is whole."""
    handle = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)  # noqa: SIM115
    try:
        with handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in sorted(contents):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.create_system = 3  # Unix: the next line holds modes
                entry.external_attr = (0o100755 if name == _WRAPPER else 0o100644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, contents[name])
        Path(handle.name).chmod(0o644)
        shutil.move(handle.name, path)
    except BaseException:
        Path(handle.name).unlink(missing_ok=True)
        raise
