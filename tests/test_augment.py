"""Mirrored training pictures: by whom, how often, and whose draws they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from coursework import checkpoints, identity
from coursework.data import augment
from coursework.data.augment import View
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel
from coursework.training import Training
from coursework.trial import stream

RANDOM = torch.Generator().manual_seed(1)
PICTURES = torch.randint(
    256, (400, 3, 5, 4), dtype=torch.uint8, generator=RANDOM
)
TARGETS = torch.arange(400) % 2


def mirrored(pictures: torch.Tensor, originals: torch.Tensor) -> torch.Tensor:
    """Tell which are mirror images; all others must be the originals."""
    turned = originals[..., [3, 2, 1, 0]]
    same = (pictures == originals).flatten(1).all(dim=1)
    other = (pictures == turned).flatten(1).all(dim=1)
    assert (same ^ other).all()
    return other


def test_a_picture_is_itself_or_its_mirror_image() -> None:
    before = PICTURES.clone()
    flipped = augment.flip(PICTURES, torch.Generator().manual_seed(0))
    assert flipped.dtype == torch.uint8
    assert 0.4 < mirrored(flipped, PICTURES).float().mean() < 0.6
    assert torch.equal(PICTURES, before)


def test_flips_are_determined_by_the_seed() -> None:
    first, again, other = (
        augment.flip(PICTURES, torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


class Watched(nn.Module):
    """Keep all that is given to it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(60, 2)
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(((x + 1) * 127.5).round().to(torch.uint8))
        outputs: torch.Tensor = self.linear(x.flatten(1))
        return outputs


def start(recipe: Recipe, seed: int = 3) -> tuple[Training, Watched]:
    network = Watched()
    return Training(network, recipe, View(), seed), network


def epoch(training: Training, network: Watched) -> torch.Tensor:
    """Train for an epoch; return the pictures that the network was given."""
    network.seen.clear()
    line = training.epoch(PICTURES, TARGETS, SingleLabel())
    training.history.append(line)
    return torch.cat(network.seen)


def two_epochs(
    shift: int, flip: bool, batch_size: int | None = 64
) -> list[torch.Tensor]:
    recipe = Recipe(epochs=2, batch_size=batch_size, shift=shift, flip=flip)
    training, network = start(recipe)
    return [epoch(training, network) for _ in range(2)]


def test_training_pictures_are_flipped_anew_each_epoch() -> None:
    plain = two_epochs(shift=0, flip=False)
    flipped = two_epochs(shift=0, flip=True)
    for ours, originals in zip(flipped, plain, strict=True):
        assert 0.4 < mirrored(ours, originals).float().mean() < 0.6
    again = two_epochs(shift=0, flip=True)
    assert all(map(torch.equal, flipped, again))
    one, two = two_epochs(shift=0, flip=True, batch_size=None)
    assert 0.4 < (one == two).flatten(1).all(dim=1).float().mean() < 0.6


def test_without_flips_the_shifts_are_those_they_always_were() -> None:
    moves = torch.Generator().manual_seed(stream(3, "shift"))
    plain = two_epochs(shift=0, flip=False)
    for ours, originals in zip(two_epochs(2, False), plain, strict=True):
        parts = [augment.shift(part, 2, moves) for part in originals.split(64)]
        assert torch.equal(ours, torch.cat(parts))


def test_a_resumed_training_goes_on_with_its_flips(tmp_path: Path) -> None:
    recipe = Recipe(epochs=2, batch_size=64, shift=1, flip=True)
    training, network = start(recipe)
    epoch(training, network)
    checkpoints.save(tmp_path / "checkpoint.pt", training)
    expected = epoch(training, network)
    resumed, network = start(recipe)
    checkpoints.load(tmp_path / "checkpoint.pt", resumed)
    assert torch.equal(epoch(resumed, network), expected)


@pytest.mark.parametrize("flip", [False, True])
def test_runs_from_before_there_were_flips_are_runs_without(
    flip: bool,
) -> None:
    recipe = Recipe(epochs=1, flip=flip)
    stored = identity.describe(Recipe(epochs=1))
    del stored["args"]["flip"]
    assert identity.matches(stored, recipe) is not flip
    same = identity.key(Recipe(epochs=1)) == identity.key(recipe)
    assert same is not flip
    assert ("flip" in identity.essence(recipe)["args"]) is flip
