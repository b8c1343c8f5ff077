"""Networks read without running them: costs, shapes, traits as tables.

Everything happens on torch's meta device, where tensors have a shape and no
content, so that nothing is computed.  A shape is one picture's, (C, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import torch
import torchinfo
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from coursework import training
from coursework.models.activations import Elementwise, Permute, Sort
from coursework.models.densenet import DenseLayer
from coursework.models.residual import Unit, branch_only
from coursework.models.vit import Block
from coursework.recipe import named

Build = Callable[[], nn.Module]
Shape = tuple[int, ...]
Shapes = Mapping[str, Shape] | Shape
Rule = Callable[[Any, Shape], Shape | None]  # of a module; None: can't say

NORMS = (nn.BatchNorm2d, nn.LayerNorm)
NOTHING = (nn.Identity, nn.Sequential)  # as leaves they do nothing
aten = torch.ops.aten


@dataclass(frozen=True)
class Step:
    """A module at work: what it was given, and what it made of that.

    ``made`` is None where the network failed, with torch's words as
    ``error``.  Shapes are without the batch's size.
    """

    name: str
    module: nn.Module
    given: Shape
    made: Shape | None
    error: str = ""

    @property
    def leaf(self) -> bool:
        """Whether it is a layer, not something made of layers."""
        children = any(True for _ in self.module.children())
        return not children and not isinstance(self.module, NOTHING)

    @property
    def parameters(self) -> int:
        """How many numbers it learns."""
        return count(self.module)


def weightless(build: Build) -> nn.Module:
    """Build a network of shapes alone, in evaluation mode."""
    with torch.device("meta"):
        return build().eval()


def count(module: nn.Module) -> int:
    """Count a module's parameters."""
    return sum(p.numel() for p in module.parameters())


def costs(networks: Mapping[str, Build], shapes: Shapes) -> pd.DataFrame:
    """Count what each network has to store and to multiply for a picture.

    MiB are 2**20 bytes, of float32 weights.  Multiply-adds as
    ``training.multiply_adds`` counts them: without biases and norms.
    """
    rows = []
    for name, build in networks.items():
        network, shape = weightless(build), _of(shapes, name)
        picture = torch.zeros(1, *shape, dtype=torch.uint8, device="meta")
        rows.append(
            {
                "network": name,
                "parameters": count(network),
                "weights, MiB": 4 * count(network) / 2**20,
                "multiply-adds": training.multiply_adds(network, picture),
            }
        )
    return pd.DataFrame(rows)


def steps(build: Build, shape: Shape) -> list[Step]:
    """Send a picture through and note each module as it ends.

    So a container comes after its children.  The last step is the innermost
    module that failed, if one did.
    """
    network, done = weightless(build), list[Step]()
    begun: list[tuple[str, nn.Module, Shape]] = []

    def begin(name: str, module: nn.Module, inputs: tuple[Tensor]) -> None:
        begun.append((name, module, tuple(inputs[0].shape[1:])))

    def end(_: nn.Module, __: tuple[Tensor], output: Tensor) -> None:
        done.append(Step(*begun.pop(), tuple(output.shape[1:])))

    for name, module in network.named_modules():
        module.register_forward_pre_hook(partial(begin, name))
        module.register_forward_hook(end)
    try:
        with torch.no_grad():
            network(torch.zeros(1, *shape, device="meta"))
    except (RuntimeError, ValueError, IndexError) as error:
        done.append(Step(*begun[-1], None, str(error).splitlines()[0]))
    return done


def layers(build: Build, shape: Shape) -> pd.DataFrame:
    """List the layers in the order they run, with shapes by rule and in fact.

    ``expected`` follows from a layer's settings by the textbook formula, "–"
    where ``RULES`` has none; ``actual`` is what torch made.  Where the
    network fails the table ends, with "–" as actual shape and a column
    ``problem`` that says why.
    """
    rows = []
    for step in steps(build, shape):
        if not step.leaf and step.made is not None:
            continue
        expected, problem = _expect(step)
        row = {
            "layer": step.name or "(all)",
            "type": type(step.module).__name__,
            "in": write(step.given),
            "expected": write(expected),
            "actual": write(step.made),
            "parameters": step.parameters,
        }
        rows.append(row | ({"problem": problem} if problem else {}))
    return pd.DataFrame(rows).fillna({"problem": ""})


def write(shape: Shape | None) -> str:
    """Write a shape as "6 × 24 × 24", None as "–"."""
    return "–" if shape is None else " × ".join(map(str, shape))


def summary(build: Build, shape: Shape, depth: int = 2) -> str:
    """Sum a network up as torchinfo does, in under 80 columns.

    Its multiply-adds include biases and norms, unlike those of ``costs``.
    """
    found = torchinfo.summary(
        weightless(build),
        input_size=(1, *shape),
        col_width=17,
        depth=depth,
        device="meta",
        mode="eval",
        verbose=0,
    )
    return str(found)


