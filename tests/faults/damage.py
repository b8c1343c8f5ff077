"""Files that were changed behind the product's back."""

from __future__ import annotations

import hashlib
import io
import json
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from coursework import checkpoints, experiment, paths, records, training
from coursework.data import download
from coursework.data.colour_masks import image
from coursework.data.download import Archive
from coursework.data.kept import kept
from coursework.data.sources import File, keep
from coursework.experiment import Run
from coursework.launch import notebooks
from coursework.launch.notebooks import Notebook
from coursework.records import DamagedRecordError
from coursework.trial import Epoch
from tests.faults.scene import Row, cell, essence, folders, same

ARRAYS: dict[str, NDArray[Any]] = {
    "inputs": np.arange(600, dtype=np.uint8).reshape(2, 300),
    "targets": np.arange(40),
}
CONTENT = bytes(range(256)) * 40
FILE = File("thing.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
OTHER = (b"{}\n", b"<!doctype html><p>404", b"\x89PNG\r\n\x1a\n", b"null")


def truncate(content: bytes, rng: random.Random) -> bytes:
    """Cut a file off."""
    return content[: rng.randrange(len(content))]


def flip(content: bytes, rng: random.Random) -> bytes:
    """Turn one bit over."""
    place, bit = rng.randrange(len(content)), 1 << rng.randrange(8)
    changed = bytes([content[place] ^ bit])
    return content[:place] + changed + content[place + 1 :]


def append(content: bytes, rng: random.Random) -> bytes:
    """Put something behind a file."""
    return content + rng.randbytes(rng.randrange(1, 100))


def empty(content: bytes, rng: random.Random) -> bytes:
    """Leave nothing."""
    return b""


def swap(content: bytes, rng: random.Random) -> bytes:
    """Put a file of another type there."""
    return rng.choice(OTHER)


MUTATIONS = (truncate, flip, append, empty, swap)


class Local:
    """A source of a data set's file that asks no network."""

    def bring(self, files: Sequence[File], folder: Path) -> None:
        """Put the files there."""
        for file in files:
            keep(io.BytesIO(CONTENT).read, file, folder)


def archive(*, has_source: bool) -> Archive:
    """Describe a data set of one file."""
    return Archive(
        name="thing",
        download_mb=1,
        files=(FILE,),
        sources=(Local(),) if has_source else (),
    )


@dataclass(frozen=True)
class Target:
    """A kind of file: how it comes to be, and who reads it.

    ``use`` returns what should equal ``wanted``, whatever was done to the
    file, or raises an error that names what is damaged.
    """

    prepare: Callable[[], Path]
    use: Callable[[], Any]
    errors: tuple[type[Exception], ...] = ()


class Stopped(Exception):
    """Stands for a kill between two epochs."""


def interrupted(after: int = 3) -> Path:
    """Leave the checkpoint of a run that was stopped after some epochs."""

    def stop(_: Run, epoch: Epoch) -> None:
        if epoch.epoch == after:
            raise Stopped

    with (
        suppress(Stopped),
        patch.object(training, "CHECKPOINT_SECONDS", 0.0),
    ):
        experiment.execute(cell(), on_epoch=stop)
    return experiment.checkpoint_file(cell())


def executed() -> Any:
    """Do the run, or what is left of it; what is said is said aloud."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return essence(experiment.execute(cell()))


def finished() -> Path:
    """Leave a finished run; return its artefact."""
    record = experiment.execute(cell())
    return paths.runs() / record.name / "weights.npz"


def recorded() -> Path:
    """Leave a finished run; return its record."""
    record = experiment.execute(cell())
    return records.run_file(record.key, record.seed)


def seen() -> Any:
    """Read the artefact of the finished run."""
    record = records.find(cell().trial, cell().seed)
    assert record is not None
    return hashlib.sha256(record.artefact("weights.npz")).hexdigest()


def fetched() -> Path:
    """Leave a data set's file."""
    return download.fetch(archive(has_source=True)) / FILE.name


def stored() -> Path:
    """Leave arrays that took long to make."""
    kept(path := paths.data() / "arrays.npz", lambda: ARRAYS)
    return path


def remade() -> bool:
    """Read them, or make them anew."""
    return same(kept(paths.data() / "arrays.npz", lambda: ARRAYS), ARRAYS)


def drawn() -> Path:
    """Leave a picture as it is imported with a set."""
    path = paths.data() / "picture.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ARRAYS["inputs"].reshape(20, 30)).save(path)
    return path


def shown() -> Any:
    """Decode it."""
    picture = image(paths.data() / "picture.png")
    return picture.size, picture.tobytes()


def notebook() -> Notebook:
    """Write the source of a notebook."""
    path = paths.data() / "00_thing.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('# %% tags=["parameters"]\nprofile = "quick"\n')
    return Notebook(path)


def executed_by(*arguments: Any) -> str:
    """Stand for papermill: leave a notebook that was executed."""
    output = {"output_type": "stream", "name": "stdout", "text": "0.875"}
    cell: dict[str, Any] = {"cell_type": "code", "source": "print(score)"}
    cell |= {"metadata": {}}
    cell |= {"execution_count": 1, "outputs": [output], "id": "a"}
    node = {"cells": [cell], "metadata": {}, "nbformat": 4}
    arguments[-1].write_text(json.dumps(node))
    return ""


def published() -> Path:
    """Leave a notebook's page."""
    page = paths.data() / "page.ipynb"
    with patch.object(notebooks, "_papermill", executed_by):
        notebooks.execute(notebook(), {"profile": "quick"}, "view", page)
    return page


def page_as_made() -> Any:
    """Take the page, or make it again if it is not what it was."""
    page = paths.data() / "page.ipynb"
    if not notebooks.is_fresh(page, notebook(), {"profile": "quick"}):
        published()
    return json.loads(page.read_text())["cells"]


TARGETS: Mapping[str, Target] = {
    "checkpoint": Target(interrupted, executed, (ValueError,)),
    "record": Target(recorded, executed, (DamagedRecordError,)),
    "artefact": Target(finished, seen, (FileNotFoundError,)),
    "data file, no network": Target(
        fetched,
        lambda: download.read(archive(has_source=False), FILE.name),
        (download.DataUnavailable,),
    ),
    "data file, fetched again": Target(fetched, lambda: fetched().read_bytes()),
    "kept arrays": Target(stored, remade),
    "picture": Target(drawn, shown, (ValueError,)),
    "page": Target(published, page_as_made),
}


def damages(kind: str, tries: int, rng: random.Random) -> Row:
    """Change a file in so many ways, all mutations alike often."""
    target, row = TARGETS[kind], Row(f"{kind} damaged")
    with folders():
        path = target.prepare()
        whole = path.read_bytes()
        wanted = target.use()
        for number in range(tries):
            mutation = MUTATIONS[number % len(MUTATIONS)]
            damaged = mutation(whole, rng)
            _forget(path, damaged)
            trouble = _used(target, path, wanted)
            row.add(f"{mutation.__name__} {number}", trouble)
    return row


def _forget(path: Path, content: bytes) -> None:
    """Put a file in its place as if the run had just been killed."""
    if path.suffix == ".pt":
        for record in paths.runs().glob("*.json"):
            record.unlink()
    path.write_bytes(content)


def _used(target: Target, path: Path, wanted: Any) -> str:
    try:
        found = target.use()
    except target.errors as error:
        named = path.name in str(error)
        return "" if named else f"the error does not name it: {error}"
    except Exception as error:
        return f"unforeseen {type(error).__name__}: {error}"
    return "" if found == wanted else "a wrong result, silently"


class Evil:
    """What a pickle may hold: a call that leaves a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def pickles() -> Row:
    """Plant pickles that would run code wherever a file is read."""
    row = Row("malicious pickle")
    for kind, planted in PLANTED.items():
        with folders() as place:
            path, mark = TARGETS[kind].prepare(), place / "executed"
            wanted = TARGETS[kind].use()
            _forget(path, planted(Evil(mark)))
            trouble = _used(TARGETS[kind], path, wanted)
            row.add(kind, "it was executed" if mark.exists() else trouble)
    return row


def _saved(evil: Evil) -> bytes:
    """Write it as a checkpoint whose seal is as it should be."""
    torch.save({"network": evil}, file := io.BytesIO())
    return checkpoints.seal(file.getvalue())


def _packed(evil: Evil) -> bytes:
    """Write it as an array."""
    np.savez(file := io.BytesIO(), inputs=np.array([evil], dtype=object))
    return file.getvalue()


PLANTED: Mapping[str, Callable[[Evil], bytes]] = {
    "checkpoint": _saved,
    "artefact": _packed,
    "kept arrays": _packed,
}
