"""What a vision transformer attends to, over all its blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coursework import gradcam
from coursework.models.positions import Layout, layout
from coursework.models.vit import Attention


def rollout(network: nn.Module, pictures: Tensor) -> NDArray[np.float32]:
    """Follow attention from what is classified from back to the picture.

    Attention rollout :cite:p:`abnar2020quantifying`, section 3: the product
    over blocks of A/2 + I/2, where A is the mean over heads.  Its rows sum to
    1 as those of A do, so none is normalised again.  Gives maps (N, H', W')
    of the patches' shares in the class token, or in the mean token where that
    is read, which sum to 1 less the share of tokens without a place.
    """
    tokens = _layout(network)
    total: Tensor | None = None
    for rows in attention(network, pictures, lambda rows: rows.mean(1)):
        step = (rows + torch.eye(rows.shape[-1], device=rows.device)) / 2
        total = step if total is None else step @ total
    assert total is not None  # attention() found at least one block
    read = slice(tokens.prefix, None) if tokens.averaged else slice(0, 1)
    shares = total[:, read].mean(1)[..., None]
    maps = gradcam.as_maps(shares, tokens.prefix, pictures)
    found: NDArray[np.float32] = maps[:, 0].cpu().numpy()
    return found


def attention_distance(
    network: nn.Module, pictures: Tensor
) -> tuple[NDArray[np.float32], float]:
    """Measure how far each head of each block looks, in pixels.

    :cite:p:`dosovitskiy2021image`, appendix D.7: the distance between the
    middles of a query's and a key's patch, weighted by attention, a mean over
    queries and pictures: (blocks, heads).  Tokens without a place are left
    out, and rows made to sum to 1 without them.  Returned beside it: the
    distance if all patches got the same.
    """
    tokens = _layout(network)
    down, across = pictures.shape[-2] // tokens.patch, pictures.shape[-1]
    lines = torch.arange(down, device=pictures.device)
    columns = torch.arange(across // tokens.patch, device=pictures.device)
    places = tokens.patch * torch.cartesian_prod(lines, columns).float()
    distances = torch.cdist(places, places)

    def weighted(rows: Tensor) -> Tensor:
        placed = rows[..., tokens.prefix :, tokens.prefix :]
        shares = placed / placed.sum(-1, keepdim=True)
        return (shares * distances).sum(-1).mean((0, 2))

    found = torch.stack(attention(network, pictures, weighted))
    return found.cpu().numpy(), float(distances.mean())


def attention(
    network: nn.Module,
    pictures: Tensor,
    reduce: Callable[[Tensor], Tensor] = lambda rows: rows,
) -> list[Tensor]:
    """Collect each block's attention rows (N, heads, T, T), first one first.

    In evaluation mode, float32; ``reduce`` is applied to each at once.
    Raises ValueError where no attention over whole pictures is found.
    """
    seen: list[Tensor] = []

    def keep(_: nn.Module, __: Any, rows: Tensor) -> None:
        if rows.ndim == 4 and len(rows) == len(pictures):
            seen.append(reduce(rows.float()))

    with ExitStack() as stack:
        stack.enter_context(gradcam.evaluating(network))
        stack.enter_context(torch.no_grad())
        for module in network.modules():
            if isinstance(module, Attention):
                stack.enter_context(module.rows.register_forward_hook(keep))
            elif hasattr(module, "fused_attn"):
                stack.enter_context(_spelt_out(module))
                rows: Any = module.attn_drop
                stack.enter_context(rows.register_forward_hook(keep))
        network(pictures)
    if not seen:
        raise ValueError(
            f"no attention over a picture's tokens in {type(network).__name__}"
            "; take models.vit.ViT or a vision transformer of timm"
        )
    return seen


@contextmanager
def _spelt_out(module: Any) -> Iterator[None]:
    """Have one of timm's attentions compute its rows, where hooks see them."""
    fused, module.fused_attn = module.fused_attn, False
    try:
        yield
    finally:
        module.fused_attn = fused


def _layout(network: nn.Module) -> Layout:
    found = layout(network)
    if found is None:
        raise ValueError(
            f"{type(network).__name__} has no tokens; attention maps need a "
            "vision transformer, Grad-CAM does not"
        )
    return found
