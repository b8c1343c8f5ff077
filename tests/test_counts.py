"""Counts against torchvision's own and on paper, bytes on paper."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from coursework import guard_torchvision
from coursework.models import counts
from coursework.models.counts import Layer, memory, parameters

pytestmark = pytest.mark.usefixtures("one_thread")

TRUE = {
    "ResNet-18": 11_279_112,
    "ResNet-18, head": 512 * 200 + 200,
    "ResNet-50, layer4": 6_039_552 + 4_462_592 + 4_462_592,
    "ResNet-50, head": 2048 * 200 + 200,
    "ResNet-50, layer4 and head": 15_374_536,
    "ViT-B/16, head": 768 * 200 + 200,
    "ViT-B/16, last attention": 4 * (768 * 768 + 768),
    "ViT-B/16, last attention and head": 2_516_168,
}


def test_five_of_the_reports_counts_are_wrong() -> None:
    found = counts.report_counts()
    assert {count.what: count.ours for count in found} == TRUE
    wrong = [c for c in found if f"{c.ours:,}" != c.reported]
    assert len(wrong) == 5


def test_tables_agree_with_what_torchvision_publishes() -> None:
    guard_torchvision()
    from torchvision import models  # noqa: PLC0415

    found = counts.table({**counts.VITS, **counts.RESNETS})
    assert len(found) == 15
    for count in found:
        known = models.get_model_weights(count.what)
        if count.what == "vit_h_14":  # published for larger pictures
            assert count.ours == 632_045_800
        else:
            published = known["IMAGENET1K_V1"].meta["num_params"]
            assert count.ours == published


def test_parameters_tell_those_that_train() -> None:
    def build() -> nn.Module:
        body = nn.Linear(3, 4).requires_grad_(False)
        return nn.Sequential(body, nn.Linear(4, 2))

    assert parameters(build) == (16 + 10, 10)


def tiny(inplace: bool) -> nn.Module:
    """Build a convolution, a ReLU and a head on 8 x 8 pixels."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(3, 4, 3, padding=1),
        relu=nn.ReLU(inplace),
        flat=nn.Flatten(),
        head=nn.Linear(4 * 64, 5),
    )
    return nn.Sequential(parts)


@pytest.mark.parametrize("inplace", [False, True])
def test_bytes_of_a_small_network_on_paper(inplace: bool) -> None:
    picture, maps = 4 * 3 * 64, 4 * 4 * 64
    assert memory(lambda: tiny(inplace), side=8) == [
        Layer("conv", "Conv2d", (1, 4, 8, 8), 2 * maps, picture),
        Layer("relu", "ReLU", (1, 4, 8, 8), 2 * maps, maps),
        # the head keeps its inputs, which the ReLU has kept before
        Layer("flat", "Flatten", (1, 256), 2 * maps, 0),
        Layer("head", "Linear", (1, 5), 2 * 4 * 5, 0),
    ]


def test_frozen_layers_keep_nothing() -> None:
    def build() -> nn.Module:
        network = tiny(inplace=False).requires_grad_(False)
        network.get_submodule("head").requires_grad_()
        return network

    maps = 4 * 4 * 64
    assert [layer.kept for layer in memory(build, side=8)] == [0, 0, 0, maps]


def test_the_reports_estimate_is_understood_to_its_last_digit() -> None:
    weights, _ = parameters(counts.resnet18)
    assert round(4 * weights / 2**20, 2) == counts.WEIGHTS_MIB
    passes = sum(layer.estimated for layer in memory())
    assert round(passes / 2**20, 2) == counts.PASSES_MIB


def test_what_resnet18_keeps_is_what_its_operations_need() -> None:
    expected = 4 * 3 * 256**2 + 4 * 512  # inputs of the first and last layer
    for layer in memory():
        numbers = torch.Size(layer.shape).numel()
        if layer.kind == "BatchNorm2d":  # its input, a mean and a deviation
            expected += 4 * numbers + 2 * 4 * layer.shape[1]
        if layer.kind == "ReLU":
            expected += 4 * numbers
        if layer.kind == "MaxPool2d":  # its output, and where that was from
            expected += (4 + 8) * numbers
    assert sum(layer.kept for layer in memory()) == expected
