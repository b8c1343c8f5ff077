"""Put a cut-out into a picture: its colours, its place, and what it hides.

A layer is float32 of shape (side, side, 4): red, green, blue, already
multiplied by the opacity, and the opacity, all from 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Layer = NDArray[np.float32]

FINER = 2  # layers are drawn so many times finer, for smooth outlines


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a cut-out goes: lengths as shares of the picture's side.

    ``size`` is that of the cut-out's longer side; ``angle`` in radians,
    clockwise; ``mirrored`` swaps left and right first.
    """

    x: float
    y: float
    size: float
    angle: float = 0.0
    mirrored: bool = False


def anywhere(rng: np.random.Generator) -> Place:
    """Draw a place for a picture's only thing: large, hardly beyond an edge."""
    size = rng.uniform(0.55, 0.95)
    x, y = rng.uniform(size / 2 - 0.05, 1.05 - size / 2, 2)
    return Place(
        x=x,
        y=y,
        size=size,
        angle=rng.uniform(-0.25, 0.25),
        mirrored=rng.random() < 0.5,
    )


def layer(pixels: NDArray[np.uint8], place: Place, side: int) -> Layer:
    """Draw a cut-out (H, W, 4) at its place; what lies outside is lost."""
    fine = side * FINER
    height, width = pixels.shape[:2]
    step = max(height, width) / (place.size * fine)
    cos, sin = step * np.cos(place.angle), step * np.sin(place.angle)
    flip = -1 if place.mirrored else 1
    x, y = place.x * fine, place.y * fine
    # Pillow asks where in the cut-out a point of the picture lies.
    back = (
        *(flip * cos, flip * sin, width / 2 - flip * (cos * x + sin * y)),
        *(-sin, cos, height / 2 - (cos * y - sin * x)),
    )
    drawn = Image.fromarray(pixels).transform(
        (fine, fine),
        Image.Transform.AFFINE,
        back,
        Image.Resampling.BILINEAR,
    )
    rgba = np.asarray(drawn, np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    blocks = rgba.reshape(side, FINER, side, FINER, 4)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def recoloured(layer: Layer, hue: float, saturation: float) -> Layer:
    """Turn a layer's hue (radians) and scale its saturation.

    Colours turn about the axis of greys, on which they stay as they are:
    a third of the circle makes red green, green blue and blue red.
    """
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([(0, -1, 1), (1, 0, -1), (-1, 1, 0)]) / np.sqrt(3)
    chroma = np.cos(hue) * (np.eye(3) - grey) + np.sin(hue) * cross
    turned = layer[..., :3] @ (grey + saturation * chroma).T
    opacity = layer[..., 3:]
    return np.dstack([turned.clip(0, opacity), opacity]).astype(np.float32)


def over(layer: Layer, picture: Layer) -> Layer:
    """Lay a layer over an opaque picture (side, side, 3)."""
    return layer[..., :3] + (1 - layer[..., 3:]) * picture
