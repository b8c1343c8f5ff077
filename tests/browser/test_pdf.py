"""The printed book: pages, bookmarks, links that stay inside."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from tests.browser.visits import Visit

SCRIPT = Path(__file__).parents[2] / "book/_ext/pdf.py"
# As Sphinx lays out a single page; one link of each kind.
PAGE = """<!doctype html><html lang="en"><title>Book</title><body>
<section><span id="document-intro"></span><h1>Front</h1>
<a href="practicals/one.html#claim-7">a place</a>
<a href="../methods.html">a page</a>
<a href="results/grid/full.jsonl">a file</a>
<a href="https://example.org/">outside</a>
<p style="break-after: page">end</p></section>
<section><span id="document-practicals/one"></span><h1>One</h1>
<table><tr id="claim-7"><td>7</td></tr></table>
<h2>Part</h2><p style="break-after: page">end</p></section>
<section><span id="document-methods"></span><h1>Methods</h1></section>
</body></html>"""


def test_the_book_prints_with_bookmarks_and_inner_links(
    visit: Visit, tmp_path: Path
) -> None:
    spec = importlib.util.spec_from_file_location("pdf", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page, pdf = tmp_path / "book.html", tmp_path / "book.pdf"
    page.write_text(PAGE)
    module.print_book(visit.page, page, pdf)
    made = pdf.read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", made)) == 3
    titles = re.findall(rb"/Title \(([^)]*)\)", made)
    assert {b"Front", b"One", b"Part", b"Methods"} <= set(titles)
    assert b"/StructTreeRoot" in made
    # two links within, one to another host, none to a file of this machine
    assert re.findall(rb"/URI \(([^)]*)\)", made) == [b"https://example.org/"]
    assert b"file:" not in made and str(tmp_path).encode() not in made
    assert len(re.findall(rb"/Dest /", made)) >= 2
