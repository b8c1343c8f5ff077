"""A headless Chromium and the built book.

``COURSEWORK_BOOK`` names the folder of the built pages; without it nothing
here is collected, for a plain run of the tests builds no book.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.visits import Visit, chromium

BUILT = os.environ.get("COURSEWORK_BOOK", "")
collect_ignore_glob = [] if BUILT else ["test_*.py"]
PATIENCE = 120_000  # milliseconds: the machine may have other things to do


@pytest.fixture(scope="session")
def site() -> Path:
    """Name the folder of the built book."""
    return Path(BUILT).resolve()


@pytest.fixture(scope="session")
def home(site: Path) -> Iterator[str]:
    """Serve the book to this machine, and return the address."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Silent, directory=str(site))
    )
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """Open a window 1280 pixels wide: light, and without motion."""
    page = browser.new_page(
        color_scheme="light",
        reduced_motion="reduce",
        viewport={"width": 1280, "height": 900},
    )
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


@pytest.fixture(scope="module")
def visit(page: Page, site: Path, home: str) -> Visit:
    """Watch what the window asks for and complains of."""
    return Visit(page, site, home)
