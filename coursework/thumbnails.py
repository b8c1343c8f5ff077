"""Pictures and masks small enough to be kept beside a record."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import interpolate

PICTURE_BYTES = 70_000  # of the 100 KB that an artefact may have
QUALITIES = (90, 80, 65, 50, 35, 20)


def stacked(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Code pictures (n, 3, H, W) as one JPEG's bytes, as good as fits."""
    code = b""
    if len(pictures):
        column = np.concatenate(list(pictures.transpose(0, 2, 3, 1)))
        for quality in QUALITIES:
            file = io.BytesIO()
            # not subsampled: no colour runs from a picture into the next
            Image.fromarray(column).save(
                file, "JPEG", quality=quality, subsampling=0
            )
            code = file.getvalue()
            if len(code) <= PICTURE_BYTES:
                break
    return np.frombuffer(code, np.uint8)


def unstacked(code: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Undo :func:`stacked`, up to JPEG's loss: (n, H, W, 3)."""
    if not number:
        return np.empty((0, 1, 1, 3), np.uint8)
    with Image.open(io.BytesIO(code.tobytes())) as picture:
        column = np.asarray(picture.convert("RGB"))
    return column.reshape(number, -1, *column.shape[1:])


def shrunk(pictures: NDArray[Any], most: int) -> NDArray[np.uint8]:
    """Average uint8 pictures (N, 3, H, W) down to at most ``most`` a side."""
    size = _size(pictures, most)
    if size == pictures.shape[2:] or not len(pictures):
        return pictures.astype(np.uint8)
    exact = torch.from_numpy(pictures).float()
    small: NDArray[np.uint8] = (
        interpolate(exact, size, mode="area").round().byte().numpy()
    )
    return small


def thinned(masks: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """Take so many of the pixels of masks (N, H, W), to fit ``shrunk``."""
    rows, columns = (
        (np.arange(new) * old // new)
        for new, old in zip(_size(masks, most), masks.shape[1:], strict=True)
    )
    return masks[:, rows][:, :, columns]


def _size(pictures: NDArray[Any], most: int) -> tuple[int, int]:
    height, width = pictures.shape[-2:]
    side = max(height, width)
    if side <= most:
        return height, width
    return max(1, height * most // side), max(1, width * most // side)
