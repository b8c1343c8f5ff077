"""The claims page: whole, honest about what a verdict rests on, escaped."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from bs4 import BeautifulSoup, Tag

from coursework import records, verdicts
from coursework.claims import Claim, Verdict, catalogue, decide
from coursework.claims.activations import Networks
from coursework.claims.rules import Above, Every, Rule
from coursework.launch import claimed, pages
from coursework.launch.notebooks import notebooks
from coursework.records import Record
from tests import trials
from tests.trials import planted

EVIL = "<script>alert(\"x\")</script> & <b title='y'>"
BOOK = pages.BOOK


def page() -> BeautifulSoup:
    return BeautifulSoup(pages.claims_page(), "html.parser")


def row(soup: BeautifulSoup, number: int) -> Tag:
    found = soup.find("tr", id=f"claim-{number}")
    assert isinstance(found, Tag)
    return found


def words(tag: Tag, selector: str) -> list[str]:
    return [found.get_text() for found in tag.select(selector)]


def claim(rule: Rule | None, **changes: Any) -> Claim:
    fields: dict[str, Any] = {
        "id": 7,
        "source": "R0",
        "practical": "p",
        "statement": "A beats B.",
        "reported": "+1",
        "runs": 1,
        "rule": rule,
    }
    return Claim(**fields | changes)


def runs(grid: str = "g", **changes: Any) -> list[Record]:
    """Plant five runs each of two variants, of which the first is better."""
    return [
        planted(variant, seed, level + seed / 1000, grid=grid, **changes)
        for variant, level in (("a", 0.9), ("b", 0.8))
        for seed in range(5)
    ]


def decided(
    rule: Rule, evidence: dict[str, list[Record]], **changes: Any
) -> list[Verdict]:
    return decide([claim(rule, **changes)], lambda grid: evidence[grid])


def table(found: list[Verdict], **options: Any) -> BeautifulSoup:
    html = verdicts.verdict_table(found, **options)
    return BeautifulSoup(html, "html.parser")


@pytest.mark.parametrize(
    ("gain", "status"), [(0.1, "supported"), (-0.1, "refuted")]
)
def test_planted_records_flip_a_verdict(gain: float, status: str) -> None:
    before = page()
    assert words(row(before, 5), ".verdict") == ["no evidence yet"]
    assert not words(before, f"ul.counts .{status}")
    noise = (0.0, 0.001, -0.001, 0.002, -0.002)
    trials.evidence(
        "numpy-weight-decay",
        {"0": [0.8 + gain + e for e in noise], "0.1": [0.8] * 5},
    )
    after = page()
    assert words(row(after, 5), ".verdict") == [status]
    assert f"{gain:+.4f} (95 % interval" in row(after, 5).get_text()
    assert f"1 {status}" in words(after, "ul.counts li")
    assert words(row(after, 1), ".verdict") == ["no evidence yet"]


def test_all_claims_are_there_once_and_counted() -> None:
    soup = page()
    ids = [str(found["id"]) for found in soup.select("table.claims tbody tr")]
    assert ids == [f"claim-{number}" for number in range(1, 83)]
    counts = [int(n) for n in words(soup, "ul.counts strong")]
    assert sum(counts) == 82
    for status, n in zip(
        words(soup, "ul.counts .verdict"), counts, strict=True
    ):
        assert words(soup, "td.verdict").count(status) == n


def test_claims_lead_to_pages_that_show_them_or_say_why_not() -> None:
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text())
    files = {c["file"] for part in toc["parts"] for c in part["chapters"]}
    by_id = {c.id: c for c in catalogue.CLAIMS}
    for found in page().select("table.claims tbody tr"):
        each = by_id[int(str(found["id"]).removeprefix("claim-"))]
        links = [str(a["href"]) for a in found.select(".pages a")]
        for link in links:
            name = link.removeprefix("practicals/").removesuffix(".html")
            assert f"practicals/{name}" in files
            source = notebooks()[name].path.read_text()
            calls = re.findall(r"show\.claims\((.*)\)", source)
            assert any(
                each.practical in call
                and ("only" not in call or re.search(rf"\b{each.id}\b", call))
                for call in calls
            ), (each.id, name)
        if f"practicals/{each.practical}" in files:
            assert links, each.id
        assert (
            links
            or "not in this book yet" in found.get_text()
            or ("not part of this book yet" in found.get_text())
        ), each.id


def test_no_practical_is_no_reason_to_call_a_claim_untestable() -> None:
    here, awaited = decide(
        [
            claim(None, reason="needs a cluster"),
            claim(None, practical="", reason="its practical is not here yet"),
        ],
        lambda grid: [],
    )
    assert here.status == "not testable here"
    assert awaited.status == "no evidence yet"
    assert "is not here yet" in table([awaited]).get_text()


@pytest.mark.parametrize(
    ("profile", "stand_in", "marks"),
    [
        ("full", False, []),
        ("standard", False, ["standard, not full"]),
        ("full", True, ["stand-in"]),
        ("standard", True, ["standard, not full", "stand-in"]),
    ],
)
def test_profile_and_data_are_marked(
    profile: str, stand_in: bool, marks: list[str]
) -> None:
    data = dict(planted("a", 0, 0.5).data) | {
        "name": "digits",
        "stand_in": stand_in,
    }
    found = decided(
        Above("g", "a", "b"), {"g": runs(profile=profile, data=data)}
    )
    soup = table(found, pages={7: {"p": "P"}})
    assert words(soup, ".caveat") == marks
    assert words(soup, "td:last-child .basis") == [
        f"{marks[0] if profile != 'full' else 'full'}, digits"
        f"{' stand-in' * stand_in}, 10 runs: evidence of g"
    ]


def test_every_grid_behind_a_verdict_is_named_and_its_runs_counted_once() -> (
    None
):
    part, other = Above("g", "a", "b"), Above("h i", "a", "b")
    evidence = {"g": runs(), "h i": runs("h i", profile="full")}
    found = decided(Every((part, part, other)), evidence)
    assert words(table(found), ".basis") == [
        "standard, not full, numbers, 10 runs: evidence of g",
        "full, numbers, 10 runs: evidence of h i",
    ]
    for soup, root in ((table(found), "../"), (table(found, pages={}), "")):
        links = soup.select("td:last-child .basis a")
        assert [str(a["href"]) for a in links] == [
            f"{root}evidence.html#{records.slug(grid)}" for grid in ("g", "h i")
        ]


def test_networks_of_a_stacked_run_are_not_called_runs() -> None:
    stacked = [
        replace(
            planted(variant, 0, level, grid="g"),
            notes={
                "networks": {
                    "fits": [1.0, 1.0, 0.0],
                    "accuracy": [level, level + 0.01, level],
                    "beyond linear": [0.1, 0.1, 0.1],
                }
            },
        )
        for variant, level in (("a", 0.9), ("b", 0.8))
    ]
    found = decided(Networks("g", "a", "b"), {"g": stacked})
    assert "numbers, 6 networks:" in words(table(found), ".basis")[0]


def test_a_practicals_page_says_what_its_verdicts_rest_on() -> None:
    trials.evidence(
        "numpy-weight-decay", {"0": [0.9, 0.91], "0.1": [0.1, 0.12]}
    )
    html = verdicts.claims("01_numpy_mlp", only=(5,)).data
    soup = BeautifulSoup(html, "html.parser")
    assert words(soup, ".basis") == [
        "standard, not full, numbers, 4 runs: evidence of numpy-weight-decay"
    ]
    assert [a["href"] for a in soup.select("td:first-child a")] == [
        "../claims.html#claim-5"
    ]


def test_no_name_becomes_markup() -> None:
    data = dict(planted("a", 0, 0.5).data) | {"name": EVIL, "stand_in": True}
    texts = dict.fromkeys(
        ("source", "statement", "reported", "how", "practical"), EVIL
    )
    found = decided(
        Above(EVIL, "a", "b"),
        {EVIL: runs(EVIL, profile=EVIL, data=data)},
        **texts,
    )
    shown: list[dict[int, dict[str, str]]] = [{}, {7: {EVIL: EVIL}}]
    for each in shown:
        soup = table(found, pages=each)
        form = BeautifulSoup(
            claimed.form(found, {7: each.get(7, {})}), "html.parser"
        )
        for made in (soup, form):
            assert not made.find_all(["script", "b"])
            assert EVIL in made.get_text()
        assert len(words(soup, "tbody td")) == 5


def test_the_filter_offers_what_there_is_and_is_labelled() -> None:
    soup = page()
    form = soup.find("form")
    assert isinstance(form, Tag) and "hidden" in form.attrs
    for control in form.find_all(["input", "select"]):
        assert control.find_parent("label") is not None
    reports = words(form, "select[name=report] option")
    assert reports == ["all", "R0", "R1", "R2", "R3", "R4"]
    linked = {
        str(a["href"]).removeprefix("practicals/").removesuffix(".html")
        for a in soup.select(".pages a")
    }
    bare = [r for r in soup.select("tbody tr") if not r.select(".pages a")]
    offered = form.select("select[name=practical] option")
    expected = linked | {""} | ({"none"} if bare else set())
    assert {str(o["value"]) for o in offered} == expected


def test_claims_without_a_page_are_a_choice() -> None:
    found = decided(Above("g", "a", "b"), {"g": runs()})
    shown: dict[str, str]
    for shown in ({}, {"a": "b"}):
        form = claimed.form(found, {7: shown})
        assert ('value="none"' in form) == (not shown)


def test_without_its_script_the_page_shows_all_and_asks_for_nothing() -> None:
    soup = page()
    assert not soup.select("tbody tr[hidden]")
    scripts = soup.find_all("script")
    assert len(scripts) == 1 and not scripts[0].attrs
    assert not re.search(r"https?:|fetch|import|XMLHttp", scripts[0].get_text())
