"""The book: pages from evidence, nothing from other hosts, sound references."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from sphinx.errors import ExtensionError

from coursework.data.compose.styles import STYLES
from coursework.launch.pages import icons_page

PROJECT = Path(__file__).parents[1]
BOOK = PROJECT / "book"

# 1 x 1 pixel: what a figure in an executed notebook comes down to.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)
TOC = """\
format: jb-book
root: intro
chapters:
  - file: practicals/one
  - file: bibliography
"""
INTRO = "# Intro\n\nAn $a^2$ after {cite:t}`holm1979`.\n\n$$\n\\frac12\n$$\n"

# Attributes whose address a browser fetches without being asked; links in
# <a href> and <link rel="next"> are followed by the reader only.
FETCHED = {
    **dict.fromkeys(
        ("script", "img", "iframe", "source", "video", "audio", "embed"), "src"
    ),
    "object": "data",
}
FETCHED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "manifest"}
REMOTE = re.compile(r"^\s*(?:[a-z]+:)?//", re.IGNORECASE)
REMOTE_STYLE = re.compile(
    r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", re.IGNORECASE
)


def executed() -> str:
    """Return an executed notebook with a formula and a figure."""
    figure = {"output_type": "display_data", "data": {"image/png": PIXEL}}
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "source": "# One\n\n$$x + y$$"},
        {
            "cell_type": "code",
            "source": "draw()",
            "execution_count": 1,
            "outputs": [figure | {"metadata": {}}],
            "metadata": {"mystnb": {"image": {"alt": "A rising line"}}},
        },
    ]
    kernel = {"name": "python3", "display_name": "Python", "language": "python"}
    return json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": kernel},
            "cells": [
                {"id": f"cell-{i}", "metadata": {}} | cell
                for i, cell in enumerate(cells)
            ],
        }
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a copied tree of three pages, warnings being errors."""
    tree = tmp_path_factory.mktemp("tree")
    book = tree / "book"
    (book / "practicals").mkdir(parents=True)
    shutil.copy(PROJECT / "_config.yml", tree)
    for folder in ("_ext", "_static"):
        shutil.copytree(BOOK / folder, book / folder)
    for name in ("references.bib", "bibliography.md"):
        shutil.copy(BOOK / name, book)
    (book / "_toc.yml").write_text(TOC)
    (book / "intro.md").write_text(INTRO)
    (book / "practicals/one.ipynb").write_text(executed())
    run = "from jupyter_book.cli.main import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", run, "build", "book", "-W", "--keep-going"],
        cwd=tree,
        env=os.environ | {"COURSEWORK_PAGES": "ready"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return tree / "_build/html"


def pages(site: Path) -> Iterator[tuple[Path, BeautifulSoup]]:
    found = [site / "intro.html", site / "practicals/one.html"]
    found += [site / "search.html", site / "genindex.html"]
    for path in found:
        text = path.read_text(encoding="utf-8")
        yield path, BeautifulSoup(text, "html.parser")


def fetched(page: BeautifulSoup) -> Iterator[str]:
    """Yield every address that loading the page asks for."""
    for name, attribute in FETCHED.items():
        for tag in page.find_all(name):
            yield str(tag.get(attribute, ""))
    for tag in page.find_all("link"):
        if FETCHED_LINKS & set(tag.get_attribute_list("rel")):
            yield str(tag["href"])


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    for path, page in pages(site):
        remote = [address for address in fetched(page) if REMOTE.match(address)]
        assert remote == [], path.name
        for tag in page.find_all(["script", "style"]):
            assert "https://" not in tag.get_text(), path.name


def test_no_style_sheet_loads_anything_from_another_host(site: Path) -> None:
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        text = sheet.read_text(encoding="utf-8")
        assert not REMOTE_STYLE.search(text), sheet.name


def test_local_addresses_lead_to_files(site: Path) -> None:
    for path, page in pages(site):
        for address in filter(None, fetched(page)):
            target = path.parent / address.partition("?")[0]
            assert target.is_file(), f"{path.name}: {address}"


def test_mathjax_is_local_and_outside_the_sources(site: Path) -> None:
    page = BeautifulSoup((site / "intro.html").read_text(), "html.parser")
    assert len(page.select("span.math, div.math")) == 2
    assert page.select("script[src*='_static/tex-svg-full.js']")
    # Jupyter Book would add any script below book/_static to every page.
    assert not list(BOOK.rglob("*.js"))


def test_there_is_one_search_bar(site: Path) -> None:
    page = BeautifulSoup((site / "intro.html").read_text(), "html.parser")
    assert len(page.select("form.bd-search")) == 1
    assert len(page.select(".search-button-field")) == 1


def test_every_picture_has_alternative_text(site: Path) -> None:
    seen = 0
    for path, page in pages(site):
        for image in page.find_all("img"):
            alt = str(image.get("alt", "")).strip()
            assert alt, f"{path.name}: {image}"
            assert not re.search(r"\.(png|svg|jpe?g|gif)$", alt), path.name
            seen += 1
    assert seen > 4  # the logo on every page, and the notebook's figure


def test_citations_name_author_and_year(site: Path) -> None:
    page = BeautifulSoup((site / "intro.html").read_text(), "html.parser")
    article = page.select_one("article")
    assert isinstance(article, Tag)
    assert "after Holm [1979]" in article.get_text()


@pytest.fixture
def extension() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "pages", BOOK / "_ext/pages.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small_book(folder: Path) -> SimpleNamespace:
    (folder / "intro.md").write_text("# Intro")
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: intro\nchapters:\n"
        "- file: practicals/one\n- file: claims\n- file: evidence\n"
    )
    return SimpleNamespace(srcdir=str(folder))


