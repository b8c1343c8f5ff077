"""What this machine has, and what to do about what it lacks."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coursework import paths, provenance
from coursework.data import sets

GIB = 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing looked at; ``fault`` says what to do, if anything."""

    name: str
    text: str
    fault: str = ""

    def __str__(self) -> str:
        mark = "FAULT" if self.fault else "ok"
        advice = f"\n{'':20}→ {self.fault}" if self.fault else ""
        return f"{mark:6}{self.name:14}{self.text}{advice}"


def findings() -> list[Finding]:
    """Look at interpreter, versions, device, memory, disk and data."""
    return [
        _python(),
        *_versions(),
        _device(),
        _threads(),
        _memory(),
        *map(_folder, (paths.runs(), paths.data())),
        *_data(),
    ]


def _python() -> Finding:
    version = sys.version.split()[0]
    good = (3, 11) <= sys.version_info < (3, 14)
    advice = "use Python 3.11, 3.12 or 3.13: make clean, then make PYTHON=…"
    return Finding("python", version, "" if good else advice)


def _versions() -> Iterator[Finding]:
    """Compare what is installed with what the project was locked to."""
    pins = (paths.PROJECT / "constraints.txt").read_text()
    for name, pin in re.findall(r"^([\w.-]+)==([^ ;\n]+)$", pins, re.M):
        if name not in (*provenance.VERSIONS, "jupyter-book", "papermill"):
            continue
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "missing", "run `make install`")
            continue
        same = found.split("+")[0] == pin
        advice = f"locked version is {pin}: run `make install`"
        yield Finding(name, found, "" if same else advice)


def _device() -> Finding:
    import torch  # noqa: PLC0415

    if torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory
        text = f"{provenance.device()}, {total / GIB:.0f} GiB"
        return Finding("device", text)
    return Finding("device", f"{provenance.device()}, no GPU (none is needed)")


def _threads() -> Finding:
    cores, threads = os.cpu_count() or 1, provenance.threads()
    advice = "OMP_NUM_THREADS is above the number of cores: unset it"
    text = f"{threads} threads, {cores} cores"
    return Finding("threads", text, advice if threads > cores else "")


def _memory() -> Finding:
    information = Path("/proc/meminfo")
    if not information.exists():
        return Finding("memory", "not told by this system")
    found = re.search(r"MemAvailable:\s+(\d+) kB", information.read_text())
    free = int(found[1]) * 1024 if found else 0
    advice = "close other programs, or run with --jobs 1"
    text = f"{free / GIB:.1f} GiB free"
    return Finding("memory", text, "" if free > 2 * GIB else advice)


def _folder(folder: Path) -> Finding:
    """See whether a folder can be written and has room."""
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    text = f"{folder}, {free / GIB:.1f} GiB free"
    fault = ""
    if not there.is_dir() or not os.access(there, os.W_OK):
        fault = "can't be written: set COURSEWORK_RUNS or COURSEWORK_DATA"
    elif free < GIB:
        fault = "less than 1 GiB free: make room"
    return Finding("folder", text, fault)


def _data() -> Iterator[Finding]:
    for name, file, good, message in sets.verify(()):
        advice = f"run `coursework data fetch {name}`"
        text = f"{name} {file} {message}".rstrip()
        yield Finding("data", text, "" if good else advice)
