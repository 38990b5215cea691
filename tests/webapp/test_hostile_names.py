"""Names, messages and payloads from senders that mean harm: shown as text, and the page stays as it was."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser
from sqlalchemy import Engine

from tests.browser import PHONE, open_page, serve
from tests.collector.domain import otlp
from tests.collector.domain.otlp import MS
from tests.webapp.traffic import NOW_MS, Traffic, trace_hex
from webapp import create_app

MARK = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>'
NAMES = [MARK, "' onmouseover='alert(1)", "\u202etxet desrever", "{{ 7 * 7 }}", "W" * 10_000, "a b\nc\td", "\u0000nul"]


def store(engine: Engine, name: str) -> None:
    """One failed invocation with the name in every field that a sender can fill."""
    error = otlp.exception(name, name, f'Traceback (most recent call last):\n  File "{name}", line 1, in {name}\n    x')
    Traffic(engine).send(
        otlp.export(
            resource=otlp.resource(name, cloud__region=name, process__runtime__name=name),
            spans=[
                otlp.invocation(
                    name,
                    id=16,
                    request=name,
                    error=name,
                    events=[error],
                    attrs={
                        "clew.event": name,
                        "clew.return_value": f'{{"{name}": "****"}}',
                        "clew.trigger.type": name,
                        "clew.trigger.resource": name,
                        name: name,
                    },
                ),
                otlp.call(
                    f"{name}.{name}", id=17, parent=16, name=name, error=name, error_type=name, start=MS, duration=MS
                ),
            ],
        ),
        otlp.export_logs(
            otlp.log(name, span=16, at=MS, severity=name), resource=otlp.resource(name, cloud__region=name), logger=name
        ),
    )


def visit_all(client: FlaskClient) -> dict[str, str]:
    """Every page, and the panel of every span, as HTML."""
    pages = {path: client.get(path).text for path in ("/", "/issues", "/transactions", "/map")}
    function = re.search(r'href="(/functions/[0-9a-f]{16})', pages["/"])
    assert function is not None
    pages[function[1]] = client.get(function[1]).text
    transaction = f"/transactions/{trace_hex(1)}"
    pages[transaction] = client.get(transaction).text
    for key in set(re.findall(r'data-span="([^"]+)"', pages[transaction])):
        pages[key] = client.get(f"{transaction}?span={key}").text
    return pages


@pytest.mark.parametrize("name", NAMES, ids=["markup", "handler", "bidi", "template", "long", "space", "nul"])
def test_names_are_text_everywhere(engine: Engine, client: FlaskClient, name: str) -> None:
    """No page breaks, none holds the name as markup, and no template is evaluated."""
    store(engine, name)
    pages = visit_all(client)

    assert len(pages) >= 8
    for path, html in pages.items():
        assert "<title>" in html, path
        assert "<img" not in html, path
        assert "<script>alert" not in html, path
        assert "onmouseover='alert" not in html, path
        assert ">49<" not in html, path


@pytest.mark.parametrize("name", [NAMES[0], NAMES[4]], ids=["markup", "long"])
@pytest.mark.parametrize("size", [PHONE, (1440, 900)], ids=["phone", "desktop"])
def test_a_browser_runs_nothing_and_the_page_keeps_its_width(
    engine: Engine, chromium: Browser, name: str, size: tuple[int, int]
) -> None:
    """Real Chromium: no script from a name, no complaint, no sideways scrolling."""
    store(engine, name)
    app = create_app(engine, now=lambda: NOW_MS)
    transaction = f"/transactions/{trace_hex(1)}"
    paths = [path for path in visit_all(app.test_client()) if path.startswith("/")]
    with serve(app) as url, open_page(chromium, size) as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        for path in [*paths, f"{transaction}?span={16:016x}", f"{transaction}?span={17:016x}"]:
            page.goto(url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
