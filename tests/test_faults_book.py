"""A book with a wrong address is refused, and gives nothing away."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROJECT = Path(__file__).parents[1]
BOOK = PROJECT / "book"
SECRET = "canary-4711-canary"
GOOD = {"a": '<h1 id="top">A</h1><a href="b.html#one">b</a><a href="#top">'}
GOOD["b"] = (
    '<p id="one"><img src="data:image/png;base64,AAAA"><a href="a.html?x=1">'
    '<a href="https://example.org/C:/x"><a href="mailto:a@example.org">'
)


@pytest.fixture(scope="module")
def links() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "links", BOOK / "_ext/links.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["links"] = module
    spec.loader.exec_module(module)
    return module


def faults(links: ModuleType, folder: Path, **pages: str) -> list[str]:
    for name, text in (GOOD | pages).items():
        (folder / f"{name}.html").write_text(text)
    return list(links.faults(folder))


def test_addresses_within_a_book_are_none_of_its_faults(
    links: ModuleType, tmp_path: Path
) -> None:
    assert faults(links, tmp_path) == []
    (tmp_path / "_static").mkdir()
    template = tmp_path / "_static/macros.html"
    template.write_text('<a href="{{ nothing }}">')
    assert faults(links, tmp_path) == []


@pytest.mark.parametrize(
    ("html", "told"),
    [
        ('<a href="c.html">', "c.html leads to no file"),
        ('<a href="b.html#two">', "b.html#two leads to no place"),
        ('<a href="#two">', "#two leads to no place"),
        ('<img src="figure.png">', "figure.png leads to no file"),
        ('<img src="../figure.png">', "../figure.png leads to no file"),
        ('<video poster="still.png">', "still.png leads to no file"),
        ('<img src="/home/somebody/figure.png">', "of this machine"),
        ('<a href="/">', "of this machine"),
        ('<a href="C:\\Users\\me\\x.png">', "of this machine"),
        ('<a href="c:/Users/me/x.png">', "of this machine"),
        ('<a href="file:///home/me/x.png">', "of this machine"),
        ('<a href="\\\\share\\x.png">', "of this machine"),
    ],
)
def test_a_wrong_address_is_named_with_its_page(
    html: str, told: str, links: ModuleType, tmp_path: Path
) -> None:
    (found,) = faults(links, tmp_path, one=html)
    assert found.startswith("one.html: ") and told in found


def built(tree: Path, intro: str, **environment: str) -> Any:
    """Build a book of one page, warnings being errors."""
    book = tree / "book"
    book.mkdir(parents=True)
    shutil.copy(PROJECT / "_config.yml", tree)
    for folder in ("_ext", "_static"):
        shutil.copytree(BOOK / folder, book / folder)
    shutil.copy(BOOK / "references.bib", book)
    (book / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    (book / "intro.md").write_text(f"# Intro\n\n{intro}\n")
    run = "from jupyter_book.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", run, "build", "book", "-W", "--keep-going"],
        cwd=tree,
        env=os.environ | {"COURSEWORK_PAGES": "ready"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_build_fails_on_what_leads_nowhere_and_keeps_secrets(
    tmp_path: Path,
) -> None:
    tokens = dict.fromkeys(("HF_TOKEN", "WANDB_API_KEY"), SECRET)
    done = built(
        tmp_path,
        "[a page](nowhere.md) ![a figure](figure.png)\n\n"
        '<a href="lost.html">lost</a> <img src="/home/me/x.png" alt="x">',
        **tokens,
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    for word in ("nowhere.md", "figure.png", "lost.html", "/home/me/x.png"):
        assert word in said, said
    assert (tmp_path / "_build/html/intro.html").exists()
    for file in (tmp_path / "_build").rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file
    for file in (tmp_path / "_build/html").rglob("*.html"):
        assert str(Path.home()) + "/" not in file.read_text(), file
    assert SECRET not in said
