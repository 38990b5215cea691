"""Takes docs/screens/*.png from a running Clew with some traffic in it, such as `scripts/demo`.

The pages are found as a person finds them: the function with most errors, its issue, the alert that it set off, a
transaction that failed in a call, one that went through to a second function. Without such traffic the script says what
is missing and stops. Tokens and channels are shown as they are there: it makes none.
"""

# ruff: noqa: INP001 - a script beside the documents, not a package

from __future__ import annotations

import os
import shutil
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

SCREENS = Path(__file__).parent / "screens"
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
DESKTOP, PHONE = (1440, 900), (390, 844)
# The looks of a page: size and whether it is dark. Pages that are looked at less have fewer, for the pictures' size.
ALL = ((DESKTOP, False), (DESKTOP, True), (PHONE, False))
MAIN = ((DESKTOP, False), (PHONE, False))
ONE = ((DESKTOP, False),)
LOOKS = {"alert": MAIN, "issue": MAIN, "rules": ONE, "rule": ONE, "channels": ONE, "tokens": ONE}
SETTLE_MS = 400  # the charts' last frame
PREVIEW_MS = 20_000  # which looks at seven days
SIGNATURE = b"\x89PNG\r\n\x1a\n"


class NothingToShow(Exception):
    """The running Clew lacks traffic that a picture needs."""


def find_pages(page: Page, address: str, period: str) -> dict[str, str]:
    """Names of pictures and the addresses that they are taken of."""
    listing = f"{address}/transactions?range={period}"
    page.goto(f"{address}/?sort=errors&range={period}")
    function = _address(page.locator("tbody .row-link").first, "a function")
    # A failure in a call shows more than one in the function's own code.
    failed = _first(page, f"{listing}&outcome=failed", ".waterfall .span.call.failed", "a failed call")
    page.goto(failed)
    failing_span = page.locator(".waterfall .span.call.failed").first
    key = failing_span.get_attribute("data-span")
    return {
        "functions": f"{address}/?range={period}",
        "function": function,
        "issues": f"{address}/issues?range={period}",
        "issue": _found(page, f"{address}/issues?range={period}", "tbody .row-link", "an issue"),
        "alerts": f"{address}/alerts",
        "alert": _found(page, f"{address}/alerts", ".alert h3 a", "an open alert"),
        "rules": f"{address}/alerts/rules",
        "rule": _found(page, f"{address}/alerts/rules", "tbody tr:has(a.bad) .row-link", "a rule that fires"),
        "channels": f"{address}/alerts/channels",
        "tokens": f"{address}/tokens",
        "transactions": listing,
        "transaction-failed": failed,
        "transaction-span": f"{failed}&span={key}",
        "transaction": _first(
            page, f"{listing}&outcome=ok", ".waterfall .hop", "a transaction through a second function"
        ),
        "map": f"{address}/map?range={period}",
    }


def _found(page: Page, listing: str, sign: str, what: str) -> str:
    """Where the first such link of a page leads."""
    page.goto(listing)
    return _address(page.locator(sign).first, what)


def _address(link: Locator, what: str) -> str:
    if not link.count():
        raise NothingToShow(f"There is nothing like {what} to show yet. Is scripts/demo running?")
    return str(link.evaluate("link => link.href"))


def _first(page: Page, listing: str, sign: str, what: str) -> str:
    """The first transaction of the list whose page has `sign`."""
    page.goto(listing)
    links = page.locator("tbody .row-link").evaluate_all("links => links.map(link => link.href)")
    for link in links[:25]:
        page.goto(link)
        if page.locator(sign).count():
            return str(link)
    raise NothingToShow(f"There is nothing like {what} to show yet. Is scripts/demo running?")


def take(browser: Browser, name: str, address: str, size: tuple[int, int], *, dark: bool) -> Path:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.goto(address)
    if page.locator("#preview").count():
        page.locator("#preview .verdict").wait_for(timeout=PREVIEW_MS)
    if page.locator(".chart").count():
        page.locator(".chart .main-svg").first.wait_for(state="attached")
    page.wait_for_timeout(SETTLE_MS)
    suffix = "-phone" if size == PHONE else "-dark" if dark else ""
    path = SCREENS / f"{name}{suffix}.png"
    path.write_bytes(compress(page.screenshot()))
    context.close()
    return path


def compress(png: bytes) -> bytes:
    """The same picture: its data packed as tightly as zlib can, and nothing but what shows it."""
    kept, data = [], b""
    for kind, body in _chunks(png):
        if kind == b"IDAT":
            data += body
        elif kind in (b"IHDR", b"PLTE", b"tRNS"):
            kept.append(_chunk(kind, body))
    packed = zlib.compress(zlib.decompress(data), 9)
    return SIGNATURE + b"".join(kept) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def main(address: str, period: str = "15m") -> int:
    # None: the one that Playwright itself fetched, or its message that there is none.
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    SCREENS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page()
        try:
            pages = find_pages(page, address.rstrip("/"), period)
        except NothingToShow as error:
            sys.stderr.write(f"{error}\n")
            return 1
        for name, url in pages.items():
            for size, dark in LOOKS.get(name, ALL):
                path = take(browser, name, url, size, dark=dark)
                sys.stdout.write(f"{path.relative_to(SCREENS.parent.parent)} {path.stat().st_size // 1024} kB\n")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
