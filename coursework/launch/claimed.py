"""The claims page's parts: who shows which claim, the filter, the counts."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import get_args

from coursework import records
from coursework.claims import Claim, Status, Verdict
from coursework.launch.notebooks import notebooks
from coursework.verdicts import Pages

SCRIPT = Path(__file__).with_name("claims.js")
TITLE = "# # "  # a notebook's first heading


def pages(
    claims: Sequence[Claim], published: Iterable[str]
) -> dict[int, dict[str, str]]:
    """Map claims to the published practicals that show them, with titles."""
    found: dict[int, dict[str, str]] = {claim.id: {} for claim in claims}
    for name in published:
        source = notebooks()[name].path.read_text(encoding="utf-8")
        for number in _shown(source, claims):
            found[number][name] = title(name, source)
    return found


def form(verdicts: Sequence[Verdict], pages: Mapping[int, Pages]) -> str:
    """Write the filter, hidden until its script runs."""
    practicals = dict(
        sorted(item for shown in pages.values() for item in shown.items())
    )
    if not all(pages.values()):
        practicals["none"] = "no page yet"
    reports = sorted({v.claim.source for v in verdicts})
    return (
        '<form class="claims-filter" hidden>'
        '<label>Search claims <input type="search" name="q"></label>'
        + _select("verdict", {name: name for name in _statuses(verdicts)})
        + _select("report", {name: name for name in reports})
        + _select("practical", practicals)
        + '<button type="reset">Show all</button><output></output></form>'
    )


def counts(verdicts: Sequence[Verdict]) -> str:
    """Write how many claims have each verdict."""
    items = "".join(
        f'<li><strong>{n}</strong> <span class="verdict '
        f'{records.slug(status)}">{status}</span></li>'
        for status, n in _statuses(verdicts).items()
    )
    return f'<ul class="counts">{items}</ul>'


def script() -> str:
    """Return the filter's script, to stand on this page alone.

    A file in ``book/_static`` would be loaded by every page.
    """
    return f"<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>"


def _statuses(verdicts: Sequence[Verdict]) -> dict[str, int]:
    seen = [v.status for v in verdicts]
    return {s: seen.count(s) for s in get_args(Status) if s in seen}


def _select(name: str, options: Mapping[str, str]) -> str:
    """Write a labelled choice; the empty value stands for all."""
    listed = "".join(
        f'<option value="{escape(value)}">{escape(text)}</option>'
        for value, text in {"": "all", **options}.items()
    )
    return (
        f"<label>{name.capitalize()} "
        f'<select name="{name}">{listed}</select></label>'
    )


def _shown(source: str, claims: Sequence[Claim]) -> list[int]:
    """List the claims that a notebook's calls of ``show.claims`` show."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == (
            "show.claims"
        ):
            practical = ast.literal_eval(call.args[0])
            only = [ast.literal_eval(k.value) for k in call.keywords]
            found += [
                claim.id
                for claim in claims
                if claim.practical == practical
                and (not only or claim.id in only[0])
            ]
    return found


def title(name: str, source: str) -> str:
    """Return a notebook's number and title: "1c: What it is made of"."""
    lines = source.splitlines()
    title = next(line for line in lines if line.startswith(TITLE))
    number = name.partition("_")[0].removeprefix("0")
    return f"{number}: {title.removeprefix(TITLE)}"
