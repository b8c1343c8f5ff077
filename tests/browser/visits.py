"""A look at one page: what it asked for, what went wrong, how it is built."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Request, Response

# Formulas are set after the page has loaded.
FORMULAS = """async () => {
  if (window.MathJax?.startup) await MathJax.startup.promise;
  return [...document.querySelectorAll("mjx-merror, [data-mjx-error]")]
    .map((node) => node.textContent);
}"""
# Style sheets are not fetched once more: a file's page may not.
CHECKS = {"resultTypes": ["violations"], "preload": False}
WIDER = """() => [...document.querySelectorAll("html, body, main, article")]
  .filter((node) => node.scrollWidth > node.clientWidth + 1)
  .map((node) => `${node.tagName} ${node.scrollWidth}`)"""


def chromium() -> str:
    """Return the path of the browser.

    Raises RuntimeError, saying what to do, if there is none.
    """
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        raise RuntimeError(
            "no chromium on the PATH; install it (Debian: apt install chromium)"
        )
    return found


@dataclass
class Visit:
    """A window onto the book, watched."""

    page: Page
    site: Path
    home: str  # the address at which the folder ``site`` is served
    asked: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.asked.add(request.url))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def open(self, name: str) -> None:
        """Open a page of the book, wide and light, and wait until it is set."""
        self.look(1280, "light")
        self.go(self.home + name)

    def go(self, address: str) -> None:
        """Open an address, and wait until its formulas are set."""
        # What the page before still waits for breaks off here, and is no
        # fault of the next one.
        self.page.goto("about:blank")
        self.asked.clear()
        self.faults.clear()
        self.page.goto(address)
        self.faults += self.page.evaluate(FORMULAS)

    def look(self, width: int, scheme: str) -> None:
        """Change the width in pixels and the colours that the reader wants."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(
            color_scheme="dark" if scheme == "dark" else "light"
        )

    def outside(self) -> list[str]:
        """List what was asked for that is not of the book."""
        own = (self.home, "data:", "blob:")
        return sorted(url for url in self.asked if not url.startswith(own))

    def weight(self) -> int:
        """Count the bytes of all files that were loaded."""
        files = {
            self.site / unquote(urlsplit(url).path).lstrip("/")
            for url in self.asked
            if url.startswith(self.home)
        }
        return sum(file.stat().st_size for file in files if file.is_file())

    def wider(self) -> Sequence[str]:
        """List the parts of the page's frame that stick out of it."""
        found: list[str] = self.page.evaluate(WIDER)
        return found

    def barriers(self) -> list[str]:
        """List what an accessibility checker calls serious or critical."""
        results = Axe().run(self.page, options=CHECKS).response["violations"]
        return [
            f"{rule['id']} ({rule['impact']}): {node['html'][:200]}"
            for rule in results
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.url}: {response.status}")

    def _failed(self, request: Request) -> None:
        self.faults.append(f"{request.url}: {request.failure}")
