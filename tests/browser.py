"""A real Chromium for tests, without a way out of the machine."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
DOWNLOADS = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
DESKTOP, PHONE = (1440, 900), (390, 844)


def find_chromium() -> str | None:
    """The program that the environment variable CHROMIUM names, else the first that is installed, else Playwright's."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if Path(named).exists() else None
    installed = next((path for name in NAMES if (path := shutil.which(name))), None)
    return installed or next((str(path) for path in sorted(DOWNLOADS.glob("chromium*/chrome-linux*/chrome"))), None)


@contextmanager
def launch_chromium() -> Iterator[Browser]:
    """The machine's own, else Playwright's, which says what to do where there is neither."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(
    browser: Browser, size: tuple[int, int] = DESKTOP, *, dark: bool = False, zone: str = "UTC"
) -> Iterator[Page]:
    """A page in a profile of its own. Leaving it fails if the browser complained or asked another host for anything."""
    complaints: list[str] = []
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", timezone_id=zone
    )
    page = context.new_page()

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith("http://127.0.0.1:") else complaints.append(f"asked for {request.url}")
        ),
    )
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


@contextmanager
def serve(application: WSGIApplication) -> Iterator[str]:
    """The address at which the application answers."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
