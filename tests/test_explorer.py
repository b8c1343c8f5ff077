"""The run explorer's data and the front page's answers."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from coursework import paths, records, stats
from coursework.claims import Claim, Verdict, catalogue
from coursework.claims.rules import Above, Finding
from coursework.launch import answers, explorer
from coursework.launch.pages import in_toc
from coursework.records import Record
from tests import trials
from tests.trials import planted

PROJECT = Path(__file__).parents[1]
EVIL = "</script><img src=x>"
LONG = [1 / (epoch + 3) for epoch in range(130)]


def written() -> BeautifulSoup:
    return BeautifulSoup(explorer.page(), "html.parser")


def stored(page: BeautifulSoup) -> Any:
    data = page.find("script", type="application/gzip")
    assert data is not None
    return json.loads(gzip.decompress(base64.b64decode(data.get_text())))


def value(data: Any, column: str, run: int) -> Any:
    """Read a run's value back, as the page's script does."""
    if column in data["own"]:
        return data["own"][column][run]
    repeated = data["repeated"][column]
    return repeated["values"][repeated["at"][run]]


def near(found: Any, expected: float) -> bool:
    """Compare within half a unit of the fourth digit, and an ulp."""
    if not math.isfinite(expected):
        return found is None
    return math.isclose(found, expected, rel_tol=5.0001e-4)


def same(data: Any, at: int, run: Record) -> None:
    plain: Mapping[str, Any] = {
        "grid": run.grid,
        "variant": run.variant,
        "profile": run.profile,
        "seed": run.seed,
        "spec": run.spec,
        "key": run.key,
        "parameters": run.parameters,
        "multiply-adds": run.multiply_adds,
        "date": run.created[:10],
        "device": run.environment["device"],
        "diverged": run.diverged,
    }
    assert {name: value(data, name, at) for name in plain} == plain
    assert near(value(data, "seconds", at), run.seconds)
    scores = value(data, "scores", at)
    assert list(scores) == list(run.scores)
    assert all(near(scores[name], run.scores[name]) for name in scores)
    history = {epoch["epoch"]: epoch for epoch in run.history}
    for place, number in enumerate(value(data, "epochs", at)):
        epoch, curves = history[number], data["curves"]
        for name, point in (
            ("train loss", epoch["train_loss"]),
            ("validation loss", epoch["validation_loss"]),
            *((f"validation {k}", v) for k, v in epoch["validation"].items()),
        ):
            if explorer.OF_A_CLASS.search(name):
                continue
            assert near(curves[name][at][place], point), (run.name, name)


def test_the_data_are_the_records_within_rounding() -> None:
    runs = [
        planted(EVIL, 0, 0.123456789, validation=LONG, seconds=12345.678),
        planted("b", 1, math.nan, diverged="loss", scores={"other": 1e-7}),
    ]
    records.promote(runs)
    data = stored(written())
    for run in runs:
        assert run.variant in data["repeated"]["variant"]["values"]
        at = data["own"]["seed"].index(run.seed)
        same(data, at, run)


def test_the_committed_records_are_all_there_and_not_too_heavy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COURSEWORK_RESULTS", str(PROJECT / "results"))
    runs = [
        run
        for grid, profiles in records.grids().items()
        for profile in profiles
        for run in records.evidence(grid, profile)
    ]
    text = explorer.page()
    assert len(text.encode()) < 600_000  # the theme brings 2.4 MB more
    data = stored(BeautifulSoup(text, "html.parser"))
    for at, run in enumerate(runs):
        same(data, at, run)


def test_a_long_curve_is_thinned_and_keeps_both_ends() -> None:
    records.promote([planted("a", 0, 0.5, validation=LONG)])
    data = stored(written())
    epochs = value(data, "epochs", 0)
    assert (epochs[0], epochs[-1]) == (1, 130)
    assert len(epochs) == len(set(epochs)) == explorer.EPOCHS
    assert all(
        len(curve[0]) == len(epochs) for curve in data["curves"].values()
    )


def test_scores_of_single_classes_have_no_curves() -> None:
    run = planted("a", 0, 0.5)
    epoch = {**run.history[0], "validation": {"mAP": 0.5, "ap-0": 0.5}}
    records.promote([planted("a", 0, 0.5, history=[epoch])])
    assert list(stored(written())["curves"]) == [
        *("train loss", "validation loss", "validation mAP")
    ]


def test_a_name_stays_text() -> None:
    records.promote([planted(EVIL, 0, 0.5), planted("<!--", 0, 0.6)])
    page = written()
    assert page.find("img") is None
    assert len(page.find_all("script")) == 3
    assert stored(page)["repeated"]["variant"]["values"] == ["<!--", EVIL]


def test_the_scripts_write_no_html_and_ask_no_host() -> None:
    for name in explorer.SCRIPTS:
        script = (explorer.HERE / name).read_text()
        assert not re.search(r"(inner|outer|Adjacent)HTML|write\(|eval", script)
        found = re.findall(r"\w+://[^\"]*", script)
        assert set(found) <= {"http://www.w3.org/2000/svg"}


def test_stand_ins_and_uncommitted_changes_are_marked() -> None:
    run = planted("a", 0, 0.5)
    changed = planted(
        "a",
        0,
        0.5,
        data={**run.data, "stand_in": True},
        environment={**run.environment, "modified": True},
    )
    assert explorer.data_name(run) == "numbers"
    assert explorer.data_name(changed) == "numbers (stand-in)"
    assert explorer.commit(run) + "+" == explorer.commit(changed)


def rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if "{doc}" in line]


def test_every_practical_of_the_contents_has_a_row() -> None:
    found = rows(answers.page(in_toc()))
    assert len(found) == len(in_toc())
    for row, name in zip(found, in_toc(), strict=True):
        assert f"`practicals/{name}`" in row
        assert "no committed records yet" in row
        assert len(re.findall(r"(?<!\\)\|", row)) == 5  # four cells


@pytest.mark.parametrize(
    ("section", "asked"),
    [
        ("# 1. Does it\n#    work?  Why?\n# 2. What else?", "Does it work?"),
        ("# 1. Say what works.\n# 2. Does it?", "Say what works."),
        ("# Train it.  How far\n# is it?  Or not?", "Train it. How far is it?"),
        ("# Train it.  Then look.", "Train it."),
    ],
)
def test_the_question_is_the_first_one_asked(section: str, asked: str) -> None:
    source = (
        f"# Is this one?\n# ## Question\n#\n{section}\n#\n# ## Prediction\n"
    )
    assert answers.question(source + "# Which?") == asked


def test_the_front_page_does_without_formulas_where_it_can() -> None:
    assert answers.without_math(r"Is $1/\sqrt{d}$ it?") == "Is *1/√d* it?"
    assert answers.without_math(r"Is $\frac12$?") == r"Is $\frac12$?"


@pytest.fixture
def practical(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a project of one practical whose claim is that a beats b."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "09_one.py").write_text(
        "# # One\n# ## Question\n#\n# Is a|b best?\n#\n# ## Method\n"
        'runs = experiment.run("g", declare, profile=profile)\n'
        'show.claims("09_one")\n'
    )
    claim = Claim(
        id=1,
        source="R0",
        practical="09_one",
        statement="A beats <b>.",
        reported="+1",
        runs=1,
        rule=Above("g", "a", "b"),
    )
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.setattr(catalogue, "CLAIMS", (claim,))
    return "09_one"


@pytest.mark.parametrize(
    ("gain", "said"),
    [(0.1, "1 supported; most"), (-0.1, "1 refuted; most"), (0.0, "undecided")],
)
def test_the_answer_follows_the_records(
    gain: float, said: str, practical: str
) -> None:
    base = [0.5, 0.6, 0.55, 0.52, 0.58]
    noise = [0.01, -0.01, 0.0, 0.02, -0.02]
    ours = [b + gain + n for b, n in zip(base, noise, strict=True)]
    trials.evidence("g", {"a": ours, "b": base})
    (row,) = rows(answers.page([practical]))
    assert said in row
    assert "Is a\\|b best?" in row
    for part in ("10 runs", "n \\= 5", "standard", "numbers", "a processor"):
        assert part in row


@pytest.mark.usefixtures("practical")
def test_the_clearest_claim_is_named() -> None:
    (claim,) = catalogue.CLAIMS
    finding = Finding("x", stats.paired([1.0, 2.0], [0.0, 0.0]), 0, 1, 0, ())
    verdicts = [
        Verdict(
            claim=dataclasses.replace(claim, statement=f"Number {p}."),
            status="supported",
            finding=finding,
            p=p,
        )
        for p in (0.04, 0.001, 0.02)
    ]
    assert "Number 0\\.001”" in answers.answer(verdicts, [])


def test_without_a_verdict_the_best_arm_on_validation_answers() -> None:
    runs = [planted("a", s, 0.5, validation=[0.9]) for s in range(2)]
    runs += [planted("b|", s, 0.7, validation=[0.8]) for s in range(2)]
    said = answers.answer([], runs)
    assert "best of 2 on validation: a reaches" in said.replace("\\", "")
    assert "50.00 %" in said.replace("\\", "")
    assert "b\\| reaches" in answers.answer([], runs[2:])


def test_plain_text_is_safe_in_markdown() -> None:
    assert answers.plain("a|b\n *c* $x$ <i>") == (
        "a\\|b \\*c\\* \\$x\\$ \\<i\\>"
    )
