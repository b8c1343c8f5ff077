"""Activations: against numpy, central differences and torch's functions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.stats import norm
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from coursework.models.activations import (
    ACTIVATIONS,
    ELEMENTWISE,
    activation,
    reorder,
)

Floats = NDArray[np.float64]
BOOK = Path(__file__).parents[1] / "book"
CHANNELS = 4


def sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


# name -> the formula, written again in numpy
FORMULAS: dict[str, Callable[[Floats], Floats]] = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: np.where(x > 0, x, 0),
    "leaky-relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "celu": lambda x: np.where(x > 0, x, 2 * np.expm1(x / 2)),
    "gelu": lambda x: x * norm.cdf(x),
    "silu": lambda x: x * sigmoid(x),
    "hard-swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "softplus": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "abs": np.abs,
    "exp": np.exp,
    "cos": np.cos,
    "sin": np.sin,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "tan": np.tan,
    "sign": np.sign,
    "straight-through-sign": np.sign,
}
TRUE_GRADIENT = sorted(set(FORMULAS) - {"straight-through-sign"})

# Away from kinks (-3, 0, 3) and from the poles of tan (about ±1.57, ±4.71).
POINTS = np.array([-5.3, -4.1, -2.4, -1.1, -0.4, 0.2, 0.7, 1.3, 2.6, 3.9, 5.1])


def make(name: str, channels: int = CHANNELS) -> nn.Module:
    torch.manual_seed(0)
    return activation(name, channels).double()


def features(name: str, places: tuple[int, ...] = (3, 3)) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(5, CHANNELS, *places, dtype=torch.float64)


def test_formulas_are_those_of_numpy() -> None:
    assert sorted(FORMULAS) == sorted(ELEMENTWISE)
    for name, formula in FORMULAS.items():
        points = torch.from_numpy(POINTS)[:, None]
        ours = make(name, 1)(points)[:, 0].detach().numpy()
        np.testing.assert_allclose(ours, formula(POINTS), 1e-12, 1e-15)


@pytest.mark.parametrize("name", TRUE_GRADIENT)
def test_derivative_is_the_central_difference(name: str) -> None:
    step, module = 1e-5, make(name, 1)
    points = torch.from_numpy(POINTS)[:, None].requires_grad_()
    (slope,) = torch.autograd.grad(module(points).sum(), points)
    with torch.no_grad():
        rise = module(points + step) - module(points - step)
    torch.testing.assert_close(slope, rise / (2 * step), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["softmax", "maxout", "frelu", "sort"])
def test_derivatives_across_channels(name: str) -> None:
    module = make(name).eval()
    inputs = features(name).requires_grad_()
    assert torch.autograd.gradcheck(module, inputs)


def test_straight_through_sign_passes_gradient_near_zero_only() -> None:
    points = torch.tensor([[-1.5], [-1.0], [-0.3], [0.0], [0.8], [1.1]])
    points.requires_grad_()
    outputs = activation("straight-through-sign", 1)(points)
    assert outputs.flatten().tolist() == [-1, -1, -1, 0, 1, 1]
    (slope,) = torch.autograd.grad(outputs.sum(), points)
    assert slope.flatten().tolist() == [0, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("name", FORMULAS)
def test_outputs_fill_the_stated_range(name: str) -> None:
    low, high = stated_range(ACTIVATIONS[name].range)
    grid = torch.linspace(-40, 40, 160_001, dtype=torch.float64)
    outputs = make(name, 1)(grid[:, None]).detach()
    outputs = outputs[outputs.isfinite()]
    for end, reached in ((low, outputs.min()), (high, outputs.max())):
        if math.isinf(end):
            assert abs(reached) > 0.39  # leaky ReLU at -40 is -0.4
            assert (reached > 0) == (end > 0)
        else:
            assert reached == pytest.approx(end, abs=0.03)
    assert outputs.min() >= low - 5e-4
    assert outputs.max() <= high + 5e-4


def stated_range(text: str) -> tuple[float, float]:
    if text.startswith("{"):
        values = [float(part) for part in text.strip("{}").split(",")]
        return min(values), max(values)
    ends = re.match(r"[\[(](\S+), (\S+)[\])]", text)
    assert ends, text
    low, high = (float(end.replace("∞", "inf")) for end in ends.groups())
    return low, high


def test_celu_is_not_elu_again() -> None:
    points = torch.linspace(-3, 0, 7)[:, None]
    celu, elu = make("celu", 1)(points), make("elu", 1)(points)
    assert not torch.allclose(celu, elu)
    assert torch.equal(F.celu(points), F.elu(points))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_shape_kept_and_each_picture_treated_alone(name: str) -> None:
    module, inputs = make(name).eval(), features(name)
    together = module(inputs)
    assert together.shape == inputs.shape
    alone = torch.cat([module(picture[None]) for picture in inputs])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_scope_says_what_an_output_looks_at(name: str) -> None:
    """Move one channel of one pixel; see which outputs notice."""
    module, inputs = make(name).eval(), features(name)
    moved = inputs.clone()
    moved[:, 1, 1, 1] *= -9
    noticed = (module(moved) - module(inputs)).abs().amax(0) > 1e-9
    assert noticed.any()
    elsewhere = noticed.clone()
    elsewhere[1, 1, 1] = False
    channels = elsewhere[:, 1, 1].any()
    elsewhere[:, 1, 1] = False
    places = elsewhere.any()
    expected = {"element": (0, 0), "channels": (1, 0), "map": (0, 1)}
    assert (channels, places) == expected[ACTIVATIONS[name].scope]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    module = make(name)
    weights = torch.randn(5, CHANNELS, 3, 3, dtype=torch.float64)
    inputs = features(name).requires_grad_()
    (weights * module(inputs)).sum().backward()
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0
    assert inputs.grad is not None
    assert bool(inputs.grad.any()) == (name != "sign")


def test_parameter_counts_on_paper() -> None:
    c = CHANNELS
    expected = {
        "prelu": c,
        "maxout": 2 * (c * c + c),
        "frelu": 9 * c + 2 * c,  # kernel; scale and shift of the norm
    }
    for name in ACTIVATIONS:
        count = sum(p.numel() for p in make(name).parameters())
        assert count == expected.get(name, 0), name


@pytest.mark.parametrize("name", ["sort", "permute"])
def test_sort_and_permute_only_move_values(name: str) -> None:
    inputs = features(name).requires_grad_()
    outputs = make(name)(inputs)
    assert not torch.equal(outputs, inputs)
    assert torch.equal(outputs.sort(1).values, inputs.sort(1).values)
    (gradient,) = torch.autograd.grad((outputs * outputs).sum(), inputs)
    torch.testing.assert_close(gradient, 2 * inputs)


@pytest.mark.parametrize("name", ["sort", "permute"])
def test_sort_and_permute_by_hand(name: str) -> None:
    inputs = torch.tensor([[2.0, 3.0, 1.0]])
    # The values' order is 2, 0, 1; their left neighbours are 1, 2, 3.
    by_hand = {"sort": [[1.0, 2.0, 3.0]], "permute": [[3.0, 1.0, 2.0]]}
    assert activation(name, 3)(inputs).tolist() == by_hand[name]
    second = torch.tensor([[10.0, 20.0, 30.0]])
    assert reorder(second, inputs).tolist() == [[30.0, 10.0, 20.0]]


def test_maxout_takes_the_larger_of_two_affine_maps() -> None:
    module, inputs = make("maxout"), features("maxout")
    state = module.state_dict()
    first, second = (
        torch.einsum("oc,nchw->nohw", w, inputs) + b[:, None, None]
        for w, b in zip(
            state["affine.weight"].chunk(2),
            state["affine.bias"].chunk(2),
            strict=True,
        )
    )
    torch.testing.assert_close(module(inputs), torch.maximum(first, second))


def test_frelu_takes_the_larger_of_value_and_normalised_neighbours() -> None:
    module, inputs = make("frelu"), features("frelu")
    kernel = module.state_dict()["condition.0.weight"]
    near = F.conv2d(inputs, kernel, padding=1, groups=CHANNELS)
    mean = near.mean((0, 2, 3), keepdim=True)
    variance = near.var((0, 2, 3), correction=0, keepdim=True)
    normal = (near - mean) / (variance + 1e-5).sqrt()
    torch.testing.assert_close(module(inputs), torch.maximum(inputs, normal))


def test_frelu_says_that_it_needs_maps() -> None:
    with pytest.raises(ValueError, match=r"\(5, 4\).*N, C, H, W"):
        activation("frelu", 4)(torch.zeros(5, 4))


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"frelu"}))
def test_networks_of_many_seeds_can_be_stacked(name: str) -> None:
    networks = [
        nn.Sequential(nn.Linear(2, 6), activation(name, 6), nn.Linear(6, 1))
        for _ in range(3)
    ]
    parameters, buffers = stack_module_state(networks)
    inputs = torch.randn(8, 2)

    def loss(one: dict[str, Tensor]) -> Tensor:
        outputs: Tensor = functional_call(networks[0], (one, buffers), inputs)
        return outputs.square().mean()

    stacked = vmap(torch.func.grad(loss))(parameters)
    for index, network in enumerate(networks):
        network(inputs).square().mean().backward()
        for key, parameter in network.named_parameters():
            torch.testing.assert_close(stacked[key][index], parameter.grad)


def test_an_unknown_name_is_told_with_the_accepted_ones() -> None:
    with pytest.raises(ValueError, match=r"'swish'.*'sigmoid'.*'silu'"):
        activation("swish", 3)


def test_every_paper_is_in_the_references() -> None:
    text = (BOOK / "references.bib").read_text()
    known = set(re.findall(r"^@\w+\{([^,]+),", text, re.M))
    papers = {entry.paper for entry in ACTIVATIONS.values() if entry.paper}
    assert papers <= known
