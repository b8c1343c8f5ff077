"""Networks read without running them: costs, shapes, traits as tables.

Everything happens on torch's meta device, where tensors have a shape and no
content, so that nothing is computed.  A shape is one picture's, (C, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
import torchinfo
from torch import Tensor, nn

from coursework import training
from coursework.models.densenet import DenseLayer
from coursework.models.residual import Unit, branch_only
from coursework.models.vit import Block
from coursework.outline.reach import reach
from coursework.outline.shapes import RULES, Shape, write
from coursework.recipe import named

Build = Callable[[], nn.Module]
Shapes = Mapping[str, Shape] | Shape

NORMS = (nn.BatchNorm2d, nn.LayerNorm)
NOTHING = (nn.Identity, nn.Sequential)  # as leaves they do nothing


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
        chain, field = reach(network, shape)
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


def _expect(step: Step) -> tuple[Shape | None, str]:
    """Return the shape by rule, and what is wrong with the one given."""
    rule = RULES.get(type(step.module))
    try:
        return (rule(step.module, step.given) if rule else None), step.error
    except ValueError as problem:
        return None, str(problem)
