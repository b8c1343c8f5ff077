"""Penalties on a network's weights: the right form, and report R3's.

A penalty is added to the loss, times a factor.  It takes the weights of
convolutions and dense layers; biases and norms, which scale and shift what
others compute, are left alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

FLOOR = 1e-4  # weights this small are not pulled where the slope has no bound


def weights(network: nn.Module) -> dict[str, nn.Parameter]:
    """Find the weights that penalties take, by name, in the order of layers."""
    return {
        name: parameter
        for name, parameter in network.named_parameters()
        if parameter.ndim > 1 and name.endswith("weight")
    }


def penalty(network: nn.Module, p: float = 1.0) -> Tensor:
    """Sum |w|^p over all weights; for p = ∞ take the largest |w| of all.

    L1 for p = 1 :cite:p:`tibshirani1996`, bridge for others
    :cite:p:`frank1993`.  Below p = 1 a weight within ``FLOOR`` of 0 is not
    pulled any more.
    """
    if not p > 0:
        raise ValueError(f"p is {p}; it must be above 0, math.inf included")
    sizes = [weight.abs() for weight in _some(network).values()]
    if math.isinf(p):
        return torch.stack([size.max() for size in sizes]).max()
    if p < 1:
        sizes = [size.clamp(min=FLOOR) for size in sizes]
    return torch.stack([(size**p).sum() for size in sizes]).sum()


def scaled(network: nn.Module, factor: float, p: float = 1.0) -> Tensor:
    """Take ``factor`` times :func:`penalty`, as a trial's setting."""
    return factor * penalty(network, p)


def running_sum(network: nn.Module, p: float = 1.0) -> Tensor:
    """Do as report R3's code: add the running sum within the loop.

    What is added for a layer holds all layers before it once more, so the
    first of P layers counts P times, the last once: :func:`multiplicity`.
    The weights are those of :func:`penalty`; only the mistake differs.
    """
    total = running = torch.zeros(())
    for weight in _some(network).values():
        running = running.to(weight) + (weight.abs() ** p).sum()
        total = total.to(weight) + running
    return total


def multiplicity(network: nn.Module) -> Mapping[str, int]:
    """Count how many times each weight enters :func:`running_sum`."""
    names = list(_some(network))
    return {name: len(names) - place for place, name in enumerate(names)}


def sum_of_maxima(network: nn.Module) -> Tensor:
    """Do as report R3's L∞: sum each layer's largest |w|.

    The norm of all weights is the largest of these, not their sum: that one
    holds every layer's largest weight down, however small it is.
    """
    sizes = [weight.abs().max() for weight in _some(network).values()]
    return torch.stack(sizes).sum()


def _some(network: nn.Module) -> dict[str, nn.Parameter]:
    found = weights(network)
    if not found:
        raise ValueError(
            f"{type(network).__name__} has no weights to penalise; it needs a "
            "convolution or a dense layer"
        )
    return found
