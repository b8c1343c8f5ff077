"""Predictions of signal and gradient against automatic differentiation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from coursework import meanfield, probes
from coursework.data.augment import View
from coursework.data.digits import digits
from coursework.models.residual import SKIPS, Scaled, Skip
from coursework.models.resnet import ResNet
from coursework.training import Trained

SIZE = 8


def skew(gain: float) -> Tensor:
    """Make a matrix without trace of the mean square gain ``gain``."""
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    blocks: Tensor = torch.block_diag(*[turn] * (SIZE // 2))
    return math.sqrt(gain) * blocks


def join(skip: Skip) -> Any:
    made = SKIPS[skip](SIZE)
    if isinstance(made, Scaled):
        factor = torch.full((1,), 0.3, dtype=torch.float64)
        return lambda s, h: s + factor * h
    return made


@pytest.mark.parametrize("skip", meanfield.GAINS)
@pytest.mark.parametrize(("gain", "signal"), [(1.0, 1.0), (0.5, 2.0)])
def test_gain_of_one_linear_unit(
    skip: Skip, gain: float, signal: float
) -> None:
    torch.manual_seed(0)
    weights, joined = skew(gain), join(skip)
    inputs = torch.randn(SIZE, dtype=torch.float64)
    inputs *= (signal / inputs.square().mean()).sqrt()

    def unit(s: Tensor) -> Tensor:
        result: Tensor = joined(s, weights @ s)
        return result

    jacobian = torch.autograd.functional.jacobian(unit, inputs)
    measured = float(jacobian.square().sum() / SIZE)
    predicted = meanfield.linear_gain(skip, gain, signal, factor=0.3)
    assert predicted == pytest.approx(measured, rel=1e-4)


def test_a_chain_of_linear_units_multiplies_gains() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(SIZE, dtype=torch.float64, requires_grad=True)
    outputs = inputs
    for gain in (0.5, 2.0, 3.0):
        outputs = outputs + skew(gain) @ outputs
    gradient = torch.randn(SIZE, dtype=torch.float64)
    outputs.backward(gradient)
    assert inputs.grad is not None
    measured = float(inputs.grad.square().sum() / gradient.square().sum())
    predicted = np.prod(
        [meanfield.linear_gain("add", gain) for gain in (0.5, 2.0, 3.0)]
    )
    assert predicted == pytest.approx(measured, rel=1e-4)


@pytest.mark.parametrize("skip", ["add", "subtract", "none"])
def test_signals_of_a_wide_network_at_its_start(skip: Skip) -> None:
    """Batch norm makes what the theory needs, so it is close there."""
    found = []
    for seed in range(2):
        torch.manual_seed(seed)
        network = ResNet(18, channels=1, classes=10, width=32, skip=skip)
        trained = Trained(
            network=network,
            splits=digits(train=64),
            view=View(side=64),
            precision="float32",
            seed=0,
        )
        found.append(probes.flow(trained))
    signals = np.mean([flow["signal"] for flow in found], axis=0)
    stem = float(np.mean([flow["stem"] for flow in found]))
    predicted, gradients = meanfield.chain(skip, True, (2, 2, 2, 2), stem=stem)
    assert signals == pytest.approx(predicted, rel=0.2)
    assert len(gradients) == 8 and gradients[-1] == 1


def test_products_square_a_signal_and_norms_hold_it() -> None:
    def last(norm: bool, stem: float) -> float:
        signal, _ = meanfield.chain("multiply", norm, (6,), stem=stem)
        return float(signal[-1])

    assert last(False, 0.5) < 1e-3
    assert last(False, 4.0) > 1e3
    assert last(True, 0.5) > 0.01 and last(True, 4.0) < 1
