"""What the browser loads: all of it from here, the vendored part as it was published."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from plotly.offline import get_plotlyjs_version

from tests.webapp.traffic import trace_hex
from webapp.formatting.words import ICONS

STATIC = Path(__file__).parents[2] / "webapp" / "static"
VENDOR = STATIC / "vendor" / "plotly"
PAGES = ("/", "/issues", "/transactions", "/map", f"/transactions/{trace_hex(4)}", "/nothing")
NAMESPACES = {"http://www.w3.org/2000/svg"}


def test_plotly_is_the_version_that_python_speaks_to() -> None:
    """The bundle understands the figures it is given."""
    head = (VENDOR / "plotly-basic.min.js").read_text()[:200]

    assert f"plotly.js (basic - minified) v{get_plotlyjs_version()}" in head
    assert f"- version: {get_plotlyjs_version()}" in (VENDOR / "README.md").read_text()


def test_plotly_is_unchanged_and_licensed() -> None:
    """The file is the one that its note names, with the licence beside it."""
    digest = hashlib.sha256((VENDOR / "plotly-basic.min.js").read_bytes()).hexdigest()

    assert f"- sha256: {digest}" in (VENDOR / "README.md").read_text()
    assert "MIT" in (VENDOR / "LICENSE").read_text()


@pytest.mark.parametrize("path", PAGES)
def test_pages_name_no_other_host_and_hold_no_inline_code(filled: FlaskClient, path: str) -> None:
    """Nothing is fetched from elsewhere; no script, style or handler stands in the page itself."""
    html = filled.get(path).text
    loaded = re.findall(r'(?:src|href|action|poster|data)="([^"]*)"', html)

    assert [] == [url for url in loaded if not re.match(r"(/(?!/)|#|\?|$)", url)]
    assert [] == re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert [] == [
        tag for tag in re.findall(r"<script([^>]*)>", html) if "src=" not in tag and "application/json" not in tag
    ]


@pytest.mark.parametrize("path", PAGES)
def test_everything_a_page_loads_is_there(filled: FlaskClient, path: str) -> None:
    """No broken stylesheet, script or icon."""
    html = filled.get(path).text
    for url in set(re.findall(r'(?:src|href)="(/static/[^"#]*)', html)):
        with filled.get(url) as response:
            assert response.status_code == 200, url


def test_only_pages_with_charts_load_plotly(filled: FlaskClient) -> None:
    """A megabyte is not loaded for a table."""
    assert {"/transactions"} == {path for path in PAGES if "plotly-basic" in filled.get(path).text}


def test_own_files_name_no_other_host() -> None:
    """Stylesheets, scripts and drawings load nothing from elsewhere."""
    own = [file for file in STATIC.rglob("*") if file.is_file() and VENDOR not in file.parents]
    found = {url for file in own for url in re.findall(r"https?://[^\s\"')<]+", file.read_text())}

    assert own
    assert set() == found - NAMESPACES


def test_every_icon_that_is_named_is_drawn() -> None:
    """No empty box stands for a service."""
    drawn = set(re.findall(r'<symbol id="([a-z]+)"', (STATIC / "icons.svg").read_text()))
    templates = (STATIC.parent).rglob("*.html")
    named = {name for file in templates for name in re.findall(r'icon\("([a-z]+)"\)', file.read_text())}

    assert named
    assert {*ICONS.values(), "cloud", "function", "service", "dot", *named} <= drawn
