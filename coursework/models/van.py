"""Visual attention network."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from coursework.models.attention.large_kernel import VANAttention
from coursework.models.parts import convolution
from coursework.models.residual import DROPS, Scaled
from coursework.recipe import at_least, named


class ChannelNorm(nn.LayerNorm):
    """Normalise the channels of each place."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return super().forward(maps.movedim(1, -1)).movedim(-1, 1)


class Block(nn.Module):
    """Attention and a convolutional network of two layers, each added.

    :cite:p:`guo2023visual`, section 3.2: each normalises first and is
    scaled by a learned factor a channel, 0.01 at first.
    """

    def __init__(self, dim: int, mlp_ratio: int, drop: nn.Module) -> None:
        super().__init__()
        hidden = mlp_ratio * dim
        self.attention = nn.Sequential(nn.BatchNorm2d(dim), VANAttention(dim))
        self.mlp = nn.Sequential(
            nn.BatchNorm2d(dim),
            nn.Conv2d(dim, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.GELU(),
            nn.Conv2d(hidden, dim, 1),
        )
        self.drop = drop
        self.join_attention = Scaled(dim, start=0.01)
        self.join_mlp = Scaled(dim, start=0.01)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, dim, H, W) to the same shape."""
        branch = self.drop(self.attention(maps))
        maps = self.join_attention(maps, branch)
        changed: Tensor = self.join_mlp(maps, self.drop(self.mlp(maps)))
        return changed


class VAN(nn.Sequential):
    """Visual attention network :cite:p:`guo2023visual`, section 3.2.

    Takes pictures (N, channels, H, W), gives logits (N, classes).  The
    defaults are VAN-B0, 4,105,800 parameters.  ``stride`` is what the first
    stage divides the sides by, each further one halves them.  With a
    ``drop_rate``, whole branches are dropped in training, at a rate that
    rises linearly from nothing to it.  Raises ValueError unless ``dims``,
    ``depths`` and ``mlp_ratios`` have an entry for each stage.  Its children
    ``stages`` and ``head`` run in turn.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        classes: int = 1000,
        dims: Sequence[int] = (32, 64, 160, 256),
        depths: Sequence[int] = (3, 3, 5, 2),
        mlp_ratios: Sequence[int] = (8, 8, 4, 4),
        stride: int = 4,
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 < len(dims) == len(depths) == len(mlp_ratios):
            raise ValueError(
                f"dims are {tuple(dims)}, depths {tuple(depths)}, mlp_ratios "
                f"{tuple(mlp_ratios)}; give each one number a stage"
            )
        at_least("stride", stride, 1)
        kind = "stochastic-depth" if drop_rate else "nothing"
        make_drop = named(DROPS, kind, "drop")
        blocks = sum(depths)
        rates = (drop_rate * n / max(blocks - 1, 1) for n in range(blocks))
        self.stages = nn.Sequential()
        plan = zip(dims, depths, mlp_ratios, strict=True)
        for number, (dim, depth, ratio) in enumerate(plan):
            kernel, step = (3, 2) if number else (7, stride)
            before = dims[number - 1] if number else channels
            stage = nn.Sequential(
                *convolution(before, dim, kernel, step, bias=True)
            )
            for _ in range(depth):
                stage.append(Block(dim, ratio, make_drop(next(rates))))
            self.stages.append(stage.append(ChannelNorm(dim, eps=1e-6)))
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(dims[-1], classes)
        )
        self.apply(initialise)


def initialise(module: nn.Module) -> None:
    """Draw weights as the authors' code does, biases zero.

    Convolutions from N(0, 2 / fan-out), with the fan-out of a group, the
    dense layer from a normal distribution of deviation 0.02; leaves other
    modules alone.
    """
    if isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels
        deviation = math.sqrt(2 * module.groups / fan_out)
        nn.init.normal_(module.weight, 0, deviation)
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
