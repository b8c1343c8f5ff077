"""What a page displays: escaped, complete, and open about its data."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from coursework import identity, provenance, records, show, stats
from coursework.claims import Claim, Verdict, decide
from coursework.claims.rules import Above
from coursework.records import Record
from tests import trials
from tests.trials import planted

EVIL = "<script>alert(\"x\")</script> & <b title='y'>"


def data(**changes: Any) -> dict[str, Any]:
    return dict(planted("a", 0, 0.5).data) | changes


def evil() -> list[Record]:
    """Plant what is hostile into every text of a record that a page shows."""
    environment = dict(planted("a", 0, 0.5).environment) | {"device": EVIL}
    return [
        planted(
            variant,
            seed,
            0.5 + seed / 10,
            grid=EVIL,
            profile=EVIL,
            data=data(name=EVIL, stand_in=True),
            environment=environment,
        )
        for variant in (EVIL, f"{EVIL} 2")
        for seed in (0, 1)
    ]


def verdicts(**changes: Any) -> list[Verdict]:
    texts = dict.fromkeys(("source", "statement", "reported"), EVIL)
    fields = {"id": 7, "practical": "p", "runs": None, **texts, **changes}
    return decide([Claim(**fields)], lambda grid: [])


def parsed(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def cells(html: str, number: int = 0) -> list[dict[str, str]]:
    """Read a table by its heads, row by row."""
    table = parsed(html).find_all("table")[number]
    rows = [
        [cell.get_text() for cell in row.find_all(["th", "td"])]
        for row in table.find_all("tr")
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


@pytest.mark.parametrize(
    "html",
    [
        lambda: show.results(evil(), baseline=EVIL).data,
        lambda: show.made_of(evil()).data,
        lambda: show.banner(EVIL, evil()).data,
        lambda: show.verdict_table(verdicts(reason=EVIL)),
        lambda: show.verdict_table(verdicts(rule=Above("g", "a", "b"))),
        lambda: show.animation(b"moving", b"still", f'{EVIL}"').data,
        lambda: show.figure(plt.subplots()[1], f'{EVIL}"').data,
        lambda: show.frame(pd.DataFrame({EVIL: [EVIL, "b"]})).data,
    ],
    ids=[
        "results",
        "made",
        "banner",
        "reason",
        "rule",
        "animation",
        "figure",
        "frame",
    ],
)
def test_no_name_becomes_markup(html: Any) -> None:
    text = html()
    soup = parsed(text)
    assert not soup.find_all(["script", "b"])
    said = soup.get_text() + "".join(
        str(image.get("alt")) for image in soup.find_all("img")
    )
    assert EVIL in said
    allowed = {"src", "srcset", "alt", "class", "href", "id", "media"}
    allowed |= {"loading", "border", "style"}
    for tag in soup.find_all(True):
        assert set(tag.attrs) <= allowed, tag


def test_results_say_mean_interval_and_number() -> None:
    scores = {"a": [0.80, 0.82, 0.84], "b": [0.83, 0.84, 0.88]}
    runs = [
        planted(variant, seed, value)
        for variant, values in scores.items()
        for seed, value in enumerate(values)
    ]
    rows = cells(show.results(runs, baseline="a").data)
    assert [row["variant"] for row in rows] == ["a", "b"]
    assert [row["n"] for row in rows] == ["3", "3"]
    seen = stats.t_interval(scores["a"])
    text = f"82.00 ({100 * seen.low:.2f} to {100 * seen.high:.2f})"
    assert rows[0]["test accuracy, %"] == text
    gap = stats.paired(scores["b"], scores["a"])
    text = f"+3.00 ({100 * gap.low:+.2f} to {100 * gap.high:+.2f})"
    assert rows[1]["difference, points"] == text
    assert rows[0]["difference, points"] == "baseline"


def test_a_row_equal_to_the_baseline_is_not_called_baseline() -> None:
    runs = [planted(v, seed, 0.1) for v in ("a", "b") for seed in (0, 1)]
    rows = cells(show.results(runs, baseline="a").data)
    assert rows[0]["difference, points"] == "baseline"
    assert rows[1]["difference, points"].startswith("+0.00")


def test_a_diverged_run_is_counted_and_a_missing_score_is_a_dash() -> None:
    lost = planted("a", 0, float("nan"), diverged="at step 3")
    row = cells(show.results([lost]).data)[0]
    assert row["diverged"] == "1"
    assert row["sd"] == "–"
    assert "nan" not in row["test accuracy, %"]
    assert "diverged" not in cells(show.results([planted("a", 0, 1.0)]).data)[0]


def test_every_record_behind_a_table_is_listed_whole() -> None:
    name = "a variant with a name that is longer than fifty characters, rate 1"
    runs = [planted(name, seed, 0.5) for seed in range(100)]
    html = show.made_of(runs).data
    rows = cells(html)
    assert len(rows) == 100
    assert {row["variant"] for row in rows} == {name}
    assert rows[3]["run"] == runs[3].name
    summary = parsed(html).find("summary")
    assert summary is not None
    assert summary.get_text() == (
        "100 runs, profile standard, a processor, 2026-01-02, "
        "by an earlier version of the code"
    )


def test_changed_code_is_marked_and_does_not_fail() -> None:
    old = planted("a", 0, 0.5)
    digest = provenance.source_digest(identity.modules(old.spec))
    new = planted("b", 0, 0.5, source=digest)
    rows = cells(show.made_of([old, new]).data)
    assert [row["code"] for row in rows] == ["earlier", "today's"]
    assert "an earlier version" in show.made_of([old, new]).data
    assert "an earlier version" not in show.made_of([new]).data


def boxes(profile: str, *grids: Sequence[Record]) -> list[str]:
    """Read the banner's boxes."""
    html = show.banner(profile, *grids).data
    return [div.get_text() for div in parsed(html).find_all("div")]


