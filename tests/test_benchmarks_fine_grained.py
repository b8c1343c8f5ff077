"""The benchmark of features once: both ways see the same, and a tiny round."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from benchmarks import fine_grained
from coursework.data.augment import View
from coursework.data.digits import digits
from coursework.data.splits import Split, Splits
from coursework.models.pretrained import lite0

pytestmark = pytest.mark.usefixtures("one_thread")
VIEW = View(channels=3)


def build(classes: int, shift: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    network = lite0(classes, pretrained=False)
    if not classes:  # the body of features alone
        network.get_parameter("conv_stem.weight").data += shift
    return network


def data() -> Splits:
    return digits(train=40).first(None, 20)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_grained, "PICTURES", 32)
    monkeypatch.setattr(fine_grained, "SEEDS", 2)


def test_a_tiny_round_tells_both_precisions_apart() -> None:
    rows = list(fine_grained.measure(1, build, data))
    assert [row["features"] for row in rows] == ["float32", "bfloat16"]
    assert all(row["ratio"] > 1 and row["n"] == 1 for row in rows)
    exact, rough = (float(row["apart"]) for row in rows)
    assert exact <= 1e-5 < rough
    assert rows[0]["accuracy"].startswith("+0.00 points")


def test_another_network_is_no_faster_way_to_the_same() -> None:
    with pytest.raises(ArithmeticError, match="apart in float32"):
        next(fine_grained.measure(1, partial(build, shift=0.1), data))


class Oracle(nn.Module):
    """Gives away the targets of splits, which it knows by their sizes."""

    def __init__(self, *splits: Split) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(9.0))
        self.targets = {len(split): split.targets for split in splits}

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.scale * torch.eye(10)[self.targets[len(pictures)]]


def test_a_head_learns_what_features_say_and_is_scored_on_the_test_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = replace(fine_grained.RECIPE, learning_rate=0.1)
    monkeypatch.setattr(fine_grained, "RECIPE", quick)
    splits = data()
    oracle = Oracle(splits.train, splits.test)
    reached = fine_grained.accuracies(splits, oracle, VIEW, "float32")
    assert reached == [1.0, 1.0]
    noise = replace(splits, test=splits.validation)  # of the same size
    assert max(fine_grained.accuracies(noise, oracle, VIEW, "float32")) < 0.5
