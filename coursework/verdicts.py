"""Verdicts as a page shows them, each with the records it rests on.

Everything a run or a person named is escaped before it becomes HTML.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape

from IPython.display import HTML

from coursework import records
from coursework.claims import Claim, Verdict, catalogue
from coursework.records import Record

Pages = Mapping[str, str]  # practicals' names and titles


def claims(practical: str, only: Collection[int] = ()) -> HTML:
    """Show a practical's verdicts (``only`` some), from evidence alone."""
    return HTML(
        verdict_table(
            [
                v
                for v in catalogue.verdicts(practical)
                if not only or v.claim.id in only
            ]
        )
    )


def verdict_table(
    verdicts: Sequence[Verdict], pages: Mapping[int, Pages] | None = None
) -> str:
    """Lay verdicts out as an HTML table.

    ``pages`` maps claims to the practicals that show them.  With it the table
    is that of the claims page, without it a practical's.
    """
    rows = "".join(_row(v, pages) for v in verdicts)
    return (
        '<div class="scroll"><table class="claims"><thead><tr><th>claim</th>'
        "<th>from</th><th>statement</th><th>verdict</th>"
        "<th>what decides it (weakest part)</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(verdict: Verdict, pages: Mapping[int, Pages] | None) -> str:
    claim, found = verdict.claim, verdict.finding
    root = "../" if pages is None else ""
    home = "" if pages is None else _home(claim, pages.get(claim.id, {}))
    rule = f" Rule: {escape(claim.how)}" if claim.how else ""
    return (
        f'<tr id="claim-{claim.id}">'
        f'<td><a href="{root and "../claims.html"}#claim-{claim.id}">'
        f"{claim.id}</a></td>"
        f"<td>{escape(claim.source)}</td>"
        f"<td>{escape(claim.statement)}<br><small>Reported: "
        f"{escape(claim.reported)}, runs: {claim.runs or '–'}.{rule}</small>"
        f"{home}</td>"
        f'<td class="verdict {records.slug(verdict.status)}">'
        f"{verdict.status}</td>"
        f"<td>{escape(verdict.estimate) or '–'}"
        f"{_basis(found.records, root) if found else ''}</td></tr>"
    )


def _home(claim: Claim, pages: Pages) -> str:
    """Link the practicals that show a claim, or say why there is none."""
    said = ", ".join(
        f'<a href="practicals/{escape(name)}.html">{escape(title)}</a>'
        for name, title in pages.items()
    )
    if not said and not claim.practical:
        return ""  # its reason says so
    said = said or f"{escape(claim.practical)}, not in this book yet"
    return f'<div class="basis pages">Practical: {said}</div>'


def _basis(runs: Sequence[Record], root: str) -> str:
    """Name the evidence, grid by grid, so that none passes for another."""
    return "".join(
        f'<div class="basis">{_holds_for(group[0])}, {_count(group)}: '
        f'<a href="{root}evidence.html#{records.slug(group[0].grid)}">'
        f"evidence of {escape(group[0].grid)}</a></div>"
        for group in _alike(runs)
    )


def _alike(runs: Sequence[Record]) -> list[list[Record]]:
    """Gather records of a grid that share profile and data, each once."""
    found: dict[tuple[object, ...], dict[str, Record]] = {}
    for run in runs:
        data = run.data["name"], run.data["stand_in"]
        found.setdefault((run.grid, run.profile, *data), {})[run.name] = run
    return [list(group.values()) for group in found.values()]


def _holds_for(run: Record) -> str:
    """Say a record's profile and data, and what they are not."""
    profile, data = escape(run.profile), escape(run.data["name"])
    if run.profile != "full":
        profile = f'<strong class="caveat">{profile}, not full</strong>'
    if run.data["stand_in"]:
        data += ' <strong class="caveat">stand-in</strong>'
    return f"{profile}, {data}"


def _count(group: Sequence[Record]) -> str:
    # a stacked run's networks were told apart before they were compared
    unit = "network" if "networks" in group[0].notes else "run"
    return f"{len(group):,} {unit}{'s' * (len(group) != 1)}"
