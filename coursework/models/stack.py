"""Tiny networks side by side: one batched product a layer for all of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from coursework.models.activations import activation, reorder

# of what a layer puts out, and what the layer below put out, both (rows, C)
Hidden = Callable[[Tensor, Tensor], Tensor]


def identity(values: Tensor, below: Tensor) -> Tensor:
    """Change nothing: the linear control."""
    return values


SPECIAL: Mapping[str, Hidden] = {"identity": identity, "permute": reorder}


class Stack(nn.Module):
    """Multilayer perceptrons of one shape, with one output each.

    Each starts as torch's own linear layers do, from a seed of its own.
    ``activations`` names one for each hidden layer.  Two names mean something
    else than in the catalogue: "identity" changes nothing, and "permute" is
    report R1's, which reorders what a layer puts out by the argsort of what
    the layer below put out.  Raises ValueError for an unknown activation and
    for one with parameters.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[str],
        seeds: Sequence[int],
    ) -> None:
        super().__init__()
        layers = list(zip(*(_draw(sizes, s) for s in seeds), strict=True))
        self.weights, self.biases = (
            nn.ParameterList(
                torch.stack([getattr(one, name).detach() for one in layer])
                for layer in layers
            )
            for name in ("weight", "bias")
        )
        pairs = zip(activations, sizes[1:], strict=False)
        self.hidden = [_hidden(name, width) for name, width in pairs]

    def forward(self, points: Tensor, which: slice = slice(None)) -> Tensor:
        """Map points (N, features) to logits (networks, N)."""
        networks = len(self.biases[0][which])
        values = below = points.expand(networks, *points.shape)
        for weight, bias, act in itertools.zip_longest(
            self.weights, self.biases, self.hidden
        ):
            turned = weight[which].transpose(1, 2)
            values = torch.baddbmm(bias[which, None], values, turned)
            if act:
                # An activation treats each row alone, whichever network's.
                flat = act(values.flatten(0, 1), below.flatten(0, 1))
                values = below = flat.unflatten(0, (networks, -1))
        return values[..., 0]


def _draw(sizes: Sequence[int], seed: int) -> list[nn.Linear]:
    torch.manual_seed(seed)
    return [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]


def _hidden(name: str, width: int) -> Hidden:
    if name in SPECIAL:
        return SPECIAL[name]
    module = activation(name, width)
    if any(True for _ in module.parameters()):
        raise ValueError(
            f"activation {name!r} has parameters, and all networks of a stack "
            "would share them; accepted are those without"
        )
    return lambda values, below: module(values)
