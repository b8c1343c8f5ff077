"""Grad-CAM on tokens: against finite differences and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from coursework import gradcam
from coursework.models.convnet import ConvNet
from coursework.models.vit import Block, ViT
from tests.test_positions import pictures, small, theirs

CLASSES = torch.tensor([3, 1])


def by_differences(
    network: ViT, picture: Tensor, label: int, step: float = 1e-5
) -> Tensor:
    """Compute eq. 1 and 2 for one picture by moving each token's value.

    The tokens are those between the last block's first norm and its
    attention; the way round the attention stays as it was.
    """
    last = network.blocks[-1]
    assert isinstance(last, Block)
    tokens = (
        torch.cat([network.class_token, network.patches(picture)], 1)
        + network.positions
    )
    stream = network.blocks[:-1](tokens)
    normed = last.norm1(stream)

    def logit(moved: Tensor) -> float:
        mixed = stream + last.attention(moved)
        mixed = mixed + last.mlp(last.norm2(mixed))
        return float(network.head(network.norm(mixed)[:, 0])[0, label])

    slopes = torch.zeros_like(normed)
    for place in np.ndindex(*normed.shape):
        ends = []
        for sign in (1, -1):
            moved = normed.clone()
            moved[place] += sign * step
            ends.append(logit(moved))
        slopes[place] = (ends[0] - ends[1]) / (2 * step)
    weights = slopes[0, 1:].mean(0)
    coarse: Tensor = (normed[0, 1:] @ weights).relu().view(4, 4)
    return coarse


def test_maps_are_what_finite_differences_say() -> None:
    network = small().double()
    inputs = pictures(16).double()
    maps = gradcam.grad_cam(
        network, gradcam.last_tokens(network), inputs, CLASSES, prefix=1
    )
    assert maps.shape == (2, 16, 16)
    with torch.no_grad():
        for one, picture, label in zip(maps, inputs, CLASSES, strict=True):
            coarse = by_differences(network, picture[None], int(label))
            large = interpolate(coarse[None, None], (16, 16), mode="bilinear")
            assert large.max() > 0
            np.testing.assert_allclose(
                one, (large / large.max())[0, 0], atol=1e-5
            )


class Reader(nn.Module):
    """Give logits that weigh the mean of two tokens' channels by 3 and 1.

    The places of a picture become tokens behind one that has no place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        places = pictures.flatten(2).transpose(1, 2)
        tokens = torch.cat([100 * torch.ones(len(places), 1, 1), places], 1)
        seen = self.norm1(torch.cat([tokens, -tokens], 2))
        mean: Tensor = seen.mean(1)
        return mean @ torch.tensor([[3.0, 0.0], [1.0, 0.0]])


def test_a_case_on_paper() -> None:
    # Two channels, x and -x, weighed by 3 and 1: 2x, as the mean has it.
    tested = Reader()
    picture = torch.tensor([[-4.0, 1.0, 2.0], [0.5, 0.0, 0.0]])[None, None]
    both = picture.repeat(2, 1, 1, 1)
    maps = gradcam.grad_cam(
        tested, tested.norm1, both, torch.tensor([0, 1]), prefix=1
    )
    assert maps[0].tolist() == [[0, 0.5, 1], [0.25, 0, 0]]
    assert not maps[1].any()


def test_where_there_are_places() -> None:
    network = small()
    found = gradcam.last_tokens(nn.Sequential(network))
    assert found is network.get_submodule("blocks.1.norm1")
    timms = theirs()
    assert gradcam.last_tokens(timms) is timms.blocks[1].norm1
    maps = gradcam.grad_cam(
        timms, timms.blocks[1].norm1, pictures(16), CLASSES, prefix=1
    )
    assert (maps.max((1, 2)) == 1).all()
    # Behind the last attention only the class token is read.
    behind = network.get_submodule("blocks.1.norm2")
    none = gradcam.grad_cam(network, behind, pictures(16), CLASSES, prefix=1)
    assert not none.any()


def test_tokens_become_maps_row_by_row() -> None:
    tokens = torch.arange(1.0, 15).view(1, 7, 2)
    maps = gradcam.as_maps(tokens, 1, torch.zeros(1, 3, 8, 12))
    assert maps[0, 0].tolist() == [[3, 5, 7], [9, 11, 13]]
    assert maps[0, 1].tolist() == [[4, 6, 8], [10, 12, 14]]


def test_what_has_no_places_is_refused() -> None:
    network, inputs = small(), pictures(16)
    layer = gradcam.last_tokens(network)
    with pytest.raises(ValueError, match="17 tokens behind the first 0 do not"):
        gradcam.grad_cam(network, layer, inputs, CLASSES, prefix=0)
    with pytest.raises(ValueError, match=r"LayerNorm puts out \(2, 17, 12\)"):
        gradcam.grad_cam(network, layer, inputs, CLASSES)
    with pytest.raises(ValueError, match="ConvNet has no norm1"):
        gradcam.last_tokens(ConvNet())
