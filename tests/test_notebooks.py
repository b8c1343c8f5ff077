"""Notebooks: executed with nothing believed, and written as agreed."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jupytext
import pytest

from coursework import cli, experiment, paths, records
from coursework.launch import batch
from coursework.launch import notebooks as runner
from coursework.launch.notebooks import Notebook, is_fresh, notebooks
from tests import trials
from tests.trials import notes

HEAD = """\
# %% [markdown]
# # Tiny

# %% tags=["parameters"]
profile = "quick"
level = 0.5

# %%
from functools import partial
from coursework import experiment
from tests.trials import tiny
print("the first cell was here")

# %%
"""
GRID = """\
runs = experiment.run(
    "tiny",
    lambda profile: {"row": partial(tiny, level=level)},
    profile=profile,
)
"""
TWO_GRIDS = f"""\
{GRID}
# %%
print("mean", sum(run.scores["accuracy"] for run in runs) / len(runs))

# %%
more = experiment.run(
    "more",
    lambda profile: {{"longer": partial(tiny, epochs=3)}},
    profile=profile,
)
"""
SMOKE = {"profile": "smoke", "level": 0.25}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pages and what is left of failures lie in the test's folder."""
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")  # put back what a run takes away
    for name in ("COURSEWORK_MODE", "COURSEWORK_LEDGER", "PYTHONUTF8"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    return tmp_path


def tiny(folder: Path, code: str) -> tuple[Notebook, Path]:
    path = folder / "00_tiny.py"
    path.write_text(HEAD + code)
    return Notebook(path), folder / "page.ipynb"


def printed(page: Path) -> str:
    cells = json.loads(page.read_text())["cells"]
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    return "".join("".join(out.get("text", "")) for out in outputs)


def test_a_plan_its_runs_and_the_page(project: Path) -> None:
    book, page = tiny(project, TWO_GRIDS)
    seen = runner.execute(book, SMOKE, "plan", page)
    assert seen.status == "planned" and not page.exists()
    cells = [(run.grid, run.seed) for run in seen.missing]
    assert cells == [("tiny", 0), ("tiny", 1), ("more", 0), ("more", 1)]
    assert notes("start") == []
    assert seen.missing[0].spec["args"]["level"] == 0.25
    lean = runner.execute(book, SMOKE, "ask", page)
    assert lean == replace(seen, whole=True) and not page.exists()
    for run in seen.missing:
        experiment.execute(run)
    seen = runner.execute(book, SMOKE, "plan", page)
    assert seen.status == "complete" and not seen.error
    assert len(seen.wanted) == 4 and not seen.missing
    assert notes("start") == ["0", "1"] * 2
    assert "mean 0.25" in printed(page)
    stays_fresh_until_something_changes(book, page)


def test_a_grid_that_waits_for_another_is_asked_for_again(
    project: Path,
) -> None:
    waiting = TWO_GRIDS.replace("epochs=3", "epochs=len(runs)")
    book, page = tiny(project, waiting)
    seen = runner.execute(book, SMOKE, "ask", page)
    assert {run.grid for run in seen.missing} == {"tiny"} and not seen.whole
    for run in seen.missing:
        experiment.execute(run)
    seen = runner.execute(book, SMOKE, "ask", page)
    assert {run.grid for run in seen.missing} == {"more"} and seen.whole


def stays_fresh_until_something_changes(book: Notebook, page: Path) -> None:
    """Change what a page is made from, one thing at a time."""

    def fresh(**parameters: Any) -> bool:
        return is_fresh(page, Notebook(book.path), SMOKE | parameters)

    def changed(path: Path, content: bytes) -> bool:
        """Tell whether the page is fresh while a file is another."""
        before = path.read_bytes()
        path.write_bytes(content)
        now = fresh()
        path.write_bytes(before)
        return now

    assert fresh()
    assert not fresh(level=0.5) and not fresh(profile="quick")
    assert not changed(book.path, book.path.read_bytes() + b"# more\n")
    run, *_ = sorted(paths.runs().glob("*.json"))
    assert not changed(run, b"{}")
    assert not changed(page, b"{}")
    assert fresh()
    trials.evidence("some-grid", {"a": [0.5]})
    assert not fresh()
    assert not is_fresh(page.with_name("none"), book, SMOKE)


def refused(project: Path, code: str) -> str:
    """Execute a notebook that must fail; the old page must stay."""
    book, page = tiny(project, code + "\n\n# %%\nprint('never')\n")
    page.write_text("the old page")
    seen = runner.execute(book, SMOKE, "plan", page)
    assert seen.status == "failed"
    assert page.read_text() == "the old page"
    kept = project / "_build" / "failed" / "00_tiny.ipynb"
    assert str(kept) in seen.error
    assert "the first cell was here" in printed(kept)
    assert seen.error == kept.with_suffix(".log").read_text()
    return seen.error


def test_a_failing_cell_is_named_and_the_part_is_kept(project: Path) -> None:
    error = refused(project, "raise ValueError('planted')")
    # in the source 1 is the title, 2 the parameters, 3 the imports
    assert error.startswith("""cell 4 ("raise ValueError('planted')")""")
    assert "ValueError: planted" in error


def test_leaving_without_an_error_is_a_failure(project: Path) -> None:
    error = refused(project, "import sys\nsys.exit(0)")
    assert error.startswith("cell 4 ('import sys')")


def test_a_kernel_that_dies_is_a_failure(project: Path) -> None:
    error = refused(project, "import os\nos._exit(0)")
    assert "DeadKernelError" in error


def test_promotion_of_what_a_notebook_asks_for(project: Path) -> None:
    book, _ = tiny(project, GRID)
    settings: dict[str, runner.Parameters] = {book.name: {"level": 0.75}}
    with pytest.raises(LookupError) as caught:
        batch.promote([book], settings, "standard")
    assert "lacks 5 runs" in str(caught.value)
    assert "coursework run 00_tiny --profile standard" in str(caught.value)
    assert not records.grids()
    for seed in range(5):
        experiment.execute(trials.cell("other label", seed, level=0.75))
    written = batch.promote([book], settings, "standard")
    assert written == [f"{records.evidence_file('tiny', 'standard')}: 5 runs"]
    kept = records.evidence("tiny", "standard")
    assert [run.seed for run in kept] == list(range(5))
    assert {(run.grid, run.variant) for run in kept} == {("tiny", "row")}


SOURCES = {name: book.path for name, book in notebooks().items()}


def executed(page: Path) -> Iterator[dict[str, Any]]:
    for cell in json.loads(page.read_text())["cells"]:
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip():
            yield cell


@pytest.mark.timeout(900)
def test_all_notebooks_from_plan_to_page(project: Path) -> None:
    """Run everything in ``smoke`` on the stand-in, then find it done."""
    chosen = [Notebook(path) for path in SOURCES.values()]
    settings = cli._parameters(chosen, (), stand_in=True)
    done = batch.run(chosen, settings, profile="smoke", jobs=2)
    assert done.failed == {} and done.left == [] and done.status == 0
    # more where a run is wanted again, to be looked at in another way
    assert done.trained >= len(list(paths.runs().glob("*.json"))) > 0
    assert sorted(seen.name for seen in done.done) == sorted(SOURCES)
    for name in SOURCES:
        page = batch.page_path("smoke", name)
        assert page.is_relative_to(project)
        for cell in executed(page):
            assert cell["execution_count"]
            kinds = {output["output_type"] for output in cell["outputs"]}
            assert not kinds & {"error", "stream"}, cell["outputs"]
    again = batch.run(chosen, settings, profile="smoke", jobs=2)
    assert {seen.status for seen in again.done} == {"unchanged"}
    assert again.trained == 0


@pytest.fixture(params=SOURCES, scope="module")
def book(request: pytest.FixtureRequest) -> Notebook:
    return Notebook(SOURCES[request.param])


def code(book: Notebook) -> list[ast.Module]:
    cells = [c for c in book.node.cells if c.cell_type == "code"]
    return [ast.parse(cell.source) for cell in cells]


def prose(book: Notebook) -> list[str]:
    return [c.source for c in book.node.cells if c.cell_type == "markdown"]


def called(node: ast.AST) -> str:
    """Name what a call calls, as it is written; "" for anything else."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def lines(tree: ast.AST) -> set[int]:
    """Collect the lines that hold code; what a string says is not code."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt | ast.expr):
            found |= {node.lineno, node.end_lineno or node.lineno}
        if not isinstance(node, ast.JoinedStr):
            found |= lines(node)
    return found


def declares_a_grid(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.FunctionDef)
        and node.returns is not None
        and ast.unparse(node.returns).endswith("Grid")
    )


