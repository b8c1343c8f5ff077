"""Adapters of the peft library in a frozen network, with a head of its own."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from coursework.models.adapters import (
    ATTENTION,
    KINDS,
    POINTWISE,
    TIMM_ATTENTION,
    FrozenNorms,
    adapted,
)
from coursework.models.pretrained import backbone
from coursework.models.vit import vit_mnist

pytestmark = pytest.mark.usefixtures("one_thread")


class Case(NamedTuple):
    build: Callable[[], nn.Module]
    targets: tuple[str, ...]
    head: str
    shape: tuple[int, ...]


CASES = {
    "convolutions": Case(
        partial(backbone, "test_efficientnet", 5, pretrained=False),
        POINTWISE,
        "classifier",
        (4, 3, 32, 32),
    ),
    "timm's attention": Case(
        partial(backbone, "test_vit", 5, pretrained=False),
        TIMM_ATTENTION,
        "head",
        (4, 3, 160, 160),
    ),
    "our attention": Case(vit_mnist, ATTENTION, "head", (4, 1, 28, 28)),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(case: Case, kind: str, **options: Any) -> FrozenNorms:
    network = adapted(
        build=case.build,
        kind=kind,
        targets=case.targets,
        head=case.head,
        **options,
    )
    assert isinstance(network, FrozenNorms)
    return network


def learn(network: nn.Module, batch: Tensor, steps: int = 2) -> list[float]:
    """Train on one batch, each picture a class of its own: the losses."""
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), 0.01, weight_decay=0.1)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        logits = network(batch)
        loss = nn.functional.cross_entropy(logits, torch.arange(len(batch)))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def trainable(network: nn.Module) -> int:
    return sum(w.numel() for w in network.parameters() if w.requires_grad)


def body_of(network: FrozenNorms, case: Case) -> dict[str, Tensor]:
    """Find what the plain network has in the adapted one, by its names."""
    found = {}
    state = network.body.state_dict()
    for name in case.build().state_dict():
        layer, _, tensor = name.rpartition(".")
        wrapped = (f"{layer}.base_layer.{tensor}", f"{layer}.base.{tensor}")
        place = next(key for key in (name, *wrapped) if key in state)
        found[name] = state[place].clone()
    return found


@every_kind
@every_case
def test_it_starts_as_the_network_that_build_draws(
    case: Case, kind: str
) -> None:
    torch.manual_seed(1)
    plain = case.build().eval()
    torch.manual_seed(1)
    network = make(case, kind).eval()
    drawn = plain.state_dict()
    for name, tensor in body_of(network, case).items():
        assert tensor.equal(drawn[name]), name
    batch = torch.randn(case.shape)
    torch.testing.assert_close(network(batch), plain(batch))


@every_kind
@every_case
def test_adapters_and_head_learn_and_nothing_else_moves(
    case: Case, kind: str
) -> None:
    torch.manual_seed(2)
    network = make(case, kind)
    before, learning = body_of(network, case), trainable(network)
    whole = copy.deepcopy(network.state_dict())
    learn(network, torch.randn(case.shape))
    after = body_of(network, case)
    moved = {name for name in after if not after[name].equal(before[name])}
    assert {name.rpartition(".")[0].split(".")[-1] for name in moved} == {
        case.head
    }
    state = network.state_dict()
    changed = [k for k in state if not state[k].equal(whole[k])]
    assert sum(state[name].numel() for name in changed) == learning


def test_running_statistics_would_move_without_the_wrapper() -> None:
    case = CASES["convolutions"]
    torch.manual_seed(3)
    network = make(case, "lora")
    batch = torch.randn(case.shape)
    before = body_of(network, case)

    def moved() -> bool:
        network(batch)
        after = body_of(network, case)
        names = [name for name in after if "running" in name]
        return any(not after[name].equal(before[name]) for name in names)

    assert network.training
    assert not moved()
    network.body.train()
    assert moved()


def test_norms_that_are_trained_and_dropout_follow_the_mode() -> None:
    parts = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(), nn.BatchNorm2d(2))
    parts[0].requires_grad_(False)
    network = FrozenNorms(parts)
    assert network.train() is network
    assert [part.training for part in parts] == [False, True, True]
    network.eval()
    assert [part.training for part in parts] == [False, False, False]


@pytest.mark.parametrize(
    ("kind", "rank", "weights"),
    [  # 4 blocks of 64 -> 192 and 64 -> 64, 10 classes
        ("lora", 8, 4 * 8 * ((64 + 192) + (64 + 64))),
        ("lora", 2, 4 * 2 * ((64 + 192) + (64 + 64))),
        ("own-lora", 8, 4 * 8 * ((64 + 192) + (64 + 64))),
        # one norm an output besides
        ("dora", 8, 4 * (8 * (256 + 128) + 192 + 64)),
        ("loha", 8, 4 * 2 * 8 * (256 + 128)),  # two products of low rank
        # 192 = 12 * 16 and 64 = 8 * 8: two factors too small to be cut again
        ("lokr", 8, 4 * ((12 * 8 + 16 * 8) + (8 * 8 + 8 * 8))),
        ("ia3", 8, 4 * (192 + 64)),
    ],
)
def test_trainable_weights_are_counted_on_paper(
    kind: str, rank: int, weights: int
) -> None:
    network = make(CASES["our attention"], kind, rank=rank)
    assert trainable(network) == weights + (64 + 1) * 10


@every_case
def test_our_lora_learns_as_the_librarys_does(case: Case) -> None:
    torch.manual_seed(4)
    theirs = make(case, "lora", rank=4, alpha=12)
    torch.manual_seed(4)
    ours = make(case, "own-lora", rank=4, alpha=12)
    assert trainable(ours) == trainable(theirs)
    renamed = {
        name.replace("base_layer.", "base.")
        .replace("lora_A.default.", "down.")
        .replace("lora_B.default.", "up."): tensor
        for name, tensor in theirs.state_dict().items()
    }
    ours.load_state_dict(renamed)
    batch = torch.randn(case.shape)
    # Dropout draws the same: both start from one state.
    torch.manual_seed(5)
    expected = learn(theirs, batch, steps=4)
    torch.manual_seed(5)
    assert learn(ours, batch, steps=4) == pytest.approx(expected, rel=1e-5)
    assert expected[-1] < expected[0]


def test_names_that_fit_nothing_are_refused() -> None:
    case = CASES["our attention"]
    with pytest.raises(ValueError, match=r"adapter 'lore'; accepted: 'lora'"):
        make(case, "lore")
    for kind in ("lora", "own-lora"):
        with pytest.raises(ValueError, match=r"'conv_pw'; they end with.* qkv"):
            make(case._replace(targets=("conv_pw",)), kind)
        with pytest.raises(ValueError, match=r"'fc'; they end with.* head"):
            make(case._replace(head="fc"), kind)
        with pytest.raises(ValueError, match=r"\b0\b"):
            make(case, kind, rank=0)


def test_the_library_is_imported_when_it_is_needed() -> None:
    code = (
        "import sys, coursework.models.adapters\n"
        "assert not {'peft', 'transformers', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
