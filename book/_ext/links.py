"""Refuse a book with an address that leads nowhere, or to this machine.

Sphinx checks what Markdown refers to; tables and figures come as HTML, which
it does not look into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ADDRESSES = ("href", "src", "srcset", "data", "poster")
NAMES = ("id", "name")
# A folder, a drive and a share of the machine that the page was written on.
ABSOLUTE = re.compile(r"file:|[a-z]:[\\/]|\\\\|/(?!/)", re.IGNORECASE)
SHOWN = 20  # faults


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", check)
    return {"parallel_read_safe": True}


def check(app: Sphinx, error: Exception | None) -> None:
    """Raise ExtensionError with all addresses of the book that are wrong."""
    if error is not None or app.builder.name != "html":
        return  # links of a single page are mended when it is printed
    if found := list(faults(Path(app.outdir))):
        more = f"\n  and {len(found) - SHOWN} more" * (len(found) > SHOWN)
        listed = "\n  ".join(found[:SHOWN])
        raise ExtensionError(f"wrong addresses in the book:\n  {listed}{more}")


def faults(folder: Path) -> Iterator[str]:
    """Name each page with an address that is wrong, and what it leads to."""
    pages = {
        path: _read(path)
        for path in sorted(folder.rglob("*.html"))
        if "_static" not in path.parts  # a theme's templates
    }
    for path, page in pages.items():
        for address in sorted(page.addresses):
            if trouble := _trouble(path, address, pages):
                yield f"{path.relative_to(folder)}: {address[:200]} {trouble}"


@dataclass
class Page(HTMLParser):
    """What a page leads to, and the places in it that one may lead to."""

    addresses: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        """Note the addresses and names of a tag."""
        if tag == "meta":
            return  # its name is no place
        for name, value in attrs:
            if name in ADDRESSES and value:
                self.addresses.add(value.strip())
            if name in NAMES and value:
                self.names.add(value)


def _read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _trouble(path: Path, address: str, pages: Mapping[Path, Page]) -> str:
    if ABSOLUTE.match(address):
        return "is an address of this machine; expected one within the book"
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return ""  # another host's
    target = path
    if parts.path:
        target = (path.parent / unquote(parts.path)).resolve()
        if not target.is_file():
            return "leads to no file of the book"
    place, page = unquote(parts.fragment), pages.get(target)
    if place and page and place not in page.names:
        return "leads to no place of that page"
    return ""
