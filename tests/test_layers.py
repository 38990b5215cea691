"""The direction of imports: each layer knows only what is below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Python files by the part of the project that they belong to. The longest path wins: `collector/store/queries` is a
# part of its own only if it is named here.
PARTS = {
    "tracer": "tracer/clew",
    "domain": "collector/domain",
    "store": "collector/store",
    "receivers": "collector/receivers",
    "alerts": "collector/alerts",
    "local lambda": "collector/local_lambda",
    "app": "collector/app",
    "webapp": "webapp",
    "migrations": "migrations",
}
SERVER = ("collector", "webapp", "migrations")
NOT_IN_PRODUCT = ("tests", "examples", "benchmarks")


@dataclass(frozen=True)
class Layer:
    """Which of the project's own modules a part may import, and which of others' it must not."""

    own: tuple[str, ...]
    never: tuple[str, ...] = ()


LAYERS = {
    # What runs inside a function shares nothing with the server but OTLP.
    "tracer": Layer(own=("clew",), never=("flask", "sqlalchemy", "granian", "pydantic")),
    "domain": Layer(own=("collector.domain",), never=("sqlalchemy", "flask", "sqlite3", "psycopg", "granian")),
    "store": Layer(
        own=("collector.store", "collector.domain", "migrations"),
        never=("flask", "granian", "opentelemetry"),
    ),
    "receivers": Layer(
        own=("collector.receivers", "collector.domain", "collector.store"),
        never=("flask", "sqlalchemy", "granian"),
    ),
    "alerts": Layer(
        own=("collector.alerts", "collector.domain", "collector.store"),
        never=("flask", "granian", "opentelemetry"),
    ),
    # Runs anybody's functions, on any Python that a function may have, with nothing but the standard library.
    "local lambda": Layer(
        own=("collector.local_lambda",),
        never=("click", "flask", "sqlalchemy", "granian", "opentelemetry", "pydantic", "boto3", "botocore", "urllib3"),
    ),
    # Pages read what the store offers to read; of the domain they know the words, and whose code a frame is.
    "webapp": Layer(
        own=(
            "webapp",
            "collector.domain.facts",
            "collector.domain.issues",
            "collector.store.queries",
            "collector.store.errors",
            "collector.store.tokens",
            # What people do about issues.
            "collector.domain.issue_states",
            "collector.store.issue_states",
            # What alerts are made of, what their pages read, and what people do about them.
            "collector.alerts.model",
            "collector.alerts.conditions",
            "collector.alerts.units",
            "collector.alerts.wording",
            "collector.alerts.pages",
            "collector.alerts.rule_changes",
            "collector.alerts.rule_file",
            "collector.alerts.actions",
            "collector.alerts.channels.kinds",
            "collector.alerts.directory",
        ),
        never=("opentelemetry", "google.protobuf", "granian"),
    ),
    "migrations": Layer(own=("migrations", "collector.store"), never=("flask", "granian")),
    # OpenTelemetry's SDK only sends our own metrics, where it is asked to.
    "app": Layer(own=("collector", "webapp"), never=("flask", "opentelemetry.proto", "google.protobuf")),
}
OWN = ("clew", "collector", "webapp", "migrations", *NOT_IN_PRODUCT)


def within(module: str, *packages: str) -> bool:
    """Whether the module is one of the packages or inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def imports(source: str, module: str, *, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and absolute name of everything that a module imports, wherever in it.

    `from a import b` gives both `a` and `a.b`, as `b` may be a module.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, base] if base else package)
            yield node.lineno, base
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args and _is_dynamic(node.func):
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield node.lineno, argument.value