def test_a_notebook_has_one_title_and_it_comes_first(book: Notebook) -> None:
    titles = [re.findall(r"^# \S.*$", text, re.M) for text in prose(book)]
    assert [len(found) for found in titles] == [1] + [0] * (len(titles) - 1)
    assert book.node.cells[0].source.startswith("# ")


def test_a_notebook_is_quick_unless_told_otherwise(book: Notebook) -> None:
    assert book.parameters["profile"] == "quick"


def test_functions_stand_where_a_grid_is_declared(book: Notebook) -> None:
    for tree in code(book):
        nodes = list(ast.walk(tree))
        assert not any(isinstance(node, ast.ClassDef) for node in nodes)
        if any(isinstance(node, ast.FunctionDef) for node in nodes):
            assert any(map(declares_a_grid, nodes)), ast.unparse(tree)


def test_no_cell_is_long(book: Notebook) -> None:
    for tree in code(book):
        if not any(map(declares_a_grid, ast.walk(tree))):
            assert len(lines(tree)) <= 20, ast.unparse(tree)


def test_progress_is_left_to_the_package(book: Notebook) -> None:
    assert "tqdm" not in book.path.read_text()


def test_every_picture_has_an_alternative_text(book: Notebook) -> None:
    shows = {"show.figure", "show.animation", "show.field"}
    for tree in code(book):
        shown = [node for node in ast.walk(tree) if called(node) in shows]
        inside = {id(part) for node in shown for part in ast.walk(node)}
        for node in ast.walk(tree):
            name = called(node)
            if name.startswith("figures.") and name != "figures.style":
                assert id(node) in inside, ast.unparse(node)
        for node in shown:
            assert isinstance(node, ast.Call)
            said = {word.arg: word.value for word in node.keywords}
            text = said.get("alt")
            assert isinstance(text, ast.Constant | ast.JoinedStr)
            assert len(ast.unparse(text)) > 20, ast.unparse(node)


def test_prose_cites_as_pages_do(book: Notebook) -> None:
    for text in prose(book):
        assert ":cite:" not in text, text  # a docstring's way: shown as it is


def test_no_result_is_typed_by_hand(book: Notebook) -> None:
    """A number with three decimals in prose is a setting of the code."""
    settings = {
        node.value
        for tree in code(book)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
    }
    for text in prose(book):
        for number in re.findall(r"\d+\.\d{3,}", text):
            assert float(number) in settings, text


def test_a_notebook_survives_jupytext(book: Notebook) -> None:
    text = book.path.read_text()
    node = jupytext.reads(text, fmt="py:percent")
    again = jupytext.writes(node, fmt="py:percent")
    assert re.sub(r"#  +jupytext_version: .*\n", "", again) == text
    cells = jupytext.reads(again, fmt="py:percent").cells
    assert [c.source for c in cells] == [c.source for c in node.cells]
