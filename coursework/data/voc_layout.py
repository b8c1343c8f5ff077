"""Pictures with masks in the layout of PASCAL VOC, made into arrays.

A picture is ``JPEGImages/ID.jpg``, its mask the palette picture
``SegmentationClass/ID.png``, and a split a list of ids
``ImageSets/Segmentation/SPLIT.txt``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from coursework.data.download import DataUnavailable
from coursework.data.kept import Arrays
from coursework.recipe import at_least

VOID = 255  # of a mask: the contour, or what belongs to no one class
PERCENT = 1  # a class is present above this share of a picture's pixels
STRIP = 100  # so many times as long as wide, a picture's centre shows nothing
MODES = ("1", "L", "P", "RGB", "YCbCr", "CMYK", "RGBA", "LA")

Mask = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A folder in that layout, wherever it lies.

    ``read`` gives a file's content by its name in the folder or raises
    OSError; ``classes`` are the values of the classes in the masks, in
    their order, ``others`` those that count as no class; ``remedy`` says
    what to do about a fault.
    """

    where: str
    read: Callable[[str], bytes]
    classes: Sequence[int]
    others: Collection[int]
    remedy: str

    def ids(self, split: str) -> list[str]:
        """List the ids of a split, in the order of its file."""
        name = f"ImageSets/Segmentation/{split}.txt"
        try:
            return self.read(name).decode().split()
        except (OSError, ValueError) as error:
            raise self.fault(name, str(error), "a list of ids") from error

    def fault(self, name: str, found: str, expected: str) -> DataUnavailable:
        """Make the error that names a file and what is wrong with it."""
        return DataUnavailable(
            f"{self.where}/{name}: found {found}; expected {expected}. "
            f"{self.remedy}"
        )

    def example(self, name: str) -> tuple[Image.Image, Mask]:
        """Read a picture and its mask: 0, a class's number + 1, or VOID.

        Raises DataUnavailable, naming the file, if one of them is missing,
        damaged or not of the other's size, or if the mask is no palette
        picture or holds an unknown value.
        """
        picture = self._image(f"JPEGImages/{name}.jpg").convert("RGB")
        file = f"SegmentationClass/{name}.png"
        stored = self._image(file)
        if stored.size != picture.size:
            raise self.fault(
                file,
                f"{_size(stored)} pixels",
                f"the {_size(picture)} of JPEGImages/{name}.jpg",
            )
        if stored.mode != "P":
            raise self.fault(
                file, f"a picture of mode {stored.mode}", "a palette picture"
            )
        return picture, self._classes(file, np.asarray(stored))

    def _image(self, name: str) -> Image.Image:
        try:
            return whole(self.read(name))
        except OSError as error:
            raise self.fault(name, str(error), "a whole picture") from error

    def _classes(self, file: str, values: Mask) -> Mask:
        known = {0: 0, VOID: VOID} | dict.fromkeys(self.others, 0)
        known |= {v: k for k, v in enumerate(self.classes, 1)}
        if odd := set(np.unique(values).tolist()) - known.keys():
            raise self.fault(
                file, f"the values {sorted(odd)}", f"only {sorted(known)}"
            )
        table = np.zeros(256, np.uint8)
        table[list(known)] = list(known.values())
        return np.asarray(table[values], np.uint8)


def whole(content: bytes) -> Image.Image:
    """Decode a picture of 8 bits a channel, all opaque.

    OSError says what is wrong with it: no picture, damaged, of another mode,
    with transparent parts, a strip, or larger than memory should hold.
    """
    try:
        image = Image.open(io.BytesIO(content))
        if not (odd := _odd(image)):
            image.load()
            odd = _see_through(image)
    except UnidentifiedImageError as error:
        raise OSError("what is no picture") from error
    except Exception as error:  # a damaged one fails in many ways
        raise OSError(f"a damaged picture ({error})") from error
    if odd:
        raise OSError(odd)
    return image


def _odd(image: Image.Image) -> str:
    """Say what is odd about a picture that is not decoded yet."""
    pixels, limit = image.width * image.height, Image.MAX_IMAGE_PIXELS
    if limit is not None and pixels > limit:
        return f"a picture of {_size(image)} pixels, more than {limit}"
    if max(image.size) > STRIP * min(image.size):
        return f"a strip of {_size(image)} pixels"
    if image.mode not in MODES:  # more bits would silently become white
        return f"a picture of mode {image.mode}, none of {', '.join(MODES)}"
    return ""


def _see_through(image: Image.Image) -> str:
    if not image.has_transparency_data:
        return ""
    (least, _) = image.convert("RGBA").getchannel("A").getextrema()
    return "a picture with transparent parts" if least != 255 else ""


def decoded(tree: Tree, ids: Sequence[str], side: int) -> Arrays:
    """Read pictures, their masks and their labels, row by row.

    Returns "inputs" uint8 (N, 3, side, side), "masks" uint8 (N, side, side)
    and "targets" int64 (N, K).  Of each picture and mask the same centre
    square, as long as the shorter side, is kept and resized: the aspect of
    things stays, what lies outside is lost.
    """
    at_least("side", side, 8)
    number = len(ids)
    inputs = np.empty((number, 3, side, side), np.uint8)
    masks = np.empty((number, side, side), np.uint8)
    targets = np.empty((number, len(tree.classes)), np.int64)
    for row, name in enumerate(ids):
        picture, values = tree.example(name)
        mask = squared(Image.fromarray(values))
        # An antialiased picture, but a mask of values that all mean a class.
        small = squared(picture).resize((side, side), Image.Resampling.BILINEAR)
        inputs[row] = np.asarray(small).transpose(2, 0, 1)
        masks[row] = np.asarray(
            mask.resize((side, side), Image.Resampling.NEAREST)
        )
        targets[row] = labels(np.asarray(mask), len(tree.classes))
    return {"inputs": inputs, "masks": masks, "targets": targets}


def squared(image: Image.Image) -> Image.Image:
    """Cut the centre square out, as long as the shorter side."""
    short = min(image.size)
    left, top = ((length - short) // 2 for length in image.size)
    return image.crop((left, top, left + short, top + short))


def labels(mask: Mask, classes: int) -> NDArray[np.int64]:
    """Say of each class, (K,) of 0 and 1, whether the mask shows it.

    It does if the class covers more than ``PERCENT`` of the pixels that are
    not void.  The mask is the cropped one, for a label is about what is
    visible, before it is resized, for a label must not depend on ``side``.
    """
    counts = np.bincount(mask.ravel(), minlength=VOID + 1)
    counted = counts[:VOID].sum()
    present = 100 * counts[1 : classes + 1] > PERCENT * counted
    return np.asarray(present, np.int64)


def _size(image: Image.Image) -> str:
    return "{} x {}".format(*image.size)