def test_stand_in_data_stand_in_a_box() -> None:
    real = planted("a", 0, 0.5)
    other = planted("a", 0, 0.5, data=data(name="digits", stand_in=True))
    assert boxes("evidence", [real]) == []
    texts = boxes("evidence", [real], [other, other])
    assert len(texts) == 1
    assert "Stand-in" in texts[0] and "digits" in texts[0]


@pytest.mark.parametrize(
    ("profile", "quick"),
    [("smoke", 1), ("quick", 1), ("standard", 0), ("full", 0), ("evidence", 0)],
)
def test_a_quick_look_says_that_it_is_one(profile: str, quick: int) -> None:
    texts = boxes(profile, [planted("a", 0, 0.5)])
    assert len(texts) == quick
    assert all("not evidence" in text and profile in text for text in texts)


def test_verdicts_have_an_anchor_and_their_status() -> None:
    html = show.verdict_table(verdicts(reason="needs 8 GPUs", runs=3))
    row = parsed(html).find("tr", id="claim-7")
    assert row is not None
    assert "not testable here" in row.get_text()
    assert "needs 8 GPUs" in row.get_text() and "runs: 3" in row.get_text()


def test_claims_are_decided_from_evidence_alone() -> None:
    for name in ("smoke", "quick"):
        trials.evidence("numpy-weight-decay", {"0": [0.9], "0.1": [0.1]}, name)
    rows = cells(show.claims("01_numpy_mlp").data)
    assert rows and {row["verdict"] for row in rows} <= {
        "no evidence yet",
        "not testable here",
    }
    assert cells(show.claims("no such practical").data) == []


def test_only_some_claims() -> None:
    every = cells(show.claims("01_numpy_mlp").data)
    some = cells(show.claims("01_numpy_mlp", only=(1, 3)).data)
    assert some == [row for row in every if row["claim"] in ("1", "3")]


def test_arms_left_out_are_named() -> None:
    quick = [planted("low", 0, 0.5, profile="quick")]
    full = [planted("low", 0, 0.5, profile="full")]
    grids = {"one": (trials.variants, quick), "two": (trials.variants, full)}
    assert show.left_out(**grids).data.endswith("left out here: one: higher.")
    del grids["one"]
    assert show.left_out(**grids).data.endswith("left out here: none.")


def test_a_figure_is_an_svg_and_is_closed() -> None:
    html = show.figure(plt.subplots()[1], "A line.").data
    image = parsed(html).find("img")
    assert image is not None and image["alt"] == "A line."
    head, code = str(image["src"]).split(",")
    assert head == "data:image/svg+xml;base64"
    assert b"<svg" in base64.b64decode(code)
    assert plt.get_fignums() == []


def test_an_animation_has_a_still_for_readers_who_want_no_motion() -> None:
    soup = parsed(show.animation(b"moving", b"still", "A field.").data)
    still, moving = soup.find("source"), soup.find("img")
    assert still is not None and moving is not None
    assert "prefers-reduced-motion: reduce" in still["media"]
    for tag, name, content in (
        (still, "srcset", b"still"),
        (moving, "src", b"moving"),
    ):
        code = str(tag[name]).split(",")[1]
        assert base64.b64decode(code) == content


def test_sentences_quote_the_interval() -> None:
    seen = stats.Interval(0.9, 0.1, 0.85, 0.95, 5)
    expected = "90.00 % (95 % interval 85.00 to 95.00, n = 5)"
    assert show.percent(seen) == expected
    expected = "+90.00 points (95 % interval +85.00 to +95.00, n = 5)"
    assert show.points(seen) == expected
    alone = stats.t_interval([0.9])
    assert show.percent(alone) == "90.00 % (n = 1, so no interval)"
    assert "nan" not in show.points(alone)


def test_source_is_the_code_of_the_package() -> None:
    shown = show.source(records.best)
    assert shown.data.startswith("def best(")
    assert shown.language == "python"
