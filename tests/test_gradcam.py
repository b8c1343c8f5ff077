"""Grad-CAM against finite differences and by hand; the pointing game too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from coursework import gradcam
from coursework.models.attention.eca import ECA
from coursework.models.lenet import LeNet
from coursework.models.resnet import ResNet
from coursework.models.vit import ViT

CLASSES = torch.tensor([1, 0, 2])


def network() -> nn.Sequential:
    """Build one whose layer 2 is followed by a module that works in place."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 3, 3, stride=2),
        nn.ELU(inplace=True),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(3 * 3 * 3, 3),
    )


def pictures(dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 2, 10, 10, generator=generator).to(dtype)


def by_differences(
    tested: nn.Sequential, inputs: Tensor, label: int, step: float = 1e-5
) -> Tensor:
    """Compute eq. 1 and 2 for one picture by moving each place's value."""
    after = tested[3:]
    with torch.no_grad():
        maps = tested[:3](inputs)
        slopes = torch.zeros_like(maps)
        for place in np.ndindex(*maps.shape):
            ends = []
            for sign in (1, -1):
                moved = maps.clone()
                moved[place] += sign * step
                ends.append(float(after(moved)[0, label]))
            slopes[place] = (ends[0] - ends[1]) / (2 * step)
        weights = slopes.mean((2, 3))[0]
        return torch.einsum("k,khw->hw", weights, maps[0]).relu()


@pytest.mark.parametrize("size", [None, (7, 13)])
def test_maps_are_what_finite_differences_say(
    size: tuple[int, int] | None,
) -> None:
    tested, inputs = network().double(), pictures(torch.float64)
    maps = gradcam.grad_cam(tested, tested[2], inputs, CLASSES, size=size)
    tested.eval()
    for one, picture, label in zip(maps, inputs, CLASSES, strict=True):
        coarse = by_differences(tested, picture[None], int(label))
        large = interpolate(
            coarse[None, None], size or (10, 10), mode="bilinear"
        )[0, 0].numpy()
        assert large.max() > 0
        np.testing.assert_allclose(one, large / large.max(), atol=1e-6)
    assert maps.dtype == np.float32


def hand_made() -> nn.Sequential:
    """Weigh two maps of a picture, x and -x, by 3 and 1: the CAM is 2x."""
    tested = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2, 2),
    )
    maps = torch.tensor([1.0, -1.0])
    tested[0].weight.data = maps.view(2, 1, 1, 1)
    tested[3].weight.data = torch.tensor([[3.0, 1.0], [0.0, 0.0]])
    return tested


def test_a_case_on_paper() -> None:
    tested = hand_made()
    picture = torch.tensor([[-4.0, 1.0], [2.0, 0.5]])[None, None]
    both = picture.repeat(2, 1, 1, 1)
    maps = gradcam.grad_cam(tested, tested[0], both, torch.tensor([0, 1]))
    assert maps[0].tolist() == [[0, 0.5], [1, 0.25]]
    assert not maps[1].any()  # nothing speaks for class 1


def test_outputs_that_are_not_finite_give_no_map() -> None:
    tested = hand_made()
    tested[3].get_parameter("weight").data.fill_(float("nan"))
    maps = gradcam.grad_cam(
        tested, tested[0], torch.ones(1, 1, 2, 2), torch.tensor([0])
    )
    assert not maps.any()


def test_the_network_is_left_as_it_was_found() -> None:
    tested = network()
    tested.train()
    tested[1].eval()  # frozen
    kept, untouched = (tested[n].get_parameter("weight") for n in (0, 2))
    kept.grad = torch.ones_like(kept)
    before = {k: v.clone() for k, v in tested.state_dict().items()}
    modes = [module.training for module in tested.modules()]
    with torch.no_grad():
        layer = gradcam.last_map(tested, pictures())
        gradcam.grad_cam(tested, layer, pictures(), CLASSES)
    assert [module.training for module in tested.modules()] == modes
    after = tested.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert (kept.grad == 1).all()
    assert untouched.grad is None
    assert not any(module._forward_hooks for module in tested.modules())


