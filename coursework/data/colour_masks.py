"""Masks of one colour a class made palette masks, as VOC has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from coursework.data.voc_layout import VOID, whole

# Black and the colour of VOC's contours are no classes.
NO_CLASSES = {0x000000: 0, 0xE0E0C0: VOID}


def image(path: Path) -> Image.Image:
    """Read a picture whole; ValueError names it if it can't be."""
    try:
        return whole(path.read_bytes()).convert("RGB")
    except OSError as error:
        raise ValueError(
            f"{path}: found {error}; expected a whole picture"
        ) from error


def indexed(
    path: Path,
    size: tuple[int, int],
    colours: dict[int, int],
    flags: tuple[int, ...],
) -> Image.Image:
    """Make a palette mask of one in colours; ValueError if it does not fit.

    The colours that it is the first to show join ``colours``.
    """
    mask = image(path)
    if mask.size != size:
        raise ValueError(
            f"{path}: found {mask.size} pixels, expected {size}, as its "
            "picture has"
        )
    red, green, blue = np.asarray(mask).astype(np.int64).transpose(2, 0, 1)
    packed = (red << 16) + (green << 8) + blue
    shown, first, places = np.unique(
        packed, return_index=True, return_inverse=True
    )
    for colour in shown[np.argsort(first)].tolist():
        _meet(path, colour, colours, len(flags))
    values = np.array([colours[c] for c in shown.tolist()], np.uint8)
    absent = {k + 1 for k, flag in enumerate(flags) if flag} - {*values}
    if absent:
        lacking = [f"#{c:06x}" for c, v in colours.items() if v in absent]
        raise ValueError(
            f"{path}: its label line names the classes of {lacking or absent}"
            ", which it does not show"
        )
    drawn = Image.fromarray(values[places].reshape(packed.shape))
    drawn.putpalette(_palette(colours))
    return drawn


def _meet(
    path: Path, colour: int, colours: dict[int, int], classes: int
) -> None:
    number = len(colours) - len(NO_CLASSES) + 1
    if colour in colours:
        return
    if number > classes:
        known = ", ".join(f"#{c:06x}" for c in colours)
        raise ValueError(
            f"{path}: found the unknown colour #{colour:06x}; its label line "
            f"has {classes} classes, and the colours met before are {known}"
        )
    colours[colour] = number


def _palette(colours: Mapping[int, int]) -> list[int]:
    table = np.zeros((256, 3), int)
    for colour, value in colours.items():
        table[value] = colour >> 16, colour >> 8 & 255, colour & 255
    return [int(level) for level in table.ravel()]
