"""Penalties against sums on paper, and what report R3's form does instead."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from coursework import penalties
from coursework.models.vit import ViT


def network() -> nn.Sequential:
    """Three weights by hand: of a convolution, a dense layer and another."""
    made = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Linear(2, 1), nn.Linear(1, 1)
    )
    values = {
        "0.weight": torch.tensor([1.0, -2.0]).view(2, 1, 1, 1),
        "2.weight": torch.tensor([[3.0, -0.5]]),
        "3.weight": torch.tensor([[-4.0]]),
    }
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.copy_(values.get(name, torch.tensor(7.0)))
    return made


def gradients(made: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    made.zero_grad()
    loss.backward()
    return {
        name: parameter.grad.flatten()
        for name, parameter in made.named_parameters()
        if parameter.grad is not None
    }


@pytest.mark.parametrize(
    ("p", "wanted"),
    [
        (1, 10.5),
        (2, 1 + 4 + 9 + 0.25 + 16),
        (3, 1 + 8 + 27 + 0.125 + 64),
        (0.5, 1 + 2**0.5 + 3**0.5 + 0.5**0.5 + 2),
        (math.inf, 4),
    ],
)
def test_penalty_on_paper(p: float, wanted: float) -> None:
    assert penalties.penalty(network(), p).item() == pytest.approx(wanted)


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 4])
def test_each_weight_is_pulled_by_its_own_size(p: float) -> None:
    made = network()
    found = gradients(made, penalties.penalty(made, p))
    assert set(found) == {"0.weight", "2.weight", "3.weight"}
    for name, weight in penalties.weights(made).items():
        flat = weight.detach().flatten()
        wanted = p * flat.abs() ** (p - 1) * flat.sign()
        torch.testing.assert_close(found[name], wanted)


@pytest.mark.parametrize("p", [0.1, 0.5, 1, 1.5, 2, math.inf])
def test_a_weight_of_zero_is_not_pulled(p: float) -> None:
    made = network()
    with torch.no_grad():
        made.get_parameter("2.weight").zero_()
    loss = penalties.penalty(made, p)
    assert not gradients(made, loss)["2.weight"].any()


def test_the_running_sum_counts_early_layers_more_often() -> None:
    made = network()
    assert penalties.running_sum(made).item() == 3 * 3 + 2 * 3.5 + 4
    found = gradients(made, penalties.running_sum(made))
    times = penalties.multiplicity(made)
    assert times == {"0.weight": 3, "2.weight": 2, "3.weight": 1}
    right = gradients(made, penalties.penalty(made))
    assert found.keys() == right.keys()
    for name, pull in right.items():
        torch.testing.assert_close(found[name], times[name] * pull)


def test_the_sum_of_maxima_pulls_every_layer() -> None:
    made = network()
    assert penalties.sum_of_maxima(made).item() == 2 + 3 + 4
    wrong = gradients(made, penalties.sum_of_maxima(made))
    right = gradients(made, penalties.penalty(made, math.inf))
    assert [int(pull.count_nonzero()) for pull in wrong.values()] == [1, 1, 1]
    assert [int(pull.count_nonzero()) for pull in right.values()] == [0, 0, 1]


def test_one_layer_is_where_both_forms_agree() -> None:
    layer = nn.Linear(4, 3)
    assert penalties.running_sum(layer) == penalties.penalty(layer)
    assert penalties.sum_of_maxima(layer) == penalties.penalty(layer, math.inf)


def test_tokens_and_positions_are_no_weights() -> None:
    names = penalties.weights(
        ViT(image_size=8, patch_size=4, dim=8, depth=1, heads=2)
    )
    assert names
    assert not {"class_token", "positions"} & set(names)
    assert not [name for name in names if "norm" in name or "bias" in name]


def test_what_has_no_meaning_is_refused() -> None:
    for p in (0, -1, math.nan):
        with pytest.raises(ValueError, match=f"p is {p}"):
            penalties.penalty(network(), p)
    with pytest.raises(ValueError, match="BatchNorm1d has no weights"):
        penalties.penalty(nn.BatchNorm1d(3))
