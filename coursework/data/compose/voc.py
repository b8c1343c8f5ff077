"""Write composed scenes to disk, in the layout of PASCAL VOC.

Beside the pictures lie palette images of their classes and of their single
things, and lists of the splits; ``torchvision.datasets.VOCSegmentation``
opens "train" and "val" unchanged, as year 2012, which had no public "test".
"""

from __future__ import annotations

import io
import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from coursework import paths
from coursework.data.compose import places, scenes, store
from coursework.recipe import at_least, named

LISTS: Mapping[str, str] = {
    "train": "train",
    "validation": "val",
    "test": "test",
}
YEAR = "VOCdevkit/VOC2012"
QUALITY = 90  # of the JPEGs
FORMATS = {
    "SegmentationClass": "PNG",
    "SegmentationObject": "PNG",
    "JPEGImages": "JPEG",
}
ENDINGS = {"PNG": "png", "JPEG": "jpg"}

Job = tuple[str, int]  # a picture: its split and its index
_choices: dict[str, scenes.Choices] = {}  # what a worker process draws from


def ensure(
    sizes: Mapping[str, int], side: int = 256, workers: int | None = None
) -> Path:
    """Return the folder that holds ``VOCdevkit``, with enough pictures in it.

    ``sizes`` says how many of the splits "train", "validation" and "test";
    what is missing is composed, and more may lie there.  Raises as
    ``compose`` does.
    """
    folder = folder_for(side)
    compose(folder, sizes, side, workers)
    return folder


def folder_for(side: int) -> Path:
    """Name the folder by whatever decides about the pictures."""
    settings = (
        *("voc", side, QUALITY, places.SETTINGS, places.PHOTOS),
        *(scenes.RASTER, scenes.HELD_OUT, scenes.NUMBERS, scenes.MEDIAN),
        *(scenes.SPREAD, scenes.LARGE, scenes.FLYING, scenes.LEANING),
    )
    return paths.data() / "tinyvoc-composed" / store.key(settings)


def compose(
    folder: Path,
    sizes: Mapping[str, int],
    side: int = 256,
    workers: int | None = None,
) -> None:
    """Compose the pictures that a folder lacks, then list them.

    A list names the first so many pictures of a split in their order, and is
    never cut.  Of two processes the second waits.  The files are the same
    for any number of ``workers`` (None: one a core), each of which is a
    process.  Raises DataUnavailable if the icon sets can't be had or are
    damaged, ValueError for an unknown split or a number below 0, OSError if
    the folder can't be written.
    """
    at_least("side", side, 32)
    for split, size in sizes.items():
        at_least(named(LISTS, split, "split"), size, 0)
    if _complete(folder, sizes):
        return
    lock = paths.data() / ".locks" / f"voc-{folder.name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if jobs := _missing(folder, sizes):
            _work(folder, side, jobs, workers)
        for split, size in sizes.items():
            if size > len(_listed(folder, split)):
                content = "".join(f"{_id((split, i))}\n" for i in range(size))
                paths.write(_list(folder, split), content.encode())


def palette() -> NDArray[np.uint8]:
    """Return VOC's colours (256, 3): the bits of a number, in turn."""
    numbers = np.arange(256)[:, None] >> np.arange(3)
    colours = sum(
        ((numbers >> 3 * place) & 1) << (7 - place) for place in range(3)
    )
    return np.asarray(colours, np.uint8)


def _complete(folder: Path, sizes: Mapping[str, int]) -> bool:
    listed = all(
        len(_listed(folder, split)) >= size for split, size in sizes.items()
    )
    return listed and not _missing(folder, sizes)


def _missing(folder: Path, sizes: Mapping[str, int]) -> list[Job]:
    there = {
        kind: {path.stem for path in (folder / YEAR / kind).glob("*")}
        for kind in FORMATS
    }
    whole = set.intersection(*there.values())
    jobs = [(split, i) for split, size in sizes.items() for i in range(size)]
    return [job for job in jobs if _id(job) not in whole]


def _list(folder: Path, split: str) -> Path:
    return folder / YEAR / f"ImageSets/Segmentation/{LISTS[split]}.txt"


def _listed(folder: Path, split: str) -> list[str]:
    path = _list(folder, split)
    return path.read_text().split() if path.exists() else []


def _id(job: Job) -> str:
    split, index = job
    return f"{LISTS[split]}_{index:06}"


def _work(
    folder: Path, side: int, jobs: list[Job], workers: int | None
) -> None:
    with ProcessPoolExecutor(
        min(workers or os.cpu_count() or 1, len(jobs)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_hold,
        initargs=(scenes.drawings(),),
    ) as executor:
        write = partial(_write, folder, side)
        list(executor.map(write, jobs, chunksize=8))


def _hold(choices: Mapping[str, scenes.Choices]) -> None:
    _choices.update(choices)


def _write(folder: Path, side: int, job: Job) -> None:
    split, index = job
    made = scenes.scene(_choices[split], split, index, side)
    images = {
        "SegmentationClass": _paletted(made.classes),
        "SegmentationObject": _paletted(made.objects),
        "JPEGImages": Image.fromarray(made.picture),
    }
    for kind, image in images.items():
        packed = io.BytesIO()
        image.save(packed, FORMATS[kind], quality=QUALITY)  # PNG has none
        ending = ENDINGS[FORMATS[kind]]
        path = folder / YEAR / kind / f"{_id(job)}.{ending}"
        paths.write(path, packed.getvalue())


def _paletted(numbers: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(numbers)
    image.putpalette(palette().tobytes())
    return image
