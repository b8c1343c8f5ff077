"""Triplet attention, and its hybrids with other attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from torch import Tensor, nn

from coursework.models.attention.branch import (
    BRANCHES,
    Branch,
    BranchGate,
    GateName,
)
from coursework.models.attention.coordinate import CoordinateAttention
from coursework.models.attention.fused import arranged, pooled
from coursework.models.attention.fusion import FUSIONS, FusionName
from coursework.models.attention.gating import (
    POOLS,
    Gating,
    PoolName,
    several,
)
from coursework.models.attention.large_kernel import LargeKernelAttention
from coursework.recipe import named

MakeGating = Callable[[int], Gating]


class TripletAttention(nn.Module):
    """Average three gated copies of the maps, each blind to one axis.

    :cite:p:`misra2021triplet`, section 3, to which the defaults belong.
    Nothing is permuted: each branch pools its own axis of the maps as they
    are.  Keeps the shape (N, channels, H, W).

    ``branches`` are those kept: "cw" pools the height away, "hc" the width,
    "hw" the channels.  ``pools``, ``kernel`` and ``bias`` are about their
    convolutions; ``activation`` stands between norm and gate.  With the gate
    "softmax", a branch's gates add up to 1 in each picture, whatever the
    norm's shift.  Every ``fusion`` starts as the mean.
    ``cw``, ``hc`` and ``hw`` each put other gates, made for so many channels,
    in place of that branch's.  Raises ValueError for an unknown name, for no
    branch or pool, for an even kernel, and for gates that are no ``Gating``
    or of a branch not kept.
    """

    def __init__(
        self,
        channels: int,
        *,
        pools: Sequence[PoolName] = ("max", "avg"),
        activation: str = "none",
        gate: GateName = "sigmoid",
        kernel: int = 7,
        bias: bool = False,
        branches: Sequence[Branch] = ("cw", "hc", "hw"),
        fusion: FusionName = "mean",
        cw: MakeGating | None = None,
        hc: MakeGating | None = None,
        hw: MakeGating | None = None,
    ) -> None:
        super().__init__()
        several(BRANCHES, branches, "branch")
        others = {"cw": cw, "hc": hc, "hw": hw}
        extra = [n for n in others if others[n] and n not in branches]
        if extra:
            raise ValueError(
                f"gates are given for {extra}, but the branches are "
                f"{tuple(branches)}; add them there or leave the gates out"
            )
        usual = partial(
            BranchGate,
            pools=pools,
            activation=activation,
            gate=gate,
            kernel=kernel,
            bias=bias,
        )
        self.pools = several(POOLS, pools, "pool")
        self.branches = nn.ModuleDict()
        for branch in branches:
            make = others[branch]
            gates = make(channels) if make else usual(branch)
            if not isinstance(gates, Gating):
                raise ValueError(
                    f"{branch} makes a {type(gates).__name__}, whose weights "
                    "a branch can't read; give it a subclass of Gating, such "
                    "as CoordinateAttention"
                )
            self.branches[branch] = gates
        fuse = named(FUSIONS, fusion, "fusion")
        self.fusion = fuse(channels, len(branches))

    def weights(self, maps: Tensor) -> dict[str, Tensor]:
        """Compute each branch's gates, which broadcast to the maps."""
        usual = {
            name: branch
            for name, branch in self.branches.items()
            if isinstance(branch, BranchGate)
        }
        axes = [branch.axis for branch in usual.values()]
        pools = dict(zip(usual, pooled(maps, axes, self.pools), strict=True))
        return {
            name: usual[name].read(pools[name])
            if name in usual
            else cast(Gating, branch).weights(maps)
            for name, branch in self.branches.items()
        }

    def forward(self, maps: Tensor) -> Tensor:
        """Scale maps (N, channels, H, W) and fuse the branches."""
        lying = arranged(maps)
        fused: Tensor = self.fusion(lying, list(self.weights(lying).values()))
        return fused if lying is maps else fused.contiguous()


# Report R0's hybrids.  Of coordinate attention in the other two branches it
# says no more; here each has the one direction that its map keeps.
triplet_ca = partial(
    TripletAttention, hw=partial(CoordinateAttention, reduction=16)
)
triplet_lka = partial(TripletAttention, hw=LargeKernelAttention)
triplet_ca_everywhere = partial(
    triplet_ca,
    cw=partial(CoordinateAttention, reduction=16, directions=("width",)),
    hc=partial(CoordinateAttention, reduction=16, directions=("height",)),
)
