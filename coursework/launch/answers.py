"""The front page's table: each practical's question and what records answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import get_args

from coursework import paths, records, show, stacks, stats
from coursework.claims import Status, Verdict, best_evidence, catalogue
from coursework.launch import claimed, slices
from coursework.launch.explorer import data_name
from coursework.records import Record

DECIDED = ("supported", "refuted")
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def page(practicals: Sequence[str]) -> str:
    """Write the table of practicals, a row each, in the order given."""
    verdicts = catalogue.verdicts()
    shown = claimed.pages([v.claim for v in verdicts], practicals)
    rows = "\n".join(
        _row(name, [v for v in verdicts if name in shown[v.claim.id]])
        for name in practicals
    )
    return (
        ":::{div} scroll answers\n"
        "| practical | question | answer of the records | made from |\n"
        f"|---|---|---|---|\n{rows}\n:::\n"
    )


def question(source: str) -> str:
    """Read what a notebook asks first: its section up to a question mark.

    ``source`` is the notebook as py:percent; without a question mark it is
    the opening sentence.
    """
    lines = source.partition("# ## Question\n")[2].partition("# ## ")[0]
    text = re.sub(r"\s*^#[ ]*", " ", lines, flags=re.M).strip()
    first = re.split(r"\s2\. ", re.sub(r"^1\. ", "", text))[0]
    asked = re.match(r"[^?]*\?", first) or re.match(r".*?\.(?=\s|$)", first)
    return re.sub(r"\s+", " ", asked[0] if asked else first)


def without_math(text: str) -> str:
    """Write formulas that need no layout as text; MathJax weighs 2.3 MB."""

    def written(formula: re.Match[str]) -> str:
        roots = re.sub(r"\\sqrt\{(\w)\}", r"√\1", formula[1])
        return formula[0] if "\\" in roots else f"*{roots}*"

    return re.sub(r"\$([^$]+)\$", written, text)


def answer(verdicts: Sequence[Verdict], runs: Sequence[Record]) -> str:
    """Say in one sentence what records say: verdicts, else the best arm.

    ``runs`` are those of one grid.
    """
    count = Counter(verdict.status for verdict in verdicts)
    decided = [v for v in verdicts if v.status in DECIDED]
    if decided:
        clearest = min(decided, key=lambda v: v.p or 0.0)
        return (
            f"{_counted(count)}; most clearly {clearest.status}: "
            f"“{plain(clearest.claim.statement.rstrip('.'))}” – "
            f"{plain(clearest.estimate)}."
        )
    said = f"{_counted(count)}; " if verdicts else ""
    if not runs:
        return f"{said}no committed records yet."
    return said + _best(runs)


def plain(text: str) -> str:
    """Escape text so that Markdown shows it as it is, in a table too."""
    return PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def _row(practical: str, verdicts: Sequence[Verdict]) -> str:
    source = (paths.PROJECT / f"notebooks/{practical}.py").read_text()
    grids = [best_evidence(grid) for grid in slices.grids(source)]
    first = next(filter(None, grids), [])
    cells = (
        f"{{doc}}`practicals/{practical}`",
        without_math(question(source)).replace("|", "\\|"),
        answer(verdicts, first),
        _made_from(grids),
    )
    return f"| {' | '.join(cells)} |"


def _counted(count: Counter[Status]) -> str:
    claims = "claim" if count.total() == 1 else "claims"
    each = ", ".join(f"{count[s]} {s}" for s in get_args(Status) if count[s])
    return f"{count.total()} {claims}: {each}"


def _best(runs: Sequence[Record]) -> str:
    """Name the arm chosen on validation and its test score, as shares."""
    score = records.main_score(runs[0])
    arms = records.grouped(runs)
    best = next(iter(arms)) if len(arms) == 1 else records.best(runs, score)
    values = records.scores(arms[best], score)
    which = "" if len(arms) == 1 else f"best of {len(arms)} on validation: "
    reached = show.percent(stats.t_interval(values))
    return plain(
        f"{which}{best} reaches a test {score} of {reached}; single runs "
        f"lie between {100 * min(values):.2f} % and {100 * max(values):.2f} %."
    )


def _made_from(grids: Sequence[Sequence[Record]]) -> str:
    """Say n, profile, data and device behind a row."""
    runs = [run for grid in grids for run in grid]
    if not runs:
        return "–"
    arms = [arm for grid in grids for arm in records.grouped(grid).values()]
    sizes = sorted(set(map(_size, arms)))
    several = " to ".join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))
    parts = (
        f"{len(runs)} runs, n = {several}",
        "profile " + "/".join(dict.fromkeys(r.profile for r in runs)),
        ", ".join(dict.fromkeys(map(data_name, runs))),
        ", ".join(dict.fromkeys(r.environment["device"] for r in runs)),
    )
    return "; ".join(map(plain, parts))


def _size(arm: Sequence[Record]) -> int:
    """Count an arm's runs, or the networks that they hold."""
    stacked = "networks" in arm[0].notes
    return len(stacks.networks(arm) if stacked else arm)
