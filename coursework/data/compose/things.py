"""Things in a scene: each in its place, in its light, with its shadow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from coursework.data.compose.backgrounds import Picture
from coursework.data.compose.icons import Cutout
from coursework.data.compose.layers import FINER, Layer, Place, layer, over
from coursework.data.compose.layers import recoloured as turned

Area = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A cut-out in its place and in its light, (2, 2) at the corners."""

    label: str
    cutout: Cutout
    place: Place
    light: NDArray[np.float64]
    hue: float
    saturation: float
    haze: float
    stands: bool


def put(
    thing: Thing,
    number: int,
    far: Picture,
    picture: Picture,
    objects: NDArray[np.uint8],
) -> None:
    """Draw a thing and its shadow into the picture and number its pixels."""
    side, place = len(picture), thing.place
    length = place.size * side
    bend = abs(np.cos(place.angle)) + abs(np.sin(place.angle))
    window = int(length * bend) + 4
    middle = Place(
        x=0.5,
        y=0.5,
        size=length / window,
        angle=place.angle,
        mirrored=place.mirrored,
    )
    drawn = layer(_reduced(thing.cutout.pixels, length), middle, window)
    top = round(place.y * side - window / 2)
    left = round(place.x * side - window / 2)
    if thing.stands:
        shadow = _shadow(drawn[..., 3])
        there, seen = _overlap(left, top + round(0.06 * window), window, side)
        picture[there] *= 1 - shadow[seen][..., None]
    there, seen = _overlap(left, top, window, side)
    lit = _lit(drawn, thing, far)[seen]
    picture[there] = over(lit, picture[there])
    objects[there][lit[..., 3] > 0.5] = number


def _reduced(pixels: NDArray[np.uint8], length: float) -> NDArray[np.uint8]:
    """Average pixels that a layer of that length would step over."""
    factor = int(max(pixels.shape[:2]) / (length * FINER))
    if factor < 2:
        return pixels
    whole = Image.fromarray(pixels).convert("RGBa")  # no colour of nothing
    return np.asarray(whole.reduce(factor).convert("RGBA"))


def _overlap(left: int, top: int, window: int, side: int) -> tuple[Area, Area]:
    """Slice the part of the picture in a window, and of the window in it."""

    def part(shift: int, size: int, other: int) -> slice:
        return slice(max(0, shift), max(0, min(size, shift + other)))

    there = part(top, side, window), part(left, side, window)
    return there, (part(-top, window, side), part(-left, window, side))


def _shadow(opacity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lay a silhouette flat at its lower edge, and soften it."""
    size = len(opacity)
    whole = Image.fromarray((130 * opacity).astype(np.uint8))
    flat = whole.resize((size, max(1, size // 8)), Image.Resampling.BOX)
    ground = Image.new("L", (size, size))
    ground.paste(flat, (0, size - flat.height - size // 12))
    soft = ground.filter(ImageFilter.GaussianBlur(size / 30))
    return np.asarray(soft, np.float32) / np.float32(255)


def _lit(drawn: Layer, thing: Thing, far: Picture) -> Layer:
    """Turn the colours, shade from corner to corner, mix the haze in."""
    lit = turned(drawn, thing.hue, thing.saturation)
    ramp = np.linspace((1, 0), (0, 1), len(lit))
    lit[..., :3] *= (ramp @ thing.light @ ramp.T)[..., None]
    lit[..., :3] *= 1 - thing.haze
    lit[..., :3] += thing.haze * far * lit[..., 3:]
    return np.asarray(lit, np.float32)
