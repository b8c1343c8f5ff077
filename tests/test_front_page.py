"""The front page's gallery, the lab log's computed part, the buttons."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from bs4 import BeautifulSoup
from PIL import Image
from sphinx.errors import ExtensionError

from coursework import paths, records
from coursework.claims import catalogue
from coursework.launch import gallery, negative
from tests.trials import planted

EXTENSION = Path(__file__).parents[1] / "book/_ext/buttons.py"
ADDRESS = "https://github.com/somebody/coursework"


def svg(colour: str) -> str:
    """Draw a rectangle twice as wide as high, sized as matplotlib does."""
    code = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="144pt" height="72pt" '
        f'viewBox="0 0 144 72"><path d="M0 0H144V72H0Z" fill="{colour}"/></svg>'
    )
    return base64.b64encode(code.encode()).decode()


def figure(colour: str, alt: str) -> dict[str, Any]:
    image = (
        f'<img class="figure" src="data:image/svg+xml;base64,{svg(colour)}" '
        f'alt="{alt}">'
    )
    outputs = [{"data": {"text/html": [image]}}]
    return {"source": ["draw()"], "outputs": outputs}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let there be a practical "00_one" with three figures, and one without."""
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    results = {"source": ["# x\n", "## Results\n"]}
    cells = [
        *(figure("blue", "a scheme"), results),
        *(figure("red", "a &lt;result&gt;"), figure("lime", "another")),
    ]
    for name, those in {"00_one": cells, "01b_two": [results]}.items():
        source = tmp_path / f"notebooks/{name}.py"
        source.write_text(f"# # <Title> of {name}\n")
        made = tmp_path / f"{name}.ipynb"
        made.write_text(json.dumps({"cells": those}))
    return tmp_path


def test_the_gallery_shows_the_first_figure_of_the_results(
    folder: Path,
) -> None:
    html = gallery.page(folder, ["00_one", "01b_two"])
    soup = BeautifulSoup(html, "html.parser")
    (image,) = soup.select("li:first-child img")
    assert image["alt"] == "a <result>"
    code = str(image["src"]).removeprefix("data:image/webp;base64,")
    drawn = Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB")
    assert drawn.size == (gallery.WIDTH, gallery.WIDTH // 2)
    red, green, blue = drawn.getpixel((20, 20))  # type: ignore[misc]
    assert red > 240 and green < 15 and blue < 15
    assert [str(a["href"]) for a in soup.select("a")] == [
        *("practicals/00_one.html", "practicals/01b_two.html")
    ]
    assert [span.text for span in soup.select("span")] == [
        *("0: <Title> of 00_one", "1b: <Title> of 01b_two")
    ]


def test_a_page_without_results_shows_what_it_has() -> None:
    found = gallery.figure({"cells": [figure("blue", "a scheme")]})
    assert found is not None and found[1] == "a scheme"
    assert gallery.figure({"cells": [{"source": "# Text"}]}) is None


def test_the_lab_log_counts_what_diverged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "verdicts", lambda: [])
    records.promote(
        [
            planted("a|b", 0, 0.5, diverged="loss at epoch 3"),
            planted("a|b", 1, 0.6),
            planted("fine", 0, 0.7),
        ]
    )
    (line,) = [x for x in negative.page().splitlines() if "runs, prof" in x]
    assert "1 of 2 runs" in line and r"a\|b" in line
    assert "evidence.html#" in line


def test_the_lab_log_names_what_is_faster_for_sure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "verdicts", lambda: [])
    kept = folder / "benchmarks/results/race.json"
    rows = [
        {"way": "up", "peer": "A", "ratio": 0.5, "low": 0.4, "high": 0.6},
        {"way": "down", "peer": "B", "ratio": 0.9, "low": 0.8, "high": 1.1},
    ]
    paths.write(kept, json.dumps({"rows": rows}).encode())
    (line,) = [x for x in negative.page().splitlines() if "our time" in x]
    assert "way up" in line and "A takes 0.50 of our time" in line


@pytest.fixture
def buttons() -> ModuleType:
    spec = importlib.util.spec_from_file_location("buttons", EXTENSION)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def offered(module: ModuleType, out: Path, page: str) -> dict[str, str]:
    """Map the buttons of a page to where they lead."""
    builder = SimpleNamespace(name="html")
    app = SimpleNamespace(builder=builder, outdir=str(out))
    downloads: list[dict[str, str]] = [{"text": ".ipynb", "url": "x"}]
    group = {"label": "download-buttons", "buttons": downloads}
    up = "../" * page.count("/")
    context: dict[str, Any] = {
        "header_buttons": [group],
        "pathto": lambda name, resource: up + name,
    }
    module.add(app, page, "page.html", context, None)
    return {
        button["text"]: button["url"]
        for group in context["header_buttons"]
        for button in group["buttons"]
    }


def test_a_practical_offers_its_source_and_nothing_outside(
    buttons: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COURSEWORK_REPOSITORY", raising=False)
    found = offered(buttons, tmp_path, "practicals/00_seed_noise")
    assert list(found) == [".ipynb", ".py"]
    assert found[".py"] == "../_sources/practicals/00_seed_noise.py"
    copy = tmp_path / "_sources/practicals/00_seed_noise.py"
    source = EXTENSION.parents[2] / "notebooks/00_seed_noise.py"
    assert copy.read_text() == source.read_text()
    assert list(offered(buttons, tmp_path, "intro")) == [".ipynb"]


def test_a_public_project_can_be_run_elsewhere(
    buttons: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSEWORK_REPOSITORY", ADDRESS + "/")
    found = offered(buttons, tmp_path, "practicals/00_seed_noise")
    assert found["Source"] == f"{ADDRESS}/blob/main/notebooks/00_seed_noise.py"
    assert re.search(
        r"/v2/gh/somebody/coursework/main\?.*lab%2Ftree%2Fnotebooks%2F00.*py$",
        found["Binder"],
    )
    assert re.search(
        r"/somebody/coursework/blob/.*/practicals/00_seed_noise\.ipynb$",
        found["Colab"],
    )


@pytest.mark.parametrize("wrong", ["git@host:a/b", "https://github.com/a"])
def test_an_address_that_no_service_takes_is_refused(
    buttons: ModuleType, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSEWORK_REPOSITORY", wrong)
    with pytest.raises(ExtensionError, match="expected https://"):
        buttons.repository()
