"""What of a pretrained network trains, from its head alone to everything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from coursework.recipe import named

Strategy = Literal[
    "head",
    "first-stage",
    "last-stage",
    "gradual",
    "all",
    "batch-norm",
    "attention",
    "last-attention",
]
Stages = Sequence[Sequence[str]]
Choice = Callable[[nn.Module, Stages, int], set[str]]

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def last_stages(network: nn.Module, stages: Stages, last: int) -> set[str]:
    """Choose so many stages below the head."""
    if not 1 <= last < len(stages):
        raise ValueError(
            f"last is {last}; accepted: 1 to {len(stages) - 1}, the number "
            "of this network's stages below its head"
        )
    return set(chain(*stages[-last - 1 :]))


def everything(network: nn.Module, stages: Stages, last: int) -> set[str]:
    """Choose all there is."""
    return set(chain(*stages))


def norms(network: nn.Module, stages: Stages, last: int) -> set[str]:
    """Choose scale and shift of every normalisation."""
    return _within(network, lambda p: isinstance(p, NORMS), "normalisation")


def attention(network: nn.Module, stages: Stages, last: int) -> set[str]:
    """Choose every module that calls itself attention."""
    return _within(
        network, lambda p: "Attention" in type(p).__name__, "attention"
    )


def last_attention(network: nn.Module, stages: Stages, last: int) -> set[str]:
    """Choose the attention in the last stages."""
    return attention(network, stages, last) & last_stages(network, stages, last)


# What trains besides the head.
STRATEGIES: Mapping[Strategy, Choice] = {
    "head": lambda network, stages, last: set(),
    "first-stage": lambda network, stages, last: set(stages[0]),
    "last-stage": last_stages,
    "gradual": everything,  # in the end; see Transfer.unfreeze
    "all": everything,
    "batch-norm": norms,
    "attention": attention,
    "last-attention": last_attention,
}


class Transfer(nn.Module):
    """A network of which a part trains, and the rest does not move at all.

    A module is in training mode if a parameter in it trains or, where it
    has none, if one before it does: a frozen batch norm keeps its running
    statistics, one in a part that trains updates them.

    ``strategy`` names what trains: the "head" only; that and the "first-stage"
    or the "last-stage" (or the ``last`` so many); with "gradual" the head
    first, then one stage more at equal intervals
    :cite:p:`howard2018ulmfit`, section 3.3; "all";
    with "batch-norm" the head and the affine part of every normalisation
    :cite:p:`frankle2021batchnorm`; with "attention" the head and the
    attention of every block :cite:p:`touvron2022three`, its second thing, with
    "last-attention" of the ``last`` ones.  Each stage's rate is
    ``layer_decay`` times that of the stage above (section 3.2 of
    :cite:p:`howard2018ulmfit` takes 1/2.6).

    Raises ValueError for an unknown strategy, and for one that looks for
    parts that the network does not have.
    """

    def __init__(
        self,
        network: nn.Module,
        strategy: Strategy = "all",
        layer_decay: float = 1.0,
        last: int = 1,
    ) -> None:
        super().__init__()
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay is {layer_decay}; accepted: (0, 1]")
        self.network = network
        self.strategy, self.layer_decay = strategy, layer_decay
        self.stages = stages(network)
        choose = named(STRATEGIES, strategy, "strategy")
        self.chosen = choose(network, self.stages, last) | {*self.stages[-1]}
        self.unfreeze(0.0)

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute what the network does."""
        outputs: Tensor = self.network(pictures)
        return outputs

    def unfreeze(self, share: float) -> None:
        """Let train what trains once this share of the epochs is done.

        To be called before each epoch; only "gradual" ever changes.
        """
        if not 0 <= share < 1:
            raise ValueError(f"share is {share}; accepted: [0, 1)")
        below = len(self.stages) - 1  # the head
        if self.strategy == "gradual":
            # the small term mends shares such as 0.29 of 100 stages
            below = math.floor(share * len(self.stages) + 1e-9)
        now = self.chosen.intersection(chain(*self.stages[-1 - below :]))
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name in now)
        self.train(self.training)

    def groups(self) -> list[dict[str, Any]]:
        """List what will ever train, as parameter groups of an optimiser.

        A group's "scale" is to be multiplied with the rate; the head's is 1.
        """
        tensors = dict(self.network.named_parameters())
        depths = range(len(self.stages) - 1, -1, -1)
        found = [
            {
                "params": [tensors[n] for n in stage if n in self.chosen],
                "scale": self.layer_decay**depth,
            }
            for depth, stage in zip(depths, self.stages, strict=True)
        ]
        return [group for group in found if group["params"]]

    def train(self, mode: bool = True) -> Transfer:
        """Set the mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        moving = False
        for part in self.network.modules() if mode else ():
            inside = [p.requires_grad for p in part.parameters()]
            part.training = any(inside) if inside else moving
            own = part.parameters(recurse=False)
            moving = moving or any(p.requires_grad for p in own)
        return self


def transfer(
    *,
    backbone: Callable[..., nn.Module],
    classes: int,
    strategy: Strategy = "all",
    layer_decay: float = 1.0,
    last: int = 1,
) -> Transfer:
    """Build ``backbone(classes=…)`` with a head that depends on the seed alone.

    The head is drawn anew from the random state found on entry, whatever
    building the body drew: it starts as the one of ``features.fit_head``.
    """
    start = torch.get_rng_state()
    network = backbone(classes=classes)
    torch.set_rng_state(start)
    linear: Any = network.get_submodule(head(network))
    linear.reset_parameters()
    return Transfer(network, strategy, layer_decay, last)


def head(network: nn.Module) -> str:
    """Find the path of the layer that gives the logits: the last linear one.

    Raises ValueError if the network does not end in one.
    """
    ends = stages(network)[-1]
    parts: list[tuple[str, nn.Module]] = list(network.named_modules())
    for path, part in reversed(parts):
        if isinstance(part, nn.Linear) and f"{path}.weight" in ends:
            return path
    raise ValueError(
        f"{type(network).__name__} ends in {ends}, none of them a linear "
        "layer; accepted: networks whose logits come from one"
    )


def stages(network: nn.Module) -> list[list[str]]:
    """Group the names of all parameters, from the input to the head.

    For networks of timm these are timm's own stages; else children in order,
    where a numbered child (``layer4``, ``blocks.11``) is a stage and others
    are opened.  A norm belongs to what it follows, and what no child holds,
    such as position embeddings, to the first stage.
    """
    for path, part in network.named_modules():
        if matcher := getattr(part, "group_matcher", None):
            from timm.models import group_parameters  # noqa: PLC0415

            before = f"{path}." if path else ""
            groups = group_parameters(part, matcher(coarse=True))
            return [[before + name for name in g] for g in groups.values()]
    return _in_order(network)


def _in_order(network: nn.Module) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for path, part in _parts(network):
        names = [f"{path}.{name}" for name, _ in part.named_parameters()]
        if isinstance(part, NORMS) or not found[-1]:
            found[-1] += names
        elif names:
            found.append(names)
    held = set(chain(*found))
    loose = [n for n, _ in network.named_parameters() if n not in held]
    return [loose + found[0], *found[1:]]


def _parts(module: nn.Module, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, child in module.named_children():
        if name[-1].isdigit() or not list(child.children()):
            yield before + name, child
        else:
            yield from _parts(child, f"{before}{name}.")


def _within(
    network: nn.Module, wanted: Callable[[nn.Module], bool], kind: str
) -> set[str]:
    found = {
        f"{path}.{name}"
        for path, part in network.named_modules()
        if wanted(part)
        for name, _ in part.named_parameters()
    }
    if not found:
        raise ValueError(
            f"{type(network).__name__} has no {kind}: choose another strategy"
        )
    return found
