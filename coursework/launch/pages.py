"""The book's generated pages: practicals, claims, evidence, benchmarks."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd

from coursework import paths, records, show, stacks
from coursework.claims import catalogue
from coursework.data.compose.styles import STYLES
from coursework.launch import (
    answers,
    batch,
    claimed,
    explorer,
    gallery,
    negative,
)
from coursework.launch.notebooks import notebooks
from coursework.records import Record
from coursework.verdicts import verdict_table

BOOK = paths.PROJECT / "book"
BENCHMARKS = paths.PROJECT / "benchmarks"
NUMBERS = ("ratio", "low", "high", "n", "shown")  # not what tells rows apart


def publish(target: Path) -> None:
    """Make the practicals' pages from evidence alone; nothing is trained.

    Raises RuntimeError, naming notebook, cell and cause, if a declared run
    has no committed record or a cell fails.
    """
    chosen = [book for book in notebooks().values() if book.name in in_toc()]
    settings = {book.name: {"profile": "evidence"} for book in chosen}
    jobs = min(os.cpu_count() or 1, len(chosen))
    seen = batch.execute_all(
        chosen, settings, "view", "evidence", jobs, folder=target
    )
    failed = [e.error for e in seen if e.status == "failed"]
    if failed:
        raise RuntimeError("\n".join(failed))


def claims_page() -> str:
    """Write the page of all claims and verdicts, in their order."""
    verdicts = sorted(catalogue.verdicts(), key=lambda v: v.claim.id)
    shown = claimed.pages([v.claim for v in verdicts], in_toc())
    return (
        "# Claims and verdicts\n\n"
        "What the reference reports say, in our words, and what our committed "
        "runs say of it. Each rule was committed before the evidence that "
        "decides it; how a rule decides is explained under "
        "[statistics](methods/statistics.md). p-values are adjusted by Holm's "
        "steps within a practical.\n\n"
        "A verdict holds for the profile and the data set that stand beside "
        "it. `standard` is sized for a laptop: what it decides may come out "
        f"otherwise in `full`.\n\n{len(verdicts)} claims:\n\n"
        f"{claimed.counts(verdicts)}\n\n{claimed.form(verdicts, shown)}\n\n"
        f"{verdict_table(verdicts, shown)}\n\n{claimed.script()}\n"
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
        parts.append(
            f'\n<a id="{records.slug(grid)}"></a>\n\n## {answers.plain(grid)}\n'
        )
        for profile in profiles:
            runs = records.evidence(grid, profile)
            file = f"results/{grid}/{profile}.jsonl"
            parts.append(
                f"\nProfile `{profile}`, {len(runs)} runs, "
                f"{{download}}`{file} <../{file}>`\n\n"
                f"{_results(runs)}\n"
            )
    return "\n".join(parts)


def _results(runs: Sequence[Record]) -> str:
    """Show a grid's table; where a run holds many networks, theirs."""
    if "networks" not in runs[0].notes:
        score = records.main_score(runs[0])
        return str(show.results(runs, score=score, link=False).data)
    table = show.frame(stacks.summary(runs))
    # its links are those of a practical's page, one folder down
    made = show.made_of(runs).data.replace('"../evidence.html#', '"#')
    made = made.replace('"00_seed', '"practicals/00_seed')
    return f"{table.data}{made}"


def benchmarks_page() -> str:
    """Write the page of side-by-side timings, from their stored tables."""
    parts = [
        "# Benchmarks\n\nTimes of peers in units of ours, measured side by "
        "side in one run: above 1 the peer is slower. Medians over rounds in "
        "which all took their turn, with the middle half of the rounds in "
        "brackets. Nothing here is a claim about seconds.\n"
    ]
    for path in sorted((paths.PROJECT / "benchmarks/results").glob("*.json")):
        made = json.loads(path.read_text())
        frame = pd.DataFrame(made["rows"])
        frame["shown"] = [
            f"{r:.2f} ({low:.2f} to {high:.2f})"
            for r, low, high in zip(
                frame["ratio"], frame["low"], frame["high"], strict=True
            )
        ]
        keys = [c for c in frame if c not in NUMBERS]
        wide = frame.set_index(keys)["shown"].unstack("peer", fill_value="–")
        wide = wide.rename_axis(columns=None).reset_index()
        where = made["environment"]
        parts.append(
            f"\n## {path.stem}\n\n{_about(path.stem)}\n\n"
            f"{show.frame(wide).data}\n\n"
            f"{escape(where['device'])}, {made['date']}, commit "
            f"{(where['commit'] or '–')[:7]}, numpy {where['numpy']}, torch "
            f"{where['torch']}, scikit-learn {where['scikit-learn']}; "
            f"{frame['n'].min()} rounds. Run `python -m "
            f"benchmarks.{path.stem}` to measure again.\n"
        )
    return "\n".join(parts)


def icons_page() -> str:
    """Write the page that credits the icon sets of the composed pictures."""
    lines = [
        f"| @iconify-json/{name} {style.version} | {style.author} "
        f"| [{style.licence}]({style.terms}) | {style.use}ing |"
        for name, style in STYLES.items()
    ]
    return "\n".join(
        [
            "# Icon sets\n",
            "The pictures of the sets `objects` and `tinyvoc-composed` show "
            "icons of these free sets, cut out, recoloured and set before "
            "backgrounds that are drawn or cut from scikit-learn's two sample "
            "photographs. None of them is part of this repository: "
            "`coursework data fetch objects` brings them, by npm.\n",
            "| set | author | licence | drawings for |",
            "|---|---|---|---|",
            *lines,
            "",
        ]
    )


def _about(benchmark: str) -> str:
    """Read what a benchmark's module says of itself, unexecuted."""
    source = (BENCHMARKS / f"{benchmark}.py").read_text()
    return ast.get_docstring(ast.parse(source)) or ""


def in_toc() -> list[str]:
    """List the practicals that the table of contents names, in its order."""
    lines = (BOOK / "_toc.yml").read_text().splitlines()
    found = [
        line.split("practicals/")[1] for line in lines if "practicals/" in line
    ]
    return [name.strip() for name in found]


OVERVIEWS: Mapping[str, Callable[[], str]] = {
    "claims.md": claims_page,
    "evidence.md": evidence_page,
    "explorer.md": explorer.page,
    "answers.md": lambda: answers.page(in_toc()),
    "benchmarks.md": benchmarks_page,
    "negative.md": negative.page,
    "icon-sets.md": icons_page,
}


def overviews(folder: Path) -> None:
    """Write the pages that sum up all evidence into a book's folder.

    The practicals' pages are there already: the front page shows of each.
    """
    made = {name: page() for name, page in OVERVIEWS.items()}
    made["answers.md"] += gallery.page(folder / "practicals", in_toc())
    for name, text in made.items():
        paths.write(folder / name, text.encode())
