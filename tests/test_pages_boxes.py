"""Pages: each table and figure of runs has the records one click away."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import jupytext
import pytest
from nbformat import NotebookNode

from coursework.checks import CHECKS
from coursework.launch.notebooks import Notebook, notebooks

BOXES = ("show.made_of", "show.results")
# What a cell may end with that is no table or figure of its own.  A claim's
# row names the evidence itself.
WORDS = (
    *("show.banner", "show.left_out", "show.markdown", "show.source"),
    *("show.claims", "show.made_of"),
)
Roots = set[str]  # variables that hold what `experiment.run` returned


def called(node: ast.AST) -> str:
    """Name what a call calls, as it is written; "" for anything else."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def roots(node: ast.AST, known: dict[str, Roots]) -> Roots:
    """Collect the grids that an expression is made of."""
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
    own = {n.id for n in names if isinstance(n.ctx, ast.Store)}  # `for x in`
    return set().union(
        *(known.get(n.id, set()) for n in names if n.id not in own)
    )


def bindings(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """List what is bound to what, outside of functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            continue
        if isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value:
            yield node.target, node.value
        elif isinstance(node, ast.For):
            yield node.target, node.iter
        yield from bindings(node)


def learn(tree: ast.AST, known: dict[str, Roots]) -> None:
    """Note for each name that a cell binds which grids it is made of."""
    for target, value in bindings(tree):
        trained = any(called(n) == "experiment.run" for n in ast.walk(value))
        for name in ast.walk(target):
            if isinstance(name, ast.Name):
                before = known.get(name.id, set())  # `x += y`, `x[0] = y`
                found = {name.id} if trained else roots(value, known)
                known[name.id] = found | before


def displayed(tree: ast.Module) -> list[ast.expr]:
    """Give what a cell shows as a table or a figure, if it does."""
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        return []
    name = called(last.value)
    said = name in WORDS or name.removeprefix("checks.") in CHECKS
    return [] if said else [last.value]


def unboxed(cells: list[NotebookNode]) -> dict[str, Roots]:
    """Find each section that shows runs which no box of it lists."""
    known: dict[str, Roots] = {}
    shown: dict[str, Roots] = {}
    boxed: dict[str, Roots] = {}
    section = ""
    for cell in cells:
        if cell.cell_type != "code":
            section = [section, *re.findall("^##+ .+", cell.source, re.M)][-1]
            continue
        tree = ast.parse(cell.source)
        learn(tree, known)
        for value in displayed(tree):
            shown[section] = shown.get(section, set()) | roots(value, known)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) in BOXES:
                found = roots(node.args[0], known)
                boxed[section] = boxed.get(section, set()) | found
    lacking = {s: seen - boxed.get(s, set()) for s, seen in shown.items()}
    return {section: grids for section, grids in lacking.items() if grids}


@pytest.mark.parametrize("name", notebooks())
def test_each_section_lists_the_records_it_shows(name: str) -> None:
    assert unboxed(Notebook(notebooks()[name].path).node.cells) == {}


PAGE = """\
# %%
runs = experiment.run("a", declare, profile=profile)
other = experiment.run("b", declare_other, profile=profile)
rates = records.rates(other)


def declare_more(profile):
    runs_at = rates.get("x", 0.1)
    return runs_at


# %%
groups = records.grouped(runs)
chosen: list[Record] = records.tuned([*runs, *other])

# %% [markdown]
# ## Results
#
# ### One

# %%
"""


@pytest.mark.parametrize(
    ("code", "lacks"),
    [
        ("show.results(runs)", set()),
        ("show.frame(costs(groups))", {"runs"}),
        ("drawings.films(groups)", {"runs"}),
        ("pd.DataFrame({'a': groups}).map(str)", {"runs"}),
        ("show.figure(f(chosen), alt='x')\n# %%\nshow.made_of(chosen)", set()),
        (
            "show.figure(f(chosen), alt='x')\n# %%\nshow.results(runs)",
            {"other"},
        ),
        # a live table, a sentence and an exercise's check
        ("show.frame(formats())", set()),
        ("show.markdown(told(runs))", set()),
        ("checks.steps_to(None, runs)", set()),
        # a comprehension's own names are no grids
        ("show.frame(f([other for other in named]))", set()),
        ("show.frame(f({k: v for k, v in groups.items()}))", {"runs"}),
        # a box of another section is of no help to this one
        (
            "show.frame(f(runs))\n# %% [markdown]\n# ### Two\n# %%\n"
            "show.made_of(runs)",
            {"runs"},
        ),
        (
            "found = []\nfor run in runs:\n    found += [run]\nf(found)",
            {"runs"},
        ),
        ("table if (table := f(runs)) else show.markdown('-')", {"runs"}),
        ("both = {}\nboth['a'] = runs\nshow.frame(both)", {"runs"}),
    ],
)
def test_the_rule_tells_runs_from_all_else(code: str, lacks: Roots) -> None:
    cells = jupytext.reads(PAGE + code, fmt="py:percent").cells
    assert unboxed(cells) == ({"### One": lacks} if lacks else {})
