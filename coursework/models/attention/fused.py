"""Pools and products of feature maps, with their gradients written down.

Left to itself, autograd keeps more than is needed and writes a gradient of
full size for each pool.  Here everything is computed in the order in which
the maps lie in memory and, on a CPU, a few pictures at a time, so that they
stay in its cache.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# So many numbers stay in the cache of a CPU's core, and rows up to this
# length are too short for it to compute many numbers at once.
CACHED, SHORT = 2**18, 8


@dataclass(frozen=True)
class Pool:
    """A pool of one axis of (N, C, H, W) and the way back.

    ``reduce(maps, axis)`` takes the axis away.  ``spread(maps, pooled,
    gradient, axis)``, where pooled and its gradient keep the axis with length
    1, computes the maps' gradient or what broadcasts to it.  A pool that is
    called computes as ``reduce``, with these gradients.
    """

    reduce: Callable[[Tensor, int], Tensor]
    spread: Callable[[Tensor, Tensor, Tensor, int], Tensor]

    def __call__(self, maps: Tensor, axis: int) -> Tensor:
        """Pool an axis of (N, C, H, W) away."""
        return pooled(maps, [axis], [self])[0].squeeze(1)


def pooled(
    maps: Tensor, axes: Sequence[int], pools: Sequence[Pool]
) -> list[Tensor]:
    """Pool each of these axes of (N, C, H, W) away: (N, pools, ., .) each."""
    found = _Pooled.apply(  # type: ignore[no-untyped-call]
        maps, tuple(axes), tuple(pools)
    )
    return [f.squeeze(a + 1) for f, a in zip(found, axes, strict=True)]


def scaled(maps: Tensor, gates: Sequence[Tensor]) -> Tensor:
    """Multiply maps (N, C, H, W) by the sum of gates that broadcast to it."""
    product: Tensor = _Scaled.apply(  # type: ignore[no-untyped-call]
        maps, *gates
    )
    return product


def arranged(maps: Tensor) -> Tensor:
    """Put the channels last where a CPU finds the rows of maps too short."""
    if maps.device.type != "cpu" or maps.shape[3] > SHORT:
        return maps
    return maps.contiguous(memory_format=torch.channels_last)


def alongside(gates: Tensor, maps: Tensor) -> Tensor:
    """Put gates in the order in which maps lie in memory."""
    last = _is_last(maps)
    return _raise(_lay(gates, last), last)


def mark(maps: Tensor, pooled: Tensor, axis: int) -> Tensor:
    """Mark by 1 the first place along an axis that holds the pooled value."""
    length = maps.shape[axis]
    shape = [length if a == axis else 1 for a in range(maps.ndim)]
    countdown = torch.arange(length, 0, -1, device=maps.device).view(shape)
    # As numbers, unlike as booleans, they are compared many at once.
    marks = torch.eq(maps, pooled, out=torch.empty_like(maps))
    marks *= countdown.to(maps.dtype)
    return marks.eq_(marks.amax(axis, keepdim=True))


def _is_last(maps: Tensor) -> bool:
    """Tell whether the channels are the innermost axis in memory."""
    last = maps.is_contiguous(memory_format=torch.channels_last)
    return last and not maps.is_contiguous()


def _lay(maps: Tensor, last: bool) -> Tensor:
    """Order axes as in memory: (..., C, H, W) or, with last, (..., H, W, C)."""
    return (maps.movedim(-3, -1) if last else maps).contiguous()


def _raise(maps: Tensor, last: bool) -> Tensor:
    """Undo what ``_lay`` does to the axes."""
    return maps.movedim(-1, -3) if last else maps


def _widen(maps: Tensor) -> Tensor:
    """Compute in no less than float32."""
    return maps.float() if maps.itemsize < 4 else maps


def _blocks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Split tensors, the first of them maps, into the same few pictures."""
    maps = tensors[0]
    fit = CACHED if maps.device.type == "cpu" else maps.numel()
    size = max(1, fit // max(1, maps[:1].numel()))
    return zip(*(each.split(size) for each in tensors), strict=True)


class _Pooled(torch.autograd.Function):
    """Map (N, C, H, W) to (N, pools, C, H, W) with 1 in an axis, for each."""

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, axes: Sequence[int], pools: Sequence[Pool]
    ) -> tuple[Tensor, ...]:
        ctx.last, ctx.pools = _is_last(maps), pools
        ctx.axes = [1 + (a - 2) % 3 if ctx.last else a for a in axes]
        rows = []
        for (block,) in _blocks(_lay(maps, ctx.last)):
            wide = _widen(block)
            values = [
                [pool.reduce(wide, a).unsqueeze(a) for pool in pools]
                for a in ctx.axes
            ]
            rows.append([torch.stack(each, 1) for each in values])
        columns = zip(*rows, strict=True)
        whole = [torch.cat(parts).to(maps.dtype) for parts in columns]
        found = tuple(_raise(each, ctx.last) for each in whole)
        ctx.save_for_backward(maps, *found)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        saved = [_lay(t, ctx.last) for t in (*ctx.saved_tensors, *gradients)]
        total, count = torch.empty_like(saved[0]), len(ctx.axes)
        for into, block, *small in _blocks(total, *saved):
            wide = _widen(block)
            pairs = zip(small[:count], small[count:], ctx.axes, strict=True)
            parts = [
                pool.spread(wide, _widen(f[:, n]), _widen(g[:, n]), axis)
                for f, g, axis in pairs
                for n, pool in enumerate(ctx.pools)
            ]
            parts.sort(key=Tensor.numel)  # small ones are cheaper to add
            into.copy_(reduce(operator.add, parts))
        return _raise(total, ctx.last), None, None


class _Scaled(torch.autograd.Function):
    """Compute maps × (gate + gate + …), keeping the gates, not their sum."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, *gates: Tensor) -> Tensor:
        ctx.last = _is_last(maps)
        lying = [_lay(each, ctx.last) for each in (maps, *gates)]
        ctx.save_for_backward(maps, *lying[1:])
        product = torch.empty_like(lying[0])
        for into, block, *parts in _blocks(product, *lying):
            torch.mul(block, reduce(operator.add, parts), out=into)
        return _raise(product, ctx.last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        maps, *gates = ctx.saved_tensors
        lying = [_lay(each, ctx.last) for each in (maps, gradient)]
        found = [torch.empty_like(each) for each in (lying[0], *gates)]
        count = len(gates)
        for block, up, into, *rest in _blocks(*lying, *found, *gates):
            whole = block * up
            for total in rest[:count]:
                total.copy_(whole.sum_to_size(total.shape))
            torch.mul(up, reduce(operator.add, rest[count:]), out=into)
        return tuple(_raise(each, ctx.last) for each in found)
