"""One branch of triplet attention, and the choices it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from torch import Tensor, nn

from coursework.models.activations import ACTIVATIONS
from coursework.models.attention.banded import MapConvolution
from coursework.models.attention.fused import pooled
from coursework.models.attention.gating import (
    POOLS,
    Gating,
    PoolName,
    several,
)
from coursework.recipe import named

Branch = Literal["cw", "hc", "hw"]
GateName = Literal["sigmoid", "tanh", "softmax"]


class MapSoftmax(nn.Module):
    """Make the values of each picture's map add up to 1."""

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, 1, A, B) to the same shape."""
        return maps.flatten(1).softmax(1).view_as(maps)


# The axis that a branch pools; its name says which are the rows and which the
# columns of the map that is left.
BRANCHES: Mapping[Branch, int] = {"cw": 2, "hc": 3, "hw": 1}

GATES: Mapping[GateName, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": MapSoftmax,
}

# What may stand between norm and gate: nothing in the paper, in report R0
# these, of the catalogue.
BETWEEN: Mapping[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    **{
        name: ACTIVATIONS[name].make
        for name in (
            "relu",
            "sigmoid",
            "gelu",
            "leaky-relu",
            "elu",
            "celu",
            "tanh",
            "hard-swish",
            "silu",
        )
    },
}


class BranchGate(Gating):
    """Scale by a gate for each place of a map, the same along one axis.

    Pools of that axis, a convolution to one map, batch normalisation, an
    activation and the gate's function.
    """

    def __init__(
        self,
        branch: Branch,
        *,
        pools: Sequence[PoolName],
        activation: str,
        gate: GateName,
        kernel: int,
        bias: bool,
    ) -> None:
        super().__init__()
        self.axis = BRANCHES[branch]
        self.pools = several(POOLS, pools, "pool")
        self.convolution = MapConvolution(len(pools), kernel, bias=bias)
        self.norm = nn.BatchNorm2d(1, momentum=0.01)
        self.activation = named(BETWEEN, activation, "activation")(1)
        self.gate = named(GATES, gate, "gate")()

    def weights(self, maps: Tensor) -> Tensor:
        """Compute the gates of (N, C, H, W), with 1 in the pooled axis."""
        return self.read(pooled(maps, [self.axis], self.pools)[0])

    def read(self, pools: Tensor) -> Tensor:
        """Compute the gates from pools (N, pools, ., .) of the axis."""
        if self.axis == 3:  # left are C and H; the rows are to be H
            return self._gate(pools.mT).mT.unsqueeze(3)
        return self._gate(pools).unsqueeze(self.axis)

    def _gate(self, pools: Tensor) -> Tensor:
        logits = self.norm(self.convolution(pools))
        gates: Tensor = self.gate(self.activation(logits))
        return gates.squeeze(1)
