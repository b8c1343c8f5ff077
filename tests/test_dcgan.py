"""The DCGAN: sizes counted on paper, conditioning, losses by hand."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from torch import nn

from coursework.models.dcgan import (
    Conditioning,
    Discriminator,
    Generator,
    Verdict,
    adversarial,
    start,
    widths,
)

pytestmark = pytest.mark.usefixtures("one_thread")
CONDITIONINGS: tuple[Conditioning, ...] = get_args(Conditioning)
LABELS = torch.tensor([3, 1, 4])


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("side", "first", "plan"),
    [
        (28, 7, [2, 4]),
        (32, 4, [2, 4, 8]),
        (64, 4, [2, 4, 8, 16]),
        (96, 6, [2, 4, 8, 16]),
        (256, 4, [2, 4, 8, 16, 16, 16]),
    ],
)
def test_layers_halve_a_picture_to_a_few_places(
    side: int, first: int, plan: list[int]
) -> None:
    assert (start(side), widths(side, 2)) == (first, plan)


@pytest.mark.parametrize("side", [7, 27, 22, 50])
def test_a_side_that_cannot_be_halved_is_named(side: int) -> None:
    with pytest.raises(ValueError, match=f"side {side}; accepted are 3 to 7"):
        Generator(side=side)


def test_an_unknown_conditioning_is_named() -> None:
    other: Any = "style"
    for network in (Generator, Discriminator):
        with pytest.raises(ValueError, match="'style'; accepted: 'label'"):
            network(conditioning=other)


def test_the_papers_generator_has_as_many_parameters_as_on_paper() -> None:
    network = Generator(
        side=64, channels=3, latent=100, width=128, conditioning="none"
    )
    project = 100 * 1024 * 4 * 4
    doubling = 16 * (1024 * 512 + 512 * 256 + 256 * 128)
    norms = 2 * (1024 + 512 + 256 + 128)
    assert count(network) == project + doubling + norms + 16 * 128 * 3 + 3


def test_a_conditional_pair_at_28_pixels_counted_on_paper() -> None:
    drawing = (10 * 6) + (12 * 8 * 49) + 2 * 8 + 16 * 8 * 4 + 2 * 4 + 64 + 1
    assert count(Generator(latent=6, width=4)) == drawing
    judging = (16 * 4 + 4) + 16 * 4 * 8 + 2 * 8
    features = 8 * 49
    sizes = {
        "none": judging + features + 1,
        "label": judging + features + 1 + 10 * features,
        "auxiliary": judging + features + 1 + 10 * features + 10,
    }
    for conditioning in CONDITIONINGS:
        network = Discriminator(width=4, conditioning=conditioning)
        assert count(network) == sizes[conditioning]


@pytest.mark.parametrize("side", [28, 32, 64])
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_pictures_fit_and_all_weights_learn(
    side: int, conditioning: Conditioning
) -> None:
    shared = {"side": side, "channels": 3, "width": 2}
    draw = Generator(**shared, latent=5, conditioning=conditioning)
    judge = Discriminator(**shared, conditioning=conditioning)
    pictures = draw(torch.randn(3, 5), LABELS)
    assert pictures.shape == (3, 3, side, side)
    assert pictures.abs().max() <= 1
    adversarial(judge(pictures, LABELS), LABELS, 1.0).backward()
    for network in (draw, judge):
        for name, weight in network.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.isfinite().all(), name
            assert weight.grad.abs().sum() > 0, name


def test_only_a_conditional_generator_minds_the_class() -> None:
    noise = torch.randn(3, 64)
    for conditioning in CONDITIONINGS:
        network = Generator(width=2, conditioning=conditioning).eval()
        same = torch.equal(network(noise, LABELS), network(noise, LABELS + 1))
        assert same == (conditioning == "none")


def test_the_projection_adds_the_classs_own_product_of_the_features() -> None:
    network = Discriminator(width=2).eval()
    pictures = torch.randn(3, 1, 28, 28)
    difference = (
        network(pictures, LABELS).real - network(pictures, LABELS + 1).real
    )
    assert network.projection is not None
    features = network.layers(pictures).detach().numpy()
    weights = network.projection.weight.detach().numpy()
    by_hand = [
        features[row] @ (weights[label] - weights[label + 1])
        for row, label in enumerate(LABELS.tolist())
    ]
    np.testing.assert_allclose(difference.detach(), by_hand, atol=1e-5)


@pytest.mark.parametrize("conditioning", ["auxiliary", "none"])
def test_other_discriminators_are_not_told_the_class(
    conditioning: Conditioning,
) -> None:
    network = Discriminator(width=2, conditioning=conditioning).eval()
    pictures = torch.randn(3, 1, 28, 28)
    first, second = network(pictures, LABELS), network(pictures, LABELS + 1)
    assert torch.equal(first.real, second.real)
    assert (first.classes is None) == (conditioning == "none")
    if first.classes is not None:
        assert first.classes.shape == (3, 10)


def test_each_picture_is_judged_and_drawn_alone() -> None:
    draw, judge = Generator(width=2).eval(), Discriminator(width=2).eval()
    noise = torch.randn(3, 64)
    alone = torch.cat(
        [draw(noise[i : i + 1], LABELS[i : i + 1]) for i in range(3)]
    )
    together = draw(noise, LABELS)
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(
        judge(together, LABELS).real[1:], judge(alone[1:], LABELS[1:]).real
    )


def test_the_first_weights_are_the_papers() -> None:
    network = Discriminator(side=32, width=16)
    drawn = torch.cat(
        [
            part.weight.flatten()
            for part in network.modules()
            if isinstance(part, nn.Conv2d)
        ]
    )
    assert drawn.std().item() == pytest.approx(0.02, rel=0.05)


def test_the_loss_is_cross_entropy_with_a_soft_target() -> None:
    real = np.array([-2.0, 0.5, 3.0])
    classes = np.random.default_rng(0).normal(size=(3, 10))
    p = expit(real)
    entropy = -(0.9 * np.log(p) + 0.1 * np.log(1 - p)).mean()
    named = -log_softmax(classes, 1)[range(3), LABELS].mean()
    verdict = Verdict(torch.from_numpy(real), None)
    loss = adversarial(verdict, LABELS, 0.9)
    assert loss.item() == pytest.approx(entropy)
    both = verdict._replace(classes=torch.from_numpy(classes))
    assert adversarial(both, LABELS, 0.9).item() == pytest.approx(
        entropy + named
    )
