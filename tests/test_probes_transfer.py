"""What is kept of where networks look, against counts on paper."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coursework import probes_looks, probes_transfer, thumbnails
from coursework.data.augment import View
from coursework.data.splits import Split, Splits
from coursework.models.vit import ViT
from coursework.rollout import attention_distance, rollout
from coursework.training import Trained

SIDE = 16
CLASSES = ("red", "green", "blue")


def split(labels: list[int], beside: tuple[int, ...] = ()) -> Split:
    """Draw a class as a bright square in the channel of its number.

    Square k lies at row 4k and column 8.  Of the pictures ``beside`` the mask
    says that it is on the left.
    """
    inputs = np.zeros((len(labels), 3, SIDE, SIDE), np.uint8)
    masks = np.full((len(labels), SIDE, SIDE), 255, np.uint8)
    for row, k in enumerate(labels):
        lines = slice(4 * k, 4 * k + 4)
        inputs[row, k, lines, 8:12] = 255
        left = 0 if row in beside else 8
        masks[row, lines, left : left + 4] = k + 1
    return Split(inputs=inputs, targets=np.array(labels), masks=masks)


SPLITS = Splits(
    name="squares",
    train=split([0, 1, 2]),
    validation=split([0, 2, 1, 1, 0]),
    test=split([0, 1, 2, 2, 1], beside=(2,)),
    classes=CLASSES,
)


class Weigh(nn.Module):
    """Multiply maps by weights of their own in each place."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights)

    def forward(self, maps: Tensor) -> Tensor:
        return maps * self.get_buffer("weights")


def network(*middle: nn.Module) -> nn.Sequential:
    """Build one whose logit k is the mean of channel k."""
    found = nn.Sequential(
        nn.Conv2d(3, 3, 1),
        *middle,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(3, 3),
    )
    for module, weight in (
        (found[0], torch.eye(3)[:, :, None, None]),
        (found[-1], torch.eye(3)),
    ):
        module.get_parameter("weight").data = weight
    nn.init.ones_(found[0].get_parameter("bias"))  # from 0 to 2
    nn.init.zeros_(found[-1].get_parameter("bias"))
    return found


def vit() -> ViT:
    torch.manual_seed(0)
    return ViT(
        image_size=SIDE,
        patch_size=4,
        classes=3,
        dim=12,
        depth=2,
        heads=3,
        mlp_dim=12,
    ).eval()


def trained(tested: nn.Module | None = None, **changes: Any) -> Trained:
    return dataclasses.replace(
        Trained(
            network=tested or network(),
            splits=SPLITS,
            view=View(),
            precision="float32",
            seed=0,
        ),
        **changes,
    )


@pytest.mark.parametrize("side", [None, 32])
@pytest.mark.parametrize("at_once", [2, 50])
def test_hits_and_shares_are_counted(
    side: int | None, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes_transfer, "AT_ONCE", at_once)
    found = probes_looks.looks(trained(view=View(side=side), seed=1))
    assert found["methods"].tolist() == ["Grad-CAM"]
    assert found["hit"].tolist() == [[True, True, False, True, True]]
    np.testing.assert_allclose(
        found["mass"], [[1, 1, 0, 1, 1]], atol=0 if side is None else 0.3
    )
    assert found["centre"].tolist() == [False, False, False, True, False]
    np.testing.assert_allclose(found["area"], 1 / 16)
    assert "pictures" not in found


def test_the_share_of_a_map_on_paper() -> None:
    maps = np.zeros((2, 2, 2), np.float32)
    maps[0] = [[1, 2], [3, 4]]
    masks = np.array([[[True, False], [True, False]]] * 2)
    shares = probes_looks.mass(maps, masks)
    np.testing.assert_allclose(shares, [4 / 10, 0])


def test_examples_of_a_transformer() -> None:
    tested = vit()
    found = probes_looks.looks(trained(tested))
    assert found["methods"].tolist() == ["Grad-CAM", "rollout"]
    assert found["hit"].shape == found["mass"].shape == (2, 5)
    pictures = thumbnails.unstacked(found["pictures"], 5)
    assert pictures.shape == (5, SIDE, SIDE, 3)
    assert pictures[0, 2, 10].argmax() == 0
    assert found["labels"].tolist() == [0, 1, 2, 2, 1]
    bits = np.unpackbits(found["objects"], count=5 * SIDE**2)
    objects = bits.reshape(5, SIDE, SIDE).astype(bool)
    masks, labels = SPLITS.test.masks, SPLITS.test.targets
    assert masks is not None
    assert (objects == (masks == labels[:, None, None] + 1)).all()
    viewed = View()(torch.from_numpy(SPLITS.test.inputs))
    maps = rollout(tested, viewed)
    coarse = found["maps"][1].reshape(5, 4, 8, 4, 8)[:, :, 3:5, :, 3:5]
    expected = 255 * maps / maps.max((1, 2), keepdims=True)
    np.testing.assert_allclose(coarse.mean((2, 4)), expected, atol=10)
    assert (found["predicted"] == tested(viewed).argmax(1).numpy()).all()
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **found)
    assert file.tell() < 100_000


def test_pictures_in_grey_and_without_masks() -> None:
    test = dataclasses.replace(
        SPLITS.test, inputs=SPLITS.test.inputs.max(1), masks=None
    )
    splits = dataclasses.replace(SPLITS, test=test)
    found = probes_looks.looks(trained(splits=splits, view=View(channels=3)))
    assert not {"hit", "mass", "centre", "area", "objects"} & set(found)
    pictures = thumbnails.unstacked(found["pictures"], 5)
    assert np.ptp(pictures[0, 2, 10].astype(int)) < 20
    assert found["maps"].shape == (1, 5, 32, 32)


