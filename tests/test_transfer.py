"""What trains moves, what is frozen does not: weights and statistics."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from coursework import training
from coursework.data.augment import View
from coursework.features import fit_head
from coursework.models import vit
from coursework.models.pretrained import backbone, lite0
from coursework.models.transfer import Strategy, Transfer, head, transfer
from coursework.recipe import Recipe
from coursework.training import Trained
from tests.trials import pictures, play

pytestmark = pytest.mark.usefixtures("one_thread")

CLASSES = 4


def small(classes: int = CLASSES) -> nn.Module:
    """Build two stages of convolutions between a stem and a head."""

    def stage(inputs: int, outputs: int) -> list[nn.Module]:
        layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [layer, nn.BatchNorm2d(outputs), nn.ReLU(), nn.Dropout(0.5)]

    parts: OrderedDict[str, nn.Module] = OrderedDict(
        stem=nn.Sequential(*stage(1, 2)[:3]),
        stage1=nn.Sequential(*stage(2, 3)),
        stage2=nn.Sequential(*stage(3, 4)),
        pool=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        head=nn.Linear(4, classes) if classes else nn.Identity(),
    )
    return nn.Sequential(parts)


transformer = partial(
    vit.vit_mnist, image_size=8, dim=16, depth=3, classes=CLASSES
)

SMALL = {"stem": 2 * 9 + 4, "stage1": 54 + 6, "stage2": 108 + 8, "head": 20}


def trainable(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def moved(network: Transfer, share: float = 0.0) -> set[str]:
    """Train a few steps; name what is no longer bit for bit as it was."""
    before = {k: v.clone() for k, v in network.network.state_dict().items()}
    groups = [group | {"lr": 0.1} for group in network.groups()]
    optimiser = torch.optim.SGD(groups, momentum=0.9, weight_decay=0.01)
    network.unfreeze(share)
    network.train()
    for _ in range(3):
        optimiser.zero_grad()
        network(torch.randn(16, 1, 8, 8)).square().sum().sqrt().backward()
        optimiser.step()
    after = network.network.state_dict()
    return {k for k, v in before.items() if not v.equal(after[k])}


def names(network: nn.Module, *starts: str) -> set[str]:
    return {n for n in network.state_dict() if n.startswith(starts)}


@pytest.mark.parametrize(
    ("strategy", "last", "share", "starts"),
    [
        ("head", 1, 0.0, ["head"]),
        ("last-stage", 1, 0.0, ["stage2", "head"]),
        ("last-stage", 2, 0.0, ["stage1", "stage2", "head"]),
        ("gradual", 1, 0.0, ["head"]),
        ("gradual", 1, 0.25, ["stage2", "head"]),
        ("gradual", 1, 0.5, ["stage1", "stage2", "head"]),
        ("gradual", 1, 0.75, ["stem", "stage1", "stage2", "head"]),
        ("all", 1, 0.0, ["stem", "stage1", "stage2", "head"]),
        ("batch-norm", 1, 0.0, ["stem.1", "stage1.1", "stage2.1", "head"]),
    ],
)
def test_what_trains_moves_and_nothing_else(
    strategy: Strategy, last: int, share: float, starts: list[str]
) -> None:
    torch.manual_seed(0)
    network = Transfer(small(), strategy, last=last)
    assert moved(network, share) == names(network.network, *starts)


@pytest.mark.parametrize(
    ("strategy", "blocks"),
    [("attention", [0, 1, 2]), ("last-attention", [1, 2])],
)
def test_attention_moves_and_embeddings_and_mlps_do_not(
    strategy: Strategy, blocks: list[int]
) -> None:
    torch.manual_seed(0)
    network = Transfer(transformer(), strategy, last=2)
    parts = [f"blocks.{number}.attention" for number in blocks]
    assert moved(network) == names(network.network, "head", *parts)
    one = (16 * 48 + 48) + (16 * 16 + 16)
    assert trainable(network) == len(blocks) * one + 17 * CLASSES


def test_norms_of_a_transformer_train() -> None:
    torch.manual_seed(0)
    network = Transfer(transformer(), "batch-norm")
    inside = [f"blocks.{b}.norm{n}" for b in range(3) for n in (1, 2)]
    assert moved(network) == names(network.network, "head", "norm", *inside)


def test_evaluation_moves_nothing() -> None:
    network = Transfer(small()).eval()
    assert not any(part.training for part in network.modules())


def test_dropout_acts_where_something_before_it_trains() -> None:
    def active(strategy: Strategy, last: int = 1) -> list[bool]:
        network = Transfer(small(), strategy, last=last).train()
        kind = nn.Dropout
        return [p.training for p in network.modules() if isinstance(p, kind)]

    assert active("head") == [False, False]
    assert active("last-stage") == [False, True]
    assert active("last-stage", 2) == active("all") == [True, True]


def test_parameters_are_those_counted_on_paper() -> None:
    counts = {
        "head": SMALL["head"],
        "last-stage": SMALL["stage2"] + SMALL["head"],
        "batch-norm": 2 * (2 + 3 + 4) + SMALL["head"],
        "all": sum(SMALL.values()),
    }
    strategies: list[Strategy] = ["head", "last-stage", "batch-norm", "all"]
    for strategy in strategies:
        assert trainable(Transfer(small(), strategy)) == counts[strategy]


def test_gradual_opens_a_stage_at_equal_intervals() -> None:
    network = Transfer(small(), "gradual")
    seen = []
    for epoch in range(8):
        network.unfreeze(epoch / 8)
        seen.append(trainable(network))
    from_the_head = np.cumsum([*SMALL.values()][::-1])
    assert seen == list(np.repeat(from_the_head, 2))


def test_gradual_does_not_lose_a_stage_to_rounding() -> None:
    deep = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(100)))
    network = Transfer(deep, "gradual")
    for epoch in range(100):
        network.unfreeze(epoch / 100)
        assert trainable(network) == epoch + 1


def test_what_opens_in_training_trains_at_once() -> None:
    network: Any = Transfer(small(), "gradual").train()
    assert not network.network.stage2[1].training
    network.unfreeze(0.25)
    assert network.network.stage2[1].training


def test_rates_decay_from_the_head_down() -> None:
    network = Transfer(small(), "all", layer_decay=0.5)
    groups = network.groups()
    assert [group["scale"] for group in groups] == [0.125, 0.25, 0.5, 1.0]
    sizes = [sum(p.numel() for p in group["params"]) for group in groups]
    assert sizes == list(SMALL.values())


@pytest.mark.parametrize(
    ("strategy", "scales"),
    [
        ("head", [1.0]),
        ("last-stage", [0.5, 1.0]),
        ("gradual", [0.125, 0.25, 0.5, 1.0]),
        ("batch-norm", [0.125, 0.25, 0.5, 1.0]),
    ],
)
def test_groups_hold_what_will_ever_train_and_no_more(
    strategy: Strategy, scales: list[float]
) -> None:
    network = Transfer(small(), strategy, layer_decay=0.5)
    groups = network.groups()
    network.unfreeze(0.99)
    held = [id(p) for group in groups for p in group["params"]]
    ever = [id(p) for p in network.parameters() if p.requires_grad]
    assert [group["scale"] for group in groups] == scales
    assert sorted(held) == sorted(ever)


def fixed(make: Callable[[int], nn.Module], classes: int) -> nn.Module:
    """Build a body that is the same whatever the run's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = make(classes)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = torch.full_like(part.bias, 0.1)
    return network


