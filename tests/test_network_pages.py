"""What pages say of single networks, against the arrays they are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import pearsonr

from coursework import experiment, probes, training
from coursework.data.digits import digits
from coursework.experiment import Grid, Profile
from coursework.models.attention import SqueezeExcite
from coursework.models.resnet import ResNet
from coursework.recipe import Recipe
from coursework.records import Record, grouped
from coursework.views import cards, flows, gating

PLAIN = partial(ResNet, 18, channels=1, classes=10, width=8)
GATED = partial(PLAIN, attention=partial(SqueezeExcite, ratio=4))
RECIPE = Recipe(epochs=1, batch_size=16, optimiser="adam", learning_rate=0.01)


def declare(profile: Profile) -> Grid:
    looks = (probes.gates, probes.gate_swaps, probes.errors)
    return {
        name: partial(
            training.fit,
            model=model,
            data=partial(digits, train=32),
            recipe=RECIPE,
            probes=looks if model is GATED else looks[2:],
            watches=(probes.flow,),
        )
        for name, model in {
            "ResNet <18>": PLAIN,
            "SE-ResNet <18>": GATED,
        }.items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def runs(folder: Path) -> Iterator[list[Record]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSEWORK_RUNS", str(folder))
        patch.setenv("COURSEWORK_RESULTS", str(folder))
        yield experiment.run("tiny", declare, profile="smoke")


@pytest.fixture(autouse=True)
def artefacts_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    monkeypatch.setenv("COURSEWORK_RUNS", str(folder))
    yield
    plt.close("all")


def test_failures_are_told_apart(runs: list[Record]) -> None:
    learnt, other = runs[0], runs[1]
    flat = replace(
        other,
        history=[{**other.history[-1], "train_loss": math.log(10) - 0.01}],
    )
    better = replace(other, history=[{**other.history[-1], "train_loss": 0.5}])
    broken = replace(learnt, diverged="loss became nan at step 3")
    table = flows.failures([better, flat, broken])
    row = table.iloc[0]
    counts = [row[name] for name in ("learnt", "constant", "not finite", "n")]
    assert counts == [1, 1, 1, 3]
    assert "step 3" in row["first of them"]
    named = [
        replace(run, variant=name)
        for name, run in (
            *(("a", better), ("a", better), ("b", flat), ("b", better)),
            *(("c", broken), ("c", flat)),
        )
    ]
    assert flows.told(named) == (
        "All runs learnt with *a*; some, but not all, with *b*; none with *c*."
    )
    assert flows.told(named[:2]).endswith("with –; none with –.")


def test_points_are_geometric_means_over_seeds(runs: list[Record]) -> None:
    group = grouped(runs)["ResNet <18>"]
    axes = flows.start(group)
    _, points = axes.get_lines()
    signals = [run.arrays("flow.npz")["signal"][0] for run in group]
    expected = np.sqrt(signals[0] * signals[1])
    np.testing.assert_allclose(np.asarray(points.get_ydata(), float), expected)
    assert axes.get_yscale() == "log"


def test_the_way_through_training_starts_before_it(runs: list[Record]) -> None:
    group = grouped(runs)["ResNet <18>"]
    line = flows.through(group).get_lines()[0]
    found = [run.arrays("flow.npz")["gradient"] for run in group]
    ratios = [flow[:, 0] / flow[:, -1] for flow in found]
    assert len(ratios[0]) == RECIPE.epochs + 1
    np.testing.assert_allclose(
        np.asarray(line.get_ydata(), float), np.sqrt(ratios[0] * ratios[1])
    )


def test_gates_of_blocks(runs: list[Record]) -> None:
    gated = {"SE": grouped(runs)["SE-ResNet <18>"]}
    table = gating.by_block(gated)
    assert table["channels"].tolist() == [8, 8, 16, 16, 32, 32, 64, 64]
    found = [run.arrays("gates.npz") for run in gated["SE"]]
    means = np.stack([arrays["mean_3"].astype(float) for arrays in found])
    row = table.iloc[3]
    assert row["range"] == pytest.approx(
        np.mean([arrays["range_3"].mean() for arrays in found]), abs=1e-3
    )
    assert row["above 0.9, %"] == pytest.approx(100 * (means > 0.9).mean())
    assert gating.ranges(gated).get_lines()
    assert gating.by_class(gated["SE"][0]).get_xlabel()
    assert gating.heat(gated["SE"][0]).get_xlabel()


def test_what_swapped_gates_lose(runs: list[Record]) -> None:
    gated = {"SE": grouped(runs)["SE-ResNet <18>"]}
    found = [run.arrays("gate_swaps.npz") for run in gated["SE"]]
    lost = np.mean([swap["all"][1] - swap["accuracy"] for swap in found])
    row = gating.swapped(gated).iloc[0]
    assert row["ones"].startswith(f"{100 * lost:+.2f} points")
    assert gating.swapped_each(gated).get_title() == "SE"


def test_correlation_against_scipy() -> None:
    x, y = [1.0, 2.0, 3.0, 5.0, 4.0], [2.0, 1.0, 4.0, 6.0, 3.0]
    r, low, high = gating.correlation(x, y)
    assert r == pytest.approx(pearsonr(x, y).statistic)
    half = 1.959964 / math.sqrt(len(x) - 3)
    assert (low, high) == pytest.approx(
        (math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half))
    )
    assert all(map(math.isnan, gating.correlation(x[:3], y[:3])))
    assert all(map(math.isnan, gating.correlation(x, [1.0] * 5)))


def test_cards_name_and_escape_each_network(runs: list[Record]) -> None:
    text = str(cards.networks(runs, (1, 28, 28)).data)
    assert text.count("<details") == 2
    assert "SE-ResNet &lt;18&gt;" in text and "<18>" not in text
    assert "Conv2d" in text and text.count("<img") == 4
    parameters = grouped(runs)["ResNet <18>"][0].parameters
    assert f"{parameters:,}" in text


def test_pace_is_time_over_work(runs: list[Record]) -> None:
    group = grouped(runs)["ResNet <18>"]
    row = cards.pace(runs).iloc[0]
    speed = np.median([run.examples_per_second for run in group])
    expected = 1e12 / (speed * group[0].multiply_adds)
    shown = row["picoseconds a multiply-add"].replace(",", "")
    assert float(shown) == pytest.approx(expected, abs=0.5)
