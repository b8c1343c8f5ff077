"""Low-rank adaptation: a frozen layer learns a change of small rank.

The layer computes ``W0 x + alpha / rank * B A x``
:cite:p:`hu2022lora`, eq. 3 and section 4.1.  B starts at zero, so the network
starts as it was; A starts as torch starts a layer, as it does in the peft
library, where the paper has a Gaussian.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from coursework.recipe import at_least

Layer = nn.Linear | nn.Conv2d


class LowRank(nn.Module):
    """A frozen layer, and beside it ``up(down(x))``, scaled.

    ``down`` leads to ``rank`` features and is A, ``up`` is B.
    """

    def __init__(
        self, base: Layer, down: Layer, up: Layer, scale: float
    ) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = down
        self.up = up
        self.scale = scale
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Take and give what ``base`` does."""
        result: Tensor = self.base(x) + self.scale * self.up(self.down(x))
        return result

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """Add the change to the weight of ``base`` and return that."""
        change = self.up.weight.flatten(1) @ self.down.weight.flatten(1)
        self.base.weight += self.scale * change.view_as(self.base.weight)
        return self.base


class LoRALinear(LowRank):
    """A linear layer with ``rank * (in + out)`` weights to train."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        device, dtype = base.weight.device, base.weight.dtype
        down = nn.Linear(
            base.in_features, rank, bias=False, device=device, dtype=dtype
        )
        up = nn.Linear(
            rank, base.out_features, bias=False, device=device, dtype=dtype
        )
        super().__init__(base, down, up, alpha / rank)


class LoRAConv2d(LowRank):
    """A k x k convolution with ``rank * (in * k * k + out)`` to train.

    ``down`` is k x k with the stride and padding of ``base``; ``up`` is 1 x 1.
    Raises ValueError for a convolution in groups: ``down`` mixes all channels,
    and the sum could not be merged into weights that don't.
    """

    def __init__(self, base: nn.Conv2d, rank: int, alpha: float) -> None:
        if base.groups > 1:
            raise ValueError(
                f"a convolution has {base.groups} groups; LoRA needs 1: "
                "choose other targets"
            )
        weight = base.weight
        down = copy.deepcopy(base)  # with the padding of a subclass, too
        down.out_channels, down.bias = rank, None
        down.weight = nn.Parameter(weight.new_empty(rank, *weight.shape[1:]))
        up = nn.Conv2d(
            rank,
            base.out_channels,
            1,
            bias=False,
            device=weight.device,
            dtype=weight.dtype,
        )
        super().__init__(base, down, up, alpha / rank)


LAYERS: Mapping[type[nn.Module], Any] = {
    nn.Linear: LoRALinear,
    nn.Conv2d: LoRAConv2d,
}


def lora(
    network: nn.Module,
    targets: Sequence[str],
    rank: int = 8,
    alpha: float = 8.0,
) -> nn.Module:
    """Adapt the layers that ``targets`` name, in place, and freeze the rest.

    A target names every module whose name ends with it, by whole parts:
    "attn.qkv" is "blocks.0.attn.qkv" and its like.  Raises ValueError for a
    target without a module and for one that is neither Linear nor Conv2d.
    """
    at_least("rank", rank, 1)
    places = matching(network, targets)
    network.requires_grad_(False)
    for name in places:
        layer = network.get_submodule(name)
        network.set_submodule(name, _wrapper(name, layer)(layer, rank, alpha))
    return network


def merge(network: nn.Module) -> nn.Module:
    """Put merged layers in the place of adapted ones, in the same network."""
    for name, part in list(network.named_modules()):
        if isinstance(part, LowRank):
            network.set_submodule(name, part.merged())
    return network


def matching(network: nn.Module, targets: Sequence[str]) -> list[str]:
    """List the modules whose names end with a target; ValueError for none."""
    names = [name for name, _ in network.named_modules()]
    found = []
    for target in targets:
        ends = [name for name in names if f".{name}".endswith(f".{target}")]
        if not ends:
            last = sorted({name.rpartition(".")[2] for name in names[1:]})
            raise ValueError(
                f"no module's name ends with {target!r}; they end with "
                f"{', '.join(last)}"
            )
        found += ends
    return found


def _wrapper(name: str, layer: nn.Module) -> Any:
    for kind, wrapper in LAYERS.items():
        if isinstance(layer, kind):
            return wrapper
    raise ValueError(
        f"{name!r} is a {type(layer).__name__}; LoRA adapts "
        f"{', '.join(kind.__name__ for kind in LAYERS)}"
    )
