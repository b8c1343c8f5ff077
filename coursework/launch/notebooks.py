"""Executing a notebook's source through papermill, and believing nothing.

Papermill reports success for a notebook whose kernel died or that called
``sys.exit``, so every cell is checked here.  A page is moved to its place
only when it is whole.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from coursework import paths
from coursework.experiment import Run
from coursework.launch import slices
from coursework.recipe import named

# "ask" is "plan" that first looks for missing runs without drawing anything
Mode = Literal["ask", "plan", "view"]
Parameters = Mapping[str, Any]
GO_ON = "raises-exception"  # papermill then executes the later cells too
SECRET = re.compile("TOKEN|SECRET|PASSW|API_?KEY|CREDENTIAL", re.IGNORECASE)
INJECTED = "injected-parameters"
ADDED = {INJECTED, "papermill-error-cell-tag"}  # cells that papermill adds


@dataclass(frozen=True)
class Notebook:
    """A notebook's source file and what may be set in it."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the practical: the file's stem."""
        return self.path.stem

    @cached_property
    def node(self) -> Any:
        """The notebook as read from its source."""
        import jupytext  # noqa: PLC0415

        return jupytext.read(self.path)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Names and defaults in the cell tagged ``parameters``."""
        for cell in self.node.cells:
            if "parameters" in cell.metadata.get("tags", []):
                return {
                    statement.targets[0].id: ast.literal_eval(statement.value)
                    for statement in ast.parse(cell.source).body
                    if isinstance(statement, ast.Assign)
                    and isinstance(statement.targets[0], ast.Name)
                }
        raise ValueError(f"{self.path} has no cell tagged 'parameters'")


@dataclass
class Execution:
    """What became of one execution of a notebook."""

    name: str
    status: Literal["complete", "planned", "failed", "unchanged"]
    wanted: list[Run] = field(default_factory=list)
    missing: list[Run] = field(default_factory=list)
    error: str = ""
    whole: bool = False  # no grid waits for another one, so none is unknown


def notebooks() -> dict[str, Notebook]:
    """Find all notebooks of the project, in order."""
    files = sorted((paths.PROJECT / "notebooks").glob("[0-9]*.py"))
    return {path.stem: Notebook(path) for path in files}


def select(names: tuple[str, ...]) -> list[Notebook]:
    """Pick notebooks by name or number (all of them, if none is given)."""
    every = notebooks()
    if not names:
        return list(every.values())
    short = {stem.split("_")[0]: book for stem, book in every.items()}
    return [named({**every, **short}, name, "practical") for name in names]


def execute(
    notebook: Notebook, parameters: Parameters, mode: Mode, page: Path
) -> Execution:
    """Execute a notebook in a kernel of its own and keep the page if whole.

    The caller leaves a page alone that :func:`is_fresh`.  After a failure the
    partial notebook lies in ``_build/failed``, its log beside it.
    """
    if mode == "ask":
        mode = "plan"
        wanted, missing = asked(notebook, parameters)
        if missing:
            declared = slices.grids(notebook.path.read_text())
            known = {run.grid for run in wanted} == set(declared)
            return Execution(
                notebook.name, "planned", wanted, missing, whole=known
            )
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.jsonl"
        ledger.touch()
        part = Path(folder) / f"{notebook.name}.ipynb"
        error = _papermill(notebook, parameters, mode, ledger, part)
        wanted, missing = _read(ledger)
        node = json.loads(part.read_text()) if part.exists() else {"cells": []}
        error = error or _trouble(node)
        if error == "Planned":
            return Execution(notebook.name, "planned", wanted, missing)
        if error:
            kept = paths.PROJECT / "_build" / "failed" / part.name
            content = discreet(json.dumps(node, indent=1))
            paths.write(kept, content.encode())
            error = f"{error}\nThe partly executed notebook: {kept}"
            error = discreet(error)
            paths.write(kept.with_suffix(".log"), error.encode())
            return Execution(notebook.name, "failed", wanted, missing, error)
        names = sorted(run.name for run in wanted)
        stamp = _stamp(notebook, parameters, names)
        _tidy(node, {"stamp": stamp, "runs": names})
        node = json.loads(discreet(json.dumps(node)))
        node["metadata"]["coursework"]["sha256"] = _content(node)
        paths.write(page, json.dumps(node, indent=1).encode())
    return Execution(notebook.name, "complete", wanted)


def asked(
    notebook: Notebook, parameters: Parameters
) -> tuple[list[Run], list[Run]]:
    """Return the runs wanted and those missing, by what decides about them."""
    cells = [c for c in notebook.node.cells if c.cell_type == "code"]
    sources = slices.declaring([cell.source for cell in cells])
    for at, cell in enumerate(cells, 1):
        if "parameters" in cell.metadata.get("tags", []):
            sources.insert(at, slices.assigned(parameters))
            break
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.jsonl"
        ledger.touch()
        told = {"COURSEWORK_LEDGER": str(ledger), "COURSEWORK_MODE": "plan"}
        slices.execute(sources, notebook.path.parent, told)
        return _read(ledger)


