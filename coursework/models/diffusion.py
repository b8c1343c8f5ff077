"""A small denoising diffusion model of pictures :cite:p:`ho2020denoising`.

Forward, pictures drown in noise, step by step, and nothing is learnt;
backward, a network that was trained to name the noise takes it away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from coursework.recipe import named

ScheduleName = Literal["cosine", "linear"]
Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]
GROUPS = 8  # of channels that are normalised together


def cosine(steps: int) -> Tensor:
    """Compute betas (steps,): :cite:p:`nichol2021improved`, eq. 17."""
    at = torch.arange(steps + 1, dtype=torch.float64) / steps
    signal = (math.pi / 2 * (at + 0.008) / 1.008).cos().square()
    return (1 - signal[1:] / signal[:-1]).clamp(max=0.999)


def linear(steps: int) -> Tensor:
    """Compute betas (steps,): section 4, for other than 1000 steps scaled."""
    scale = 1000 / steps
    ends = torch.tensor([1e-4, 0.02], dtype=torch.float64) * scale
    return torch.linspace(
        float(ends[0]), float(ends[1]), steps, dtype=torch.float64
    ).clamp(max=0.999)


SCHEDULES: Mapping[ScheduleName, Callable[[int], Tensor]] = {
    "cosine": cosine,
    "linear": linear,
}


def signal_shares(steps: int, schedule: ScheduleName = "cosine") -> Tensor:
    """Compute what is left of the signal's power at times 0 to ``steps``.

    The paper's alpha-bar, (steps + 1,) in double precision: 1 at time 0.
    """
    betas = named(SCHEDULES, schedule, "schedule")(steps)
    return torch.cat([betas.new_ones(1), (1 - betas).cumprod(0)])


def noised(pictures: Tensor, noise: Tensor, share: Tensor) -> Tensor:
    """Jump to where ``share`` (N,) of the signal's power is left: eq. 4."""
    share = share[:, None, None, None]
    return share.sqrt() * pictures + (1 - share).sqrt() * noise


def ddim_step(
    pictures: Tensor, noise: Tensor, share: float, after: float
) -> Tensor:
    """Take the named noise away, and put less of the same back.

    From signal share ``share`` to ``after``, :cite:p:`song2021ddim`, eq. 12
    without randomness.  Unlike there, the picture seen behind the noise is
    held within -1..1, and the noise is what that leaves.
    """
    clean = (pictures - math.sqrt(1 - share) * noise) / math.sqrt(share)
    clean = clean.clamp(-1, 1)
    rest = (pictures - math.sqrt(share) * clean) / math.sqrt(1 - share)
    return math.sqrt(after) * clean + math.sqrt(1 - after) * rest


def sample(
    denoiser: Denoiser,
    noise: Tensor,
    labels: Tensor,
    shares: Tensor,
    steps: int = 25,
) -> Tensor:
    """Turn noise (N, C, H, W) into pictures, in so many equal leaps.

    ``shares`` are those of training, see :func:`signal_shares`.
    """
    last = len(shares) - 1
    times = torch.linspace(last, 0, steps + 1).round().long().tolist()
    pictures = noise
    for time, after in pairwise(times):
        now = torch.full_like(labels, time)
        found = denoiser(pictures, now, labels)
        pictures = ddim_step(
            pictures, found, float(shares[time]), float(shares[after])
        )
    return pictures


class UNet(nn.Module):
    """Name the noise in pictures (N, channels, H, W), for time and class.

    Neighbouring 2×2 pixels become channels; then one block of two 3×3
    convolutions a scale, ``levels`` halvings, two blocks at the smallest
    scale, and back with skip connections: sides must be divisible by
    2 ** (1 + levels).  Each block is scaled and shifted channel by channel as
    an embedding of time (:cite:p:`vaswani2017attention`, section 3.5) and
    class says.  Smaller than the paper's: no attention, no dropout.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        classes: int = 10,
        width: int = 32,
        levels: int = 1,
    ) -> None:
        super().__init__()
        size = 4 * width
        plan = [width * 2**level for level in range(levels + 1)]
        self.factor = 2 ** (1 + levels)
        self.frequencies = width
        self.time = nn.Sequential(
            nn.Linear(width, size), nn.SiLU(), nn.Linear(size, size)
        )
        self.label = nn.Embedding(classes, size)
        self.enter = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, width, 3, padding=1)
        )
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.grow, self.up = nn.ModuleList(), nn.ModuleList()
        for outer, inner in pairwise(plan):
            self.down.append(Block(outer, outer, size))
            self.shrink.append(nn.Conv2d(outer, inner, 3, 2, padding=1))
            self.grow.append(nn.ConvTranspose2d(inner, outer, 2, 2))
            self.up.append(Block(2 * outer, outer, size))
        self.middle = nn.ModuleList(
            Block(plan[-1], plan[-1], size) for _ in range(2)
        )
        self.leave = nn.Sequential(
            nn.GroupNorm(GROUPS, width),
            nn.SiLU(),
            silenced(nn.Conv2d(width, 4 * channels, 3, padding=1)),
            nn.PixelShuffle(2),
        )

    def forward(
        self, pictures: Tensor, times: Tensor, labels: Tensor
    ) -> Tensor:
        """Estimate the noise, of the pictures' shape.

        Raises ValueError for sides that can't be halved often enough.
        """
        if any(side % self.factor for side in pictures.shape[2:]):
            raise ValueError(
                f"pictures are {tuple(pictures.shape[2:])}; both sides must "
                f"be divisible by {self.factor}: resize them or take fewer "
                "levels"
            )
        told = self.time(waves(times, self.frequencies)) + self.label(labels)
        maps, skipped = self.enter(pictures), []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            maps = block(maps, told)
            skipped.append(maps)
            maps = shrink(maps)
        for block in self.middle:
            maps = block(maps, told)
        for grow, block in [*zip(self.grow, self.up, strict=True)][::-1]:
            maps = block(torch.cat([grow(maps), skipped.pop()], 1), told)
        noise: Tensor = self.leave(maps)
        return noise


class Block(nn.Module):
    """Two normalised convolutions, told time and class, and a shortcut."""

    def __init__(self, inputs: int, outputs: int, told: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.GroupNorm(GROUPS, inputs),
            nn.SiLU(),
            nn.Conv2d(inputs, outputs, 3, padding=1),
        )
        self.norm = nn.GroupNorm(GROUPS, outputs)
        self.told = nn.Sequential(nn.SiLU(), nn.Linear(told, 2 * outputs))
        self.second = nn.Sequential(
            nn.SiLU(), silenced(nn.Conv2d(outputs, outputs, 3, padding=1))
        )
        self.shortcut = (
            nn.Identity()
            if inputs == outputs
            else nn.Conv2d(inputs, outputs, 1)
        )

    def forward(self, maps: Tensor, told: Tensor) -> Tensor:
        """Return as many maps as ``outputs`` says, sides kept."""
        scale, shift = self.told(told)[:, :, None, None].chunk(2, 1)
        inner = self.norm(self.first(maps)) * (1 + scale) + shift
        kept: Tensor = self.shortcut(maps) + self.second(inner)
        return kept


def silenced(layer: nn.Conv2d) -> nn.Conv2d:
    """Let a convolution start from zero: its block adds nothing yet."""
    nn.init.zeros_(layer.weight)
    return layer


def waves(times: Tensor, size: int) -> Tensor:
    """Write times (N,) as sines and cosines (N, size) of many periods."""
    powers = torch.arange(size // 2, device=times.device) / (size // 2)
    angles = times[:, None] * 10_000**-powers
    return torch.cat([angles.sin(), angles.cos()], 1)
