"""A generator of pictures and its adversary :cite:p:`radford2016dcgan`.

Where do the labels of generated pictures come from?  From their order: the
generator is told which class to draw.  What makes it obey is the
``conditioning``:

``label``      the discriminator is told the class, too, and judges whether
               the picture is a real one *of this class*
               :cite:p:`mirza2014conditional`, by a projection
               :cite:p:`miyato2018projection`, eq. 3
``auxiliary``  the discriminator also has to name the class, and both
               networks are trained to make that easy :cite:p:`odena2017acgan`
``none``       nothing: the generator draws any class, labels mean nothing
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from coursework.recipe import named

Conditioning = Literal["label", "auxiliary", "none"]


class Verdict(NamedTuple):
    """Logits: that pictures are real (N,), and of their classes (N, K)."""

    real: Tensor
    classes: Tensor | None


class Generator(nn.Module):
    """Draw pictures from noise: transposed convolutions, each doubling.

    Takes noise (N, latent) and classes (N,), gives pictures
    (N, channels, side, side) in -1..1.  An embedding of the class, as long
    as the noise, is put beside it.  Maps start at side ``start(side)``; the
    last hidden ones are ``width``, those of a layer further from the picture
    twice as many, at most 8 ``width``.  Side 64, three channels, width 128
    and latent 100 without conditioning make the paper's network.
    """

    def __init__(
        self,
        *,
        side: int = 28,
        channels: int = 1,
        classes: int = 10,
        latent: int = 64,
        width: int = 32,
        conditioning: Conditioning = "label",
    ) -> None:
        super().__init__()
        conditioned = named(_CONDITIONED, conditioning, "conditioning")
        self.latent = latent
        self.classes = nn.Embedding(classes, latent) if conditioned else None
        inputs = 2 * latent if conditioned else latent
        plan, first = widths(side, width)[::-1], start(side)
        self.first = nn.Sequential(
            nn.Linear(inputs, plan[0] * first**2, bias=False),
            nn.Unflatten(1, (plan[0], first, first)),
            nn.BatchNorm2d(plan[0]),
            nn.ReLU(),
        )
        self.layers = nn.Sequential()
        for inputs, outputs in pairwise(plan):
            self.layers.append(
                nn.Sequential(
                    nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.ReLU(),
                )
            )
        self.last = nn.Sequential(
            nn.ConvTranspose2d(plan[-1], channels, 4, 2, 1), nn.Tanh()
        )
        self.apply(initialise)
        if self.classes is not None:
            # Much shorter than the noise, else that is soon ignored.
            nn.init.normal_(self.classes.weight, 0.0, latent**-0.5)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Draw one picture a row."""
        if self.classes is not None:
            noise = torch.cat([noise, self.classes(labels)], 1)
        pictures: Tensor = self.last(self.layers(self.first(noise)))
        return pictures


class Discriminator(nn.Module):
    """Tell real pictures from drawn ones: strided convolutions, each halving.

    The generator's mirror image: leaky ReLUs of slope 0.2, no norm in the
    first layer.  Takes pictures and the classes they are claimed to show.
    """

    def __init__(
        self,
        *,
        side: int = 28,
        channels: int = 1,
        classes: int = 10,
        width: int = 32,
        conditioning: Conditioning = "label",
    ) -> None:
        super().__init__()
        named(_CONDITIONED, conditioning, "conditioning")
        plan = widths(side, width)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, plan[0], 4, 2, 1), nn.LeakyReLU(0.2)
        )
        for inputs, outputs in pairwise(plan):
            self.layers.extend(
                [
                    nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.LeakyReLU(0.2),
                ]
            )
        self.layers.append(nn.Flatten())
        size = plan[-1] * start(side) ** 2
        self.real = nn.Linear(size, 1)
        self.projection = (
            nn.Embedding(classes, size) if conditioning == "label" else None
        )
        self.auxiliary = (
            nn.Linear(size, classes) if conditioning == "auxiliary" else None
        )
        self.apply(initialise)

    def forward(self, pictures: Tensor, labels: Tensor) -> Verdict:
        """Judge each picture."""
        features = self.layers(pictures)
        real = self.real(features).squeeze(1)
        if self.projection is not None:
            real = real + (self.projection(labels) * features).sum(1)
        if self.auxiliary is None:
            return Verdict(real, None)
        return Verdict(real, self.auxiliary(features))


_CONDITIONED: Mapping[Conditioning, bool] = {
    "label": True,
    "auxiliary": True,
    "none": False,
}


def start(side: int) -> int:
    """Halve a side while it is even and above 7: 28 to 7, 32 or 64 to 4."""
    halved = side
    while halved > 7 and halved % 2 == 0:
        halved //= 2
    if halved == side or halved > 7:
        raise ValueError(
            f"pictures have side {side}; accepted are 3 to 7 times a power of "
            "two, such as 28, 32, 64 or 256: resize them"
        )
    return halved


def widths(side: int, width: int) -> list[int]:
    """List how many maps each layer has, the one at the picture first."""
    layers = (side // start(side)).bit_length() - 1
    return [width * 2 ** min(place, 3) for place in range(layers)]


def initialise(module: nn.Module) -> None:
    """Draw weights as in section 3: N(0, 0.02), norms around 1."""
    if isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    elif isinstance(
        module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding
    ):
        nn.init.normal_(module.weight, 0.0, 0.02)


def adversarial(verdict: Verdict, labels: Tensor, target: float) -> Tensor:
    """Compare verdicts with what they should be: mean nats a picture.

    Binary cross-entropy with ``target`` (1 real, 0 drawn, or softer ones:
    :cite:p:`salimans2016improved`, section 3.4); with an auxiliary
    classifier its cross-entropy is added (:cite:p:`odena2017acgan`, eq. 2-3).
    """
    goal = torch.full_like(verdict.real, target)
    loss = nn.functional.binary_cross_entropy_with_logits(verdict.real, goal)
    if verdict.classes is not None:
        loss = loss + nn.functional.cross_entropy(verdict.classes, labels)
    return loss
