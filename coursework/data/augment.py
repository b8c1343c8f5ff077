"""What happens to a batch of pictures before a network sees it.

All of it works on whole batches, on whatever device they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import interpolate, pad


@dataclass(frozen=True)
class View:
    """How a network wants its pictures: their side and their channels.

    ``side`` resizes bilinearly; ``channels`` repeats one grey channel, as a
    view that takes no memory.  None leaves either as it is.
    """

    side: int | None = None
    channels: int | None = None

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """Turn uint8 (N, C, H, W) into float32, -1 for 0 and 1 for 255.

        Raises ValueError where channels can't be repeated.
        """
        batch = pictures.float().div_(127.5).sub_(1)
        if self.side and batch.shape[-2:] != (self.side, self.side):
            batch = interpolate(batch, (self.side, self.side), mode="bilinear")
        if self.channels is None or self.channels == batch.shape[1]:
            return batch
        if batch.shape[1] != 1:
            raise ValueError(
                f"channels is {self.channels}, but the pictures have "
                f"{batch.shape[1]}; only one channel can be repeated"
            )
        return batch.expand(-1, self.channels, -1, -1)


def shift(
    pictures: torch.Tensor, pixels: int, generator: torch.Generator
) -> torch.Tensor:
    """Move each picture (N, C, H, W) by up to ``pixels`` each way.

    What moves in from outside is zero.  Every offset is equally likely.
    """
    if pixels == 0:
        return pictures
    n, _, height, width = pictures.shape
    padded = pad(pictures, [pixels] * 4)
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


def flip(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror each picture (N, C, H, W) left-right with probability 1/2."""
    mirrored = torch.randint(2, (len(pictures), 1, 1, 1), generator=generator)
    return torch.where(
        mirrored.bool().to(pictures.device), pictures.flip(-1), pictures
    )
