"""Parameters and multiply-adds of the zoo, to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn
from torchinfo import summary

from coursework import training
from coursework.models.alexnet import AlexNet, R2AlexNet
from coursework.models.attention import SqueezeExcite
from coursework.models.densenet import DenseNet, R2DenseNet
from coursework.models.lenet import LeNet, LeNet1998
from coursework.models.resnet import (
    r2_resnet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
)
from coursework.models.vgg import VGG, r1_vgg

Build = Callable[[], nn.Module]


def weightless(build: Build) -> nn.Module:
    """Build a network of shapes alone."""
    with torch.device("meta"):
        return build()


def count(build: Build) -> int:
    return sum(p.numel() for p in weightless(build).parameters())


STANDARD: dict[str, tuple[Build, int]] = {  # torchvision's and timm's counts
    "AlexNet": (AlexNet, 61_100_840),
    "VGG-11": (VGG, 132_863_336),
    "ResNet-18": (resnet18, 11_689_512),
    "ResNet-34": (resnet34, 21_797_672),
    "ResNet-50": (resnet50, 25_557_032),
    "ResNet-101": (resnet101, 44_549_160),
    "DenseNet-121": (DenseNet, 7_978_856),
    "SE-ResNet-18": (partial(resnet18, attention=SqueezeExcite), 11_778_592),
    "SE-ResNet-50": (partial(resnet50, attention=SqueezeExcite), 28_088_024),
}
R1: dict[str, tuple[Build, int]] = {
    "LeNet": (LeNet, 44_426),
    "VGG": (r1_vgg, 23_423_242),
    "ResNet-18": (partial(resnet18, channels=1, classes=10), 11_175_370),
}
R2: dict[str, tuple[Build, int]] = {
    "LeNet": (LeNet1998, 61_706),
    "AlexNet": (R2AlexNet, 50_854_018),
    "SE-AlexNet, first": (
        partial(R2AlexNet, se_ratio=2, se_after=(5,)),
        50_919_938,
    ),
    "SE-AlexNet": (partial(R2AlexNet, se_ratio=2), 51_216_002),
    "ResNet-18": (r2_resnet, 11_702_530),
    "ResNet-34": (partial(r2_resnet, 34), 21_814_402),
    "ResNet-50": (partial(r2_resnet, 50), 57_390_658),
    "ResNet-101": (partial(r2_resnet, 101), 115_428_930),
    "DenseNet": (R2DenseNet, 359_490),
    "SE-ResNet-18": (partial(r2_resnet, 18, se_ratio=2), 12_401_730),
    "SE-ResNet-34": (partial(r2_resnet, 34, se_ratio=2), 23_077_538),
}


@pytest.mark.parametrize("name", STANDARD)
def test_standard_forms_have_the_published_counts(name: str) -> None:
    build, expected = STANDARD[name]
    assert count(build) == expected


@pytest.mark.parametrize("name", R1)
def test_forms_of_report_r1_have_its_counts(name: str) -> None:
    build, expected = R1[name]
    assert count(build) == expected


@pytest.mark.parametrize("name", R2)
def test_forms_of_report_r2_have_its_counts(name: str) -> None:
    build, expected = R2[name]
    assert count(build) == expected


@pytest.mark.parametrize(
    ("depth", "parameters"),
    [
        (18, 11_694_850),
        (34, 21_799_298),
        (50, 57_334_210),
        (101, 115_302_850),
    ],
)
def test_r2_without_norm_in_the_branches(depth: int, parameters: int) -> None:
    assert count(partial(r2_resnet, depth, batch_norm=False)) == parameters


@pytest.mark.parametrize(
    ("depth", "ratio", "parameters"),
    [
        (18, 4, 12_053_090),
        (18, 8, 11_878_770),
        (18, 16, 11_791_610),
        (18, 32, 11_748_030),
        (34, 4, 22_447_858),
        (34, 8, 22_133_018),
        (34, 16, 21_975_598),
        (34, 32, 21_896_888),
    ],
)
def test_each_ratio_has_its_count(
    depth: int, ratio: int, parameters: int
) -> None:
    """Report R2 swept the ratio, but trained the ratio 2 each time."""
    assert count(partial(r2_resnet, depth, se_ratio=ratio)) == parameters


@pytest.mark.parametrize(
    ("growth", "parameters"),
    [(16, 163_638), (64, 943_386), (128, 2_879_946), (256, 9_828_138)],
)
def test_each_growth_rate_has_its_count(growth: int, parameters: int) -> None:
    assert count(partial(R2DenseNet, growth=growth)) == parameters


@pytest.mark.parametrize(("depth", "idle"), [(18, 172_928), (50, 2_772_736)])
def test_the_plain_network_keeps_its_shortcuts_idle(
    depth: int, idle: int
) -> None:
    plain = partial(r2_resnet, depth, skip="none")
    assert count(plain) == count(partial(r2_resnet, depth))
    unused = [
        parameter.numel()
        for name, parameter in weightless(plain).named_parameters()
        if ".shortcut." in name
    ]
    assert sum(unused) == idle


def conv(inputs: int, outputs: int, side: int, bias: int = 0) -> int:
    """Count a convolution on paper: side² weights from each map to each."""
    return outputs * (inputs * side**2 + bias)


def norm(maps: int) -> int:
    """Count a norm on paper: a scale and a shift a map."""
    return 2 * maps


def dense(inputs: int, outputs: int) -> int:
    """Count a dense layer on paper: its weights and a bias an output."""
    return outputs * (inputs + 1)


def test_lenet_of_1998_on_paper() -> None:
    first, second = conv(1, 6, 5, bias=1), conv(6, 16, 5, bias=1)
    assert (first, second) == (156, 2_416)
    # 28 px stay 28 by padding, 14 pooled, 10 by the second layer, 5 pooled.
    hidden = dense(16 * 5 * 5, 120) + dense(120, 84)
    assert hidden == 48_120 + 10_164
    assert 156 + 2_416 + hidden + dense(84, 10) == count(LeNet1998)


def basic(inputs: int, outputs: int) -> int:
    """Count a unit of two 3×3 convolutions on paper."""
    branch = conv(inputs, outputs, 3) + conv(outputs, outputs, 3)
    shortcut = conv(inputs, outputs, 1) + norm(outputs)
    return branch + 2 * norm(outputs) + (inputs != outputs) * shortcut


@pytest.mark.parametrize("width", [64, 8])
@pytest.mark.parametrize("units", [(2, 2, 2, 2), (3, 4, 6, 3)])
def test_resnet_18_and_34_on_paper(units: tuple[int, ...], width: int) -> None:
    total, inputs = conv(3, width, 7) + norm(width), width
    for number, deep in enumerate(units):
        outputs = width * 2**number
        total += basic(inputs, outputs) + (deep - 1) * basic(outputs, outputs)
        inputs = outputs
    total += dense(inputs, 1000)
    build = resnet18 if sum(units) == 8 else resnet34
    assert total == count(partial(build, width=width))


def test_stages_of_resnet_18_on_paper() -> None:
    network = resnet18()
    parts = [network.stem, *network.stages.children(), network.head]
    assert [sum(p.numel() for p in part.parameters()) for part in parts] == [
        9_536,  # 7·7·3·64 = 9,408, and 2·64
        147_968,  # 4 (3·3·64·64 + 2·64)
        525_568,  # 73,728 + 3·147,456 + 8,192 of the 1×1, and 5·2·128
        2_099_712,  # 294,912 + 3·589,824 + 32,768, and 5·2·256
        8_393_728,  # 1,179,648 + 3·2,359,296 + 131,072, and 5·2·512
        513_000,  # 512·1000 + 1000
    ]


def test_squeeze_and_excitation_on_paper() -> None:
    """Two dense layers, C to C / r and back."""
    gates = partial(SqueezeExcite, 64, ratio=4)
    assert count(gates) == dense(64, 16) + dense(16, 64) == 2_128
    units = {64: 2, 128: 2, 256: 2, 512: 2}
    added = sum(
        n * (dense(c, c // 2) + dense(c // 2, c)) for c, n in units.items()
    )
    assert 11_702_530 + added == R2["SE-ResNet-18"][1]


TABLE = {  # report R2's column, in thousand millions, at its batch of 4
    "AlexNet": 4.04,
    "ResNet-18": 7.20,
    "ResNet-34": 14.57,
    "ResNet-50": 36.38,
    "ResNet-101": 81.83,
    "DenseNet": 1.34,
    "SE-ResNet-18": 7.20,
    "SE-ResNet-34": 14.58,
    "SE-AlexNet": 4.04,
}


def torchinfo_count(build: Build, *shape: int) -> int:
    """Count as report R2 did: with biases and norms, for a whole batch."""
    network = weightless(build)
    found = summary(network, input_size=shape, device="meta", verbose=0)
    return int(found.total_mult_adds)


@pytest.mark.parametrize("name", TABLE)
def test_multiply_adds_of_report_r2(name: str) -> None:
    found = torchinfo_count(R2[name][0], 4, 3, 224, 224)
    assert round(found / 1e9, 2) == TABLE[name]


def test_multiply_adds_of_report_r2s_lenet() -> None:
    places = 28 * 28 * conv(1, 6, 5, 1) + 10 * 10 * conv(6, 16, 5, 1)
    hidden = dense(400, 120) + dense(120, 84) + dense(84, 10)
    found = torchinfo_count(LeNet1998, 1, 1, 28, 28)
    assert found == places + hidden == 423_038
    assert round(found / 1e6, 2) == 0.42


def per_picture(build: Build) -> float:
    """Count by the project's convention: products of weights, 10⁹."""
    picture = torch.zeros(1, 3, 224, 224, dtype=torch.uint8, device="meta")
    return training.multiply_adds(weightless(build), picture) / 1e9


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("AlexNet", 0.71),
        ("VGG-11", 7.61),
        ("ResNet-18", 1.81),
        ("ResNet-34", 3.66),
        ("ResNet-50", 4.09),
        ("ResNet-101", 7.80),
        ("DenseNet-121", 2.83),
    ],
)
def test_multiply_adds_of_standard_forms(name: str, published: float) -> None:
    """They are listed with torchvision's weights, as GFLOPS."""
    assert round(per_picture(STANDARD[name][0]), 2) == published


@pytest.mark.parametrize(
    ("name", "thousand_millions"),
    [
        ("AlexNet", 1.010),
        ("ResNet-18", 1.798),
        ("ResNet-34", 3.639),
        ("ResNet-50", 9.083),
        ("DenseNet", 0.333),
    ],
)
def test_multiply_adds_a_picture(name: str, thousand_millions: float) -> None:
    """Weights alone: less than a quarter of the report's column."""
    assert round(per_picture(R2[name][0]), 3) == thousand_millions
