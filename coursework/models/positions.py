"""Which place of a picture a token stands for, and other picture sizes.

Of our vision transformers and timm's, alone or inside another module.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from coursework.models.vit import Patches, ViT


@dataclass(frozen=True)
class Layout:
    """How a transformer's tokens lie.

    ``patch`` pixels are a token's side; the first ``prefix`` tokens have no
    place; ``averaged`` tells that all others are read, not the first one.
    """

    patch: int
    prefix: int
    averaged: bool = False


def layout(network: nn.Module) -> Layout | None:
    """Find how the tokens lie; None where the network has none.

    Raises ValueError where tokens are not square patches, and where neither
    the first one nor the mean is read.
    """
    for body in _bodies(network):
        if isinstance(body, ViT):
            if not isinstance(body.patches, Patches) or body.read:
                raise ValueError(
                    f"the tokens of {type(body).__name__} are no square "
                    "patches with a class token before them; take ViT"
                )
            return Layout(body.patches.embed.kernel_size[0], prefix=1)
        if body.global_pool not in ("token", "avg"):
            raise ValueError(
                f"global_pool is {body.global_pool!r}; accepted: 'token', 'avg'"
            )
        return Layout(
            body.patch_embed.patch_size[0],
            prefix=body.num_prefix_tokens,
            averaged=body.global_pool == "avg",
        )
    return None


def at_side(network: nn.Module, side: int) -> nn.Module:
    """Copy a network and fit it to pictures of ``side`` × ``side`` pixels.

    A transformer's position embeddings are interpolated, see
    :func:`resized`; other networks take any size as they are.  Raises
    ValueError where patches do not fill the side.
    """
    found = layout(network)
    if found and (side < found.patch or side % found.patch):
        raise ValueError(
            f"side is {side}; it must be a multiple of the patch's "
            f"{found.patch} pixels"
        )
    network = copy.deepcopy(network)
    for body in _bodies(network):
        if not isinstance(body, ViT):
            body.set_input_size((side, side))
            continue
        assert found  # a ViT has a layout
        positions = resized(body.positions.detach(), side // found.patch)
        body.positions = nn.Parameter(
            positions, requires_grad=body.positions.requires_grad
        )
        body.shape = (body.shape[0], side, side)
    return network


def resized(positions: Tensor, places: int, prefix: int = 1) -> Tensor:
    """Interpolate position embeddings (1, prefix + T, dim) to places² places.

    :cite:p:`dosovitskiy2021image`, section 3.2; bicubic, smoothed where it
    shrinks, as in timm.  The first ``prefix`` belong to tokens without a place
    and are kept.  Raises ValueError where T is no square.
    """
    apart, placed = positions[:, :prefix], positions[:, prefix:]
    old = round(placed.shape[1] ** 0.5)
    if old**2 != placed.shape[1]:
        raise ValueError(
            f"{placed.shape[1]} positions are no square; give prefix, the "
            f"number of tokens without a place (now {prefix})"
        )
    square = placed.unflatten(1, (old, old)).permute(0, 3, 1, 2)
    smooth = interpolate(
        square, (places, places), mode="bicubic", antialias=True
    )
    return torch.cat([apart, smooth.flatten(2).transpose(1, 2)], dim=1)


def _bodies(network: nn.Module) -> Iterator[Any]:
    """Yield our and timm's vision transformers."""
    for module in network.modules():
        theirs = hasattr(module, "num_prefix_tokens")
        if isinstance(module, ViT) or (theirs and hasattr(module, "pos_embed")):
            yield module
