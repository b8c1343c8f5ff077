"""Each page as it opens: sound, local, light enough, open to everybody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser.visits import Visit

SITE = Path(os.environ["COURSEWORK_BOOK"])
HEAVIEST = 5_000_000  # bytes at first load
PAGES = sorted(
    str(path.relative_to(SITE))
    for path in SITE.rglob("*.html")
    if "_static" not in path.parts and path.name != "index.html"
)
ICON = """() => document.fonts
  .load("900 16px 'Font Awesome 6 Free'", "\\uf019")
  .then((fonts) => fonts.length)"""
NAMELESS = """() => [...document.images]
  .filter((image) => !/\\p{L}{3}/u.test(image.alt) ||
    /\\.(png|svg|webp|jpe?g|gif)$/.test(image.alt))
  .map((image) => image.outerHTML.slice(0, 200))"""
UNNAMED = """() => [...document.querySelectorAll(
    "svg[role=img]:not([aria-hidden=true])")]
  .filter((node) => !node.querySelector("title")?.textContent &&
    !node.getAttribute("aria-label"))
  .map((node) => node.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module", params=PAGES)
def opened(request: pytest.FixtureRequest, visit: Visit) -> Visit:
    visit.open(request.param)
    return visit


def test_it_opens_without_a_fault(opened: Visit) -> None:
    assert opened.faults == []


def test_it_asks_for_nothing_outside_and_weighs_little(opened: Visit) -> None:
    assert opened.outside() == []
    assert 100_000 < opened.weight() < HEAVIEST  # the theme alone is above


def test_every_picture_has_alternative_text(opened: Visit) -> None:
    assert opened.page.evaluate(NAMELESS) == []
    assert opened.page.evaluate(UNNAMED) == []


def test_it_is_open_to_everybody_light_and_wide(opened: Visit) -> None:
    opened.look(1280, "light")
    assert opened.page.locator("html[data-theme=light]").count() == 1
    assert opened.barriers() == []


def test_it_is_open_to_everybody_dark_and_narrow(opened: Visit) -> None:
    opened.look(390, "dark")
    opened.page.wait_for_selector("html[data-theme=dark]")
    assert opened.wider() == []
    assert opened.barriers() == []


def test_the_index_leads_to_the_front_page(visit: Visit) -> None:
    visit.page.goto(visit.home + "index.html")
    visit.page.wait_for_url("**/intro.html")


@pytest.mark.parametrize(
    "name", ["practicals/00_seed_noise.html", "claims.html", "explorer.html"]
)
def test_it_opens_from_a_folder_without_a_server(
    visit: Visit, name: str
) -> None:
    visit.go((visit.site / name).as_uri())
    assert visit.faults == []
    assert visit.page.evaluate(ICON) > 0
    pictures = visit.page.locator("article img.figure")
    if pictures.count():
        pictures.first.scroll_into_view_if_needed()
        drawn = "image => image.decode().then(() => image.naturalWidth)"
        assert pictures.first.evaluate(drawn) > 0
