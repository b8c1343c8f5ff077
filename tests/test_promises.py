"""README and SECURITY: each promise names a test, and the tests exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PAGES = ("SECURITY.md", "README.md", "CONTRIBUTING.md")
NAMED = re.compile(r"`(?:tests/)?(test_\w+\.py)?(?:::(test_\w+))?`")


def known(file: str) -> set[str]:
    """Name the tests in a file."""
    tree = ast.parse((PROJECT / "tests" / file).read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def named(text: str) -> Iterator[tuple[str, str]]:
    """Find tests: `test_file.py::test_name`, the next ones `::test_name`."""
    file = ""
    for given, name in NAMED.findall(text):
        file = given or file
        if given or name:
            yield file, name


def promises() -> list[str]:
    """Take the rows of SECURITY's tables, each a promise."""
    text = (PROJECT / "SECURITY.md").read_text()
    rows = re.findall(r"^\|(.+)\|$", text, re.M)
    return [row for row in rows if not re.fullmatch(r"[-|]+|.*Held by ", row)]


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_is_named_exists(page: str) -> None:
    for file, name in named((PROJECT / page).read_text()):
        assert (PROJECT / "tests" / file).is_file(), file
        assert not name or name in known(file), f"{file}::{name}"


def test_every_promise_names_a_test() -> None:
    found = promises()
    assert len(found) > 30
    for row in found:
        assert list(named(row.split("|")[-1])), row


def test_what_is_not_given_away_names_a_test() -> None:
    text = (PROJECT / "SECURITY.md").read_text()
    _, _, rest = text.partition("\n## What is not given away\n")
    part, _, _ = rest.partition("\n## ")
    found = re.split(r"^- ", part, flags=re.M)[1:]
    assert len(found) > 4
    for promise in found:
        assert list(named(promise)), promise