def test_pages_are_made_before_the_book_is_read(
    tmp_path: Path, extension: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(target: Path) -> None:
        target.mkdir()
        (target / "one.ipynb").write_text(executed())

    def overviews(folder: Path) -> None:
        for name in ("claims", "evidence"):
            (folder / f"{name}.md").write_text(f"# {name}")

    maker = ModuleType("coursework.launch.pages")
    maker.__dict__.update(
        publish=publish,
        overviews=overviews,
    )
    monkeypatch.setitem(sys.modules, "coursework.launch.pages", maker)
    monkeypatch.setattr("coursework.launch.pages", maker, raising=False)
    monkeypatch.delenv("COURSEWORK_PAGES", raising=False)
    extension.setup(small_book(tmp_path))
    assert (tmp_path / "practicals/one.ipynb").is_file()
    assert (tmp_path / "claims.md").is_file()


def test_missing_evidence_is_told_in_its_own_words(
    tmp_path: Path, extension: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(target: Path) -> None:
        raise RuntimeError("grid 'x' has no complete evidence")

    maker = ModuleType("coursework.launch.pages")
    maker.__dict__.update(publish=publish)
    monkeypatch.setitem(sys.modules, "coursework.launch.pages", maker)
    monkeypatch.setattr("coursework.launch.pages", maker, raising=False)
    monkeypatch.delenv("COURSEWORK_PAGES", raising=False)
    with pytest.raises(ExtensionError, match="grid 'x' has no complete"):
        extension.setup(small_book(tmp_path))


def test_a_book_that_lacks_a_page_is_refused(
    tmp_path: Path, extension: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSEWORK_PAGES", "ready")
    app = small_book(tmp_path)
    (tmp_path / "claims.md").write_text("# Claims")
    with pytest.raises(ExtensionError, match="practicals/one, evidence"):
        extension.setup(app)


def test_every_toc_entry_has_a_source() -> None:
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text())
    chapters = [c["file"] for part in toc["parts"] for c in part["chapters"]]
    generated = (PROJECT / ".gitignore").read_text().split()
    for name in [toc["root"], *chapters]:
        if name.startswith("practicals/"):
            source = PROJECT / "notebooks" / f"{Path(name).name}.py"
            assert source.is_file(), name
        elif f"/book/{name}.md" not in generated:
            assert (BOOK / f"{name}.md").is_file(), name


def test_every_icon_set_is_credited() -> None:
    page = icons_page()
    rows = [line for line in page.splitlines() if line.startswith("| @")]
    assert len(rows) == len(STYLES)
    for row, (name, style) in zip(rows, STYLES.items(), strict=True):
        for part in (name, style.author, f"[{style.licence}]({style.terms})"):
            assert part in row


def test_every_citation_is_in_the_references() -> None:
    known = set(
        re.findall(
            r"^@\w+\{([^,]+),", (BOOK / "references.bib").read_text(), re.M
        )
    )
    cited: dict[str, str] = {}
    for folder, pattern in (
        (PROJECT / "coursework", "*.py"),
        (PROJECT / "notebooks", "*.py"),
        (BOOK, "*.md"),
    ):
        for path in sorted(folder.rglob(pattern)):
            text = path.read_text(encoding="utf-8")
            # :cite:p:`key` in a docstring, {cite:p}`key` on a page
            for keys in re.findall(r"[:{]cite:\w+[:}]`([^`]+)`", text):
                names = re.split(r"\s*,\s*", keys.strip())
                cited |= dict.fromkeys(names, path.name)
    assert cited
    assert {k: v for k, v in cited.items() if k not in known} == {}


def test_the_environment_names_no_library_itself() -> None:
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    *tools, pip = environment["dependencies"]
    assert {re.split("[=<> ]", t)[0] for t in tools} == {
        *("python", "pip", "make", "git"),
    }
    assert pip == {"pip": ["-c constraints.txt", "-e .[dev]"]}
    assert (PROJECT / "constraints.txt").is_file()


def test_citation_file_and_package_agree() -> None:
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    for field in ("version", "license"):
        assert citation[field] == project[field]
