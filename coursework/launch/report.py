"""The local report: a second book of pages made on this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

import yaml

from coursework import paths
from coursework.launch import batch, pages

BOOK = pages.BOOK


def build_report(profile: str) -> Path:
    """Build the local report from a profile's pages, with its banner.

    A report whose pages and sources are unchanged is left as it is.
    """
    home = paths.PROJECT / "_build" / profile
    html = home / "html"
    made = [batch.page_path(profile, name) for name in pages.in_toc()]
    stamp = _digest([*made, *_sources()])
    mark = home / "report.sha256"
    if mark.exists() and mark.read_text() == stamp and html.exists():
        return html / "index.html"
    with tempfile.TemporaryDirectory(dir=home) as folder:
        tree = Path(folder)
        shutil.copytree(BOOK, tree / "book", ignore=_generated)
        shutil.copytree(paths.results(), tree / "results")
        shutil.copy(paths.PROJECT / "CHANGELOG.md", tree)
        (tree / "book" / "practicals").mkdir()
        for page in made:
            shutil.copy(page, tree / "book" / "practicals")
        pages.overviews(tree / "book")
        (tree / "_config.yml").write_text(_config(profile))
        log = home / "book.log"
        build(tree / "book", log, COURSEWORK_PAGES="ready")
        shutil.rmtree(html, ignore_errors=True)
        shutil.move(tree / "_build" / "html", html)
    paths.write(mark, stamp.encode())
    return html / "index.html"


def build(book: Path, log: Path, **environment: str) -> None:
    """Call Jupyter Book, warnings as errors, output into a file.

    Raises RuntimeError with the last lines of that file.
    """
    tool = Path(sys.executable).with_name("jupyter-book")
    command = [str(tool), "build", str(book), "-W", "--keep-going"]
    with log.open("w") as file:
        status = subprocess.run(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            check=False,
        ).returncode
    if status:
        tail = "\n".join(log.read_text().splitlines()[-25:])
        raise RuntimeError(f"jupyter-book failed; its log is {log}\n{tail}")


def _config(profile: str) -> str:
    """Return the book's configuration with a banner on every page."""
    config = yaml.safe_load((paths.PROJECT / "_config.yml").read_text())
    config["html"]["announcement"] = (
        f"<strong>Local report, profile {escape(profile)}.</strong> Its "
        "practicals were trained on this machine with small budgets. What the "
        'committed evidence says: pages "Claims and verdicts" and "Evidence".'
    )
    config["sphinx"]["local_extensions"] = {
        name: str(paths.PROJECT / folder)
        for name, folder in config["sphinx"]["local_extensions"].items()
    }
    return str(yaml.safe_dump(config, sort_keys=False))


def _generated(folder: str, names: list[str]) -> list[str]:
    if Path(folder) != BOOK:
        return [name for name in names if name == "__pycache__"]
    return [n for n in names if n in ("practicals", *pages.OVERVIEWS)]


def _sources() -> list[Path]:
    files = [*BOOK.rglob("*"), *(paths.PROJECT / "coursework").rglob("*")]
    files += [*paths.results().rglob("*"), paths.PROJECT / "_config.yml"]
    files += (paths.PROJECT / "benchmarks" / "results").glob("*.json")
    return sorted(
        path
        for path in files
        if path.is_file()
        and path.suffix not in (".pyc", ".ipynb")
        and path.name not in pages.OVERVIEWS
    )


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
