"""Two networks against each other: how a conditional DCGAN learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coursework.data import augment
from coursework.devices import pick_device
from coursework.generative.learner import LEAST_RATE, Learner
from coursework.models.dcgan import (
    Conditioning,
    Discriminator,
    Generator,
    adversarial,
)
from coursework.recipe import at_least


@dataclass(frozen=True, kw_only=True)
class Gan:
    """Settings of a DCGAN, :cite:p:`radford2016dcgan`, section 4.

    ``real`` and ``drawn`` are what the discriminator should say, softened;
    it learns in one step of ``every``.  ``shift`` moves real and drawn
    pictures by up to so many pixels before it sees them, so that it can't
    learn few real ones by heart: :cite:p:`zhao2020differentiable`.
    """

    steps: int = 2000
    reports: int = 10
    batch_size: int = 64
    conditioning: Conditioning = "label"
    latent: int = 64
    width: int = 32
    learning_rate: float = 2e-4
    momentum: float = 0.5
    real: float = 0.9
    drawn: float = 0.0
    every: int = 1
    shift: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no training could mean."""
        at_least("reports", self.reports, 1)
        at_least("steps", self.steps, self.reports)
        for name in ("batch_size", "latent", "width", "every"):
            at_least(name, getattr(self, name), 1)
        at_least("shift", self.shift, 0)
        at_least("learning_rate", self.learning_rate, LEAST_RATE)
        for name in ("momentum", "real", "drawn"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ValueError(f"{name} is {value}; accepted: [0, 1]")

    def learner(self, shape: tuple[int, ...], classes: int) -> Adversaries:
        """Build both networks for square pictures of shape (C, H, W)."""
        return Adversaries(self, shape, classes)


class Adversaries(Learner):
    """A generator and a discriminator in training."""

    def __init__(
        self, method: Gan, shape: tuple[int, ...], classes: int
    ) -> None:
        self.method, self.classes = method, classes
        common: dict[str, Any] = {
            "side": shape[-1],
            "channels": shape[0],
            "classes": classes,
            "width": method.width,
            "conditioning": method.conditioning,
        }
        self.generator = Generator(latent=method.latent, **common)
        self.discriminator = Discriminator(**common)
        both = {
            "generator": self.generator,
            "discriminator": self.discriminator,
        }
        network = nn.ModuleDict(both).to(pick_device())
        super().__init__(network, Both(method, *both.values()))

    @property
    def artist(self) -> nn.Module:
        """Return the generator."""
        return self.generator

    def draw(self, labels: Tensor, random: torch.Generator) -> Tensor:
        """Draw from noise, in one pass."""
        noise = self.noise(len(labels), self.method.latent, random=random)
        pictures: Tensor = self.generator(noise, labels)
        return pictures

    def update(
        self, real: Tensor, labels: Tensor, random: torch.Generator
    ) -> float:
        """Let the discriminator learn, then the generator."""
        wanted = self._wanted(len(real), random)
        drawn = self.draw(wanted, random)
        real, seen = (
            augment.shift(p, self.method.shift, random) for p in (real, drawn)
        )
        loss = self._judged(real, labels, seen.detach(), wanted)
        if self.step % self.method.every == 0:
            self._learn(self.optimiser.discriminator, loss)
        # Its weights stand still now: no gradient of them is wanted.
        self.discriminator.requires_grad_(False)
        fooled = adversarial(self.discriminator(seen, wanted), wanted, 1.0)
        self._learn(self.optimiser.generator, fooled)
        self.discriminator.requires_grad_(True)
        return loss.item()

    def validate(
        self, real: Tensor, labels: Tensor, random: torch.Generator
    ) -> dict[str, float]:
        """Return the loss, and what the discriminator thinks is real."""
        wanted = self._wanted(len(real), random)
        drawn = self.draw(wanted, random)
        judge = self.discriminator
        return {
            "loss": self._judged(real, labels, drawn, wanted).item(),
            "real": judge(real, labels).real.sigmoid().mean().item(),
            "drawn": judge(drawn, wanted).real.sigmoid().mean().item(),
        }

    def _wanted(self, number: int, random: torch.Generator) -> Tensor:
        labels = torch.randint(self.classes, (number,), generator=random)
        return labels.to(self.device)

    def _judged(
        self, real: Tensor, labels: Tensor, drawn: Tensor, wanted: Tensor
    ) -> Tensor:
        """Return the discriminator's loss, over real and drawn pictures."""
        judge, method = self.discriminator, self.method
        return adversarial(judge(real, labels), labels, method.real) + (
            adversarial(judge(drawn, wanted), wanted, method.drawn)
        )

    @staticmethod
    def _learn(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


class Both:
    """Two optimisers, kept and brought back as one."""

    def __init__(
        self, method: Gan, generator: nn.Module, discriminator: nn.Module
    ) -> None:
        self.generator, self.discriminator = (
            torch.optim.Adam(
                network.parameters(),
                method.learning_rate,
                betas=(method.momentum, 0.999),
                fused=True,
            )
            for network in (generator, discriminator)
        )

    def state_dict(self) -> dict[str, Any]:
        """Return both states."""
        return {name: one.state_dict() for name, one in vars(self).items()}

    def load_state_dict(self, states: dict[str, Any]) -> None:
        """Take both states."""
        for name, one in vars(self).items():
            one.load_state_dict(states[name])
