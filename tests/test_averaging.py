"""Weight averages on paper, and that they leave the training alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from coursework.averaging import Average, AverageKind


def scalar() -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    move(layer, 0.0)
    return layer


def move(layer: nn.Linear, value: float) -> None:
    with torch.no_grad():
        layer.weight.fill_(value)


def read(average: Average) -> float:
    return next(average.network.parameters()).item()


def test_ema_on_paper() -> None:
    """Takes 4 as its start, then 0.75·4 + 0.25·8 = 5, 0.75·5 + 0 = 3.75."""
    layer = scalar()
    average = Average(layer, "ema", decay=0.75, start_share=0.5)
    seen = []
    for step, value in enumerate([100.0, 4.0, 8.0, 0.0], start=1):
        move(layer, value)
        average.after_step(step / 4)
        move(layer, 1000.0)
        average.after_epoch(step / 4)
        seen.append(read(average))
    assert seen == [1000, 4, 5, 3.75]


def test_swa_on_paper() -> None:
    layer = scalar()
    average = Average(layer, "swa", start_share=0.5)
    seen = []
    for epoch, value in enumerate([100.0, 4.0, 8.0, 0.0], start=1):
        move(layer, 1000.0)
        average.after_step(epoch / 4)
        move(layer, value)
        average.after_epoch(epoch / 4)
        seen.append(read(average))
    assert seen == [100, 4, 6, 4]


def test_without_an_average_the_network_is_the_trained_one() -> None:
    layer = scalar()
    average = Average(layer)
    average.after_step(1.0)
    average.after_epoch(1.0)
    average.refresh([])
    assert average.network is layer
    assert average.state_dict() == {}


def normed() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)
    )


def train(network: nn.Module, average: Average, steps: int) -> None:
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(1)
    network.train()
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        batch = torch.randn(8, 3, generator=generator) + step
        network(batch).square().mean().backward()
        optimiser.step()
        average.after_step(step / steps)
        average.after_epoch(step / steps)


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_training_does_not_notice(kind: AverageKind) -> None:
    plain = normed()
    train(plain, Average(plain), 5)
    drawn = torch.rand(1)
    watched = normed()
    average = Average(watched, kind, decay=0.5, start_share=0.0)
    train(watched, average, 5)
    average.refresh([torch.randn(8, 3, generator=torch.Generator())])
    assert torch.equal(torch.rand(1), drawn)
    for a, b in zip(
        plain.state_dict().values(), watched.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    other = average.network.state_dict()["0.weight"]
    assert not torch.equal(other, watched.state_dict()["0.weight"])


def test_ema_averages_the_statistics_too() -> None:
    network = normed()
    average = Average(network, "ema", decay=0.5, start_share=0.0)
    norm = network[1]
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    for share, value in ((0.5, 4.0), (1.0, 8.0)):
        norm.running_mean.fill_(value)
        average.after_step(share)
    assert average.network.get_buffer("1.running_mean").tolist() == [6.0] * 4
    before = copy.deepcopy(average.network.state_dict())
    average.refresh([torch.randn(8, 3)])
    after = average.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_swa_statistics_are_those_of_the_averaged_network() -> None:
    network = normed()
    average = Average(network, "swa", start_share=0.0)
    train(network, average, 5)
    batches = list(torch.randn(4, 8, 3) + 2)
    average.network.eval()
    average.refresh(batches)
    averaged = average.network
    assert not averaged.training
    assert isinstance(averaged, nn.Sequential)
    hidden = [averaged[0](batch).detach() for batch in batches]
    mean = torch.stack([each.mean(0) for each in hidden]).mean(0)
    spread = torch.stack([each.var(0) for each in hidden]).mean(0)
    state = averaged.state_dict()
    torch.testing.assert_close(state["1.running_mean"], mean)
    torch.testing.assert_close(state["1.running_var"], spread)
    assert averaged[1].momentum == 0.1


def test_before_the_start_a_refresh_leaves_the_trained_network_alone() -> None:
    network = normed()
    before = copy.deepcopy(network.state_dict())
    average = Average(network, "swa", start_share=0.9)
    average.after_epoch(0.5)
    average.refresh([torch.randn(8, 3)])
    assert average.network is network
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("kind", ["none", "ema", "swa"])
def test_a_resumed_average_goes_on(kind: AverageKind) -> None:
    layer, other = scalar(), scalar()
    whole = Average(layer, kind, decay=0.75, start_share=0.0)
    for value in (4.0, 8.0):
        move(layer, value)
        whole.after_step(0.5)
        whole.after_epoch(0.5)
    resumed = Average(other, kind, decay=0.75, start_share=0.0)
    resumed.load_state_dict(copy.deepcopy(whole.state_dict()))
    for network in (layer, other):
        move(network, 2.0)
    for average in (whole, resumed):
        average.after_step(1.0)
        average.after_epoch(1.0)
    assert read(resumed) == read(whole)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="decay is 1"):
        Average(scalar(), "ema", decay=1)
    with pytest.raises(ValueError, match=r"start_share is -0\.1"):
        Average(scalar(), "swa", start_share=-0.1)
    with pytest.raises(ValueError, match=r"'lookahead'.*'ema'"):
        Average(scalar(), "lookahead")  # type: ignore[arg-type]
