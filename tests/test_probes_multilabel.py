"""What is kept of a multi-label network, against counts on paper."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from coursework import probes_multilabel as probes
from coursework import thumbnails
from coursework.data.augment import View
from coursework.data.splits import Split, Splits
from coursework.models.vit import ViT
from coursework.training import Trained

CLASSES = ("bird", "car", "cat")
SIDE = 16


def split(shown: list[tuple[int, ...]], beside: tuple[int, ...] = ()) -> Split:
    """Draw a class as a bright square in the channel of its number.

    Square k lies at row 4k and column 10.  In the pictures ``beside`` the
    masks are wrong: they say that the objects are on the left.
    """
    inputs = np.zeros((len(shown), 3, SIDE, SIDE), np.uint8)
    masks = np.zeros((len(shown), SIDE, SIDE), np.uint8)
    targets = np.zeros((len(shown), 3), np.int64)
    for row, labels in enumerate(shown):
        for k in labels:
            targets[row, k] = 1
            lines = slice(4 * k, 4 * k + 4)
            inputs[row, k, lines, 10:14] = 255
            left = 0 if row in beside else 10
            masks[row, lines, left : left + 4] = k + 1
        masks[row, 15] = 255
    return Split(inputs=inputs, targets=targets, masks=masks)


SPLITS = Splits(
    name="squares",
    train=split([(0,), (0, 1), (0, 1, 2), (), ()]),
    validation=split([(0,), (2,)]),
    test=split([(0,), (0, 2), (2,), (), (1, 2)], beside=(2,)),
    classes=CLASSES,
)


def network() -> nn.Sequential:
    """Build one whose logit k is channel k's mean, less a hundredth."""
    found = nn.Sequential(
        nn.Conv2d(3, 3, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(3, 3),
    )
    found[0].get_parameter("weight").data = torch.eye(3)[:, :, None, None]
    found[0].get_parameter("bias").data.fill_(1)
    found[3].get_parameter("weight").data = torch.eye(3)
    found[3].get_parameter("bias").data.fill_(-0.01)
    return found


def trained(seed: int = 0, **changes: Any) -> Trained:
    return dataclasses.replace(
        Trained(
            network=network(),
            splits=SPLITS,
            view=View(),
            precision="float32",
            seed=seed,
        ),
        **changes,
    )


def test_outputs_and_targets_are_kept() -> None:
    found = probes.curves(trained(seed=3))
    exact = SPLITS.test.targets * 2 / 16 - 0.01  # a square is 1/16 of the area
    np.testing.assert_allclose(found["outputs"], exact, atol=1e-4)
    assert found["outputs"].dtype == np.float16
    assert (found["targets"] == SPLITS.test.targets).all()
    assert found["validation_outputs"].shape == (2, 3)
    assert (found["validation_targets"] == SPLITS.validation.targets).all()
    assert found["classes"].tolist() == list(CLASSES)


@pytest.mark.parametrize("side", [None, 32])
def test_the_pointing_game_counts_pairs(side: int | None) -> None:
    found = probes.pointing_game(trained(seed=1, view=View(side=side)))
    assert found["pairs"].tolist() == [2, 1, 3]
    assert found["hits"].tolist() == [2, 1, 2]  # the third is beside
    assert found["centre"].tolist() == [0, 0, 0]
    np.testing.assert_allclose(found["chance"], [2 / 16, 1 / 16, 3 / 16])
    assert "pictures" not in found


def test_the_centre_is_a_pixel_of_the_picture() -> None:
    test = split([(2,)])
    assert test.masks is not None
    test.masks[0, 8, 8] = 3
    splits = dataclasses.replace(SPLITS, test=test)
    found = probes.pointing_game(trained(seed=1, splits=splits))
    assert found["centre"].tolist() == [0, 0, 1]


def test_examples_show_each_class_first() -> None:
    found = probes.pointing_game(trained())
    assert found["labels"].tolist() == [0, 1, 2, 0, 2, 2]
    assert found["hit"].tolist() == [True] * 4 + [False, True]
    pictures = thumbnails.unstacked(found["pictures"], 6)
    assert pictures.shape == (6, SIDE, SIDE, 3)
    bits = np.unpackbits(found["objects"], count=6 * SIDE**2)
    objects = bits.reshape(6, SIDE, SIDE)
    assert objects.sum((1, 2)).tolist() == [16] * 6
    for picture, mask, peak, label, hit in zip(
        pictures,
        objects,
        found["peak"],
        found["labels"],
        found["hit"],
        strict=True,
    ):
        row, column = (peak * SIDE).astype(int)
        assert mask[row, column] == hit
        assert picture[row, column, label] > 200  # where the square is
    assert found["maps"].shape == (6, 32, 32)
    assert found["maps"].max() == 255


def test_the_worst_are_on_the_wrong_side_and_sorted() -> None:
    network = trained().network
    bias = network.get_parameter("3.bias")
    bias.data = torch.tensor([-0.01, -1.0, 0.5])  # misses cars, sees cats
    found = probes.worst(trained(network=network))
    assert found["labels"].tolist() == [1, 2, 2]
    assert found["targets"].tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(
        found["probabilities"][[0, 1, 2], [1, 2, 2]],
        1 / (1 + np.exp([1 - 2 / 16, -0.5, -0.5])),
        atol=1e-3,
    )
    pictures = thumbnails.unstacked(found["pictures"], 3)
    assert abs(pictures[0].astype(int).mean() - 2 / 3 * 255 / 16) < 2
    assert not probes.worst(trained(seed=1, network=network))


def test_a_network_without_mistakes_keeps_none() -> None:
    found = probes.worst(trained())
    assert found["targets"].shape == (0, 3)
    assert len(thumbnails.unstacked(found["pictures"], 0)) == 0


def test_samples_count_the_splits() -> None:
    found = probes.samples(trained())
    assert found["sizes"].tolist() == [5, 2, 5]
    assert found["counts"].tolist() == [
        [3, 2, 1, 2],
        [1, 0, 1, 0],
        [2, 1, 3, 1],
    ]
    assert found["cooccurrence"].tolist() == [[3, 2, 1], [2, 2, 1], [1, 1, 1]]
    assert found["split"].tolist() == [0] * 5 + [2] * 5
    assert SPLITS.train.masks is not None
    assert (found["masks"][:5] == SPLITS.train.masks).all()
    assert not probes.samples(trained(seed=1))


def test_a_set_without_masks_and_a_transformer_are_refused() -> None:
    bare = dataclasses.replace(SPLITS.test, masks=None)
    splits = dataclasses.replace(SPLITS, test=bare)
    for probe in (probes.pointing_game, probes.samples):
        with pytest.raises(ValueError, match="no masks"):
            probe(trained(splits=splits))
    vit = ViT(
        image_size=16,
        patch_size=4,
        classes=3,
        dim=12,
        depth=1,
        heads=3,
        mlp_dim=12,
    )
    with pytest.raises(ValueError, match="no maps"):
        probes.pointing_game(trained(network=vit))


def size(arrays: probes.Arrays) -> int:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return len(file.getvalue())


def test_hard_pictures_stay_within_an_artefact() -> None:
    def noise(number: int) -> Split:
        rng = np.random.default_rng(number)
        blocks = rng.integers(0, 5, (number, 14, 14), np.uint8)
        masks: NDArray[np.uint8] = blocks.repeat(16, 1).repeat(16, 2)
        return Split(
            inputs=rng.integers(0, 255, (number, 3, 224, 224), np.uint8),
            targets=rng.integers(0, 2, (number, 3)),
            masks=masks,
        )

    hard = Splits(
        name="noise",
        train=noise(20),
        validation=noise(2),
        test=noise(15),
        classes=CLASSES,
    )
    net = network()
    for probe in (probes.pointing_game, probes.worst, probes.samples):
        assert size(probe(trained(splits=hard, network=net))) <= 100_000


def test_pictures_come_back_in_their_order() -> None:
    levels = np.array([10, 120, 250, 60], np.uint8)
    pictures = np.broadcast_to(levels[:, None, None, None], (4, 3, 10, 15))
    back = thumbnails.unstacked(thumbnails.stacked(pictures), 4)
    assert back.shape == (4, 10, 15, 3)
    assert (abs(back.mean((2, 3)) - levels[:, None])[:, 3:7] < 3).all()


def test_shrinking_keeps_pictures_and_masks_together() -> None:
    masks = np.zeros((1, 40, 80), np.uint8)
    masks[0, 8:16, 40:60] = 200
    pictures = np.broadcast_to(masks[:, None], (1, 3, 40, 80)).copy()
    small = thumbnails.shrunk(pictures, 20)
    assert small.shape == (1, 3, 10, 20)
    assert (small[0, 0] == thumbnails.thinned(masks, 20)[0]).all()
    assert (thumbnails.shrunk(pictures, 80) == pictures).all()
    assert (thumbnails.thinned(masks, 80) == masks).all()


def test_no_colour_runs_into_the_next_picture() -> None:
    pictures = np.zeros((6, 3, 8, 8), np.uint8)
    for number, picture in enumerate(pictures):
        picture[number % 3] = 255
    back = thumbnails.unstacked(thumbnails.stacked(pictures), 6)
    off = back.transpose(0, 3, 1, 2).astype(int) - pictures
    assert abs(off).max() < 8


def test_quality_gives_way_to_size() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (12, 3, 96, 96), np.uint8)
    assert len(thumbnails.stacked(noise)) <= thumbnails.PICTURE_BYTES
