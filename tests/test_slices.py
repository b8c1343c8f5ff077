"""What a plan executes: enough to know the runs, and no more."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

import pytest

from coursework.launch import notebooks, slices

PROJECT = Path(__file__).parents[1]
CELLS = [
    "profile = 'quick'\nimport this, os.path as where\nfrom a import b, c",
    "arms = {}\narms['x'] = c\narms.update(y=1)\nprint(arms)\nother = b",
    "def declare(p):\n    return {**arms, **EXTRA}",
    "del arms['y']\nEXTRA: dict = {}\nEXTRA |= {}\n"
    "for k in 'ab': EXTRA[k] = 1\nfor j in EXTRA: print(j)",
    "runs = experiment.run('g', declare, profile=profile)\nshow(runs)",
    "best = max(runs)\nb.plot(best)",
    "again = experiment.run('h', best, profile=profile)",
    "table(again)\nrest = where",
]


def test_what_a_grid_depends_on_is_kept() -> None:
    assert slices.declaring(CELLS) == [
        "profile = 'quick'\nfrom a import c",
        "arms = {}\narms['x'] = c\narms.update(y=1)",
        "def declare(p):\n    return {**arms, **EXTRA}",
        "del arms['y']\nEXTRA: dict = {}\nEXTRA |= {}\nfor k in 'ab':\n"
        "    EXTRA[k] = 1",
        "runs = experiment.run('g', declare, profile=profile)",
        "best = max(runs)",
        "again = experiment.run('h', best, profile=profile)",
        "",
    ]


def test_without_a_grid_nothing_is_kept() -> None:
    assert slices.declaring(["import os", "print(1)"]) == ["", ""]


@pytest.mark.parametrize("name", notebooks.notebooks())
def test_every_notebook_draws_nothing_for_a_plan(name: str) -> None:
    cells = notebooks.notebooks()[name].node.cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    kept = ast.parse("\n".join(slices.declaring(sources)))
    grids = [ast.unparse(node) for node in ast.walk(kept) if _asks(node)]
    whole = ast.parse("\n".join(sources))
    assert grids == [ast.unparse(n) for n in ast.walk(whole) if _asks(n)]
    assert grids
    assert not {"show", "drawings"} & {
        node.id for node in ast.walk(kept) if isinstance(node, ast.Name)
    }


def _asks(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == (
        "experiment.run"
    )


def test_sources_are_executed_apart_and_one_by_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sources = [
        "import os\nimport this_is_missing\nlevel = 1",
        slices.assigned({"level": 2.5, "name": "a 'b'"}),
        "print(level)\nraise ValueError",
        "import sys\nsys.exit(3)",
        "class Here: ...\nos.chdir('.')",
        "with open('told', 'w') as file:\n"
        "    print(level, name, os.environ['TOLD'], __name__, file=file)",
        "os._exit(4)",
        "open('never', 'w')",
    ]
    before = Path.cwd(), dict(os.environ), list(sys.path)
    slices.execute(sources, tmp_path, {"TOLD": "yes"})
    assert (Path.cwd(), dict(os.environ), list(sys.path)) == before
    assert (tmp_path / "told").read_text() == "2.5 a 'b' yes __main__\n"
    assert not (tmp_path / "never").exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, book in notebooks.notebooks().items()
        if "profile=rest" in book.path.read_text()
    ],
)
def test_quick_finds_the_committed_runs_that_it_shows(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They depend on nothing that `quick` trains: other rates, other runs."""
    monkeypatch.setenv("COURSEWORK_RESULTS", str(PROJECT / "results"))
    book = notebooks.notebooks()[name]
    shown = {
        ast.literal_eval(call.args[0])
        for cell in book.node.cells
        if cell.cell_type == "code"
        for call in ast.walk(ast.parse(cell.source))
        if isinstance(call, ast.Call)
        and _asks(call)
        and "profile=rest" in ast.unparse(call)
    }
    wanted, missing = notebooks.asked(book, {"profile": "quick"})
    assert shown <= {run.grid for run in wanted}
    assert not shown & {run.grid for run in missing}
