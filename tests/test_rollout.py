"""Attention rollout and distance: on paper, and by loops over weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coursework import rollout
from coursework.models.convnet import ConvNet
from coursework.models.vit import Block, ViT
from tests.test_positions import pictures, small, theirs

TOKENS = 17  # of 4 × 4 patches and a class token
NAMES = {
    "cls_token": "class_token",
    "pos_embed": "positions",
    "patch_embed.proj": "patches.embed",
    "attn.qkv": "attention.qkv",
    "attn.proj": "attention.out",
    "mlp.fc1": "mlp.0",
    "mlp.fc2": "mlp.3",
}


def sharpened(network: Any) -> Any:
    """Make attention far from even: other weights than those at the start."""
    torch.manual_seed(2)
    for name, parameter in network.named_parameters():
        if "qkv.weight" in name:
            nn.init.normal_(parameter)
    return network


def evenly(network: Any) -> Any:
    for name, parameter in network.named_parameters():
        if "qkv" in name:
            nn.init.zeros_(parameter)
    return network


def rows_of(network: ViT, inputs: Tensor) -> list[NDArray[Any]]:
    """Walk through the blocks: attention rows (N, heads, T, T) of each."""
    found = []
    with torch.no_grad():
        tokens = network.patches(inputs)
        first = network.class_token.expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], 1) + network.positions
        for block in network.blocks:
            assert isinstance(block, Block)
            normed = block.norm1(tokens)
            found.append(block.attention.weights(normed).numpy())
            tokens = block(tokens)
    return found


def test_rollout_of_even_attention_on_paper() -> None:
    # (I/2 + J/2)² = I/4 + 3/4 J, where J takes 1/17 of every token.
    maps = rollout.rollout(evenly(small()), pictures(16))
    assert maps.shape == (2, 4, 4)
    np.testing.assert_allclose(maps, 3 / 4 / TOKENS, rtol=1e-5)


def test_rollout_of_the_mean_token_on_paper() -> None:
    network = evenly(theirs(class_token=False, global_pool="avg"))
    maps = rollout.rollout(network, pictures(16))
    np.testing.assert_allclose(maps, 1 / 16, rtol=1e-5)


def test_rollout_by_loops() -> None:
    network, inputs = sharpened(small()), pictures(16)
    maps = rollout.rollout(network, inputs)
    first, second = rows_of(network, inputs)
    for n in range(2):
        one, two = (
            0.5 * rows[n].mean(0) + 0.5 * np.eye(TOKENS)
            for rows in (first, second)
        )
        product = two @ one
        np.testing.assert_allclose(product.sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(maps[n].ravel(), product[0, 1:], rtol=1e-4)
        assert np.ptp(maps[n]) > 0.05
        assert not np.allclose((one @ two)[0, 1:], product[0, 1:], rtol=0.05)


def renamed(name: str) -> str:
    for old, new in NAMES.items():
        name = name.replace(old, new)
    return name


def test_timms_networks_give_what_ours_give_with_their_weights() -> None:
    inputs, network = pictures(16), sharpened(theirs())
    ours = small()
    ours.load_state_dict(
        {renamed(k): v for k, v in network.state_dict().items()}
    )
    with torch.no_grad():
        before = network(inputs)
        torch.testing.assert_close(ours(inputs), before)
    fused = [block.attn.fused_attn for block in network.blocks]
    network.train()
    np.testing.assert_allclose(
        rollout.rollout(network, inputs), rollout.rollout(ours, inputs), 1e-4
    )
    assert network.training
    assert [block.attn.fused_attn for block in network.blocks] == fused
    assert not any(m._forward_hooks for m in network.modules())
    with torch.no_grad():
        assert torch.equal(network.eval()(inputs), before)


def test_distance_of_even_attention_on_paper() -> None:
    network = evenly(small(image_size=8))
    found, even = rollout.attention_distance(network, pictures(8))
    by_hand = (0 + 4 + 4 + 4 * 2**0.5) / 4
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)
    assert even == pytest.approx(by_hand)


def test_distance_by_loops() -> None:
    network, inputs = sharpened(small()), pictures(16)
    found, _ = rollout.attention_distance(network, inputs)
    for block, rows in enumerate(rows_of(network, inputs)):
        for head in range(3):
            sums = []
            for picture, query in np.ndindex(2, 16):
                row = rows[picture, head, query + 1, 1:]
                off = [
                    np.hypot(4 * (query // 4 - k // 4), 4 * (query % 4 - k % 4))
                    for k in range(16)
                ]
                sums.append(np.dot(row, off) / row.sum())
            assert found[block, head] == pytest.approx(np.mean(sums), rel=1e-4)
    assert np.ptp(found) > 0.2


def test_networks_without_attention_are_refused() -> None:
    inputs = pictures(16)
    with pytest.raises(ValueError, match="ConvNet has no tokens"):
        rollout.rollout(ConvNet(channels=3), inputs)
    with pytest.raises(ValueError, match=r"no attention .* in ConvNet"):
        rollout.attention(ConvNet(channels=3), inputs)
