"""ConvNet: counts on paper, shapes, gradients, and that it learns."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from coursework import training
from coursework.data.digits import digits
from coursework.models.convnet import ConvNet
from coursework.recipe import Recipe


def pictures(number: int, channels: int = 1) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(0)
    return torch.randn(number, channels, 28, 28, generator=drawn)


@pytest.mark.parametrize(
    ("channels", "classes", "width", "parameters"),
    [(1, 10, 16, 24_490), (1, 10, 24, 54_010), (3, 7, 8, 6_967)],
)
def test_parameters_on_paper(
    channels: int, classes: int, width: int, parameters: int
) -> None:
    """Convolutions without bias, two numbers a map in each norm."""
    first = 9 * (4 * channels) * width + 2 * width
    second = 9 * width * (2 * width) + 2 * (2 * width)
    third = 9 * (2 * width) * (4 * width) + 2 * (4 * width)
    head = classes * (4 * width + 1)
    network = ConvNet(channels=channels, classes=classes, width=width)
    assert first + second + third + head == parameters
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert network(pictures(5, channels)).shape == (5, classes)


def test_multiply_adds_on_paper() -> None:
    """14 × 14 places after folding, 7 × 7 after pooling."""
    example = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    wide = 14**2 * 9 * (4 * 16 + 16 * 32)
    assert wide + 7**2 * 9 * 32 * 64 + 64 * 10 == 1_919_872
    assert training.multiply_adds(ConvNet(), example) == 1_919_872


def test_other_sides_fit() -> None:
    assert ConvNet()(torch.zeros(2, 1, 16, 32)).shape == (2, 10)


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    network = ConvNet()
    loss = network(pictures(8)).square().mean()
    torch.autograd.backward(loss)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_each_picture_is_treated_alone_in_evaluation() -> None:
    torch.manual_seed(0)
    network, batch = ConvNet(), pictures(6)
    network(batch)  # gives the norms statistics of their own
    together, network = network(batch), network.eval()
    alone = torch.cat([network(picture[None]) for picture in batch])
    torch.testing.assert_close(network(batch), alone)
    assert (together - alone).abs().max() > 0.01  # training mode can tell


def test_learns_one_batch() -> None:
    recipe = Recipe(
        epochs=30, batch_size=None, optimiser="adamw", learning_rate=0.01
    )
    history = list(
        training.fit(
            model=ConvNet,
            data=partial(digits, train=32),
            recipe=recipe,
            test=False,
            seed=0,
        )
    )
    assert history[0].train_loss > 2
    assert history[-1].train_loss < 0.05
