"""The part of a notebook that says which runs it needs.

A page spends most of its time on figures and tables.  To learn what is still
to be trained none of them is needed, only the grids and what they are made
of.
"""

from __future__ import annotations

import ast
import multiprocessing
import os
import symtable
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any


def declaring(cells: Sequence[str]) -> list[str]:
    """Keep of each cell the statements that a call of ``run`` depends on.

    Those are the calls themselves and whatever binds or changes a name that
    a kept statement mentions.
    """
    bodies = [ast.parse(cell).body for cell in cells]
    needed, known = set[str](), None
    while needed != known:
        known = needed.copy()
        for statement in chain(*bodies):
            if _asks(statement) or _changed(statement) & needed:
                needed |= _mentioned(statement)
    return [
        "\n".join(
            ast.unparse(_lean(statement, needed))
            for statement in body
            if _asks(statement) or _changed(statement) & needed
        )
        for body in bodies
    ]


def grids(source: str) -> list[str]:
    """Name the grids that a notebook's source runs."""
    return [
        ast.literal_eval(call.args[0])
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) == "experiment.run"
    ]


def assigned(values: Mapping[str, Any]) -> str:
    """Write the statements that give names their values."""
    return "\n".join(f"{name} = {value!r}" for name, value in values.items())


def execute(
    sources: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> None:
    """Execute sources one by one in a fork of this process.

    A fork knows what is imported here, a kernel would take seconds for it.  So
    what the sources import is imported first, for the next ones.  Like in a
    kernel that is told to go on, one that fails keeps no other from running.
    """
    for statement in chain(*(ast.parse(source).body for source in sources)):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            with suppress(Exception):
                exec(ast.unparse(statement), {})
    child = multiprocessing.get_context("fork").Process(
        target=_execute, args=(sources, folder, environment)
    )
    child.start()
    child.join()


def _execute(
    sources: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> None:
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, "")
    names = {"__name__": "__main__"}
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        for source in sources:
            with suppress(Exception, SystemExit):
                exec(source, names)


def _asks(statement: ast.stmt) -> bool:
    """Whether a statement calls ``experiment.run``, under that name."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run"
        for node in ast.walk(statement)
    )


def _lean(statement: ast.stmt, needed: set[str]) -> ast.stmt:
    """Leave out of an import what nobody needs; it may take seconds."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        statement.names = [a for a in statement.names if _bound(a) in needed]
    return statement


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _changed(statement: ast.stmt) -> set[str]:
    """Names that a statement binds, or whose value it may change."""
    table = _symbols(statement)
    owners = set[str]()
    for node in ast.walk(statement):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            owners |= _owner(node.value.func)  # arms.update(more)
        elif isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            owners |= _owner(node)  # arms["more"] = 1
    bound = {s.get_name() for s in table.get_symbols() if _binds(s)}
    return bound | (owners & _mentioned(statement))


def _owner(node: ast.AST) -> set[str]:
    """Name what an item or an attribute belongs to."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
        if isinstance(node, ast.Name):
            return {node.id}
    return set()


def _mentioned(statement: ast.stmt) -> set[str]:
    """Names of the module's that a statement mentions, in functions too."""
    tables, names = [_symbols(statement)], set[str]()
    for table in tables:
        inside = table.get_type() != "module"
        names |= {
            s.get_name()
            for s in table.get_symbols()
            if (s.is_global() if inside else s.is_referenced())
        }
        tables += table.get_children()
    return names


def _symbols(statement: ast.stmt) -> symtable.SymbolTable:
    return symtable.symtable(ast.unparse(statement), "<cell>", "exec")


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported()
