"""Cached features and their head against the frozen network in the loop."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coursework import features, identity, training
from coursework.data.augment import View
from coursework.data.digits import digits
from coursework.features import featured, fit_head, key
from coursework.recipe import Recipe
from coursework.training import Trained
from coursework.trial import Epoch, Outcome
from tests.trials import play

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = partial(digits, train=64)
SIZE, CLASSES = 12, 10
RECIPE = Recipe(epochs=3, batch_size=16, optimiser="adam", learning_rate=0.01)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "features"


def random() -> nn.Module:
    """Build a small network with batch norm and dropout, any weights."""
    network = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, stride=2), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.Conv2d(6, SIZE, 5, stride=2), nn.BatchNorm2d(SIZE), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5)),
    )
    for part in network:
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = torch.rand(part.num_features)
    return network


def fixed(seed: int = 0) -> nn.Module:
    """Build it with the same weights whatever the run's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return random()


class InTheLoop(nn.Module):
    """The plain way: every batch goes through the frozen network."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(SIZE, CLASSES)
        self.backbone = fixed().requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        self.backbone.eval()
        scores: Tensor = self.head(self.backbone(pictures))
        return scores


def head(
    seed: int = 0,
    backbone: Callable[[], nn.Module] = fixed,
    recipe: Recipe = RECIPE,
    **more: Any,
) -> tuple[list[Epoch], Outcome]:
    return play(
        fit_head(backbone=backbone, data=FEW, recipe=recipe, seed=seed, **more)
    )


def seen(trained: Trained) -> Mapping[str, NDArray[Any]]:
    """Probe: what the network says of the test split, and of which shape."""
    shape = np.array(trained.splits.test.inputs.shape)
    return {"outputs": trained.test_outputs, "shape": shape}


def arrays(outcome: Outcome) -> Mapping[str, NDArray[Any]]:
    packed = io.BytesIO(outcome.artefacts["seen.npz"])
    return dict(np.load(packed, allow_pickle=False))


def test_cached_features_train_the_head_that_the_loop_trains() -> None:
    looped, expected = play(
        training.fit(
            model=InTheLoop, data=FEW, recipe=RECIPE, probes=[seen], seed=4
        )
    )
    cached, outcome = head(4, probes=[seen])
    for one, other in zip(cached, looped, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-5)
        assert one.validation_loss == pytest.approx(
            other.validation_loss, abs=1e-5
        )
    for name, array in arrays(expected).items():
        np.testing.assert_allclose(arrays(outcome)[name], array, atol=1e-5)
    assert outcome.scores == expected.scores
    assert outcome.data == expected.data
    assert outcome.parameters == expected.parameters
    assert outcome.multiply_adds == expected.multiply_adds
    assert outcome.notes["trained parameters"] == (SIZE + 1) * CLASSES


def test_the_backbone_does_not_move() -> None:
    network = fixed()
    before = {name: t.clone() for name, t in network.state_dict().items()}
    head(backbone=lambda: network, probes=[seen])
    for name, tensor in network.state_dict().items():
        assert tensor.equal(before[name]), name


def test_other_seeds_read_the_features(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = head(0), head(0)
    monkeypatch.setattr(features, "_features", None)  # nothing left to make
    second = head(1)
    assert len(list(folder.glob("*.npz"))) == 1
    assert first[1].scores == again[1].scores
    assert first[0][0].train_loss != second[0][0].train_loss


def test_random_backbones_are_drawn_from_the_seed(folder: Path) -> None:
    losses = [head(s, random)[0][0].train_loss for s in (0, 1, 0)]
    assert losses[0] == losses[2] != losses[1]
    assert len(list(folder.glob("*.npz"))) == 2


def test_the_key_tells_whatever_decides_about_features() -> None:
    network = fixed()
    splits = FEW()
    base = Trained(
        network=network,
        splits=splits,
        view=View(),
        precision="float32",
        seed=0,
    )
    steeper = fixed()
    steeper[2] = nn.GELU()  # type: ignore[operator]
    statistics = fixed()
    statistics[1].running_mean[0] += 1e-3  # type: ignore[index]
    others = [
        replace(base, network=fixed(1)),
        replace(base, network=statistics),
        replace(base, network=steeper),
        replace(base, splits=digits(train=63)),
        replace(base, view=View(side=20)),
        replace(base, precision="bfloat16"),
    ]
    keys = [key(one) for one in (base, *others)]
    assert len(set(keys)) == len(keys)
    assert key(replace(base, network=fixed(), seed=5)) == keys[0]


def test_features_keep_order_and_targets_whatever_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    splits = FEW()
    base = Trained(
        network=fixed(),
        splits=splits,
        view=View(side=20),
        precision="float32",
        seed=0,
    )
    monkeypatch.setattr(features, "BATCH", 7)
    table = featured(base)
    assert table.train.inputs.dtype == np.float32
    for name in ("train", "validation", "test"):
        found, pictures = getattr(table, name), getattr(splits, name)
        np.testing.assert_allclose(
            found.inputs, base.outputs(pictures), atol=1e-6
        )
        assert found.targets is pictures.targets


@pytest.mark.parametrize("change", [{"flip": True}, {"shift": 2}])
def test_a_recipe_that_changes_pictures_is_refused(
    change: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match=r"flip is .* training\.fit"):
        head(recipe=replace(RECIPE, **change))


def test_the_test_split_stays_unscored_on_request() -> None:
    assert head(test=False)[1].scores == {}


def test_a_grid_can_name_the_trial() -> None:
    trial = partial(fit_head, backbone=fixed, data=FEW, recipe=RECIPE)
    assert identity.key(identity.build(identity.describe(trial))) == (
        identity.key(trial)
    )
