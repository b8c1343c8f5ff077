"""Bytes of a step against a count on paper; batches without a hit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from coursework import probes_cost
from coursework.data.augment import View
from coursework.data.splits import Split
from coursework.training import Trained
from tests.trials import pictures

pytestmark = pytest.mark.usefixtures("one_thread")

# of pictures 8 × 8: what goes into the convolution, and what comes out
INPUT, MAPS, HEAD = 64, 2 * 6 * 6, 72 * 4 + 4


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4)
    )


def trained(tested: nn.Module, **changes: Any) -> Trained:
    return dataclasses.replace(
        Trained(
            network=tested,
            splits=pictures(),
            view=View(),
            precision="float32",
            seed=0,
        ),
        **changes,
    )


def test_what_a_step_keeps_is_counted_on_paper() -> None:
    """The convolution keeps its input, ReLU its output; so does the head.

    The head's input is the same storage, and counts once.
    """
    found = probes_cost.step_memory(trained(network()))
    assert found["kept"] == 4 * (INPUT + MAPS)
    assert found["gradients"] == 4 * (2 * 9 + 2 + HEAD)


def test_a_frozen_body_keeps_nothing_for_itself() -> None:
    frozen = network()
    frozen[0].requires_grad_(False)
    found = probes_cost.step_memory(trained(frozen))
    assert found["kept"] == 4 * MAPS
    assert found["gradients"] == 4 * HEAD


def test_bfloat16_keeps_half_and_copies_of_weights() -> None:
    found = probes_cost.step_memory(trained(network(), precision="bfloat16"))
    copies = 2 * (2 * 9 + 2 + HEAD) / probes_cost.PICTURES
    assert 2 * (INPUT + MAPS) <= found["kept"] <= 2 * (INPUT + MAPS) + copies


def test_fewer_pictures_than_a_batch() -> None:
    few = pictures(train=3)
    found = probes_cost.step_memory(trained(network(), splits=few))
    assert found["kept"] == 4 * (INPUT + MAPS)


def test_measuring_changes_nothing() -> None:
    tested = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 4)
    ).eval()
    before = {k: v.clone() for k, v in tested.state_dict().items()}
    probes_cost.step_memory(trained(tested))
    assert not tested.training
    for name, tensor in tested.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(p.grad is None for p in tested.parameters())


class Says(nn.Module):
    """Say one class of every picture."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(
            torch.nn.functional.one_hot(torch.tensor(label), 4).float()
        )

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.new_ones(len(batch), 1) * self.logits


def said(targets: list[int]) -> dict[str, float]:
    inputs = np.zeros((len(targets), 8, 8), np.uint8)
    train = Split(inputs=inputs, targets=np.array(targets))
    splits = dataclasses.replace(pictures(), train=train)
    found = probes_cost.empty_batches(trained(Says(1), splits=splits))
    return {name: float(value) for name, value in found.items()}


def test_batches_with_a_right_answer_are_counted() -> None:
    assert said([0] * 32) == {"hit": 0, "accuracy": 0}
    assert said([1] * 32) == {"hit": 1, "accuracy": 1}
    assert said([1] + [0] * 15) == {"hit": 1, "accuracy": 1 / 16}
    # right answers in two batches at most, of four
    assert said([1, 1] + [0] * 62)["hit"] in (0.25, 0.5)


def test_rare_hits_are_as_rare_as_chance_says() -> None:
    share = 0.02
    found = said(
        np.random.default_rng(0)
        .permutation(np.arange(16_000) < share * 16_000)
        .astype(int)
        .tolist()
    )
    assert found["accuracy"] == share
    assert found["hit"] == pytest.approx(1 - (1 - share) ** 16, abs=0.04)


def test_pictures_beyond_the_last_whole_batch_are_left_out() -> None:
    assert said([1] + [0] * 19)["hit"] in (0, 1)
    assert said([1] * 20) == {"hit": 1, "accuracy": 1}
