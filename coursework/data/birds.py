"""CUB-200-2011: photographs of 200 bird species, with boxes around the birds.

5,994 for training and 5,794 for testing :cite:p:`wah2011caltech`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from PIL import Image

from coursework.data.download import Archive
from coursework.data.photographs import Opened, Photographs
from coursework.data.sources import File, Mirror
from coursework.data.splits import Splits
from coursework.data.voc_layout import whole

CUB200 = Archive(
    name="cub200",
    download_mb=1150.6,
    files=(
        File(
            "CUB_200_2011.tgz",
            "0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
            1_150_585_339,
            md5="97eceeb196236b17998738112f37df78",
        ),
    ),
    sources=(Mirror("https://data.caltech.edu/records/65de6-vp158/files/{}"),),
    stand_in="animals",
)

Box = tuple[float, float, float, float]  # left, top, width, height in pixels
T = TypeVar("T")


def cub200(
    *,
    side: int = 128,
    crop_to_box: bool = False,
    train: int | None = None,
    scored: int | None = None,
    per_class: int | None = None,
) -> Splits:
    """Load CUB-200-2011, (N, 3, side, side), in its official split.

    One in ten of the training pictures validates, stratified and always the
    same ones.  ``crop_to_box`` shows the square around a bird's box, in the
    test split as well: it tells the network where to look.  ``per_class``
    keeps the first so many training pictures of each class, ``train`` the
    first so many of these, ``scored`` at most so many of the validation and
    of the test split (None: all of them).  Raises DataUnavailable, naming the
    file, if the archive or something in it is not there or damaged,
    ValueError if there are not that many pictures.
    """
    known = Photographs(
        name="CUB-200-2011" + " (boxes)" * crop_to_box,
        archive=CUB200,
        opened=partial(opened, crop_to_box=crop_to_box),
        variant="-boxes" * crop_to_box,
    )
    return known.splits(side).per_class(per_class).first(train, scored)


@dataclass(frozen=True)
class Birds:
    """The pictures of a split: files, classes from 0, boxes to cut out."""

    folder: Path
    classes: Sequence[str]
    rows: Sequence[tuple[str, int, Box | None]]

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        """Return a picture and its class; OSError names a damaged file."""
        name, label, box = self.rows[index]
        try:
            picture = whole((self.folder / "images" / name).read_bytes())
        except OSError as error:
            raise OSError(f"images/{name}: {error}") from error
        return around(picture, box) if box else picture, label


def opened(root: Path, *, crop_to_box: bool) -> Opened:
    """Read the tables of the unpacked archive.

    Raises ValueError, naming the table, if one is missing or damaged or says
    nothing about a picture.
    """
    folder = root / "CUB_200_2011"
    classes = table(folder, "classes.txt", str)
    images = table(folder, "images.txt", str)
    labels = table(folder, "image_class_labels.txt", int, images)
    trains = table(folder, "train_test_split.txt", int, images)
    boxes: Mapping[int, Box] = {}
    if crop_to_box:
        boxes = table(folder, "bounding_boxes.txt", _box, images)
    numbers = {key: number for number, key in enumerate(classes)}
    if odd := set(labels.values()) - numbers.keys():
        raise ValueError(
            f"image_class_labels.txt: the classes {sorted(odd)} are not in "
            "classes.txt"
        )
    # "001.Black_footed_Albatross" is class 1.
    names = [name.partition(".")[2] for name in classes.values()]
    parts: dict[str, list[tuple[str, int, Box | None]]]
    parts = {"train": [], "test": []}
    for key, name in images.items():
        row = (name, numbers[labels[key]], boxes.get(key))
        parts["train" if trains[key] else "test"].append(row)
    species = [name.replace("_", " ") for name in names]
    return {
        split: Birds(folder, species, rows) for split, rows in parts.items()
    }


def table(
    folder: Path,
    name: str,
    value: Callable[[str], T],
    keys: Collection[int] | None = None,
) -> dict[int, T]:
    """Read a file with a number and a value in each line.

    Raises ValueError, naming the file, if it can't be read, or if its numbers
    are not ``keys``.
    """
    try:
        lines = (folder / name).read_text().splitlines()
        pairs = [line.split(maxsplit=1) for line in lines]
        found = {int(key): value(text) for key, text in pairs}
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{name}: {error}; expected a number and a value in each line"
        ) from error
    if keys is not None and (odd := found.keys() ^ set(keys)):
        raise ValueError(
            f"{name} and images.txt differ in the pictures "
            f"{sorted(odd)[:5]}; expected the same in both"
        )
    return found


def around(picture: Image.Image, box: Box) -> Image.Image:
    """Cut out the square around a box's centre, as long as its longer edge.

    It is moved, and shortened where it must be, to lie in the picture.
    """
    left, top, width, height = box
    side = min(round(max(width, height)), *picture.size)
    x, y = (
        min(max(round(start + length / 2 - side / 2), 0), most - side)
        for start, length, most in (
            (left, width, picture.width),
            (top, height, picture.height),
        )
    )
    return picture.crop((x, y, x + side, y + side))


def _box(text: str) -> Box:
    left, top, width, height = map(float, text.split())
    return left, top, width, height
