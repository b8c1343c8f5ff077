"""Tables about networks against counts on paper, torch and publications."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from coursework import outline
from coursework.models.alexnet import AlexNet
from coursework.models.attention import SqueezeExcite
from coursework.models.convnet import ConvNet
from coursework.models.densenet import DenseNet
from coursework.models.lenet import LeNet
from coursework.models.resnet import resnet18, resnet34, resnet50, resnet101
from coursework.models.vgg import VGG
from coursework.models.vit import vit_mnist
from coursework.outline import Build
from coursework.outline.shapes import RULES

PHOTO, DIGIT = (3, 224, 224), (1, 28, 28)
ZOO: dict[str, Build] = {
    "AlexNet": AlexNet,
    "VGG-11": VGG,
    "ResNet-18": resnet18,
    "ResNet-34": resnet34,
    "ResNet-50": resnet50,
    "ResNet-101": resnet101,
    "DenseNet-121": DenseNet,
}


def test_costs_are_the_published_ones() -> None:
    """Torchvision lists them with its weights."""
    names = ("VGG-11", "ResNet-101")
    found = outline.costs({n: ZOO[n] for n in names}, PHOTO)
    assert found["network"].tolist() == list(names)
    assert found["parameters"].tolist() == [132_863_336, 44_549_160]
    assert (found["multiply-adds"] / 1e9).round(2).tolist() == [7.61, 7.80]
    # The files are 506.8 and 170.5 MiB; ResNet's also hold running statistics.
    assert found["weights, MiB"].round(1).tolist() == [506.8, 169.9]


def test_costs_of_lenet_on_paper() -> None:
    shapes = {"LeNet": DIGIT}
    (row,) = outline.costs({"LeNet": LeNet}, shapes).to_dict("records")
    products = 24**2 * 25 * 6 + 8**2 * 25 * 6 * 16
    assert row["multiply-adds"] == products + 256 * 120 + 120 * 84 + 84 * 10
    with pytest.raises(ValueError, match=r"unknown shape 'VGG'.*'LeNet'"):
        outline.costs({"VGG": VGG}, shapes)


def test_nothing_is_computed() -> None:
    network = outline.weightless(partial(SqueezeExcite, 2**14, 1))
    assert {p.device.type for p in network.parameters()} == {"meta"}
    assert not network.training


def test_layers_of_lenet_on_paper() -> None:
    table = outline.layers(LeNet, DIGIT)
    maps = ["6 × 24 × 24"] * 2 + ["6 × 12 × 12"]
    maps += ["16 × 8 × 8"] * 2 + ["16 × 4 × 4"]
    made = [*maps, "256", "120", "120", "84", "84", "10"]
    assert table["expected"].tolist() == table["actual"].tolist() == made
    assert table["in"].tolist() == ["1 × 28 × 28", *made[:-1]]
    assert table["layer"].tolist() == [str(number) for number in range(12)]
    assert table["type"].tolist()[5:8] == ["MaxPool2d", "Flatten", "Linear"]
    assert table["parameters"].tolist()[:4] == [156, 0, 0, 2_416]
    assert "problem" not in table


@pytest.mark.parametrize("name", ZOO)
def test_every_layer_of_the_zoo_makes_what_the_rule_says(name: str) -> None:
    table = outline.layers(ZOO[name], PHOTO)
    assert "–" not in set(table["expected"])
    assert table["expected"].tolist() == table["actual"].tolist()
    parameters = sum(
        p.numel() for p in outline.weightless(ZOO[name]).parameters()
    )
    assert table["parameters"].sum() == parameters


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 4, 5, 2, 1), (3, 12, 9)),
        (nn.Conv2d(3, 4, (3, 5), (2, 1), (1, 0), dilation=2), (3, 20, 23)),
        (nn.MaxPool2d(3, 2, 1), (4, 10, 11)),
        (nn.MaxPool2d(3, 2), (4, 10, 11)),
        (nn.MaxPool2d(2, dilation=3), (4, 10, 11)),
        (nn.AvgPool2d((2, 3)), (4, 10, 11)),
        (nn.AdaptiveAvgPool2d((2, None)), (4, 10, 11)),
        (nn.AdaptiveMaxPool2d(3), (4, 10, 11)),
        (nn.PixelUnshuffle(3), (2, 9, 12)),
        (nn.Flatten(), (2, 9, 12)),
        (nn.Flatten(2), (2, 9, 12)),
        (nn.Linear(12, 5), (2, 9, 12)),
        (nn.BatchNorm2d(2), (2, 9, 12)),
        (nn.LayerNorm(12), (2, 9, 12)),
    ],
)
def test_rules_agree_with_torch(
    layer: nn.Module, shape: tuple[int, ...]
) -> None:
    (made,) = layer(torch.randn(1, *shape))
    by_rule = RULES[type(layer)](layer, shape)
    assert by_rule == tuple(made.shape)


def test_the_expectation_is_not_copied(monkeypatch: Any) -> None:
    cut = lambda self, features: features[..., 1:]  # noqa: E731
    monkeypatch.setattr(nn.ReLU, "forward", cut)
    table = outline.layers(lambda: nn.Sequential(nn.ReLU()), (2, 3, 4))
    assert table["expected"].tolist() == ["2 × 3 × 4"]
    assert table["actual"].tolist() == ["2 × 3 × 3"]


@pytest.mark.parametrize(
    ("build", "shape", "layer", "problem"),
    [
        (LeNet, (1, 64, 64), "7", "takes 256 features, was given 2704"),
        (LeNet, (3, 28, 28), "0", "takes 1 channel, was given 3"),
        (LeNet, (1, 6, 6), "3", "takes sides of at least 5, was given 1"),
        (resnet18, DIGIT, "stem.0", "takes 3 channels, was given 1"),
        (ConvNet, (1, 27, 27), "0", "takes multiples of 2, was given 27 × 27"),
        (
            lambda: nn.Sequential(nn.BatchNorm2d(4)),
            PHOTO,
            "0",
            "takes 4 channels, was given 3",
        ),
        (vit_mnist, (1, 32, 32), "(all)", "pictures have shape (1, 1, 32, 32)"),
    ],
)
def test_the_table_ends_where_the_network_fails(
    build: Build, shape: tuple[int, ...], layer: str, problem: str
) -> None:
    with pytest.raises((RuntimeError, ValueError)):  # with real numbers, too
        build()(torch.zeros(2, *shape))
    table = outline.layers(build, shape)
    last = table.iloc[-1]
    assert last["layer"] == layer
    assert last["actual"] == "–"
    assert last["problem"].startswith(problem)
    assert set(table["problem"][:-1]) <= {""}
    assert table["expected"][:-1].tolist() == table["actual"][:-1].tolist()


class Joins(nn.Module):
    """Two convolutions whose maps do not fit each other."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 5)

    def forward(self, maps: Tensor) -> Tensor:
        joined: Tensor = self.one(maps) + self.two(maps)
        return joined


