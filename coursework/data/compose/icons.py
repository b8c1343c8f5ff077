"""Cut-outs from free icon sets, each set a drawing style of its own."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from coursework.data.compose import styles
from coursework.data.compose.names import MISNAMED, NAMES
from coursework.data.download import read
from coursework.trial import stream

MOST = 40  # icons of a class from a set: one set has 582 of persons
FULLEST = 0.97  # what fills more of its box is a framed picture


@dataclass(frozen=True)
class Cutout:
    """An icon without what lies around it: RGBA pixels (H, W, 4)."""

    style: str
    name: str
    pixels: NDArray[np.uint8]

    @property
    def key(self) -> str:
        """Name the icon among those of all sets."""
        return f"{self.style}:{self.name}"


def cutouts(style: str, side: int) -> dict[str, list[Cutout]]:
    """Draw a set's icons of each class of ``NAMES``, ``side`` pixels high.

    At most ``MOST`` a class, always the same ones.  Left out are those that
    show something else than their name says and those without any outline.
    Raises DataUnavailable, naming the file, if the set can't be had or is
    damaged.
    """
    icons = json.loads(read(styles.ARCHIVE, f"{style}.json"))
    found = {}
    for label, pattern in NAMES.items():
        names = [name for name in icons["icons"] if pattern.fullmatch(name)]
        chosen = [n for n in names if f"{style}:{n}" not in MISNAMED]
        chosen.sort(key=lambda name: shuffled(style, name))
        drawn = [
            Cutout(style, name, trimmed(draw(svg(icons, name), side)))
            for name in chosen[:MOST]
        ]
        found[label] = [c for c in drawn if fill(c.pixels) <= FULLEST]
    return found


def shuffled(style: str, name: str) -> int:
    """Rank an icon in an order that has nothing to do with its name."""
    return stream(0, f"{style}:{name}")


def svg(icons: Mapping[str, Any], name: str) -> str:
    """Return one icon of a set as an SVG document.

    An icon has its own size and origin only where they differ from the
    set's; a set that gives none means 16 and 0.
    """
    icon = {"left": 0, "top": 0, "width": 16, "height": 16}
    icon |= icons | icons["icons"][name]
    box = " ".join(str(icon[k]) for k in ("left", "top", "width", "height"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" '
        f'width="{icon["width"]}" height="{icon["height"]}">'
        f"{icon['body']}</svg>"
    )


def draw(document: str, side: int) -> NDArray[np.uint8]:
    """Render an SVG document: RGBA (side, W, 4), not premultiplied."""
    png = resvg_py.svg_to_bytes(
        svg_string=document, height=side, skip_system_fonts=True
    )
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def trimmed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut the box out in which anything is visible."""
    rows = np.flatnonzero(pixels[..., 3].any(axis=1))
    columns = np.flatnonzero(pixels[..., 3].any(axis=0))
    if not len(rows):
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def fill(pixels: NDArray[np.uint8]) -> float:
    """Return the share of the box that is covered, 0 to 1."""
    return float(pixels[..., 3].mean() / 255)
