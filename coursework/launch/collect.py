"""Bringing records home that were made elsewhere, and only whole ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from coursework import paths, records
from coursework.records import Record

What = Literal["new", "there", "REFUSED"]


@dataclass(frozen=True)
class Finding:
    """What became of one record."""

    what: What
    name: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.what:9}{self.name} {self.why}".rstrip()


def collect(path: Path) -> Iterator[Finding]:
    """Copy records and their artefacts into ``runs/``, verified by hash.

    ``path`` is a folder of runs or holds one named ``runs``.  A record that
    differs from the one that is here is refused: ours stays.  Raises
    FileNotFoundError for a folder without records.
    """
    folder = path / "runs" if (path / "runs").is_dir() else path
    found = sorted(folder.glob("*.json"))
    if not found:
        raise FileNotFoundError(
            f"{path} holds no records; give the folder of a bundle that has "
            "run, or its folder runs"
        )
    for file in found:
        try:
            what = _take(file)
        except (ValueError, OSError) as error:
            yield Finding("REFUSED", file.stem, str(error))
        else:
            yield Finding(what, file.stem)


def _take(file: Path) -> What:
    """Bring one record; ValueError if it is not whole or another one."""
    content = file.read_bytes()
    record = records.parse(content, file)
    if "sha256" not in json.loads(content):
        raise ValueError("it carries no hash of its content")
    if record.name != file.stem:
        raise ValueError(f"what it holds is run {record.name}")
    target = paths.runs() / file.name
    if target.exists():
        if target.read_bytes() == content:
            return "there"
        raise ValueError(
            f"{target} is another record of this run, and stays; delete the "
            "one you don't want"
        )
    artefacts = {
        name: _artefact(file, record, name) for name in record.artefacts
    }
    records.save(record, artefacts)
    return "new"


def _artefact(file: Path, record: Record, name: str) -> bytes:
    if name != Path(name).name:
        raise ValueError(f"its artefact {name!r} would lie in another folder")
    content = (file.with_suffix("") / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != record.artefacts[name]:
        raise ValueError(f"its artefact {name!r} is not what it was")
    return content