def test_a_module_that_fails_between_its_layers_is_named() -> None:
    table = outline.layers(lambda: nn.Sequential(Joins()), DIGIT)
    assert table["type"].tolist() == ["Conv2d", "Conv2d", "Joins"]
    assert table["layer"].tolist() == ["0.one", "0.two", "0"]
    assert "26" in table["problem"].iloc[-1]
    assert "24" in table["problem"].iloc[-1]


def test_summary_fits_a_page() -> None:
    text = outline.summary(partial(resnet50, attention=SqueezeExcite), PHOTO)
    assert max(map(len, text.splitlines())) < 80
    assert "28,088,024" in text  # timm's count of SE-ResNet-50
    assert "[1, 2048, 7, 7]" in text


def traits(build: Build, shape: tuple[int, ...] = PHOTO) -> dict[Any, Any]:
    (row,) = outline.traits({"it": build}, shape).to_dict("records")
    return row


@pytest.mark.parametrize("name", ZOO)
def test_the_longest_chain_is_what_a_network_is_named_for(name: str) -> None:
    depth = int(name.partition("-")[2] or 8)  # AlexNet's paper counts eight
    assert traits(ZOO[name])["longest chain"] == depth


def test_the_longest_chain_goes_through_gates_and_tokens() -> None:
    gated = partial(resnet18, attention=SqueezeExcite)
    assert traits(gated)["longest chain"] == 18 + 8 * 2
    # A block has queries, the way out and two dense layers in a row.
    assert traits(vit_mnist, DIGIT)["longest chain"] == 1 + 4 * 4 + 1