def is_fresh(page: Path, notebook: Notebook, parameters: Parameters) -> bool:
    """Tell whether a page was made from what there is now."""
    try:
        node = json.loads(page.read_text())
        made = node["metadata"]["coursework"]
        whole = made["sha256"] == _content(node)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if not whole:
        return False
    now = _stamp(notebook, parameters, made["runs"])
    return bool(made["stamp"] == now)


def _papermill(
    notebook: Notebook,
    parameters: Parameters,
    mode: Mode,
    ledger: Path,
    part: Path,
) -> str:
    """Run papermill; return "" or what went wrong outside the cells."""
    # It would check addresses in notebooks, and takes a second to import.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    import papermill  # noqa: PLC0415
    from papermill.exceptions import PapermillExecutionError  # noqa: PLC0415

    os.environ["COURSEWORK_LEDGER"] = str(ledger)
    os.environ["COURSEWORK_MODE"] = mode
    os.environ["PYTHONUTF8"] = "1"
    os.environ.pop("MPLBACKEND", None)  # else inline figures vanish
    node = copy.deepcopy(notebook.node)
    if mode == "plan":
        # A cell that misses runs must not keep later grids from being noted.
        for cell in node.cells:
            cell.metadata.setdefault("tags", []).append(GO_ON)
    try:
        papermill.execute_notebook(
            node,
            str(part),
            parameters=dict(parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            extra_arguments=["--IPKernelApp.log_level=50"],
            cwd=str(notebook.path.parent),
        )
    except PapermillExecutionError:
        return ""  # it names the last failing cell; the page has the first
    except Exception as error:  # a dead kernel has many names
        return f"{notebook.path.name}: {type(error).__name__}: {error}"
    return ""


def _trouble(node: dict[str, Any]) -> str:
    """Name the first code cell that did not run to its end, and its error.

    Cells are numbered as in the source.  "Planned" if what stopped it was a
    plan.
    """
    cells = [
        cell
        for cell in node["cells"]
        if not ADDED & set(cell["metadata"].get("tags", []))
    ]
    for number, cell in enumerate(cells, 1):
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] != "code" or not source:
            continue
        where = f"cell {number} ({source.splitlines()[0]!r})"
        for output in cell["outputs"]:
            if output["output_type"] != "error":
                continue
            if output["ename"] == "Planned":
                return "Planned"
            trace = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output["traceback"]))
            return f"{where} failed\n{trace}"
        if cell["execution_count"] is None:
            return f"{where} was not executed"
    return "" if node["cells"] else "nothing was executed"


def _read(ledger: Path) -> tuple[list[Run], list[Run]]:
    grids = [json.loads(line) for line in ledger.read_text().splitlines()]
    return (
        [Run(**run) for grid in grids for run in grid["wanted"]],
        [Run(**run) for grid in grids for run in grid["missing"]],
    )


def discreet(text: str) -> str:
    """Hide tokens that the environment holds, and where the home folder is."""
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= 8:
            for written in (json.dumps(value)[1:-1], value):
                text = text.replace(written, "***")
    return re.sub(rf"{re.escape(str(Path.home()))}(?=/)", "~", text)


def _content(node: dict[str, Any]) -> str:
    cells = json.dumps(node["cells"], sort_keys=True)
    return hashlib.sha256(cells.encode()).hexdigest()


def _tidy(node: dict[str, Any], made: dict[str, Any]) -> None:
    """Drop what differs between two equal executions."""
    node["metadata"].pop("papermill", None)
    node["metadata"]["coursework"] = made
    for number, cell in enumerate(node["cells"]):
        cell["id"] = f"cell-{number}"
        cell["metadata"].pop("papermill", None)
        cell["metadata"].pop("execution", None)
        tags = [t for t in cell["metadata"].get("tags", []) if t != GO_ON]
        if INJECTED in tags:
            tags.append("remove-cell")
        cell["metadata"]["tags"] = tags


def _stamp(notebook: Notebook, parameters: Parameters, runs: list[str]) -> str:
    digest = hashlib.sha256(notebook.path.read_bytes())
    digest.update(json.dumps(dict(parameters), sort_keys=True).encode())
    package = Path(__file__).parents[1].rglob("*.py")
    evidence = paths.results().glob("*/*.jsonl")
    mine = [paths.runs() / f"{run}.json" for run in runs]
    for path in [*sorted(package), *sorted(evidence), *mine]:
        digest.update(path.read_bytes() if path.exists() else b"-")
    return digest.hexdigest()
