"""RandAugment: torchvision's, driven by a generator of our own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from coursework import guard_torchvision
from coursework.recipe import at_least

HIGHEST = 30  # torchvision's magnitudes go from 0 to this


@dataclass(frozen=True, kw_only=True)
class RandAugment:
    """Put each picture through some operations, drawn anew for it.

    :cite:t:`cubuk2020randaugment`: ``operations`` of 14, all at one
    ``magnitude``.  What moves in from outside is black.
    """

    operations: int = 2
    magnitude: int = 9

    def __post_init__(self) -> None:
        """Refuse what torchvision would do nothing with, or fail at."""
        at_least("operations", self.operations, 1)
        if not 0 <= self.magnitude <= HIGHEST:
            raise ValueError(
                f"magnitude is {self.magnitude}; accepted: [0, {HIGHEST}]"
            )

    def __call__(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Change (N, C, H, W), uint8 or floats in 0..1, to the same.

        Takes 1 or 3 channels.  One number is drawn from the generator.
        """
        guard_torchvision()
        from torchvision.transforms import v2  # noqa: PLC0415

        change = v2.RandAugment(
            self.operations, self.magnitude, num_magnitude_bins=HIGHEST + 1
        )
        seed = int(torch.randint(2**62, (1,), generator=generator))
        # torchvision draws from torch's own generator, on the CPU
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            changed = [change(picture) for picture in pictures]
        return torch.stack(changed) if changed else pictures
