"""Diffusion: noise step by step against its closed form, leaps by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from coursework.models.diffusion import (
    SCHEDULES,
    ScheduleName,
    UNet,
    ddim_step,
    noised,
    sample,
    signal_shares,
    waves,
)

pytestmark = pytest.mark.usefixtures("one_thread")
LABELS = torch.tensor([3, 1])


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def awake(**settings: int) -> UNet:
    """Build a small U-Net none of whose layers starts from zero."""
    network = UNet(**{"width": 8} | settings)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, 0, 0.2)
    return network.eval()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_one_jump_equals_noise_added_step_by_step(
    schedule: ScheduleName,
) -> None:
    betas, shares = SCHEDULES[schedule](50), signal_shares(50, schedule)
    assert shares[0] == 1
    signal, variance = 1.0, 0.0
    one, none = torch.ones(1, 1, 1, 1).double(), torch.zeros(1, 1, 1, 1)
    for beta, share in zip(betas.tolist(), shares[1:], strict=True):
        # x <- sqrt(1 - beta) x + sqrt(beta) new noise, eq. 2
        signal *= math.sqrt(1 - beta)
        variance = (1 - beta) * variance + beta
        kept, added = (
            noised(one, none, share[None]),
            noised(none, one, share[None]),
        )
        assert kept.item() == pytest.approx(signal)
        assert added.item() ** 2 == pytest.approx(variance)


def test_each_picture_gets_its_own_noise_level() -> None:
    pictures, noise = torch.randn(2, 3, 2, 4, 4)
    both = noised(pictures[:2], noise[:2], torch.tensor([1.0, 0.0]))
    assert torch.equal(both, torch.stack([pictures[0], noise[1]]))


def test_the_cosine_schedule_is_the_papers() -> None:
    def signal(time: float) -> float:
        return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    shares = signal_shares(1000)
    for time in (1, 250, 500, 900, 990):
        expected = signal(time / 1000) / signal(0)
        assert shares[time].item() == pytest.approx(expected, rel=1e-6)
    assert SCHEDULES["cosine"](1000).max() == 0.999
    assert shares[-1] < 1e-5


def test_the_linear_schedule_is_the_papers() -> None:
    betas = SCHEDULES["linear"](1000)
    assert (betas[0].item(), betas[-1].item()) == pytest.approx((1e-4, 0.02))
    assert betas.diff().std() < 1e-12
    # fewer steps, each with more noise: as much is left in the end
    for steps in (100, 1000):
        left = signal_shares(steps, "linear")[-1].item()
        assert math.log(left) == pytest.approx(-10.1, rel=0.15)


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(ValueError, match="'square'; accepted: 'cosine'"):
        signal_shares(10, "square")  # type: ignore[arg-type]


def test_a_leap_by_hand() -> None:
    # 0.8 of a picture of 0.5 and 0.6 of noise of 1; then 0.96 and 0.28
    after = ddim_step(torch.tensor([1.0]), torch.ones(1), 0.64, 0.96**2)
    assert after.item() == pytest.approx(0.96 * 0.5 + 0.28 * 1)


def test_a_picture_seen_behind_noise_stays_within_bounds() -> None:
    # (2 - 0.6) / 0.8 = 1.75 is held at 1: the noise must have been 2
    after = ddim_step(torch.tensor([2.0]), torch.ones(1), 0.64, 0.96**2)
    assert after.item() == pytest.approx(0.96 * 1 + 0.28 * 2)


@pytest.mark.parametrize("steps", [1, 7, 25])
def test_who_names_all_noise_gets_the_picture_in_any_number_of_leaps(
    steps: int,
) -> None:
    shares = signal_shares(100)
    clean = torch.rand(2, 1, 4, 4).double() * 2 - 1
    times = []

    def knowing(pictures: Tensor, now: Tensor, labels: Tensor) -> Tensor:
        assert torch.equal(labels, LABELS)
        assert now[0] == now[1]
        times.append(int(now[0]))
        share = shares[now][:, None, None, None]
        return (pictures - share.sqrt() * clean) / (1 - share).sqrt()

    drawn = sample(
        knowing, torch.randn(2, 1, 4, 4).double(), LABELS, shares, steps
    )
    torch.testing.assert_close(drawn, clean)
    assert len(times) == steps
    assert times[0] == 100
    gaps = [before - after for before, after in pairwise([*times, 0])]
    assert max(gaps) - min(gaps) <= 1


def test_times_are_written_as_waves() -> None:
    found = waves(torch.tensor([0, 5]), 8)
    rates = 10_000 ** -(np.arange(4) / 4)
    expected = [[*np.sin(t * rates), *np.cos(t * rates)] for t in (0, 5)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_network_has_as_many_parameters_as_on_paper() -> None:
    told = 32  # 4 times the width 8

    def block(inputs: int, outputs: int) -> int:
        convolutions = 9 * (inputs + outputs) * outputs + 2 * outputs
        norms, film = 2 * (inputs + outputs), (told + 1) * 2 * outputs
        shortcut = (inputs + 1) * outputs if inputs != outputs else 0
        return convolutions + norms + film + shortcut

    embedded = (8 + 1) * told + (told + 1) * told + 10 * told
    ends = (9 * 4 + 1) * 8 + (9 * 8 + 1) * 4 + 2 * 8
    moves = (9 * 8 + 1) * 16 + 4 * 16 * 8 + 8
    blocks = block(8, 8) + 2 * block(16, 16) + block(16, 8)
    found = sum(p.numel() for p in UNet(width=8).parameters())
    assert found == embedded + ends + moves + blocks


def test_the_usual_network_is_a_small_one() -> None:
    assert sum(p.numel() for p in UNet().parameters()) < 1_000_000


@pytest.mark.parametrize(("side", "levels"), [(28, 1), (32, 3), (24, 2)])
def test_the_noise_has_the_pictures_shape(side: int, levels: int) -> None:
    network = awake(channels=3, levels=levels)
    pictures = torch.randn(2, 3, side, side)
    assert network(pictures, LABELS, LABELS).shape == pictures.shape


def test_sides_that_cannot_be_halved_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(30, 28\).*divisible by 4"):
        UNet(width=8)(torch.zeros(1, 1, 30, 28), LABELS[:1], LABELS[:1])


def test_time_class_and_picture_matter_each_picture_for_itself() -> None:
    network, pictures = awake(), torch.randn(2, 1, 28, 28)
    times = torch.tensor([10, 700])
    usual = network(pictures, times, LABELS)
    for changed in (
        network(pictures, times + torch.tensor([0, 9]), LABELS),
        network(pictures, times, LABELS + torch.tensor([0, 1])),
        network(
            pictures * torch.tensor([1, 2])[:, None, None, None], times, LABELS
        ),
    ):
        assert torch.equal(changed[0], usual[0])
        assert not torch.allclose(changed[1], usual[1])


def test_a_new_network_names_no_noise_and_all_of_it_learns() -> None:
    network, pictures = UNet(width=8), torch.randn(2, 1, 28, 28)
    bias = network.leave[2].bias
    first = network(pictures, LABELS, LABELS)
    assert isinstance(bias, Tensor)
    assert first.detach().flatten(2).unique().numel() <= bias.numel()
    network = awake()
    network(pictures, LABELS, LABELS).square().mean().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name
