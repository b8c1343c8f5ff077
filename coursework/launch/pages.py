"""The book's generated pages: practicals, claims, evidence; and a report."""

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

from coursework import paths, records, show
from coursework.claims import catalogue
from coursework.launch import batch
from coursework.launch.notebooks import notebooks

BOOK = paths.PROJECT / "book"


def publish(target: Path) -> None:
    """Make the practicals' pages from evidence alone; nothing is trained.

    Raises RuntimeError, naming notebook, cell and cause, if a declared run
    has no committed record or a cell fails.
    """
    chosen = [book for book in notebooks().values() if book.name in _named()]
    settings = {book.name: {"profile": "evidence"} for book in chosen}
    jobs = min(os.cpu_count() or 1, len(chosen))
    seen = batch.execute_all(
        chosen, settings, "view", "evidence", jobs, folder=target
    )
    failed = [e.error for e in seen if e.status == "failed"]
    if failed:
        raise RuntimeError("\n".join(failed))


def claims_page() -> str:
    """Write the page of all claims and verdicts."""
    verdicts = catalogue.verdicts()
    count = {
        status: sum(v.status == status for v in verdicts)
        for status in dict.fromkeys(v.status for v in verdicts)
    }
    summary = ", ".join(f"{n} {status}" for status, n in count.items())
    return (
        "# Claims and verdicts\n\n"
        "What the reference reports say, in our words, and what our committed "
        "runs say of it. Each rule was committed before the evidence that "
        "decides it; how a rule decides is explained under "
        "[statistics](methods/statistics.md). p-values are adjusted by Holm's "
        f"steps within a practical.\n\n{len(verdicts)} claims: {summary}.\n\n"
        f"{show.verdict_table(verdicts)}\n"
    )


def evidence_page() -> str:
    """Write the page of all committed records, grid by grid."""
    parts = [
        "# Evidence\n\n"
        "Every committed run, grid by grid. The files lie in `results/`; a "
        "line of a file is one run with its whole specification, learning "
        "curve, test scores and environment.\n"
    ]
    for grid, profiles in records.grids().items():
        parts.append(f'\n<a id="{records.slug(grid)}"></a>\n\n## {grid}\n')
        for profile in profiles:
            runs = records.evidence(grid, profile)
            file = f"results/{grid}/{profile}.jsonl"
            parts.append(
                f"\nProfile `{profile}`, {len(runs)} runs, "
                f"{{download}}`{file} <../{file}>`\n\n"
                f"{show.results(runs, link=False).data}\n"
            )
    return "\n".join(parts)


def report(profile: str) -> Path:
    """Build the local report from a profile's pages, with its banner.

    A report whose pages and sources are unchanged is left as it is.
    """
    home = paths.PROJECT / "_build" / profile
    html = home / "html"
    pages = [batch.page_path(profile, name) for name in _named()]
    stamp = _digest([*pages, *_sources()])
    mark = home / "report.sha256"
    if mark.exists() and mark.read_text() == stamp and html.exists():
        return html / "index.html"
    with tempfile.TemporaryDirectory(dir=home) as folder:
        tree = Path(folder)
        shutil.copytree(BOOK, tree / "book", ignore=_generated)
        shutil.copytree(paths.results(), tree / "results")
        shutil.copy(paths.PROJECT / "CHANGELOG.md", tree)
        (tree / "book" / "practicals").mkdir()
        for page in pages:
            shutil.copy(page, tree / "book" / "practicals")
        (tree / "book" / "claims.md").write_text(claims_page())
        (tree / "book" / "evidence.md").write_text(evidence_page())
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


def _named() -> list[str]:
    """List the practicals that the table of contents names, in its order."""
    lines = (BOOK / "_toc.yml").read_text().splitlines()
    found = [
        line.split("practicals/")[1] for line in lines if "practicals/" in line
    ]
    return [name.strip() for name in found]


def _generated(folder: str, names: list[str]) -> list[str]:
    if Path(folder) != BOOK:
        return [name for name in names if name == "__pycache__"]
    return [n for n in names if n in ("practicals", "evidence.md", "claims.md")]


def _sources() -> list[Path]:
    files = [*BOOK.rglob("*"), *(paths.PROJECT / "coursework").rglob("*.py")]
    files += [*paths.results().rglob("*"), paths.PROJECT / "_config.yml"]
    return sorted(
        path
        for path in files
        if path.is_file()
        and path.suffix not in (".pyc", ".ipynb")
        and path.name not in ("evidence.md", "claims.md")
    )


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
