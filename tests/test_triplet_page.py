"""Practical 7: its arms as declared, and what its page says of runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score

from coursework import chain, experiment, identity, metrics
from coursework.experiment import Declare
from coursework.launch.notebooks import notebooks
from coursework.models.attention.pitfalls import ConstantGates
from coursework.models.resnet import ResNet
from coursework.tasks import SingleLabel
from coursework.views import ablations
from tests.trials import planted

PROFILES = ("smoke", "quick", "standard", "full")
Declared = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def declared() -> Iterator[dict[str, Declared]]:
    """Declare all grids of the page, by profile; every stage's first wins."""
    found: dict[str, Declared] = {profile: {} for profile in PROFILES}

    def run(grid: str, declare: Declare, **_: Any) -> list[Any]:
        for profile in experiment.PROFILES:
            found[profile][grid] = dict(declare(profile))
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "run", run)
        names: dict[str, Any] = {}
        for cell in notebooks()[chain.PRACTICAL].node.cells:
            # What shows runs fails without them.
            with contextlib.suppress(LookupError, ValueError, AttributeError):
                if cell.cell_type == "code":
                    exec(cell.source, names)
    plt.close("all")
    yield found


def keys(declared: Declared) -> set[str]:
    return {
        identity.key(arm) for grid in declared.values() for arm in grid.values()
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_an_arm_of_several_grids_is_one_run(
    declared: dict[str, Declared], profile: str
) -> None:
    grids = declared[profile]
    paper = {
        "triplet-attention": "Triplet",
        "triplet-factors": "Triplet",
        "triplet-activation": "none",
        "triplet-gate": "sigmoid",
        "triplet-pool": "max, avg",
        "triplet-kernel": "kernel 7",
        "triplet-hybrid": "Triplet",
        "triplet-chain": "paper's",
    }
    assert set(paper) == set(grids)
    found = {identity.key(grids[grid][name]) for grid, name in paper.items()}
    assert len(found) == 1
    for name, arm in grids["triplet-hybrid"].items():
        kind = grids["triplet-attention"][name]
        assert identity.key(kind) == identity.key(arm)
    for name, arm in grids["triplet-activation"].items():
        if name != "none":
            alone = grids["triplet-factors"][f"activation {name}"]
            assert identity.key(alone) == identity.key(arm)


def test_profiles_keep_within_their_numbers_of_arms(
    declared: dict[str, Declared],
) -> None:
    assert [len(keys(declared[p])) for p in PROFILES[:3]] == [5, 5, 23]
    chained = [g for g in declared["standard"] if g in chain.STAGES.values()]
    assert len(keys({g: declared["standard"][g] for g in chained})) <= 14


@pytest.mark.parametrize("profile", PROFILES)
def test_arms_differ_in_their_network_alone(
    declared: dict[str, Declared], profile: str
) -> None:
    arms = [arm for grid in declared[profile].values() for arm in grid.values()]
    rest = {
        identity.key(partial(arm.func, **(arm.keywords | {"model": ResNet})))
        for arm in arms
    }
    assert len(rest) == 1
    loader = arms[0].keywords["data"]
    names = {"full": "cifar100", "standard": "cifar10_jpeg"}
    assert loader.func.__name__ == names.get(profile, "objects")


@pytest.mark.parametrize("profile", ["standard", "full"])
def test_every_network_takes_its_pictures(
    declared: dict[str, Declared], profile: str
) -> None:
    every = {
        identity.key(arm): arm.keywords["model"]
        for grid in declared[profile].values()
        for arm in grid.values()
    }
    classes = 100 if profile == "full" else 10
    models: list[Any] = list(every.values())
    for model in models:
        with torch.device("meta"), torch.no_grad():
            logits = model().eval()(torch.zeros(2, 3, 32, 32))
        assert logits.shape == (2, classes)


def test_one_unit_a_stage_counted_on_paper() -> None:
    network = ResNet(18, classes=10, width=4, stem="cifar", units=(1, 1, 1, 1))
    weights = 9 * (3 * 4 + 2 * 4 * 4)  # stem and stage 1
    weights += sum(9 * (w * w // 2 + w * w) + w * w // 2 for w in (8, 16, 32))
    norms = 2 * (3 * 4 + 3 * (8 + 16 + 32))
    assert sum(p.numel() for p in network.parameters()) == (
        weights + norms + 33 * 10
    )


def test_constant_gates_halve_and_learn_nothing() -> None:
    maps = torch.randn(2, 3, 4, 5)
    gates = ConstantGates(3)
    assert torch.equal(gates(maps), 0.5 * maps)
    assert not list(gates.parameters())


def test_top_k_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(50, 12)), rng.integers(0, 12, 50)
    for k in (1, 5):
        expected = top_k_accuracy_score(
            targets, outputs, k=k, labels=np.arange(12)
        )
        assert metrics.top(outputs, targets, k) == pytest.approx(expected)
    for broken in (np.nan, 0.0):
        flat = np.full((12, 12), broken)
        assert metrics.top(flat, np.arange(12), 5) == pytest.approx(5 / 12)
    scores = SingleLabel().scores(outputs, targets)
    assert scores["top-5"] == metrics.top(outputs, targets, 5)
    ten = SingleLabel().scores(outputs[:, :10], targets % 10)
    assert set(ten) == {"accuracy"}


def test_ranges_of_gates() -> None:
    table = ablations.gate_ranges().set_index("activation")
    assert table.loc["sigmoid", "sigmoid from"] == "0.500"
    assert table.loc["sigmoid", "sigmoid to"] == "0.731"  # 1 / (1 + exp(-1))
    assert table.loc["relu", "sigmoid from"] == "0.500"
    assert table.loc["elu", "sigmoid from"] == "0.269"  # 1 / (1 + e)
    assert table.loc["none", "tanh from"] == "-1.000"


def test_overheads_as_derived_on_paper() -> None:
    table = ablations.overheads()
    added = {
        (row["network"], row["attention"]): row["added"]
        for _, row in table.iterrows()
    }
    assert added["ResNet-18", "Triplet"] == "+2,400"
    assert added["ResNet-50", "Triplet"] == "+4,800"
    assert added["ResNet-50", "Triplet, biases"] == "+4,848"
    assert added["ResNet-50", "CA, reduction 16"] == "+3,805,456"
    # 303 a unit in the biased form, for two of three branches
    assert added["ResNet-50", "TripletCA"] == f"+{3_808_688 - 2 * 16:,}"
    assert added["ResNet-18", "TripletLKA"] == "+845,760"
    beside = dict(zip(table["R0 printed"], table["added, %"], strict=True))
    assert beside["22.52 M, 4.17 G"] == "+2.01"
    assert table.iloc[-1]["parameters"] == "4,105,800"


def test_only_cifar100_is_called_so() -> None:
    for name in ("cifar10", "cifar10-jpeg", "objects", "digits"):
        said = str(ablations.data_note(name).data)
        assert f"`{name}`" in said and "not report R0's CIFAR-100" in said
    said = str(ablations.data_note("cifar100").data)
    assert "CIFAR-100" in said and "not" not in said
    with pytest.raises(ValueError, match=r"data set 'cifar'.*'cifar100'"):
        ablations.data_note("cifar")


def arms() -> list[Any]:
    return [
        planted(name, seed, value + seed / 100, validation=curve)
        for name, value, curve in (
            ("none", 0.5, [0.2, 0.5]),
            ("CA", 0.6, [0.3, 0.4]),
        )
        for seed in range(3)
    ]


def test_costs_and_stages() -> None:
    runs = arms()
    dear = [replace(r, multiply_adds=22, parameters=9) for r in runs[3:]]
    table = ablations.costs([*runs[:3], *dear], baseline="none")
    assert table["added"].tolist() == ["+0", "+2"]
    assert table["added, %"].tolist() == ["+0.00", "+100.00"]
    assert table["pictures a second"].tolist() == ["50", "50"]
    stage = ablations.stages({"gate": runs})
    assert stage[""].tolist() == ["carried on", ""]
    assert stage["validation accuracy"][1].startswith("40.00 %")


def test_a_run_of_two_grids_is_drawn_once() -> None:
    runs = arms()
    other = [replace(run, variant="Triplet") for run in runs[:3]]
    found = ablations.once(runs, other)
    assert len(found) == 6
    assert {run.variant for run in found} == {"none", "CA"}


def test_the_demo_puts_epochs_beside_epochs() -> None:
    row = ablations.demo(arms()).set_index("arm").loc["CA"]
    assert row["R0, epoch 2"] == "29.09 %"
    assert row["here, epoch 1"].startswith("30.00 %")
    assert row["here, epoch 2"].startswith("40.00 %")
    short = [replace(run, history=run.history[:1]) for run in arms()]
    row = ablations.demo(short).set_index("arm").loc["CA"]
    assert row["here, epoch 2"] == "not run"


def test_top_5_where_there_is_one() -> None:
    assert "more than ten" in str(ablations.top5(arms(), baseline="none").data)
    runs = [
        replace(run, scores={**run.scores, "top-5": 0.9}, variant=run.variant)
        for run in arms()
    ]
    shown = str(ablations.top5(runs, baseline="none").data)
    assert "top-5" in shown and "90.00" in shown


def test_what_is_read_off_the_comparisons() -> None:
    worth = [
        planted(name, seed, value + seed / 100)
        for name, value in (
            ("paper's", 0.5),
            ("chain's", 0.52),
            ("each factor's", 0.5),
        )
        for seed in range(3)
    ]
    text = ablations.reading(arms(), [*arms()[:3], *factors()], worth)
    assert "1 lie above it" in text and "(CA)" in text
    assert "chain's choice differs by +2.00 points" in text
    assert "each factor's choice is the paper's" in text


def factors() -> list[Any]:
    return [planted("Triplet", seed, 0.5 + seed / 100) for seed in range(3)]


def test_batch_mates_are_measured() -> None:
    said = ablations.batch_mates(8)
    assert "gates are 0.1250" in said and "8 times as large" in said
