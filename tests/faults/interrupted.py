"""A run that is killed, or that finds the disk full, and is asked for again."""

from __future__ import annotations

import io
import random
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coursework import experiment, paths
from coursework.data import download
from coursework.data.archives import extract
from coursework.data.kept import Arrays, kept
from tests.faults.damage import archive, page_as_made
from tests.faults.points import Points, apart, die, fill
from tests.faults.scene import Row, cell, essence, folders

WRITES = ("a new file", "half a write", "a sync", "a rename")
Work = Callable[[], Any]


def trained() -> Any:
    """Do the run, or what is left of it."""
    return essence(experiment.execute(cell()))


def fetched() -> Any:
    """Bring a file of a data set from a source on this machine."""
    folder = download.fetch(archive(has_source=True))
    return {file.name: file.read_bytes() for file in folder.glob("*.bin")}


def extracted() -> Any:
    """Keep arrays that are made of an archive's files, unpacked for it."""

    def make() -> Arrays:
        with tempfile.TemporaryDirectory() as place:
            packed, folder = Path(place, "packed.tar"), Path(place, "files")
            with tarfile.open(packed, "w") as package:
                for number in range(3):
                    member = tarfile.TarInfo(f"{number}.bin")
                    member.size = 100
                    package.addfile(member, io.BytesIO(bytes([number]) * 100))
            extract(packed, folder)
            return {
                path.stem: np.frombuffer(path.read_bytes(), np.uint8)
                for path in sorted(folder.iterdir())
            }

    arrays = kept(paths.data() / "unpacked.npz", make)
    return {name: array.tobytes() for name, array in arrays.items()}


def published() -> Any:
    """Bring a notebook's page up to date."""
    page_as_made()
    return page_as_made()


def struck(work: Work, points: Points) -> tuple[int, Any]:
    """Do work in another process that is struck; its status and result."""

    def do() -> Any:
        with points.installed():
            return work(), points.passed

    return apart(do)


def kills(work: Work, name: str, tries: int, rng: random.Random) -> list[Row]:
    """Kill a process wherever it can be killed, or at some of the places."""
    return _interrupt(work, name, "killed", tries, rng)


def full_disks(
    work: Work, name: str, tries: int, rng: random.Random
) -> list[Row]:
    """Let each kind of write find no space."""
    return _interrupt(work, name, "no space", tries, rng)


def often(tries: int, rng: random.Random) -> Row:
    """Kill one run again and again, at random places, until it is through."""
    wanted, passed, _ = _undisturbed(trained)
    row = Row("run killed again and again")
    for _ in range(tries):
        with folders():
            at = [rng.randrange(len(passed)) for _ in range(4)]
            for place in at:
                struck(trained, Points(place))
            status, found = apart(trained)
        row.add(f"places {at}", _trouble(status, found, wanted))
    return row


def _undisturbed(work: Work) -> tuple[Any, list[str], list[str]]:
    """Return the result, the places passed and the files left."""
    with folders():
        status, told = struck(work, Points())
        assert status == 0, told
        wanted, passed = told
        return wanted, passed, _left()


def _interrupt(
    work: Work, name: str, fault: str, tries: int, rng: random.Random
) -> list[Row]:
    wanted, passed, files = _undisturbed(work)
    rows = dict[str, Row]()
    for at in _chosen(passed, fault, tries, rng):
        row = rows.setdefault(
            kind := _kind(name, passed[at]), Row(f"{kind}, {fault}")
        )
        with folders():
            points = Points(at, die if fault == "killed" else fill)
            status, said = struck(work, points)
            trouble = _shown(fault, status, said)
            status, found = apart(work)
            trouble = trouble or _trouble(status, found, wanted)
            if not trouble and _left() != files:
                trouble = f"files {_left()}, expected {files}"
        row.add(f"place {at}, {passed[at]}", trouble)
    return list(rows.values())


def _chosen(
    passed: Sequence[str], fault: str, tries: int, rng: random.Random
) -> list[int]:
    """Take so many places, all if they are fewer; of each kind at least one."""
    places = [
        at
        for at, place in enumerate(passed)
        if fault == "killed"
        or (place.endswith(WRITES) and "after" not in place)
    ]
    rng.shuffle(places)
    first = {_kind("", passed[at]): at for at in reversed(places)}
    return [*dict.fromkeys([*first.values(), *places])][:tries]


def _kind(name: str, place: str) -> str:
    """Say in what a place lies: a step, an evaluation or a kind of write."""
    written, within, _ = place.partition(" · ")
    if within:
        return f"{name} in a write of its {written}"
    return f"{name} in {place.removeprefix('before ').removeprefix('after ')}"


def _shown(fault: str, status: int, said: Any) -> str:
    """Say what is wrong about how a strike showed."""
    if fault == "killed":
        return "" if status == -9 else f"status {status}: it was not killed"
    tolerated = status == 0  # kept arrays cost only time
    named = "No space left" in str(said)
    return "" if tolerated or named else f"unnamed error {said}"


def _trouble(status: int, found: Any, wanted: Any) -> str:
    if status != 0:
        return f"could not go on: {found}"
    return "" if found == wanted else "ended otherwise"


def _left() -> list[str]:
    """List the files that a reader would take for good."""
    return sorted(
        str(path.relative_to(folder))
        for folder in (paths.runs(), paths.data())
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.startswith(".part-")
        and not path.name.endswith((".lock", ".part"))
    )