def test_each_picture_is_treated_alone() -> None:
    tested, inputs = network(), pictures()
    together = gradcam.grad_cam(tested, tested[2], inputs, CLASSES)
    alone = gradcam.grad_cam(tested, tested[2], inputs[1:2], CLASSES[1:2])
    np.testing.assert_allclose(together[1:2], alone, atol=1e-6)


RESNET = partial(ResNet, 18, classes=3, width=4, stem="cifar")


@pytest.mark.parametrize(
    ("build", "shape", "name"),
    [
        (RESNET, (3, 32, 32), "stages"),
        (RESNET, (3, 16, 16), "stages.2"),  # the last one has 2 × 2 places
        (partial(RESNET, attention=ECA), (3, 32, 32), "stages"),
        (LeNet, (1, 28, 28), "5"),
    ],
)
def test_the_last_maps_are_found(
    build: Callable[[], nn.Module], shape: tuple[int, ...], name: str
) -> None:
    tested = build()
    found = gradcam.last_map(tested, torch.zeros(1, *shape))
    assert found is tested.get_submodule(name)


def test_networks_and_layers_without_maps_are_refused() -> None:
    vit = ViT(image_size=8, patch_size=4, dim=12, depth=1, heads=3, mlp_dim=12)
    with pytest.raises(ValueError, match="ViT ends in no maps"):
        gradcam.last_map(vit, torch.zeros(1, 3, 8, 8))
    tested = network()
    with pytest.raises(ValueError, match=r"Linear puts out \(3, 3\)"):
        gradcam.grad_cam(tested, tested[6], pictures(), CLASSES)
    with pytest.raises(ValueError, match="Conv2d puts out nothing"):
        gradcam.grad_cam(tested, nn.Conv2d(1, 1, 1), pictures(), CLASSES)


def mask(*places: tuple[int, int]) -> NDArray[np.bool_]:
    found = np.zeros((4, 5), bool)
    for place in places:
        found[place] = True
    return found


def test_pointing_by_hand() -> None:
    maps = np.zeros((3, 4, 5), np.float32)
    maps[0, 1, 2] = maps[1, 3, 4] = 1  # maps[2] points nowhere
    masks = np.stack([mask((1, 2)), mask((3, 3)), mask((1, 2), (2, 2))])
    assert gradcam.pointing(maps, masks).tolist() == [True, False, False]
    assert gradcam.chance(masks).tolist() == [1 / 20, 1 / 20, 2 / 20]
    assert gradcam.centre(masks).tolist() == [False, False, True]


def test_a_finger_is_put_in_the_middle_of_the_place_that_speaks() -> None:
    head = nn.Linear(9, 2)
    nn.init.ones_(head.weight)
    tested = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), head)
    inputs = torch.zeros(1, 1, 24, 24)
    inputs[..., 18, 3] = 1  # in the lower left place of 3 x 3
    ask = partial(gradcam.grad_cam, tested, tested[0], inputs, CLASSES[:1] * 0)
    assert gradcam.peaks(ask(mode="nearest"))[0].tolist() in (
        [[r, c] for r in (19, 20) for c in (3, 4)]
    )
    row, column = gradcam.peaks(ask())[0]  # drawn to the border
    assert row > 20 and column < 3


def test_a_finger_is_put_in_the_middle_of_a_flat_top() -> None:
    coarse = torch.zeros(1, 1, 3, 3)
    coarse[0, 0, 2, 2] = 1  # a corner: 4 x 4 pixels are equally high
    maps = interpolate(coarse, (24, 24), mode="bilinear")[0].numpy()
    row, column = gradcam.peaks(maps)[0]
    assert row in (21, 22)
    assert column in (21, 22)
    mirrored = gradcam.peaks(maps[:, ::-1, ::-1])[0]
    assert all(place in (1, 2) for place in mirrored)