def _is_dynamic(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def faults(part: str, root: Path) -> list[str]:
    """What the part's files import against the direction, as `file:line imports module`."""
    layer, folder = LAYERS[part], root / PARTS[part]
    found = []
    for path in sorted(folder.rglob("*.py")):
        relative = path.relative_to(root / "tracer" if part == "tracer" else root)
        names = relative.with_suffix("").parts
        is_package = names[-1] == "__init__"
        module = ".".join(names[:-1] if is_package else names)
        for line, imported in imports(path.read_text(encoding="utf-8"), module, is_package=is_package):
            foreign = within(imported, *OWN) and not within(imported, *layer.own) and not _is_parent(imported, layer)
            if foreign or within(imported, *layer.never):
                found.append(f"{path.relative_to(root)}:{line} imports {imported}")
    return found


def _is_parent(imported: str, layer: Layer) -> bool:
    """`from collector import domain` also imports `collector`, which is empty."""
    return any(within(own, imported) for own in layer.own)


@pytest.mark.parametrize("part", LAYERS)
def test_no_part_imports_against_the_direction(part: str) -> None:
    """Every part imports only what lies below it."""
    assert list((ROOT / PARTS[part]).rglob("*.py"))
    assert [] == faults(part, ROOT)


def test_every_file_of_the_product_belongs_to_a_part() -> None:
    """No module escapes the check by lying somewhere else."""
    inside = {path for folder in PARTS.values() for path in (ROOT / folder).rglob("*.py")}
    everything = {path for top in (*SERVER, "tracer") for path in (ROOT / top).rglob("*.py")}
    empty = {path for path in everything if not path.read_text(encoding="utf-8").strip()}

    assert set() == everything - inside - empty


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("tracer", "import collector.domain.ids"),
        ("tracer", "def f():\n    from webapp import create_app"),
        ("tracer", "import flask"),
        ("domain", "import sqlalchemy as sa"),
        ("domain", "from flask import Flask"),
        ("domain", "from collector.store import tables"),
        ("domain", "from collector import store"),
        ("domain", "from ..store import tables"),
        ("domain", "from .. import store"),
        ("domain", "import importlib\nimportlib.import_module('collector.store.tables')"),
        ("domain", "from collector.receivers.otlp import OtlpReceiver"),
        ("store", "if True:\n    from collector.receivers import otlp"),
        ("store", "from opentelemetry.proto.trace.v1 import trace_pb2"),
        ("store", "import webapp"),
        ("receivers", "from flask import request"),
        ("receivers", "from collector.app.settings import Settings"),
        ("receivers", "import webapp.charts"),
        ("receivers", "from sqlalchemy import select"),
        ("alerts", "from flask import request"),
        ("alerts", "from collector.receivers import otlp"),
        ("alerts", "from collector.app.settings import Settings"),
        ("receivers", "from collector.alerts import model"),
        ("store", "from collector.alerts.model import Rule"),
        ("webapp", "from collector.alerts.evaluator import Evaluator"),
        ("local lambda", "from collector.domain import ids"),
        ("local lambda", "import clew"),
        ("local lambda", "import click"),
        ("webapp", "from opentelemetry.proto.trace.v1 import trace_pb2"),
        ("webapp", "from collector.receivers import otlp"),
        ("webapp", "from collector.store.writer import Writer"),
        ("webapp", "from collector.store import writer"),
        ("webapp", "from collector.app import settings"),
        ("webapp", "from collector.store.tables import functions"),
        ("webapp", "from collector.domain import intake"),
        ("migrations", "from collector.domain import facts"),
        ("app", "import flask"),
        ("app", "from tests.databases import create_sqlite"),
        ("app", "import clew"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, part: str, source: str) -> None:
    """The check can fail: an import against the direction is reported with file and line."""
    folder = tmp_path / PARTS[part]
    folder.mkdir(parents=True)
    (folder / "planted.py").write_text(source)
    (found, *_) = faults(part, tmp_path)

    assert found.startswith(f"{PARTS[part]}/planted.py:{source.count(chr(10)) + 1} imports ")


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("tracer", "from . import settings\nfrom clew.settings import read"),
        ("domain", "from collector import domain\nfrom . import ids\nimport collector.domain.ids"),
        ("receivers", "from collector.store.errors import Overloaded\nfrom collector.domain import intake"),
        ("local lambda", "from collector.local_lambda.function import LocalFunction\nimport http.server"),
        ("webapp", "from collector.store.queries import functions\nimport flask"),
        ("app", "from webapp import create_app\nimport collector.receivers.otlp"),
    ],
)
def test_an_import_in_the_direction_is_left_alone(tmp_path: Path, part: str, source: str) -> None:
    """The check does not cry wolf."""
    folder = tmp_path / PARTS[part]
    folder.mkdir(parents=True)
    (folder / "planted.py").write_text(source)

    assert [] == faults(part, tmp_path)
