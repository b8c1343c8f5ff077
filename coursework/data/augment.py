"""Augmentation of whole batches, on whatever device they are."""

from __future__ import annotations

import torch


def shift(
    pictures: torch.Tensor, pixels: int, generator: torch.Generator
) -> torch.Tensor:
    """Move each picture (N, C, H, W) by up to ``pixels`` each way.

    What moves in from outside is zero.  Every offset is equally likely.
    """
    if pixels == 0:
        return pictures
    n, _, height, width = pictures.shape
    padded = torch.nn.functional.pad(pictures, [pixels] * 4)
    down, right = torch.randint(
        2 * pixels + 1, (2, n, 1), generator=generator
    ).to(pictures.device)
    rows = down + torch.arange(height, device=pictures.device)
    columns = right + torch.arange(width, device=pictures.device)
    picture = torch.arange(n, device=pictures.device)[:, None, None]
    moved = padded.movedim(1, -1)[
        picture, rows[:, :, None], columns[:, None, :]
    ]
    return moved.movedim(-1, 1)