def test_several_classes_a_picture_are_refused() -> None:
    test = dataclasses.replace(SPLITS.test, targets=np.eye(5, 3, dtype=int))
    splits = dataclasses.replace(SPLITS, test=test)
    with pytest.raises(ValueError, match=r"shape \(5, 3\); .*pointing_game"):
        probes_looks.looks(trained(splits=splits))


def test_attention_distances_are_a_mean_over_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes_transfer, "AT_ONCE", 2)
    tested = vit()
    nn.init.normal_(tested.get_parameter("blocks.0.attention.qkv.weight"))
    found = probes_transfer.attention_distances(trained(tested))
    viewed = View()(torch.from_numpy(SPLITS.validation.inputs))
    expected, even = attention_distance(tested, viewed)
    np.testing.assert_allclose(found["distance"], expected, rtol=1e-4)
    assert found["even"] == even
    assert found["side"] == SIDE
    assert found["patch"] == 4


@pytest.mark.parametrize("places", [1.0, 2.0, 0.25, 1.5])
def test_maps_are_shifted_as_numpy_interpolates(places: float) -> None:
    maps = torch.randn(2, 3, 2, 6)
    found, first = probes_transfer.shifted(maps, places)
    columns = np.arange(6) - places
    assert first == np.flatnonzero(columns >= 0)[0]
    for place in np.ndindex(2, 3, 2):
        expected = np.interp(columns[first:], range(6), maps[place].numpy())
        np.testing.assert_allclose(found[place], expected, atol=1e-5)


def distances(tested: nn.Module, **changes: Any) -> dict[str, NDArray[Any]]:
    return dict(probes_transfer.shift_equivariance(trained(tested, **changes)))


def noise() -> Splits:
    """Draw noise that stays inside when it is shifted by 8."""
    inputs = np.zeros((5, 3, SIDE, SIDE), np.uint8)
    drawn = np.random.default_rng(0).integers(0, 256, (5, 3, SIDE, 6))
    inputs[..., 2:8] = drawn
    test = dataclasses.replace(SPLITS.test, inputs=inputs)
    return dataclasses.replace(SPLITS, test=test)


def test_convolutions_move_with_the_picture() -> None:
    found = distances(network(nn.AvgPool2d(2)), splits=noise())
    assert found["pixels"].tolist() == [*range(1, 9)]
    assert found["stride"] == 2
    assert (found["moved"][1::2] < 1e-6).all()  # by whole places
    assert (found["moved"][::2] > 0.1).all()  # between places
    assert (found["still"] > 0.5).all()
    assert (found["outputs"] < 1e-5).all()
    assert (found["same"] == 1).all()


def test_weights_by_place_do_not_move_with_the_picture() -> None:
    torch.manual_seed(0)
    tested = network(Weigh(torch.rand(SIDE, SIDE)))
    found = distances(tested, splits=noise())
    assert found["stride"] == 1
    assert (found["moved"] > 0.2).all()
    assert (found["outputs"] > 0.01).all()


def test_the_unit_is_another_pictures_distance() -> None:
    # Squares in two channels, 4 pixels wide, 4 from the right border.
    splits = dataclasses.replace(SPLITS, test=split([0, 1]))
    found = distances(network(nn.Identity()), splits=splits)
    # Two pictures differ in 32 places, in 28 of 14 columns were they even.
    assert found["still"][1] == pytest.approx((16 / 28) ** 0.5)
    assert found["still"][3] == pytest.approx((32 / 24) ** 0.5)
    assert not found["moved"].any()
    assert found["outputs"][:4].tolist() == [0] * 4
    assert found["outputs"][7] == pytest.approx(0.5**0.5)  # both have left
    # Nothing is left of either, and argmax says 0 for both.
    assert found["same"].tolist() == [1] * 7 + [0.5]


def test_a_transformer_moves_by_its_patches() -> None:
    tested = vit()
    found = distances(tested)
    assert found["stride"] == 4
    assert (found["moved"] > 1e-3).all()
    # With even attention and no positions tokens know nothing of their place.
    nn.init.zeros_(tested.positions)
    free = distances(tested)
    assert (free["moved"][:3] > 1e-3).all()
    assert free["moved"][3] < 0.3 * found["moved"][3]


def test_accuracy_at_other_sizes() -> None:
    tested = vit()
    found = probes_transfer.resolutions(trained(tested))
    assert found["sides"].tolist() == [8, 12, 16, 20, 24]
    viewed = View()(torch.from_numpy(SPLITS.test.inputs))
    right = tested(viewed).argmax(1).numpy() == SPLITS.test.targets
    assert found["accuracy"][2] == right.mean()
    found = probes_transfer.resolutions(trained(view=View(side=24)))
    assert found["sides"].tolist() == [12, 18, 24, 30, 36]
    assert found["accuracy"].tolist() == [1] * 5


def test_accuracy_is_that_of_each_size() -> None:
    class Picky(nn.Module):
        """Say the class at 12 pixels, the next one at other sizes."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, pictures: Tensor) -> Tensor:
            found: Tensor = self.inner(pictures)
            return found.roll(int(pictures.shape[-1] != 12), 1)

    found = probes_transfer.resolutions(trained(Picky()))
    assert found["accuracy"].tolist() == [0, 1, 0, 0, 0]
