"""A real Chromium for tests and pictures: pages wide and narrow, light and dark, listened to while they load.

With TOKONOMICS_SCREENS=1 in the environment each page that a test `looks` at is also drawn into docs/screens/.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

SCREENS = Path(__file__).parents[2] / "docs" / "screens"
DRAW = os.environ.get("TOKONOMICS_SCREENS") == "1"
WIDTHS = {"wide": (1440, 900), "narrow": (390, 844)}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
AXE = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],  # what passes is not written out
    "preload": False,  # it would load our stylesheets again, inline, which the CSP refuses
}


@contextmanager
def chromium() -> Iterator[Browser]:
    # Playwright's loop runs in this thread, and Django takes that for an asynchronous call.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """One page in one size and scheme; `complaints` are console errors, CSP violations, foreign hosts, failed loads."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.goto(self.base + path, wait_until="networkidle")

    def axe(self) -> list[str]:
        found = Axe().run(self.page, options=AXE).response["violations"]
        # It leaves `style=""` behind, which htmx would copy at the next swap, and which the CSP refuses.
        self.page.evaluate("document.querySelectorAll('[style]').forEach(each => each.removeAttribute('style'))")
        return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]

    def overflow(self) -> int:
        """How many pixels the page is wider than its window: it must never scroll sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def draw(self, name: str) -> None:
        """The whole page; of an open menu or dialog only the window, for what lies over a page has no place in it."""
        if DRAW:
            SCREENS.mkdir(parents=True, exist_ok=True)
            self.page.evaluate("window.scrollTo(0, 0)")  # else what is sticky stands in the middle of the picture
            self.page.screenshot(
                path=str(SCREENS / f"{name}.png"),
                full_page=not self.page.locator(":popover-open, dialog[open]").count(),
            )


@contextmanager
def visit(
    browser: Browser, base: str, *, width: str = "wide", scheme: str = "light", **options: object
) -> Iterator[Visit]:
    """A fresh context (no cookies) that listens; `options` go to Playwright's `new_context`."""
    across, down = WIDTHS[width]
    context: BrowserContext = browser.new_context(
        viewport={"width": across, "height": down}, color_scheme=scheme, reduced_motion="reduce", **options
    )
    try:
        visited = Visit(context.new_page(), base)
        _listen(visited)
        yield visited
    finally:
        context.close()


def _listen(visited: Visit) -> None:
    host = urlsplit(visited.base).netloc

    def on_request(request: object) -> None:
        url = urlsplit(request.url)  # type: ignore[attr-defined]
        if url.scheme in ("http", "https", "ws", "wss") and url.netloc != host:
            visited.complaints.append(f"asked a foreign host: {url.netloc}")

    def on_console(message: object) -> None:
        if message.type in ("error", "warning") and "/look/" not in message.location.get("url", ""):  # type: ignore[attr-defined]
            visited.complaints.append(f"console: {message.text}")  # type: ignore[attr-defined]

    def on_failure(request: object) -> None:
        # Aborted: the next page was opened while this one's icon was still on its way.
        if request.failure != "net::ERR_ABORTED":  # type: ignore[attr-defined]
            visited.complaints.append(f"failed: {request.url}")  # type: ignore[attr-defined]

    visited.page.on("request", on_request)
    visited.page.on("console", on_console)
    visited.page.on("pageerror", lambda error: visited.complaints.append(f"script: {error}"))
    visited.page.on("requestfailed", on_failure)