def seen(trained: Trained) -> dict[str, Any]:
    """Probe: the outputs on the test split."""
    return {"outputs": trained.test_outputs}


@pytest.mark.parametrize(
    ("make", "view"),
    [
        (small, View()),
        (partial(lite0, pretrained=False), View(side=32, channels=3)),
    ],
    ids=["small", "lite0"],
)
def test_the_frozen_network_in_the_loop_trains_the_head_of_cached_features(
    make: Callable[[int], nn.Module],
    view: View,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    common: dict[str, Any] = {
        "data": pictures,
        "view": view,
        "recipe": Recipe(
            epochs=3, batch_size=16, optimiser="adam", learning_rate=0.1
        ),
        "probes": [seen],
        "seed": 7,
    }
    body = partial(fixed, make)
    model = partial(transfer, backbone=body, classes=CLASSES, strategy="head")
    looped, expected = play(training.fit(model=model, **common))
    cached, outcome = play(fit_head(backbone=partial(body, 0), **common))
    for one, other in zip(cached, looped, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-5)
        assert one.validation_loss == pytest.approx(
            other.validation_loss, abs=1e-5
        )
    found, wanted = (
        np.load(io.BytesIO(o.artefacts["seen.npz"]))["outputs"]
        for o in (outcome, expected)
    )
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert looped[2].train_loss < looped[0].train_loss - 0.01


def test_the_head_is_drawn_from_the_seed_alone() -> None:
    torch.manual_seed(3)
    expected = nn.Linear(4, CLASSES)
    torch.manual_seed(3)
    built: Any = transfer(backbone=small, classes=CLASSES)
    assert built.network.head.weight.equal(expected.weight)
    assert built.network.head.bias.equal(expected.bias)


def test_a_network_of_timm_has_its_head_found() -> None:
    with torch.device("meta"):
        network = backbone("resnet18", 5, pretrained=False)
    assert head(network) == "body.fc"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"strategy": "nothing"},
            r"'nothing'; accepted: 'head', 'first-stage'",
        ),
        ({"strategy": "attention"}, "has no attention: choose"),
        ({"strategy": "last-stage", "last": 4}, "last is 4; accepted: 1 to 3"),
        ({"strategy": "last-stage", "last": 0}, "last is 0"),
        ({"layer_decay": 0.0}, r"layer_decay is 0\.0; accepted: \(0, 1\]"),
    ],
)
def test_what_can_not_be_is_refused(
    options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        Transfer(small(), **options)


def test_a_share_outside_training_is_refused() -> None:
    with pytest.raises(ValueError, match=r"share is 1\.0; accepted: \[0, 1\)"):
        Transfer(small()).unfreeze(1.0)


def test_a_network_without_norms_has_none_to_train() -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Linear(8, 4))
    with pytest.raises(ValueError, match="has no normalisation: ch"):
        Transfer(plain, "batch-norm")


def test_logits_of_a_convolution_are_refused() -> None:
    ends = nn.Sequential(nn.Linear(3, 3), nn.Conv2d(1, CLASSES, 8))
    with pytest.raises(ValueError, match="none of them a linear layer"):
        transfer(backbone=lambda classes: ends, classes=CLASSES)
