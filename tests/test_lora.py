"""Our own LoRA: the peft library's and a merge are its oracles."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from coursework import guard_torchvision
from coursework.models.lora import Layer, LoRAConv2d, LoRALinear, lora, merge

pytestmark = pytest.mark.usefixtures("one_thread")

PLAIN: dict[str, Callable[[], Layer]] = {
    "linear": lambda: nn.Linear(6, 10),
    "linear without bias": lambda: nn.Linear(6, 10, bias=False),
    "1x1": lambda: nn.Conv2d(6, 10, 1),
    "3x3, strided": lambda: nn.Conv2d(6, 10, 3, stride=2, padding=1),
    "oblong": lambda: nn.Conv2d(6, 10, (1, 3), padding=(0, 1), bias=False),
}
MORE = PLAIN | {  # that the library gets wrong or doesn't take
    "dilated": lambda: nn.Conv2d(6, 10, 3, dilation=2, padding="same"),
    "reflecting": lambda: nn.Conv2d(
        6, 10, 3, padding=1, padding_mode="reflect"
    ),
}
RANK, ALPHA = 3, 12


def example(layer: nn.Module) -> Tensor:
    """Make an input whose last or first feature axis is 6."""
    shape = (4, 5, 6) if isinstance(layer, nn.Linear) else (4, 6, 7, 9)
    return torch.randn(shape)


def around(layer: nn.Module) -> nn.Module:
    return nn.Sequential(OrderedDict(layer=layer, rest=nn.ReLU()))


def learned(network: nn.Module) -> nn.Module:
    """Pretend that training moved every adapter."""
    with torch.no_grad():
        for weight in network.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight))
    return network


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    named = network.named_parameters()
    return {name: weight for name, weight in named if weight.requires_grad}


def by_library(network: nn.Module) -> Any:
    guard_torchvision()
    peft = import_module("peft")
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["layer"])
    return peft.inject_adapter_in_model(config, network)


def both(name: str) -> tuple[nn.Module, Any, Tensor]:
    """Make our layer and the library's with the same weights, and an input."""
    torch.manual_seed(1)
    layer = PLAIN[name]()
    ours = learned(lora(around(layer), ["layer"], RANK, ALPHA))
    theirs = by_library(around(PLAIN[name]()))
    named = {
        "layer.base": theirs.layer.base_layer,
        "layer.down": theirs.layer.lora_A["default"],
        "layer.up": theirs.layer.lora_B["default"],
    }
    for place, module in named.items():
        module.load_state_dict(ours.get_submodule(place).state_dict())
    return ours, theirs, example(layer)


@pytest.mark.parametrize("name", PLAIN)
def test_outputs_and_gradients_are_the_librarys(name: str) -> None:
    ours, theirs, inputs = both(name)
    seen = []
    for network in (ours, theirs):
        entry = inputs.clone().requires_grad_()
        result = network(entry)
        result.square().sum().backward()
        grads = [weight.grad for weight in trainable(network).values()]
        assert len(grads) == 2
        seen.append([result, entry.grad, *grads])
    for mine, other in zip(*seen, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", PLAIN)
def test_merged_weights_and_counts_are_the_librarys(name: str) -> None:
    ours, theirs, _ = both(name)
    sizes = [
        sum(weight.numel() for weight in trainable(network).values())
        for network in (ours, theirs)
    ]
    assert sizes[0] == sizes[1]
    theirs.layer.merge()
    mine, other = merge(ours).state_dict(), theirs.layer.base_layer.state_dict()
    assert {f"layer.{name}" for name in other} == set(mine)
    for key, weight in other.items():
        torch.testing.assert_close(
            mine[f"layer.{key}"], weight, rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("name", MORE)
def test_merging_keeps_the_outputs(name: str) -> None:
    torch.manual_seed(2)
    layer = MORE[name]()
    before = layer.weight.clone()
    network = learned(lora(around(layer), ["layer"], RANK, ALPHA))
    inputs = example(layer)
    expected = network(inputs)
    merged: Any = merge(network)
    assert merged.layer is layer
    assert not layer.weight.allclose(before)
    torch.testing.assert_close(merged(inputs), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MORE)
def test_it_starts_as_the_layer_was(name: str) -> None:
    torch.manual_seed(3)
    layer = MORE[name]()
    inputs = example(layer)
    expected = layer(inputs)
    adapted: Any = lora(nn.Sequential(layer), ["0"], RANK, ALPHA)
    assert adapted(inputs).equal(expected)
    assert adapted[0].down.weight.abs().min() > 0


def test_weights_are_counted_on_paper() -> None:
    def count(layer: nn.Module) -> int:
        return sum(weight.numel() for weight in trainable(layer).values())

    assert count(LoRALinear(nn.Linear(5, 7), 2, 8)) == 2 * (5 + 7)
    conv = nn.Conv2d(3, 8, 3, padding=1)
    assert count(LoRAConv2d(conv, 2, 8)) == 2 * (3 * 3 * 3 + 8)


def test_the_scale_is_alpha_over_the_rank() -> None:
    adapted = LoRALinear(nn.Linear(1, 1, bias=False), rank=2, alpha=6)
    weights = {"base.weight": [[5.0]], "down.weight": [[1.0], [2.0]]}
    weights["up.weight"] = [[10.0, 20.0]]
    adapted.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
    assert adapted(torch.ones(1, 1)).item() == 5 + 6 / 2 * (10 + 40)


def test_targets_are_whole_parts_of_names_and_the_rest_is_frozen() -> None:
    network = nn.ModuleDict(
        {
            "conv_pw": nn.Conv2d(2, 2, 1),
            "pw": nn.Conv2d(2, 2, 1),
            "deep": nn.ModuleDict({"pw": nn.Linear(2, 2)}),
        }
    )
    lora(network, ["pw"], rank=1)
    learning = {
        f"{place}.{part}.weight"
        for place in ("pw", "deep.pw")
        for part in ("down", "up")
    }
    assert set(trainable(network)) == learning


def test_training_moves_the_adapters_alone() -> None:
    torch.manual_seed(4)
    network = lora(
        nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)), ["0"], 2
    )
    before = {k: v.clone() for k, v in network.state_dict().items()}
    optimiser = torch.optim.SGD(network.parameters(), 0.1, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        network(torch.randn(8, 6)).square().mean().backward()
        optimiser.step()
    after = network.state_dict()
    moved = {name for name in after if not after[name].equal(before[name])}
    assert moved == {"0.down.weight", "0.up.weight"}


def test_bad_targets_are_refused() -> None:
    network = nn.ModuleDict(
        {"deep": nn.Conv2d(4, 4, 3, groups=2), "norm": nn.BatchNorm2d(4)}
    )
    with pytest.raises(ValueError, match=r"'conv'; they end with deep, norm"):
        lora(network, ["conv"])
    with pytest.raises(ValueError, match=r"'norm' is a BatchNorm2d; LoRA adap"):
        lora(network, ["norm"])
    with pytest.raises(ValueError, match="2 groups; LoRA needs 1"):
        lora(network, ["deep"])
    with pytest.raises(ValueError, match="rank is 0; it must be at least 1"):
        lora(network, ["norm"], rank=0)
