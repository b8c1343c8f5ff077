"""What every picture network must do, and equality with torchvision's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from coursework import guard_torchvision
from coursework.models.alexnet import AlexNet, R2AlexNet
from coursework.models.attention import SqueezeExcite
from coursework.models.densenet import DenseNet, R2DenseNet
from coursework.models.lenet import LeNet, LeNet1998
from coursework.models.residual import SKIPS, Drop, Skip, Unit
from coursework.models.resnet import ResNet, r2_resnet, resnet18, resnet50
from coursework.models.vgg import VGG, r1_vgg

pytestmark = pytest.mark.usefixtures("one_thread")

Build = Callable[..., nn.Module]


class Case(NamedTuple):
    """A network small enough to train here, its count taken on paper.

    ``sides`` are those of its stages' maps; ``idle`` parameters get nothing.
    """

    build: Build
    shape: tuple[int, int, int]
    parameters: int
    sides: tuple[int, ...] = ()
    idle: tuple[str, ...] = ()


tiny_resnet = partial(ResNet, width=8, channels=1, classes=10)
quarter = partial(SqueezeExcite, ratio=4)

MODELS: dict[str, Case] = {
    "LeNet": Case(LeNet, (1, 28, 28), 44_426),
    "LeNet1998": Case(LeNet1998, (1, 28, 28), 61_706),
    "AlexNet": Case(
        partial(AlexNet, width=8, channels=1, classes=10),
        (1, 95, 95),
        897_442,
        (11, 5, 2),
    ),
    "SE-AlexNet": Case(
        partial(AlexNet, width=8, attention=quarter, classes=10),
        (3, 64, 64),
        901_694,
        (7, 3, 1),
    ),
    "R2's SE-AlexNet": Case(
        partial(R2AlexNet, width=4, se_ratio=2),
        (3, 224, 224),
        1_264_114,
        (26, 12, 5),
    ),
    "VGG-11": Case(
        partial(VGG, width=4, channels=1, classes=10),
        (1, 32, 32),
        506_234,
        (16, 8, 4, 2, 1),
    ),
    "R1's VGG": Case(
        partial(r1_vgg, width=8), (1, 28, 28), 371_626, (14, 7, 3, 1)
    ),
    "ResNet-18": Case(tiny_resnet, (1, 64, 64), 176_578, (16, 8, 4, 2)),
    "ResNet-18, small stem": Case(
        partial(tiny_resnet, stem="cifar"), (1, 16, 16), 176_258, (16, 8, 4, 2)
    ),
    "ResNet-18, no norm": Case(
        partial(tiny_resnet, batch_norm=False),
        (1, 64, 64),
        176_098,
        (16, 8, 4, 2),
    ),
    "ResNet-50": Case(
        partial(tiny_resnet, 50), (1, 64, 64), 375_938, (16, 8, 4, 2)
    ),
    "SE-ResNet-18": Case(
        partial(tiny_resnet, attention=quarter),
        (1, 64, 64),
        182_318,
        (16, 8, 4, 2),
    ),
    "plain": Case(
        partial(tiny_resnet, skip="none"),
        (1, 64, 64),
        176_578,
        (16, 8, 4, 2),
        idle=(".shortcut.",),
    ),
    "R2's ResNet-18": Case(r2_resnet, (3, 63, 63), 11_702_530, (15, 8, 4, 2)),
    "DenseNet": Case(
        partial(DenseNet, growth=4, blocks=(2, 3, 2), channels=1, classes=10),
        (1, 64, 64),
        6_730,
        (16, 8, 4),
    ),
    "R2's DenseNet": Case(
        partial(R2DenseNet, growth=8), (3, 64, 64), 89_736, (15, 7, 3, 1)
    ),
}


@pytest.fixture(params=MODELS)
def case(request: pytest.FixtureRequest) -> Case:
    return MODELS[request.param]


def make(build: Build, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build()


def draw(size: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(size, *shape, generator=torch.Generator().manual_seed(1))


def test_shape_and_count(case: Case) -> None:
    network = make(case.build)
    assert network(draw(3, case.shape)).shape == (3, 10)
    assert sum(p.numel() for p in network.parameters()) == case.parameters
    fewer = case.build(classes=4)
    assert fewer(draw(3, case.shape)).shape == (3, 4)


@pytest.mark.parametrize(
    ("build", "least", "padding"), [(LeNet, 16, 0), (LeNet1998, 12, 2)]
)
def test_lenets_take_pictures_of_other_sides(
    build: Build, least: int, padding: int
) -> None:
    for side in (least, least + 1, 28, 32, 45):
        network = make(partial(build, side=side))
        assert network(draw(2, (1, side, side))).shape == (2, 10)
        left = (side + 2 * padding - 4) // 2 - 4
        maps = 6 * (25 + 1) + 16 * (6 * 25 + 1)
        dense = 120 * (16 * (left // 2) ** 2 + 1) + 84 * 121 + 10 * 85
        count = sum(p.numel() for p in network.parameters())
        assert count == maps + dense
    with pytest.raises(ValueError, match=rf"side is {least - 1}; .*{least}"):
        build(side=least - 1)


def test_every_parameter_gets_a_gradient(case: Case) -> None:
    network = make(case.build)
    loss = network(draw(4, case.shape)).square().sum()
    loss.backward()
    for name, parameter in network.named_parameters():
        if any(part in name for part in case.idle):
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name


def test_each_picture_is_treated_alone(case: Case) -> None:
    network, pictures = make(case.build), draw(5, case.shape)
    network(pictures)  # so that norms have statistics of their own
    network.eval()
    with torch.inference_mode():
        together = network(pictures)
        torch.testing.assert_close(network(pictures[2:3]), together[2:3])
        torch.testing.assert_close(network(pictures.flip(0)), together.flip(0))
    assert together.std(0).max() > 0  # the network tells them apart


def test_learns_one_batch(case: Case) -> None:
    network, pictures = make(case.build), draw(8, case.shape)
    labels = torch.arange(8) % 4
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(300):
        loss = nn.functional.cross_entropy(network(pictures), labels)
        if loss < 0.1:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1


def test_stages_halve_the_map(case: Case) -> None:
    network = make(case.build)
    sides: list[int] = []
    stages = getattr(network, "stages", nn.Sequential())
    for stage in stages.children():
        stage.register_forward_hook(
            lambda module, inputs, maps: sides.append(maps.shape[-1])
        )
    network(draw(2, case.shape))
    assert tuple(sides) == case.sides


def test_flags_change_the_network() -> None:
    """Report R2 swept a ratio that its network never saw."""

    def count(build: Build) -> int:
        return sum(p.numel() for p in build().parameters())

    eighth = partial(SqueezeExcite, ratio=8)
    r2 = partial(r2_resnet, 18)
    for arms in (
        [partial(r2, se_ratio=ratio) for ratio in (None, 2, 4, 8, 16, 32)],
        [partial(tiny_resnet, attention=a) for a in (None, quarter, eighth)],
        [partial(tiny_resnet, depth) for depth in (18, 34, 50, 101)],
        [partial(tiny_resnet, stem=stem) for stem in ("imagenet", "cifar")],
        [partial(tiny_resnet, width=width) for width in (8, 16)],
        [partial(tiny_resnet, batch_norm=norm) for norm in (True, False)],
        [partial(R2DenseNet, growth=growth) for growth in (8, 16, 32)],
        [partial(DenseNet, growth=growth) for growth in (4, 8)],
        [partial(AlexNet, width=4, attention=a) for a in (None, quarter)],
    ):
        assert len({count(arm) for arm in arms}) == len(arms), arms


@pytest.mark.parametrize("build", [tiny_resnet, r2_resnet])
def test_each_skip_gives_other_outputs(build: Build) -> None:
    outputs = [
        make(partial(build, channels=1, skip=skip))(draw(4, (1, 64, 64)))
        for skip in SKIPS
    ]
    for one, other in itertools.combinations(outputs, 2):
        assert (one - other).abs().max() > 0.01


JOINED: dict[Skip, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda s, h: s + h,
    "subtract": lambda s, h: s - h,
    "reverse-subtract": lambda s, h: h - s,
    "multiply": lambda s, h: s * h,
    "rezero": lambda s, h: s,  # its factor starts at zero
    "layer-scale": lambda s, h: s + 0.1 * h,
    "none": lambda s, h: h,
}


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("skip", JOINED)
def test_a_unit_joins_after_attention(skip: Skip, stride: int) -> None:
    """The gate works on the normalised branch alone, as in SE-ResNet."""
    network = make(partial(tiny_resnet, attention=quarter, skip=skip))
    units = [m for m in network.modules() if isinstance(m, Unit)]
    unit = units[1] if stride == 1 else units[2]
    maps = draw(2, (8, 6, 6)).relu()
    assert isinstance(unit.branch[-1], nn.BatchNorm2d)
    branch = unit.attention(unit.branch(maps))
    shortcut = unit.shortcut(maps)
    assert (shortcut is maps) == (stride == 1)
    assert unit(maps).shape == (2, 8 * stride, 6 // stride, 6 // stride)
    expected = JOINED[skip](shortcut, branch).clamp(min=0)
    torch.testing.assert_close(unit(maps), expected)


def test_a_dense_network_without_skips_hands_on_as_many_maps() -> None:
    dense = R2DenseNet(channels=1, growth=8)
    plain = R2DenseNet(channels=1, growth=8, skips=False)
    pictures, stages = draw(2, (1, 64, 64)), range(4)
    shapes = [
        [n.stages[: i + 1](n.stem(pictures)).shape for i in stages]
        for n in (dense, plain)
    ]
    assert shapes[0] == shapes[1]
    # A layer of C maps computes C + 8 with 3×3 kernels and biases, not 8; a
    # transition halves the 64 + 2 · 8 maps, then 56, 52 and 50 (from 80).
    starts = [64, 40, 28, 22]
    more = sum(c * (9 * c + 1) for s in starts for c in (s, s + 8))
    sizes = [sum(p.numel() for p in n.parameters()) for n in (plain, dense)]
    assert sizes[0] - sizes[1] == more


def test_concatenation_maps_both_halves_back() -> None:
    join = SKIPS["concatenate"](3)
    assert isinstance(join, nn.Module)
    weights = torch.randn(3, 6)
    with torch.no_grad():
        join.get_parameter("project.weight").copy_(weights[:, :, None, None])
    s, h = draw(2, (3, 4, 4)), draw(2, (3, 4, 4)).flip(0)
    expected = torch.einsum("oc,nchw->nohw", weights[:, :3], s)
    expected += torch.einsum("oc,nchw->nohw", weights[:, 3:], h)
    torch.testing.assert_close(join(s, h), expected)


def test_a_plain_network_has_no_shortcuts_at_all() -> None:
    idle, plain = (tiny_resnet(skip=skip) for skip in ("none", "plain"))
    # Three shortcuts of 1×1 with a norm: from 8, 16 and 32 maps to twice.
    shortcuts = sum(2 * c * c + 4 * c for c in (8, 16, 32))
    sizes = [sum(p.numel() for p in n.parameters()) for n in (idle, plain)]
    assert sizes[0] - sizes[1] == shortcuts
    pictures = draw(2, (1, 64, 64))
    plain.load_state_dict(idle.state_dict(), strict=False)
    outputs = [network.eval()(pictures) for network in (idle, plain)]
    torch.testing.assert_close(*outputs)


@pytest.mark.parametrize("drop", ["stochastic-depth", "drop-block"])
def test_branches_are_dropped_in_training_alone(drop: Drop) -> None:
    torch.manual_seed(0)
    network = tiny_resnet(drop=drop, drop_rate=0.5)
    whole = tiny_resnet()
    whole.load_state_dict(network.state_dict())
    pictures = draw(4, (1, 64, 64))
    torch.testing.assert_close(network.eval()(pictures), whole.eval()(pictures))
    units = [m for m in network.modules() if isinstance(m, Unit)]
    maps = torch.ones(4000, 8, 4, 4)
    last = units[-1].drop.train()(maps)
    # A square of 3 × 3 takes its neighbours along, so the share is rough.
    assert float((last == 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert float(last.mean()) == pytest.approx(1, abs=0.05)
    rates = [
        float((unit.drop.train()(maps) == 0).float().mean()) for unit in units
    ]
    assert rates == sorted(rates) and rates[0] < 0.1
    if drop == "stochastic-depth":  # a picture's branch goes as a whole
        kept = (last != 0).flatten(1)
        assert (kept.all(1) | ~kept.any(1)).all()


def test_gates_against_numpy() -> None:
    torch.manual_seed(0)
    module, maps = SqueezeExcite(12, ratio=3), draw(5, (12, 4, 6))
    weights = [p.detach().numpy() for p in module.parameters()]
    assert [w.shape for w in weights] == [(4, 12), (4,), (12, 4), (12,)]
    means = maps.numpy().reshape(5, 12, -1).mean(-1)
    hidden = np.maximum(means @ weights[0].T + weights[1], 0)
    gates = 1 / (1 + np.exp(-(hidden @ weights[2].T + weights[3])))
    found = module.weights(maps).detach().numpy()
    np.testing.assert_allclose(found, gates, rtol=1e-5)
    expected = maps.numpy() * gates[:, :, None, None]
    np.testing.assert_allclose(module(maps).detach(), expected, rtol=1e-5)


@pytest.mark.parametrize(("channels", "ratio"), [(10, 3), (8, 16), (8, 0)])
def test_a_ratio_that_leaves_no_whole_channels(
    channels: int, ratio: int
) -> None:
    with pytest.raises(ValueError, match=f"{ratio} with {channels} channels"):
        SqueezeExcite(channels, ratio)


def test_a_bad_choice_is_named() -> None:
    with pytest.raises(ValueError, match=r"0 with 64 channels"):
        r2_resnet(se_ratio=0)
    with pytest.raises(ValueError, match=r"depth is 20; accepted: \[18, 34"):
        ResNet(20)
    with pytest.raises(ValueError, match=r"stem 'big'; accepted: 'imagenet'"):
        ResNet(stem="big")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"skip 'minus'; accepted: 'add'"):
        ResNet(skip="minus")  # type: ignore[arg-type]


def kernels(network: nn.Module) -> list[Tensor]:
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    return [m.weight.detach() for m in layers if m.weight.numel() > 30_000]


def test_standard_networks_start_with_hes_weights() -> None:
    found = kernels(make(resnet18)) + kernels(make(partial(VGG, width=16)))
    for weight in found:
        outputs, _, height, side = weight.shape
        expected = math.sqrt(2 / (outputs * height * side))
        assert float(weight.std()) == pytest.approx(expected, rel=0.03)


def test_networks_of_report_r2_start_with_xaviers_weights() -> None:
    network = make(partial(r2_resnet, se_ratio=2))
    for weight in kernels(network):
        outputs, inputs, height, side = weight.shape
        bound = math.sqrt(6 / ((inputs + outputs) * height * side))
        assert float(weight.abs().max()) == pytest.approx(bound, rel=0.01)
    for name, bias in network.named_parameters():
        if name.endswith("bias"):  # gates keep torch's first weights
            assert bool(bias.any()) == (".attention." in name), name


PEERS: dict[str, tuple[Build, int]] = {  # a picture's side
    "resnet18": (resnet18, 64),
    "resnet50": (resnet50, 64),
    "vgg11": (VGG, 224),
    "alexnet": (AlexNet, 224),
    "densenet121": (DenseNet, 64),
}


@torch.no_grad()
def trained(network: nn.Module) -> nn.Module:
    """Give a network of shapes alone weights and statistics of its own."""
    torch.manual_seed(0)
    network = network.to_empty(device="cpu").eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            bound = math.sqrt(6 / parameter[0].numel())
            parameter.uniform_(-bound, bound)
        else:
            parameter.uniform_(0.5, 1)
    for name, statistic in network.named_buffers():
        if name.endswith(("mean", "var")):
            statistic.uniform_(0.5, 1.5)
    return network


@pytest.mark.parametrize("name", PEERS)
def test_standard_forms_compute_what_torchvisions_do(name: str) -> None:
    guard_torchvision()
    from torchvision import models  # noqa: PLC0415 - needs the guard first

    build, side = PEERS[name]
    with torch.device("meta"):
        ours = build().eval()
        theirs = getattr(models, name)()
    theirs = trained(theirs)
    values = theirs.state_dict().values()
    state = dict(zip(ours.state_dict(), values, strict=True))
    ours.load_state_dict(state, assign=True)
    pictures = draw(2, (3, side, side))
    with torch.inference_mode():
        expected = theirs(pictures)
        scale = float(expected.std())
        torch.testing.assert_close(
            ours(pictures) / scale, expected / scale, rtol=1e-4, atol=1e-4
        )
    assert float((expected[0] - expected[1]).std()) / scale > 0.01


def test_the_guard_may_come_late_and_twice() -> None:
    guard_torchvision()
    import torchvision  # noqa: PLC0415

    guard_torchvision()
    assert torchvision.__version__
