"""The locks: every version pinned, every file by its hash, nothing missing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1]
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
LOCKS = ("requirements.lock", "requirements-dev.lock")
APART = {"torch", "torchvision"}  # their builds differ by machine
HASHED = re.compile(r"(?:\\\n--hash=sha256:[0-9a-f]{64}[ \n]?)+")


def blocks(lock: str) -> Iterator[tuple[Requirement, str]]:
    """Split a lock into requirements and what stands behind each."""
    text = (PROJECT / lock).read_text()
    for block in re.split(r"^(?=[a-zA-Z0-9])", text, flags=re.M):
        if block.strip():
            line, _, _ = block.partition("\\")
            yield Requirement(line.strip()), block[len(line) :]


def pins(lock: str) -> list[Requirement]:
    return [requirement for requirement, _ in blocks(lock)]


def here(requirements: Sequence[Requirement]) -> dict[str, str]:
    """Map what is wanted on this machine to its version."""
    return {
        canonicalize_name(r.name): str(r.specifier).removeprefix("==")
        for r in requirements
        if r.marker is None or r.marker.evaluate()
    }


def closure(wanted: Sequence[str]) -> set[str]:
    """Follow requirements through what is installed on this machine."""
    found, waiting = set[str](), [(Requirement(text), "") for text in wanted]
    seen = set[tuple[str, str]]()
    while waiting:
        one, extra = waiting.pop()
        if one.marker and not one.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(one.name)
        for asked in ("", *one.extras):
            if (name, asked) not in seen:
                seen.add((name, asked))
                more = [] if name == "coursework" else metadata.requires(name)
                waiting += [(Requirement(text), asked) for text in more or ()]
        found.add(name)
    return found - APART - {"coursework"}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_has_one_version_and_hashes(lock: str) -> None:
    found = list(blocks(lock))
    assert len(found) > 10
    for requirement, hashes in found:
        assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), (
            requirement
        )
        assert requirement.url is None
        assert HASHED.fullmatch(hashes), requirement


def test_the_locks_agree() -> None:
    """A package may be in both, for the second may want it everywhere."""
    core, dev = (here(pins(lock)) for lock in LOCKS)
    assert {name: dev.get(name, pin) for name, pin in core.items()} == core


def test_the_constraints_are_the_locks_and_torch() -> None:
    text = (PROJECT / "constraints.txt").read_text()
    found = [Requirement(line) for line in text.splitlines()]
    locked = [requirement for lock in LOCKS for requirement in pins(lock)]
    assert {r.name for r in found} == {r.name for r in locked} | APART
    pinned = {n: v for n, v in here(found).items() if n not in APART}
    assert pinned == here(locked)


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_locked_is_what_the_project_needs(lock: str) -> None:
    """Of what this machine needs nothing is missing, and nothing else is in."""
    core = closure(DECLARED["dependencies"])
    extras = DECLARED["optional-dependencies"].values()
    dev = closure([text for extra in extras for text in extra])
    # .ci/lock adds what torch asks for: it may be installed from elsewhere
    apart = closure(metadata.requires("torch") or [])
    needed, fits = (core, core) if lock == LOCKS[0] else (dev - core, dev)
    found = set(here(pins(lock)))
    assert needed - found == set()
    assert found - fits - apart == set()


def test_what_is_installed_is_what_is_locked() -> None:
    locked = {n: v for lock in LOCKS for n, v in here(pins(lock)).items()}
    installed = {name: metadata.version(name) for name in locked}
    assert installed == locked
