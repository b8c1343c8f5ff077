"""A network that names noise: how a diffusion model learns."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from coursework.devices import pick_device
from coursework.generative.learner import LEAST_RATE, Learner, average
from coursework.models import diffusion
from coursework.models.diffusion import ScheduleName, UNet
from coursework.recipe import at_least, cosine


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """Settings of a diffusion model :cite:p:`ho2020denoising`.

    ``times`` steps of noise in training, ``leaps`` in drawing; the network
    that draws has the running mean of the weights, of ``decay`` a step.  The
    rate rises for a twentieth of the steps, then falls along a cosine.
    """

    steps: int = 2000
    reports: int = 10
    batch_size: int = 64
    width: int = 32
    levels: int = 1
    times: int = 1000
    schedule: ScheduleName = "cosine"
    leaps: int = 25
    learning_rate: float = 2e-3
    decay: float = 0.99

    def __post_init__(self) -> None:
        """Refuse values that no training could mean."""
        at_least("reports", self.reports, 1)
        at_least("steps", self.steps, self.reports)
        for name in ("batch_size", "levels", "leaps"):
            at_least(name, getattr(self, name), 1)
        at_least("learning_rate", self.learning_rate, LEAST_RATE)
        at_least("times", self.times, self.leaps)

    def learner(self, shape: tuple[int, ...], classes: int) -> Denoising:
        """Build the network for pictures of shape (C, H, W)."""
        return Denoising(self, shape, classes)


class Denoising(Learner):
    """A U-Net in training, and the running mean of it."""

    def __init__(
        self, method: Diffusion, shape: tuple[int, ...], classes: int
    ) -> None:
        self.method, self.shape = method, shape
        self.raw = UNet(
            channels=shape[0],
            classes=classes,
            width=method.width,
            levels=method.levels,
        )
        self.mean = copy.deepcopy(self.raw).requires_grad_(False)
        self.shares = diffusion.signal_shares(method.times, method.schedule)
        network = nn.ModuleDict({"raw": self.raw, "mean": self.mean})
        network.to(pick_device())
        optimiser = torch.optim.Adam(
            self.raw.parameters(), method.learning_rate, fused=True
        )
        super().__init__(network, optimiser)

    @property
    def artist(self) -> nn.Module:
        """Return the running mean."""
        return self.mean

    def draw(self, labels: Tensor, random: torch.Generator) -> Tensor:
        """Draw from noise, leap by leap."""
        noise = self.noise(len(labels), *self.shape, random=random)
        return diffusion.sample(
            self.mean, noise, labels, self.shares, self.method.leaps
        )

    def update(
        self, real: Tensor, labels: Tensor, random: torch.Generator
    ) -> float:
        """Make one step down eq. 14."""
        rate = cosine(self.step, self.method.steps, 0.05)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * self.method.learning_rate
        loss = self.loss(self.raw, real, labels, random)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        average(self.mean.state_dict(), self.raw.state_dict(), self._decay())
        return loss.item()

    def _decay(self) -> float:
        """Forget the first, random weights sooner than later ones."""
        return min(self.method.decay, (self.step + 1) / (self.step + 10))

    def validate(
        self, real: Tensor, labels: Tensor, random: torch.Generator
    ) -> dict[str, float]:
        """Return the loss of the running mean."""
        return {"loss": self.loss(self.mean, real, labels, random).item()}

    def loss(
        self,
        network: nn.Module,
        real: Tensor,
        labels: Tensor,
        random: torch.Generator,
    ) -> Tensor:
        """Compare the noise with what is named: eq. 14, a mean a pixel."""
        times = torch.randint(
            1, self.method.times + 1, (len(real),), generator=random
        )
        noise = self.noise(*real.shape, random=random)
        shares = self.shares[times].to(real)
        noisy = diffusion.noised(real, noise, shares)
        found = network(noisy, times.to(self.device), labels)
        return nn.functional.mse_loss(found, noise)
