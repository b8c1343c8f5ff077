"""What a reader does with the book: search, filter, explore, download."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Page, expect

from tests.browser.visits import Visit

expect.set_options(timeout=120_000)


def read(site: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((site / name).read_text(), "html.parser")


def test_search_finds_a_word_where_it_stands(visit: Visit) -> None:
    visit.open("intro.html")
    visit.page.locator(".search-button-field, .search-button").first.click()
    visit.page.keyboard.type("Wilcoxon")
    visit.page.keyboard.press("Enter")
    found = visit.page.locator("#search-results li a")
    expect(found.first).to_be_visible()
    expect(visit.page.locator("#search-results p").first).to_contain_text(
        "matching"
    )
    places = found.evaluate_all("all => all.map(link => link.pathname)")
    assert any(place.endswith("/methods/statistics.html") for place in places)
    assert visit.outside() == [] and visit.faults == []


def test_search_says_when_there_is_nothing(visit: Visit) -> None:
    visit.page.goto(visit.home + "search.html?q=qqzzyxw")
    results = visit.page.locator("#search-results")
    expect(results).to_contain_text("did not match any documents")


def test_the_claims_filter_shows_what_was_asked_for(visit: Visit) -> None:
    soup = read(visit.site, "claims.html")
    rows = [row.get_text() for row in soup.select("table.claims tbody tr")]
    counts = {
        item.select(".verdict")[0].get_text(): int(
            item.select("strong")[0].text
        )
        for item in soup.select("ul.counts li")
    }
    assert sum(counts.values()) == len(rows)
    visit.open("claims.html")
    shown = visit.page.locator("table.claims tbody tr:visible")
    expect(shown).to_have_count(len(rows))
    for verdict, count in counts.items():
        visit.page.get_by_label("Verdict").select_option(verdict)
        expect(shown).to_have_count(count)
        cells = visit.page.locator("tr:visible td.verdict").all_text_contents()
        assert set(cells) == {verdict}
    visit.page.get_by_role("button", name="Show all").click()
    expect(shown).to_have_count(len(rows))
    matching = [text for text in rows if "dropout" in text.lower()]
    assert 0 < len(matching) < len(rows)
    visit.page.get_by_label("Search claims").fill("Dropout")
    expect(shown).to_have_count(len(matching))
    expect(visit.page.locator("output")).to_have_text(
        f"{len(matching)} of {len(rows)} claims shown"
    )


@pytest.fixture(scope="module")
def stored(site: Path) -> Any:
    data = read(site, "explorer.html").find(id="explorer-data")
    assert data is not None
    return json.loads(gzip.decompress(base64.b64decode(data.get_text())))


def count(stored: Any, column: str, value: str) -> int:
    """Count the runs that have a value in a repeated column."""
    wanted = stored["repeated"][column]["values"].index(value)
    return sum(at == wanted for at in stored["repeated"][column]["at"])


def matches(page: Page, wanted: int, stored: Any) -> None:
    expect(page.locator("[data-part=count]")).to_contain_text(
        f"{wanted} of {len(stored['own']['seed'])} runs match"
    )


def test_the_explorer_filters_and_draws(visit: Visit, stored: Any) -> None:
    visit.open("explorer.html")
    page = visit.page
    matches(page, len(stored["own"]["seed"]), stored)
    page.get_by_label("Grid").select_option("seed-noise")
    matches(page, count(stored, "grid", "seed-noise"), stored)
    expect(page.locator("[data-part=charts] svg")).to_have_count(2)
    seeds = page.locator("[data-part=charts] svg").first.locator(".seed")
    expect(seeds).to_have_count(count(stored, "grid", "seed-noise"))
    page.get_by_role("searchbox", name="Search").fill("no such run")
    matches(page, 0, stored)
    expect(page.locator("[data-part=note]")).to_have_text("No run matches.")
    page.get_by_role("button", name="Clear").click()
    matches(page, len(stored["own"]["seed"]), stored)
    assert visit.faults == []


def test_the_explorer_sorts_and_opens_a_run(visit: Visit, stored: Any) -> None:
    visit.open("explorer.html")
    page = visit.page
    seconds = stored["own"]["seconds"]
    for wanted in (min(seconds), max(seconds)):
        page.get_by_role("button", name=re.compile("^seconds")).click()
        cells = page.locator(".runs tbody tr").first.locator("td")
        shown = float((cells.nth(5).text_content() or "").replace(",", ""))
        assert shown == pytest.approx(wanted, rel=1e-3)
    page.locator(".runs td button").first.click()
    expect(page.locator(".runs .details pre")).to_be_visible()
    link = page.locator(".runs .details a")
    target = str(link.get_attribute("href")).partition("#")[2]
    assert read(visit.site, "evidence.html").find(id=target) is not None
    assert visit.faults == []


def test_colours_follow_the_readers_button(visit: Visit) -> None:
    visit.open("intro.html")
    button = visit.page.locator(".theme-switch-button:visible").first
    seen = set()
    for _ in range(3):  # light, dark, as the system says
        button.click()
        seen.add(
            visit.page.locator("body").evaluate(
                "body => getComputedStyle(body).backgroundColor"
            )
        )
    assert len(seen) == 2


def test_a_practical_is_there_to_download(visit: Visit) -> None:
    visit.open("practicals/00_seed_noise.html")
    links = visit.page.locator(".dropdown-download-buttons a")
    files = {Path(str(link.get_attribute("href"))).name for link in links.all()}
    assert files >= {"00_seed_noise.ipynb", "00_seed_noise.py"}
