"""What a layer makes of a shape, by the textbook."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from coursework.models.activations import Elementwise, Permute, Sort

Shape = tuple[int, ...]  # of one picture or map: (C, H, W)
Rule = Callable[[Any, Shape], Shape | None]  # of a module; None: can't say


def write(shape: Shape | None) -> str:
    """Write a shape as "6 × 24 × 24", None as "–"."""
    return "–" if shape is None else " × ".join(map(str, shape))


def _takes(accepted: int, unit: str, given: int) -> None:
    if given != accepted:
        unit += "s" * (accepted != 1)
        raise ValueError(f"takes {accepted} {unit}, was given {given}")


def _keep(module: nn.Module, given: Shape) -> Shape:
    return given


def _batch_norm(module: nn.BatchNorm2d, given: Shape) -> Shape:
    _takes(module.num_features, "channel", given[0])
    return given


def _dense(module: nn.Linear, given: Shape) -> Shape:
    _takes(module.in_features, "feature", given[-1])
    return (*given[:-1], module.out_features)


def _flatten(module: nn.Flatten, given: Shape) -> Shape:
    batch = (1, *given)
    first, last = module.start_dim, module.end_dim % len(batch)
    flat = math.prod(batch[first : last + 1])
    return (*batch[:first], flat, *batch[last + 1 :])[1:]


def _adaptive(module: Any, given: Shape) -> Shape:
    sides = zip(_two(module.output_size), given[1:], strict=True)
    return (given[0], *(side or kept for side, kept in sides))


def _unshuffle(module: nn.PixelUnshuffle, given: Shape) -> Shape:
    by = module.downscale_factor
    if given[1] % by or given[2] % by:
        raise ValueError(
            f"takes multiples of {by}, was given {write(given[1:])}"
        )
    return (given[0] * by**2, *(side // by for side in given[1:]))


def _convolution(module: nn.Conv2d, given: Shape) -> Shape | None:
    _takes(module.in_channels, "channel", given[0])
    sides = _slide(module, given)
    return sides and (module.out_channels, *sides)


def _pool(module: Any, given: Shape) -> Shape | None:
    sides = _slide(module, given)
    return sides and (given[0], *sides)


def _slide(module: Any, given: Shape) -> Shape | None:
    """Compute floor((n + 2p - k) / s) + 1 for each side n.

    k is the kernel's extent, with its gaps if it is dilated.
    """
    if isinstance(module.padding, str) or getattr(module, "ceil_mode", False):
        return None
    sides = []
    for n, kernel, stride, padding, gap in zip(
        given[1:],
        _two(module.kernel_size),
        _two(module.stride),
        _two(module.padding),
        _two(getattr(module, "dilation", 1)),
        strict=True,
    ):
        extent = gap * (kernel - 1) + 1
        if n + 2 * padding < extent:
            least = extent - 2 * padding
            raise ValueError(f"takes sides of at least {least}, was given {n}")
        sides.append((n + 2 * padding - extent) // stride + 1)
    return tuple(sides)


def _two(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) else (value, value)


KEEPING = (
    *(nn.Sigmoid, nn.Tanh, nn.Softmax, nn.ReLU, nn.LeakyReLU, nn.PReLU),
    *(nn.ELU, nn.CELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Softplus),
    *(nn.Softsign, Elementwise, Sort, Permute, nn.Dropout, nn.LayerNorm),
)
RULES: Mapping[type[nn.Module], Rule] = {
    **dict.fromkeys(KEEPING, _keep),
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: _convolution,
    nn.MaxPool2d: _pool,
    nn.AvgPool2d: _pool,
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.AdaptiveMaxPool2d: _adaptive,
    nn.PixelUnshuffle: _unshuffle,
    nn.Flatten: _flatten,
    nn.Linear: _dense,
}
