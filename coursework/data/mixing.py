"""Pictures of two examples in one, and targets that say how much of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from coursework.recipe import named

Kind = Literal["none", "mixup", "cutmix"]
Shares = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Which way pictures are mixed; a share is drawn from Beta(alpha, alpha).

    Each picture gets a share of its own and a partner from its batch.
    """

    kind: Kind = "none"
    alpha: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what could not be drawn."""
        named(KINDS, self.kind, "kind of mixing")
        if not self.alpha > 0:
            raise ValueError(f"alpha is {self.alpha}; it must be above 0")

    def __call__(
        self,
        batch: Tensor,
        targets: Tensor,
        classes: int,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Mix floats (N, C, H, W) of classes (N,); return soft rows (N, K).

        The rows sum to one.  The kind "none" returns both as they are and
        draws nothing.  Raises ValueError for pictures of bytes.
        """
        change = KINDS[self.kind]
        if change is None:
            return batch, targets
        if not batch.is_floating_point():
            raise ValueError(
                f"the pictures are {batch.dtype}; mixing takes floats: mix "
                "what a View returns"
            )
        # numpy's, for torch draws no Beta from a generator of one's own
        drawn = torch.randint(2**62, (1,), generator=generator)
        rng = np.random.default_rng(int(drawn))
        wanted = rng.beta(self.alpha, self.alpha, len(batch))
        order = torch.from_numpy(rng.permutation(len(batch))).to(batch.device)
        mixed, kept = change(batch, batch[order], wanted, rng)
        rows = one_hot(targets, classes).to(kept.dtype)
        return mixed, torch.lerp(rows[order], rows, kept[:, None])


def mixup(
    batch: Tensor, partners: Tensor, shares: Shares, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Keep ``shares`` (N,) of each picture's light, add the partner's rest.

    :cite:t:`zhang2018mixup`, section 2, with a share a picture, not a batch.
    """
    kept = torch.from_numpy(shares).to(batch)
    return torch.lerp(partners, batch, kept[:, None, None, None]), kept


def cutmix(
    batch: Tensor, partners: Tensor, shares: Shares, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Paste a part of the partner in, of the picture's form, at its place.

    :cite:t:`yun2019cutmix`, section 3.1: the part's area is 1 − ``shares``
    of the picture's, its centre anywhere, what is outside cut off.  Returns
    the share of pixels that are still the picture's own.
    """
    spans = []
    for length in batch.shape[-2:]:
        long = np.rint(np.sqrt(1 - shares) * length)
        start = rng.integers(length, size=len(long)) - long // 2
        first, size = torch.from_numpy(start), torch.from_numpy(long)
        spans.append(span(first, size, length))
    pasted = part(*spans).to(batch.device)
    kept = 1 - pasted.to(batch.dtype).mean((1, 2, 3))
    return torch.where(pasted, partners, batch), kept


def span(start: Tensor, long: Tensor, length: int) -> Tensor:
    """Tell which of ``length`` places spans from ``start`` (N,) cover."""
    places = torch.arange(length) - start[:, None]
    return (places >= 0) & (places < long[:, None])


def part(rows: Tensor, columns: Tensor) -> Tensor:
    """Mark what lies in chosen rows (N, H) and columns (N, W): (N, 1, H, W)."""
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def erase(batch: Tensor, largest: float, generator: torch.Generator) -> Tensor:
    """Put even random numbers into a part of each picture."""
    drawn = torch.rand(4, len(batch), generator=generator)
    gone = random_part(drawn, largest, *batch.shape[-2:]).to(batch.device)
    fresh = torch.rand(batch.shape, generator=generator).to(batch)
    return torch.where(gone, fresh, batch)


def random_part(
    drawn: Tensor, largest: float, height: int, width: int
) -> Tensor:
    """Choose a part of each picture as random erasing does: (N, 1, H, W).

    Of four uniform numbers (4, N) the first makes the share of the area, 2 %
    (or ``largest``, if that is less) to ``largest``; the second the form,
    height over width 0.3 to 1/0.3, evenly in the logarithm; the last two the
    place.  A side longer than the picture's is cut to it.
    :cite:t:`zhong2020erasing`, algorithm 1, where the ratio itself is even
    and a part that does not fit is drawn anew.
    """
    least = min(0.02, largest)
    area = (least + (largest - least) * drawn[0]) * height * width
    form = torch.exp((2 * drawn[1] - 1) * math.log(1 / 0.3))
    spans = []
    for side, length, place in (
        ((area * form).sqrt(), height, drawn[2]),
        ((area / form).sqrt(), width, drawn[3]),
    ):
        long = side.round().clamp(1, length)
        start = (place * (length - long + 1)).floor()
        spans.append(span(start, long, length))
    return part(*spans)


KINDS: Mapping[Kind, Callable[..., tuple[Tensor, Tensor]] | None] = {
    "none": None,
    "mixup": mixup,
    "cutmix": cutmix,
}
