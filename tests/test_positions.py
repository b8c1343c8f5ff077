"""Position embeddings at other sizes: on paper, against torch and timm."""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from coursework import guard_torchvision
from coursework.models.convnet import ConvNet
from coursework.models.positions import Layout, at_side, layout, resized
from coursework.models.pretrained import Normalise
from coursework.models.vit import R1ViT, ViT

SMALL = partial(
    ViT, image_size=16, patch_size=4, dim=12, depth=2, heads=3, mlp_dim=48
)


def small(**options: Any) -> ViT:
    torch.manual_seed(0)
    network = SMALL(classes=5, **options).eval()
    nn.init.normal_(network.class_token)
    return network


def theirs(**options: Any) -> Any:
    guard_torchvision()
    from timm.models.vision_transformer import (  # noqa: PLC0415
        VisionTransformer,
    )

    torch.manual_seed(0)
    return VisionTransformer(
        img_size=16,
        patch_size=4,
        embed_dim=12,
        depth=2,
        num_heads=3,
        num_classes=5,
        **options,
    ).eval()


def pictures(side: int) -> Tensor:
    source = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, side, side, generator=source)


def keys(distance: Fraction) -> Fraction:
    """Weigh a neighbour by cubic convolution with a = -1/2."""
    x = abs(distance)
    if x < 1:
        return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
    return -Fraction(1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2


def test_two_by_two_becomes_four_by_four_as_on_paper() -> None:
    line = []
    for number in range(4):
        at = Fraction(2 * number + 1, 4)
        near = [keys(at - Fraction(2 * i + 1, 2)) for i in range(2)]
        line.append([one / sum(near) for one in near])
    assert line[0] == [Fraction(37, 34), Fraction(-3, 34)]
    assert line[1] == [Fraction(111, 140), Fraction(29, 140)]
    weights: NDArray[np.float64] = np.array(line, float)
    square = np.array([[1.0, 2.0], [5.0, -3.0]])
    expected = weights @ square @ weights.T
    given = torch.tensor([7.0, *square.ravel()])[None, :, None]
    found = resized(given, 4)
    assert found[0, 0, 0] == 7  # the class token has no place
    np.testing.assert_allclose(
        found[0, 1:, 0].view(4, 4), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("side", [2, 3, 6])
@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_resizing_is_torchs_and_timms(side: int, prefix: int) -> None:
    guard_torchvision()
    from timm.layers.pos_embed import (  # noqa: PLC0415
        resample_abs_pos_embed,
    )

    given = torch.randn(1, prefix + 16, 3)
    found = resized(given, side, prefix)
    torch.testing.assert_close(
        found,
        resample_abs_pos_embed(given, [side, side], num_prefix_tokens=prefix),
    )
    assert torch.equal(found[:, :prefix], given[:, :prefix])
    for number in range(3):
        square = given[:, prefix:, number].view(1, 1, 4, 4)
        torch.testing.assert_close(
            found[:, prefix:, number].view(1, 1, side, side),
            interpolate(square, (side, side), mode="bicubic", antialias=True),
        )


def test_equal_size_changes_nothing() -> None:
    given = torch.randn(1, 17, 3)
    assert torch.equal(resized(given, 4), given)
    network = small()
    with torch.no_grad():
        assert torch.equal(
            at_side(network, 16)(pictures(16)), network(pictures(16))
        )


@pytest.mark.parametrize("side", [8, 24])
def test_a_copy_takes_other_pictures(side: int) -> None:
    network = small()
    network.positions.requires_grad_(False)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    copied = at_side(network, side)
    expected = small(image_size=side)
    weights = network.state_dict()
    weights["positions"] = resized(weights["positions"], side // 4)
    expected.load_state_dict(weights)
    with torch.no_grad():
        found = copied(pictures(side))
        torch.testing.assert_close(found, expected(pictures(side)))
    assert not copied.get_parameter("positions").requires_grad
    copied.get_parameter("head.weight").data.zero_()
    assert all(
        torch.equal(v, before[k]) for k, v in network.state_dict().items()
    )
    assert network.shape == (3, 16, 16)


def test_timms_networks_behind_a_normalisation() -> None:
    body = theirs()
    parts = OrderedDict(normalise=Normalise((0.5,) * 3, (0.5,) * 3), body=body)
    network = nn.Sequential(parts)
    copied = at_side(network, 24)
    torch.testing.assert_close(
        copied.get_parameter("body.pos_embed"), resized(body.pos_embed, 6)
    )
    with torch.no_grad():
        assert copied(pictures(24)).shape == (2, 5)
        assert network(pictures(16)).shape == (2, 5)


def test_networks_without_tokens_stay_as_they_are() -> None:
    network = ConvNet(channels=3).eval()
    copied = at_side(network, 24)
    assert copied is not network
    assert layout(network) is None
    with torch.no_grad():
        assert torch.equal(copied(pictures(24)), network(pictures(24)))


def test_layouts() -> None:
    assert layout(nn.Sequential(small())) == Layout(4, 1)
    assert layout(theirs()) == Layout(4, 1)
    assert layout(theirs(reg_tokens=4)) == Layout(4, 5)
    averaged = theirs(class_token=False, global_pool="avg")
    assert layout(averaged) == Layout(4, 0, averaged=True)


def test_what_has_no_places_is_refused() -> None:
    with pytest.raises(ValueError, match="R1ViT are no square patches"):
        layout(R1ViT())
    with pytest.raises(ValueError, match="'map'; accepted: 'token', 'avg'"):
        layout(theirs(global_pool="map", class_token=False))
    with pytest.raises(ValueError, match=r"side is 18; .* multiple of .* 4"):
        at_side(small(), 18)
    with pytest.raises(ValueError, match="15 positions are no square"):
        resized(torch.zeros(1, 16, 2), 4)
