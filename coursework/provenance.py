"""Who made a record: the code, the machine, the versions."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from coursework import paths

ORIGIN = "origin.json"
VERSIONS = ("numpy", "scikit-learn", "scipy", "torch", "torchvision")


@functools.cache
def environment() -> dict[str, str | int | bool | None]:
    """Describe this process without naming its host, user or folders."""
    versions = {
        name: importlib.metadata.version(name)
        for name in VERSIONS
        if importlib.util.find_spec(name.replace("scikit-learn", "sklearn"))
    }
    return {
        **origin(),
        "python": platform.python_version(),
        **versions,
        "device": device(),
        "threads": threads(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def origin() -> dict[str, str | bool | None]:
    """Name the commit of this code, and whether it was modified since.

    Where git's history is not at hand, as in a bundle, it is what a file
    ``ORIGIN`` beside the package says, if anything.
    """
    commit = _git("rev-parse", "HEAD")
    carried = paths.PROJECT / ORIGIN
    if commit is None and carried.exists():
        known: dict[str, str | bool | None] = json.loads(carried.read_text())
        return known
    changes = _git("status", "--porcelain", "--", "coursework")
    return {"commit": commit, "modified": bool(changes)}


def threads() -> int:
    """Return the number of threads a matrix product may use here."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def device() -> str:
    """Name the processor, or the GPU where torch is loaded and sees one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    information = Path("/proc/cpuinfo")
    if information.exists():
        found = re.search(r"model name\s*:\s*(.+)", information.read_text())
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def source_digest(modules: Iterable[str]) -> str:
    """Hash the code of package modules and of all they import from it.

    Comments, layout and docstrings don't count.  A record made by other code
    than today's is marked by it on the page; it stays valid.
    """
    seen: dict[str, str] = {}
    waiting = sorted(set(modules))
    while waiting:
        name = waiting.pop()
        if name not in seen and name.startswith("coursework"):
            seen[name], imported = _code(name)
            waiting.extend(imported)
    text = "\n".join(f"{name} {code}" for name, code in sorted(seen.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def _code(module: str) -> tuple[str, tuple[str, ...]]:
    """Return a module's code without docstrings, and what it imports."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"no module {module!r} in the package")
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            imported.append(node.module)
            imported += [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1 and _is_text(body[0]):
            del body[0]
    inside = tuple(
        name
        for name in imported
        if name.startswith("coursework.") and _exists(name)
    )
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest(), inside


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@functools.cache
def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a name inside a module, not a module
        return False


def _git(*arguments: str) -> str | None:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=paths.PROJECT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None  # a download without git's history: no commit to name
