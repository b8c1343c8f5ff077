"""Attention modules against the formulas of their papers, and VAN."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coursework import identity, outline, training
from coursework.models.attention import MakeAttention, SqueezeExcite
from coursework.models.attention.banded import LONGEST, MapConvolution
from coursework.models.attention.branch import (
    BETWEEN,
    BRANCHES,
    GATES,
    BranchGate,
)
from coursework.models.attention.cbam import CBAM
from coursework.models.attention.coordinate import CoordinateAttention
from coursework.models.attention.eca import ECA
from coursework.models.attention.fusion import FUSIONS, FusionName
from coursework.models.attention.gating import POOLS
from coursework.models.attention.large_kernel import (
    LargeKernelAttention,
    VANAttention,
)
from coursework.models.attention.pitfalls import batch_softmax
from coursework.models.attention.triplet import (
    TripletAttention,
    triplet_ca,
    triplet_ca_everywhere,
    triplet_lka,
)
from coursework.models.resnet import resnet18, resnet50
from coursework.models.van import VAN, Block

pytestmark = pytest.mark.usefixtures("one_thread")

State = Mapping[str, Tensor]
Network = TypeVar("Network", bound=nn.Module)


class Case(NamedTuple):
    """A module for 16 channels, its count taken on paper.

    ``idle`` parameters change nothing of what comes out.
    """

    make: MakeAttention
    parameters: int
    idle: str = "nothing"


MODULES: dict[str, Case] = {
    "ECA": Case(ECA, 3),
    "CBAM": Case(partial(CBAM, ratio=4), 2 * 16 * 4 + 2 * 49),
    # C to m = 8 and norm; 8 to C, twice
    "coordinate": Case(CoordinateAttention, 136 + 16 + 2 * 144),
    "coordinate, three pools": Case(
        partial(CoordinateAttention, pools=("avg", "max", "median")),
        (3 * 128 + 8) + 16 + 2 * 144,
    ),
    "triplet": Case(TripletAttention, 300),
    "triplet of the reports": Case(
        partial(
            TripletAttention,
            pools=("avg", "max", "median"),
            activation="gelu",
            gate="tanh",
            kernel=3,
            bias=True,
        ),
        3 * (27 + 1 + 2),
    ),
    "triplet, softmax": Case(
        partial(TripletAttention, gate="softmax"),
        300,
        idle=".norm.bias",  # one shift for all of a map
    ),
    "triplet, weights": Case(partial(TripletAttention, fusion="weights"), 303),
    "triplet, convolution": Case(
        partial(TripletAttention, fusion="convolution"), 300 + 3 * 16 * 16
    ),
    "triplet-ca": Case(triplet_ca, 200 + 440),
    "triplet-ca everywhere": Case(
        triplet_ca_everywhere, 440 + 2 * (136 + 16 + 144)
    ),
    # 25 C + C, 49 C + C, C² + C
    "large kernel": Case(LargeKernelAttention, 256 + 77 * 16),
    "triplet-lka": Case(triplet_lka, 200 + 256 + 77 * 16),
    "VAN's attention": Case(VANAttention, 3 * 256 + 79 * 16),
}


@pytest.fixture(params=MODULES)
def case(request: pytest.FixtureRequest) -> Case:
    return MODULES[request.param]


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@torch.no_grad()
def rough(build: Callable[[], Network]) -> Network:
    """Build in double precision, with no weight or statistic at its start."""
    torch.manual_seed(0)
    module = build().double()
    for parameter in module.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    for name, statistic in module.named_buffers():
        if name.endswith(("mean", "var")):
            statistic.uniform_(0.5, 1.5)
    return module


# Contracts of every module


def test_shape_is_kept_and_the_count_is_that_on_paper(case: Case) -> None:
    module = rough(partial(case.make, 16))
    for height, width in ((6, 9), (9, 6), (1, 1), (40, 34)):
        maps = draw(2, 16, height, width).double()
        assert module(maps).shape == maps.shape
    assert count(module) == case.parameters


def test_every_parameter_gets_a_gradient(case: Case) -> None:
    # In training a norm takes a bias before it out again.
    module = rough(partial(case.make, 16)).eval()
    module(draw(3, 16, 6, 9).double()).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        moves = parameter.grad.abs().max() > 1e-9
        assert moves != (case.idle in name), name


def test_each_picture_is_treated_alone(case: Case) -> None:
    module = rough(partial(case.make, 16)).eval()
    maps = draw(5, 16, 6, 9).double()
    with torch.inference_mode():
        together = module(maps)
        torch.testing.assert_close(module(maps[2:3]), together[2:3])
        torch.testing.assert_close(module(maps.flip(0)), together.flip(0))
        assert (together - maps).abs().max() > 0.01  # it does something


def learns(network: nn.Module, pictures: Tensor) -> None:
    labels = torch.arange(len(pictures)) % 4
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(300):
        loss = F.cross_entropy(network(pictures), labels)
        if loss < 0.1:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1


def test_learns_one_batch(case: Case) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        case.make(16),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 4),
    )
    learns(network, draw(8, 3, 8, 8))


# The formulas of the papers, written down again


def convolve(state: State, name: str, maps: Tensor, **how: Any) -> Tensor:
    return F.conv2d(
        maps, state[f"{name}.weight"], state.get(f"{name}.bias"), **how
    )


def normalise(
    state: State, name: str, maps: Tensor, *, training: bool
) -> Tensor:
    axes = [axis for axis in range(maps.ndim) if axis != 1]
    if training:
        mean, variance = maps.mean(axes), maps.var(axes, correction=0)
    else:
        mean = state[f"{name}.running_mean"]
        variance = state[f"{name}.running_var"]
    shape = [1, -1] + [1] * (maps.ndim - 2)
    scale = state[f"{name}.weight"] / (variance + 1e-5).sqrt()
    shift = state[f"{name}.bias"] - mean * scale
    return maps * scale.view(shape) + shift.view(shape)


def gated(state: State, name: str, maps: Tensor, *, training: bool) -> Tensor:
    """Scale by pooling axis 1, whichever it is."""
    pooled = torch.cat(
        [maps.amax(1, keepdim=True), maps.mean(1, keepdim=True)], 1
    )
    padding = state[f"{name}.convolution.weight"].shape[-1] // 2
    found = convolve(state, f"{name}.convolution", pooled, padding=padding)
    found = normalise(state, f"{name}.norm", found, training=training)
    return maps * (1 / (1 + (-found).exp()))


def permuted(state: State, maps: Tensor, *, training: bool) -> Tensor:
    """Compute triplet attention as the paper describes it, by rotations."""
    orders = {"cw": (0, 2, 1, 3), "hc": (0, 3, 2, 1), "hw": (0, 1, 2, 3)}
    branches = [
        gated(
            state,
            f"branches.{name}",
            maps.permute(order).contiguous(),
            training=training,
        ).permute(order)  # each order undoes itself
        for name, order in orders.items()
    ]
    return (branches[0] + branches[1] + branches[2]) / 3


SHAPES = [
    (3, 12, 7, 9),
    (2, 40, 8, 5),
    (2, 3, LONGEST + 3, LONGEST + 1),
    (2, LONGEST + 1, LONGEST, LONGEST + 2),
    (4, 8, 1, 1),
    (4, 2, 1, 6),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kernel", [3, 7])
def test_triplet_attention_is_that_of_the_paper(
    kernel: int, shape: tuple[int, ...], training: bool
) -> None:
    module = rough(
        partial(TripletAttention, shape[1], kernel=kernel, bias=kernel == 3)
    ).train(training)
    maps = draw(*shape).double().requires_grad_()
    state = dict(module.named_parameters()) | dict(module.named_buffers())
    expected = permuted(state, maps, training=training)
    # The statistics are moved by this pass, after the oracle has read them.
    found = module(maps)
    torch.testing.assert_close(found, expected)
    inputs = [maps, *module.parameters()]
    upstream = draw(*shape, seed=2).double()
    for ours, theirs in zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_the_band_computes_and_counts_what_the_convolution_does() -> None:
    module = MapConvolution(2, 7, bias=True)
    maps = draw(4, 2, 256, 16)
    banded, plain = module.train()(maps), module.eval()(maps)
    torch.testing.assert_close(banded, plain, rtol=1e-5, atol=1e-5)
    adds = training.multiply_adds(module, maps[:1])
    assert adds == 2 * 49 * 256 * 16


def test_eca_is_that_of_the_paper() -> None:
    lengths = {1: 1, 8: 3, 16: 3, 64: 3, 128: 5, 256: 5, 512: 5, 2048: 7}
    for channels, length in lengths.items():
        module = rough(partial(ECA, channels))
        weights = next(module.parameters()).detach().numpy().ravel()
        assert len(weights) == length
        maps = draw(2, channels, 3, 4).double()
        means = np.pad(
            maps.numpy().mean((2, 3)), ((0, 0), (length // 2, length // 2))
        )
        windows = np.lib.stride_tricks.sliding_window_view(means, length, 1)
        gates = 1 / (1 + np.exp(-windows @ weights))
        expected = maps.numpy() * gates[:, :, None, None]
        np.testing.assert_allclose(module(maps).detach(), expected)


def test_cbam_is_that_of_the_paper() -> None:
    module = rough(partial(CBAM, 12, ratio=3, kernel=5))
    first, last, kernel = (p.detach() for p in module.parameters())
    maps = draw(2, 12, 6, 4).double()
    mean, top = maps.mean((2, 3)), maps.amax((2, 3))
    logits = sum((first @ z.T).clamp(min=0).T @ last.T for z in (mean, top))
    assert isinstance(logits, Tensor)
    maps = maps * torch.sigmoid(logits)[:, :, None, None]
    pooled = torch.stack([maps.mean(1), maps.amax(1)], 1)
    expected = maps * F.conv2d(pooled, kernel, padding=2).sigmoid()
    torch.testing.assert_close(module(draw(2, 12, 6, 4).double()), expected)


@pytest.mark.parametrize("training", [True, False])
def test_coordinate_attention_is_that_of_the_paper(training: bool) -> None:
    module = rough(
        partial(CoordinateAttention, 24, reduction=2, pools=("avg", "max"))
    ).train(training)
    state = dict(module.named_parameters()) | dict(module.named_buffers())
    maps = draw(3, 24, 5, 7).double()
    rows = torch.cat([maps.mean(3), maps.amax(3)], 1)
    columns = torch.cat([maps.mean(2), maps.amax(2)], 1)
    weight = state["shared.0.weight"][:, :, 0]
    assert weight.shape == (12, 48)
    hidden = torch.einsum("mc,ncl->nml", weight, torch.cat([rows, columns], 2))
    hidden = hidden + state["shared.0.bias"][:, None]
    hidden = normalise(state, "shared.1", hidden, training=training)
    hidden = hidden * (hidden + 3).clamp(0, 6) / 6
    expected = maps
    for name, part, axis in (
        ("height", hidden[:, :, :5], 3),
        ("width", hidden[:, :, 5:], 2),
    ):
        weight = state[f"gates.{name}.0.weight"][:, :, 0]
        logits = torch.einsum("cm,nml->ncl", weight, part)
        logits = logits + state[f"gates.{name}.0.bias"][:, None]
        expected = expected * logits.sigmoid().unsqueeze(axis)
    torch.testing.assert_close(module(maps), expected)


def test_one_direction_is_that_half_of_coordinate_attention() -> None:
    whole = rough(partial(CoordinateAttention, 16)).eval()
    maps = draw(2, 16, 5, 7).double()
    halves = []
    for name in ("height", "width"):
        half = CoordinateAttention(16, directions=(name,)).double().eval()
        half.load_state_dict(whole.state_dict(), strict=False)
        halves.append(half.weights(maps))
    assert [h.shape[2:] for h in halves] == [(5, 1), (1, 7)]
    torch.testing.assert_close(whole.weights(maps), halves[0] * halves[1])


def lka(state: State, name: str, maps: Tensor) -> Tensor:
    channels = maps.shape[1]
    near = convolve(state, f"{name}.0", maps, padding=2, groups=channels)
    far = convolve(
        state, f"{name}.1", near, padding=9, dilation=3, groups=channels
    )
    return maps * convolve(state, f"{name}.2", far)


def test_large_kernel_attention_is_that_of_the_paper() -> None:
    module = rough(partial(LargeKernelAttention, 6))
    maps = draw(2, 6, 11, 25).double()
    expected = lka(dict(module.named_parameters()), "kernel", maps)
    torch.testing.assert_close(module(maps), expected)
    place = torch.zeros(1, 6, 31, 31).double()
    place[:, :, 15, 15] = 1
    reached = (module.weights(place) - module.weights(0 * place)).abs().sum(1)
    across = reached[0].sum(0).nonzero()
    assert across[-1] - across[0] + 1 == 23


@pytest.mark.parametrize("training", [True, False])
def test_a_van_block_is_that_of_the_paper(training: bool) -> None:
    block = rough(partial(Block, 6, 3, nn.Identity())).train(training)
    state = dict(block.named_parameters()) | dict(block.named_buffers())
    maps = draw(2, 6, 5, 7).double()
    x = normalise(state, "attention.0", maps, training=training)
    inner = F.gelu(convolve(state, "attention.1.branch.0", x))
    inner = lka(state, "attention.1.branch.2.kernel", inner)
    x = x + convolve(state, "attention.1.branch.3", inner)
    y = maps + state["join_attention.factor"] * x
    x = normalise(state, "mlp.0", y, training=training)
    x = convolve(state, "mlp.1", x)
    x = F.gelu(convolve(state, "mlp.2", x, padding=1, groups=18))
    expected = y + state["join_mlp.factor"] * convolve(state, "mlp.4", x)
    torch.testing.assert_close(block(maps), expected)


ON_NUMPY: dict[str, Callable[[Any, int], Any]] = {
    "avg": np.mean,
    "max": np.max,
    "median": lambda a, axis: np.quantile(a, 0.5, axis, method="lower"),
    "l1": lambda a, axis: np.linalg.norm(a, 1, axis),
    "l2": lambda a, axis: np.linalg.norm(a, 2, axis),
    "l1-mean": lambda a, axis: np.linalg.norm(a, 1, axis) / a.shape[axis],
    "l2-mean": lambda a, axis: np.sqrt((a**2).mean(axis)),
}


def test_pools_against_numpy() -> None:
    maps = draw(2, 6, 5, 4).double()
    assert list(POOLS) == list(ON_NUMPY)
    for (name, pool), axis in itertools.product(POOLS.items(), (1, 2, 3)):
        expected = ON_NUMPY[name](maps.numpy(), axis)
        np.testing.assert_allclose(pool(maps, axis), expected, rtol=1e-9)
        zeros = torch.zeros(1, 2, 3, 4, requires_grad=True)
        pool(zeros, axis).sum().backward()
        assert zeros.grad is not None and zeros.grad.isfinite().all()


# Triplet attention's options


OPTIONS: dict[str, list[dict[str, Any]]] = {
    "pools": [
        *({"pools": (pool,)} for pool in POOLS),
        *({"pools": ("max", pool)} for pool in POOLS if pool != "max"),
        {"pools": ("avg", "max", "median")},
    ],
    "activation": [{"activation": name} for name in BETWEEN],
    "gate": [{"gate": name} for name in GATES],
    "kernel": [{"kernel": kernel} for kernel in (3, 5, 7)],
    "branches": [
        {"branches": branches}
        for size in (1, 2, 3)
        for branches in itertools.combinations(BRANCHES, size)
    ],
    "bias": [{"bias": bias} for bias in (False, True)],
    "fusion": [{"fusion": name} for name in FUSIONS],
    "gates": [{}, {"hw": CoordinateAttention}, {"cw": LargeKernelAttention}],
}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_counts(option: str) -> None:
    maps, seen = draw(2, 16, 6, 9).double(), list[tuple[int, Tensor]]()
    for options in OPTIONS[option]:
        module = rough(partial(TripletAttention, 16, **options)).eval()
        seen.append((count(module), module(maps)))
    for (count_a, a), (count_b, b) in itertools.combinations(seen, 2):
        assert count_a != count_b or (a - b).abs().max() > 1e-6


def test_the_activations_that_were_asked_for_are_there() -> None:
    asked = "relu sigmoid gelu leaky-relu elu celu tanh hard-swish silu"
    assert set(BETWEEN) == {"none", *asked.split()}
    module = rough(partial(TripletAttention, 4, activation="relu")).eval()
    for gates in module.weights(draw(2, 4, 5, 6).double()).values():
        assert float(gates.detach().min()) == 0.5


@pytest.mark.parametrize("fusion", FUSIONS)
def test_fusions_add_branches_and_start_as_the_mean(fusion: FusionName) -> None:
    torch.manual_seed(0)
    plain = TripletAttention(8).double()
    module = TripletAttention(8, fusion=fusion).double()
    module.load_state_dict(plain.state_dict(), strict=False)
    maps = draw(2, 8, 5, 6).double()
    torch.testing.assert_close(module(maps), plain(maps))
    copies = [maps * g for g in module.weights(maps).values()]
    if fusion == "mean":
        expected = torch.stack(copies).mean(0)
    elif fusion == "weights":
        factors = torch.tensor([0.5, -1, 2]).double()
        module.fusion.load_state_dict({"factors": factors})
        expected = 0.5 * copies[0] - copies[1] + 2 * copies[2]
    else:
        mix = draw(8, 3, 8).double()
        weight = mix.flatten(1)[:, :, None, None]
        module.fusion.load_state_dict({"project.weight": weight})
        expected = torch.einsum("obc,bnchw->nohw", mix, torch.stack(copies))
    torch.testing.assert_close(module(maps), expected)


def test_kept_branches_are_averaged_alone() -> None:
    whole = rough(partial(TripletAttention, 8)).eval()
    maps = draw(2, 8, 5, 6).double()
    gates = whole.weights(maps)
    shapes = {"cw": (2, 8, 1, 6), "hc": (2, 8, 5, 1), "hw": (2, 1, 5, 6)}
    assert {name: g.shape for name, g in gates.items()} == shapes
    for kept in (("cw",), ("hw", "hc")):
        module = TripletAttention(8, branches=kept).double().eval()
        module.load_state_dict(whole.state_dict(), strict=False)
        expected = maps * sum(gates[name] for name in kept) / len(kept)
        torch.testing.assert_close(module(maps), expected)


@pytest.mark.parametrize("make", [triplet_ca, triplet_lka])
def test_hybrids_put_other_attention_in_the_spatial_branch(
    make: MakeAttention,
) -> None:
    module = rough(partial(make, 16)).eval()
    maps = draw(2, 16, 5, 6).double()
    branches = dict(module.get_submodule("branches").named_children())
    parts = [branch(maps) for branch in branches.values()]
    assert [type(branches[name]) for name in ("cw", "hc")] == 2 * [BranchGate]
    assert not isinstance(branches["hw"], BranchGate)
    torch.testing.assert_close(module(maps), sum(parts) / 3)


# Report R0's softmax


def test_softmax_is_over_a_map_and_in_report_r0_over_the_batch() -> None:
    maps = draw(4, 8, 5, 6).double()
    right = rough(partial(TripletAttention, 8, gate="softmax")).eval()
    for gates in right.weights(maps).values():
        torch.testing.assert_close(gates.sum((1, 2, 3)), torch.ones(4).double())
    wrong = rough(partial(batch_softmax, 8)).eval()
    assert count(wrong) == count(right)
    for branch in wrong.get_submodule("branches").children():
        assert isinstance(branch, BranchGate)
        gates = branch.weights(maps).sum(0)
        torch.testing.assert_close(gates, torch.ones_like(gates))
    torch.testing.assert_close(right(maps[:1]), right(maps)[:1])
    assert (wrong(maps[:1]) - wrong(maps)[:1]).abs().max() > 0.1
    torch.testing.assert_close(wrong(maps[:1]), maps[:1])  # alone, gates are 1


def test_report_r0s_softmax_works_on_any_triplet_attention() -> None:
    make = partial(batch_softmax, attention=partial(triplet_ca, kernel=3))
    assert count(make(16)) == count(triplet_ca(16, kernel=3))
    branches = make(16).get_submodule("branches")
    found = [type(getattr(b, "gate", None)) for b in branches.children()]
    assert found == [nn.Softmax, nn.Softmax, type(None)]


# Counts in the networks of the reports


UNITS = {
    18: {64: 2, 128: 2, 256: 2, 512: 2},
    50: {256: 3, 512: 4, 1024: 6, 2048: 3},
}
three = partial(TripletAttention, pools=("avg", "max", "median"), bias=True)
OVERHEADS: dict[str, tuple[MakeAttention, int, int]] = {
    "triplet": (TripletAttention, 2_400, 4_800),
    "biased": (partial(TripletAttention, bias=True), 2_424, 4_848),
    "kernel 3": (partial(TripletAttention, kernel=3), 480, 960),
    "kernel 5": (partial(TripletAttention, kernel=5), 1_248, 2_496),
    "three pools": (three, 3_600, 7_200),
    "coordinate": (CoordinateAttention, 74_736, 1_917_832),
    "coordinate, 16": (
        partial(CoordinateAttention, reduction=16),
        136_320,
        3_805_456,
    ),
    "triplet-ca": (partial(triplet_ca, bias=True), 137_936, 3_808_688),
    "triplet-lka": (triplet_lka, 845_760, 21_285_760),
    "ECA": (ECA, 36, 86),
    # 2 C² / 16 and 98 a unit
    "CBAM": (CBAM, 87_824, 2_516_512),
}


@pytest.mark.parametrize("name", OVERHEADS)
def test_overheads_in_resnets_are_those_on_paper(name: str) -> None:
    make, *expected = OVERHEADS[name]
    with torch.device("meta"):
        found = [
            sum(units * count(make(c)) for c, units in plan.items())
            for plan in UNITS.values()
        ]
    assert found == expected


def test_a_resnet_with_triplet_attention_on_paper() -> None:
    """Kernels see C×W, H×C and H×W maps of every unit, two pools each."""
    small = [
        partial(n, stem="cifar", classes=100) for n in (resnet18, resnet50)
    ]
    networks = {"18": small[0], "50": small[1]}
    networks |= {
        f"{name}+": partial(build, attention=TripletAttention)
        for name, build in networks.items()
    }
    table = outline.costs(networks, (3, 32, 32)).set_index("network")
    assert table["parameters"].to_dict() == {
        "18": 11_220_132,
        "50": 23_705_252,
        "18+": 11_222_532,
        "50+": 23_710_052,
    }
    adds = table["multiply-adds"]
    for depth, plan in UNITS.items():
        maps = sum(
            units * (2 * c * side + side**2)
            for (c, units), side in zip(
                plan.items(), (32, 16, 8, 4), strict=True
            )
        )
        assert adds[f"{depth}+"] - adds[f"{depth}"] == 2 * 49 * maps
    assert round(adds["50"] / 1e9, 3) == 1.298
    assert round((adds["50+"] - adds["50"]) / 1e6, 1) == 26.1


# What is refused, and what a grid writes down

triplet: Callable[..., nn.Module] = TripletAttention
coordinate: Callable[..., nn.Module] = CoordinateAttention


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            partial(triplet, pools=("max", "mean")),
            r"pool 'mean'; accepted: 'avg', 'max', 'median', 'l1', 'l2'",
        ),
        (partial(triplet, pools=()), r"\(\); give at least one"),
        (
            partial(triplet, pools=("max", "max")),
            r"\('max', 'max'\); give .* twice; accepted: 'avg'",
        ),
        (
            partial(triplet, gate="softplus"),
            r"gate 'softplus'; accepted: 'sigmoid', 'tanh', 'softmax'",
        ),
        (
            partial(triplet, activation="swish"),
            r"activation 'swish'; accepted: 'none'.*'silu'",
        ),
        (partial(triplet, kernel=4), r"kernel is 4; .* 3, 5 or 7"),
        (partial(triplet, kernel=-1), r"kernel is -1; "),
        (
            partial(triplet, branches=("ch",)),
            r"branch 'ch'; accepted: 'cw', 'hc', 'hw'",
        ),
        (
            partial(triplet, branches=("cw",), hw=ECA),
            r"\['hw'\], but the branches are \('cw',\); add .* or leave",
        ),
        (
            partial(triplet, hw=SqueezeExcite),
            r"hw makes a SqueezeExcite, .* subclass of Gating",
        ),
        (
            partial(triplet, fusion="sum"),
            r"fusion 'sum'; accepted: 'mean', 'weights', 'convolution'",
        ),
        (partial(coordinate, pools=("min",)), r"pool 'min'; acc"),
        (
            partial(coordinate, directions=("depth",)),
            r"direction 'depth'; accepted: 'height', 'width'",
        ),
        (partial(coordinate, reduction=0), r"reduction is 0; .* 1"),
        (partial(coordinate, minimum=0), r"minimum is 0; .* 1"),
        (partial(CBAM, ratio=3), r"3 with 16 channels; .*smaller ratio"),
        (partial(CBAM, kernel=2), r"kernel is 2; "),
    ],
)
def test_a_bad_choice_is_named(make: MakeAttention, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(16)


def test_no_channels_are_named() -> None:
    with pytest.raises(ValueError, match=r"channels is 0; .* 1"):
        ECA(0)


def test_a_grid_can_name_every_module() -> None:
    """Evidence that is there already names squeeze-and-excitation so."""
    spec = identity.describe(SqueezeExcite)
    assert spec["partial"] == "coursework.models.attention:SqueezeExcite"
    makes = [case.make for case in MODULES.values()]
    makes += [batch_softmax, partial(batch_softmax, attention=triplet_lka)]
    assert len({identity.key(make) for make in makes}) == len(makes)
    for make in makes:
        again = identity.build(identity.describe(make))
        assert count(again(16)) == count(make(16))
        assert identity.key(again) == identity.key(make)


def test_coordinate_attentions_ratio_has_a_floor() -> None:
    counts = [
        count(CoordinateAttention(128, reduction=ratio))
        for ratio in (8, 16, 32)
    ]
    assert counts[0] > counts[1] == counts[2]  # 16, then 8 and 8
    free = [
        count(CoordinateAttention(128, reduction=ratio, minimum=4))
        for ratio in (8, 16, 32)
    ]
    assert free[:2] == counts[:2] and free[2] < counts[2]


# VAN


tiny_van = partial(
    VAN, classes=4, dims=(8, 16), depths=(1, 2), mlp_ratios=(4, 2), stride=2
)


def test_van_b0_has_the_published_count() -> None:
    """4.1 million in the paper; on pictures of 224 pixels a side."""
    with torch.device("meta"):
        network = VAN()
    dims, depths, ratios = (32, 64, 160, 256), (3, 3, 5, 2), (8, 8, 4, 4)
    before, expected, adds = 3, list[int](), 256 * 1000
    for c, depth, r in zip(dims, depths, ratios, strict=True):
        kernel = 49 if before == 3 else 9
        embed = kernel * before * c + c + 2 * c
        attention = 3 * (c * c + c) + (25 + 1 + 49 + 1) * c
        mlp = (r * c * c + r * c) + 10 * r * c + (r * c * c + c)
        block = 2 * 2 * c + 2 * c + attention + mlp  # norms, factors
        expected.append(embed + depth * block + 2 * c)
        side = 56 // 2 ** len(expected[1:])
        layers = 3 * c * c + (25 + 49) * c + 2 * r * c * c + 9 * r * c
        adds += side**2 * (kernel * before * c + depth * layers)
        before = c
    assert [count(stage) for stage in network.stages] == expected
    assert count(network.head) == 257_000
    assert count(network) == sum(expected) + 257_000 == 4_105_800
    table = outline.costs({"VAN": VAN}, (3, 224, 224))
    assert table["multiply-adds"][0] == adds == 864_224_000


def test_vans_stages_narrow_the_map() -> None:
    sides: list[tuple[int, int]] = []
    for stride in (1, 2, 4):
        network = tiny_van(stride=stride)
        for stage in network.stages:
            stage.register_forward_hook(
                lambda module, inputs, maps: sides.append(maps.shape[2:])
            )
        assert network(draw(2, 3, 32, 24)).shape == (2, 4)
    sizes = [(32, 24), (16, 12), (16, 12), (8, 6), (8, 6), (4, 3)]
    assert sides == sizes


def test_every_parameter_of_a_van_gets_a_gradient() -> None:
    network = rough(tiny_van).eval()
    network(draw(3, 3, 16, 16).double()).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-9, name


def test_a_van_treats_each_picture_alone_and_normalises_its_places() -> None:
    network, pictures = rough(tiny_van).eval(), draw(4, 3, 16, 16).double()
    with torch.inference_mode():
        together = network(pictures)
        torch.testing.assert_close(network(pictures[2:3]), together[2:3])
        assert together.std(0).max() > 0.01
        maps = tiny_van().double().eval().stages(pictures)
        torch.testing.assert_close(maps.mean(1), torch.zeros_like(maps[:, 0]))


def test_a_van_learns_one_batch() -> None:
    torch.manual_seed(0)
    learns(tiny_van(), draw(8, 3, 16, 16))


def test_a_van_drops_branches_in_training_alone() -> None:
    torch.manual_seed(0)
    dropping, whole = tiny_van(drop_rate=0.5), tiny_van()
    whole.load_state_dict(dropping.state_dict())
    pictures = draw(4, 3, 16, 16)
    outputs = [n.eval()(pictures) for n in (dropping, whole)]
    torch.testing.assert_close(*outputs)
    drops = [m.drop for m in dropping.modules() if isinstance(m, Block)]
    ones = torch.ones(4000, 1, 1, 1)
    rates = [float((drop.train()(ones) == 0).double().mean()) for drop in drops]
    assert rates == pytest.approx([0, 0.25, 0.5], abs=0.03)


def test_a_van_starts_with_its_authors_weights() -> None:
    torch.manual_seed(0)
    network = VAN(classes=100)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    for layer in layers:
        assert layer.bias is not None and not layer.bias.any()
        if layer.weight.numel() > 5_000:
            fan = math.prod(layer.kernel_size) * layer.out_channels
            expected = math.sqrt(2 * layer.groups / fan)
            found = float(layer.weight.detach().std())
            assert found == pytest.approx(expected, rel=0.05)
    last = network.get_parameter("head.2.weight").detach()
    assert float(last.std()) == pytest.approx(0.02, rel=0.03)
    factors = [p for n, p in network.named_parameters() if "factor" in n]
    assert len(factors) == 2 * 13
    assert all(bool((f == 0.01).all()) for f in factors)


def test_a_van_of_uneven_lists_is_refused() -> None:
    with pytest.raises(ValueError, match=r"depths \(3, 3\), .*each one number"):
        VAN(depths=(3, 3))
    with pytest.raises(ValueError, match="stride is 0"):
        VAN(stride=0)