def traits(networks: Mapping[str, Build], shapes: Shapes) -> pd.DataFrame:
    """Describe each network by numbers.

    ``longest chain`` counts the layers with weights, convolutions and dense
    ones, on the longest path from the picture to the output.  ``largest
    output`` is one layer's float32 output for one picture.  ``field`` is the
    side of the square of pixels that one place of the last convolution's or
    pooling's map depends on, which may exceed the picture's; "whole" where a
    gate, or anything else but windows, let it see more.  ``skips`` are
    connections around layers.
    """
    rows = []
    for name, build in networks.items():
        shape = _of(shapes, name)
        network, found = weightless(build), steps(build, shape)
        dense = _all(network, nn.Linear)
        chain, field = _reach(network, shape)
        made = [math.prod(s.made) for s in found if s.leaf and s.made]
        rows.append(
            {
                "network": name,
                "convolutions": len(_all(network, nn.Conv2d)),
                "dense layers": len(dense),
                "longest chain": chain,
                "parameters in dense layers, %": 100
                * sum(map(count, dense))
                / count(network),
                "largest output, KiB": 4 * max(made) / 1024,
                "field, px": "whole" if math.isinf(field) else int(field),
                "norms": _kinds(_all(network, *NORMS)),
                "skips": sum(map(_skips, network.modules())),
            }
        )
    return pd.DataFrame(rows)


def _of(shapes: Shapes, name: str) -> Shape:
    return shapes if isinstance(shapes, tuple) else named(shapes, name, "shape")


def _all(network: nn.Module, *kinds: type[nn.Module]) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, kinds)]


def _kinds(modules: Iterable[nn.Module]) -> str:
    names = [type(module).__name__ for module in modules]
    found = [f"{names.count(name)} {name}" for name in dict.fromkeys(names)]
    return ", ".join(found) or "none"


def _skips(module: nn.Module) -> int:
    """Count the connections that a module itself leads around its layers."""
    if isinstance(module, Unit):
        return int(module.join is not branch_only)
    if isinstance(module, Block):
        return 2  # around the attention, around the two dense layers
    return int(isinstance(module, DenseLayer))


# What a layer makes of a shape, by the textbook.


def _expect(step: Step) -> tuple[Shape | None, str]:
    """Return the shape by rule, and what is wrong with the one given."""
    rule = RULES.get(type(step.module))
    try:
        return (rule(step.module, step.given) if rule else None), step.error
    except ValueError as problem:
        return None, str(problem)


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


# How far a path has come, followed through every operation of torch.


class Reach(NamedTuple):
    """What led to a tensor: a path's layers with weights, its field.

    ``field`` is the side, in pixels, of what one place depends on, and
    ``jump`` how many pixels two neighbouring places lie apart.
    """

    layers: int
    field: float
    jump: float


def _reach(network: nn.Module, shape: Shape) -> tuple[int, float]:
    """Return the longest chain of weighted layers, and the widest field."""
    picture = torch.zeros(1, *shape, device="meta")
    paths = _Paths(picture)
    with torch.no_grad(), paths:
        output = network(picture)
    return paths.at[output].layers, paths.widest


class _Paths(TorchDispatchMode):
    """Note for each tensor that comes from the picture how it got there.

    An operation that slides a window widens the field (Araujo, Norris and
    Sim, "Computing receptive fields of convolutional neural networks",
    Distill, 2019); one that keeps a map's sides is taken to keep its places
    apart; after any other a value depends on all places.
    """

    def __init__(self, picture: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.at = {picture: Reach(0, 1, 1)}  # keeps all: they take no memory
        self.widest: float = 1

    def __torch_dispatch__(
        self, op: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and note where its results stand."""
        result = op(*args, **(kwargs or {}))
        inputs, outputs = _tensors((args, kwargs)), _tensors(result)
        met = [tensor for tensor in inputs if tensor in self.at]
        if met:
            layers = max(self.at[tensor].layers for tensor in met)
            layers += op in WEIGHTED
            field, jump = self._field(op, args, met, outputs)
            for tensor in outputs:
                self.at[tensor] = Reach(layers, field, jump)
        return result

    def _field(
        self, op: Any, args: Any, met: list[Tensor], outputs: list[Tensor]
    ) -> tuple[float, float]:
        field, jump = max(self.at[tensor][1:] for tensor in met)
        if op in WINDOWS:
            extent, stride = WINDOWS[op](*args)
            field, jump = field + (extent - 1) * jump, jump * stride
            self.widest = max(self.widest, field)
            return field, jump
        sides = {tensor.shape[2:] for tensor in outputs if tensor.ndim == 4}
        kept = any(tensor.shape[2:] in sides for tensor in met)
        return (field, jump) if kept else (math.inf, 1)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _convolved(
    maps: Tensor, weight: Tensor, *settings: Any
) -> tuple[float, int]:
    _, stride, _, gap, transposed, *_ = settings
    extent = gap[0] * (weight.shape[2] - 1) + 1
    return math.inf if transposed else extent, stride[0]


def _pooled(
    maps: Tensor, kernel: list[int], stride: Sequence[int] = (), *_: Any
) -> tuple[float, int]:
    return kernel[0], (stride or kernel)[0]


def _folded(maps: Tensor, factor: int) -> tuple[float, int]:
    return factor, factor


# The extent and stride of each operation's window, from its arguments.
WINDOWS: Mapping[Any, Callable[..., tuple[float, int]]] = {
    aten.convolution.default: _convolved,
    aten.max_pool2d_with_indices.default: _pooled,
    aten.avg_pool2d.default: _pooled,
    aten.pixel_unshuffle.default: _folded,
}
# What convolutions and dense layers come to; attention is another product.
WEIGHTED = {aten.convolution.default, aten.mm.default, aten.addmm.default}