def test_dense_layers_count_without_a_bias() -> None:
    def build() -> nn.Module:
        first = nn.Linear(784, 8, bias=False)
        return nn.Sequential(nn.Flatten(), first, nn.Linear(8, 2))

    assert traits(build, DIGIT)["longest chain"] == 2


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (AlexNet, 195),  # published, as are ResNet-18's and DenseNet-121's
        (VGG, 150),
        (resnet18, 435),
        (DenseNet, 2071),
    ],
)
def test_fields_are_the_published_ones(build: Build, field: int) -> None:
    assert traits(build)["field, px"] == field


def test_field_of_lenet_on_paper() -> None:
    """5; 6 after pooling; 6 + 4 · 2 = 14; 14 + 2 = 16 after pooling."""

    def begin(end: int) -> nn.Module:
        return nn.Sequential(*list(LeNet())[:end])

    fields = [
        traits(partial(begin, end), DIGIT) for end in (1, 2, 3, 4, 5, 6, 8, 12)
    ]
    assert [row["field, px"] for row in fields] == [5, 5, 6, 14, 14, 16, 16, 16]


def test_field_of_a_folded_picture_on_paper() -> None:
    """2 folded; with a jump of 2: 6, 10, 12 pooled; with one of 4: 20."""
    assert traits(ConvNet, DIGIT)["field, px"] == 20


@pytest.mark.parametrize(
    "build",
    [
        partial(resnet18, width=4, channels=1, stem="cifar"),
        partial(resnet50, width=4, channels=1, stem="cifar"),
        partial(DenseNet, growth=2, blocks=(2, 3), channels=1, stem="cifar"),
        partial(VGG, width=1, channels=1, stages=((1,), (1, 2), (1,))),
    ],
)
def test_the_field_is_what_a_gradient_reaches(build: Build) -> None:
    """With weights above zero nothing cancels, and no map is ever dark."""
    field = traits(build, (1, 64, 64))["field, px"]
    network = build().double().eval()
    assert isinstance(network, nn.Sequential)
    for part in list(network.modules()):
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 1 / part.weight[0].numel())
        for name, child in part.named_children():
            if isinstance(child, nn.MaxPool2d):  # it looks at one place only
                setattr(part, name, nn.AvgPool2d(2))
    picture = torch.ones(1, 1, 160, 160, dtype=torch.float64)
    picture.requires_grad_()
    maps = nn.Sequential(*list(network)[:-1])(picture)
    middle = maps.shape[-1] // 2
    maps[0, :, middle, middle].sum().backward()
    assert picture.grad is not None
    rows, columns = picture.grad[0, 0].nonzero(as_tuple=True)
    for places in (rows, columns):
        assert 0 < int(places.min()) <= int(places.max()) < 159
        assert places.max() - places.min() + 1 == field


def test_a_gate_sees_the_whole_map() -> None:
    gated = partial(resnet18, attention=SqueezeExcite)
    assert traits(gated)["field, px"] == "whole"


def test_other_traits_on_paper() -> None:
    lenet, vgg, resnet = traits(LeNet, DIGIT), traits(VGG), traits(resnet18)
    assert (lenet["convolutions"], lenet["dense layers"]) == (2, 3)
    dense = 257 * 120 + 121 * 84 + 85 * 10
    share = lenet["parameters in dense layers, %"]
    assert share == pytest.approx(100 * dense / 44_426)
    assert lenet["largest output, KiB"] == 6 * 24 * 24 * 4 / 1024
    assert vgg["largest output, KiB"] == 64 * 224 * 224 * 4 / 1024
    # Neither its first layer makes most, which folds, nor its last.
    small = traits(ConvNet, DIGIT)
    assert small["largest output, KiB"] == 32 * 14 * 14 * 4 / 1024
    assert (lenet["norms"], lenet["skips"]) == ("none", 0)
    # One norm in the stem, two a unit, three in 1×1 shortcuts.
    assert resnet["norms"] == f"{1 + 8 * 2 + 3} BatchNorm2d"


@pytest.mark.parametrize(
    ("build", "shape", "skips"),
    [
        (resnet18, PHOTO, 8),
        (partial(resnet18, skip="none"), PHOTO, 0),
        (partial(resnet18, skip="multiply"), PHOTO, 8),
        (DenseNet, PHOTO, 6 + 12 + 24 + 16),
        (partial(vit_mnist, depth=3), DIGIT, 6),
    ],
)
def test_skips_on_paper(
    build: Build, shape: tuple[int, ...], skips: int
) -> None:
    assert traits(build, shape)["skips"] == skips
