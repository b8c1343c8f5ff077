"""Activations in networks: counts, flow, predictions, claims and timings."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import benchmarks
from benchmarks import activations as timings
from coursework import experiment, meanfield, paths, probes, records, training
from coursework.claims import Verdict, activations, best_evidence, decide
from coursework.claims.measures import MEASURES
from coursework.data.augment import View
from coursework.data.digits import digits
from coursework.experiment import Grid, Profile
from coursework.launch import pages
from coursework.models.activations import ACTIVATIONS, FReLU, activation
from coursework.models.deep import VARIANCES, DeepMLP
from coursework.models.lenet import LeNet
from coursework.models.residual import Unit
from coursework.models.resnet import ResNet
from coursework.recipe import Recipe
from coursework.records import Record, grouped
from coursework.training import Trained
from coursework.views import depths
from tests.trials import planted

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = partial(ResNet, 18, channels=1, classes=10, width=4, stem="cifar")
SMALL = partial(DeepMLP, width=12, depth=5)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def weights(network: nn.Module) -> list[torch.Tensor]:
    return [
        module.weight.detach()
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_fits_both_networks(name: str) -> None:
    """None of the ReLUs that it stands for is left."""
    for network, side in (
        (LeNet(activation=name), 28),
        (TINY(activation=name), 8),
    ):
        assert network(torch.rand(2, 1, side, side)).shape == (2, 10)
        left = [m for m in network.modules() if isinstance(m, nn.ReLU)]
        dense = 2 if name == "frelu" and isinstance(network, LeNet) else 0
        assert len(left) == dense or name == "relu"


def test_parameters_that_an_activation_brings() -> None:
    """LeNet's four places have 6, 16, 120 and 84 channels, on paper."""
    places = (6, 16, 120, 84)
    brought = {
        "prelu": sum(places),
        "maxout": sum(2 * c * (c + 1) for c in places),
        "frelu": sum(c * (9 + 2) for c in places[:2]),
        "silu": 0,
    }
    for name, more in brought.items():
        assert count(LeNet(activation=name)) == 44_426 + more
    # ResNet-18 has one in the stem and two a unit, two units a stage
    places = (4, *(4 * 2**stage for stage in range(4) for _ in range(4)))
    assert count(TINY(activation="prelu")) == count(TINY()) + sum(places)
    units = [m for m in TINY(activation="silu").modules() if type(m) is Unit]
    assert len(units) == 8
    assert all(isinstance(unit.act, nn.SiLU) for unit in units)
    assert (units[0](torch.randn(2, 4, 8, 8)) < 0).any()


@pytest.mark.parametrize("name", ["maxout", "frelu", "prelu", "tanh"])
def test_other_layers_begin_alike_whatever_stands_between(name: str) -> None:
    torch.manual_seed(0)
    plain = LeNet()
    torch.manual_seed(0)
    other = LeNet(activation=name)
    for ours, theirs in zip(plain, other, strict=True):
        if isinstance(ours, nn.Conv2d | nn.Linear):
            assert torch.equal(ours.weight, theirs.get_parameter("weight"))
    torch.manual_seed(0)
    own, behind = activation("frelu", 64), nn.Conv2d(1, 64, 3)
    assert isinstance(own, FReLU)
    drawn = own.condition[0].get_parameter("weight")
    # Both are uniform up to a third, so shared numbers would show.
    assert torch.isin(drawn, behind.weight).float().mean() < 0.01


def test_unknown_names() -> None:
    for build in (LeNet, TINY, DeepMLP):
        with pytest.raises(ValueError, match="activation 'rely'; accepted"):
            build(activation="rely")
    with pytest.raises(ValueError, match="initialisation 'hee'; accepted"):
        DeepMLP(initialisation="hee")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="depth is 1"):
        DeepMLP(depth=1)
    with pytest.raises(ValueError, match="elementwise activation 'sort'"):
        meanfield.dense("sort", "he", inputs=2, width=2, hidden=2)


@pytest.mark.parametrize("name", VARIANCES)
def test_first_weights_have_the_variance_they_are_named_for(name: Any) -> None:
    torch.manual_seed(0)
    network = DeepMLP("tanh", name, inputs=400, width=200, depth=3)
    assert count(network) == 401 * 200 + 201 * 200 + 201 * 10
    oracle: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "glorot": nn.init.xavier_uniform_,
        "he": partial(nn.init.kaiming_uniform_, nonlinearity="relu"),
        "lecun": partial(nn.init.kaiming_uniform_, nonlinearity="linear"),
        "torch": lambda w: nn.Linear(w.shape[1], w.shape[0]).weight.detach(),
        "normal": nn.init.normal_,
    }
    for weight in weights(network)[:2]:
        expected = oracle[name](torch.empty_like(weight)).std()
        assert float(weight.std() / expected) == pytest.approx(1, abs=0.02)
    biases = [p for n, p in network.named_parameters() if n.endswith("bias")]
    assert all((bias == 0).all() for bias in biases)


@pytest.mark.parametrize(
    ("name", "first"),
    [("relu", "he"), ("tanh", "he"), ("sigmoid", "glorot"), ("silu", "torch")],
)
def test_prediction_against_a_wide_network(name: str, first: Any) -> None:
    """Signals and gradients of random layers, by automatic differentiation."""
    torch.manual_seed(0)
    network = DeepMLP(name, first, inputs=300, width=800, depth=7).double()
    values = 0.8 * torch.randn(40, 300, dtype=torch.float64)
    seen = []
    for layer in network.hidden:
        values = layer(values)
        values.retain_grad()
        seen.append(values)
    (values * torch.randn_like(values)).sum().backward()
    signals, gradients = meanfield.dense(
        name, first, inputs=300, width=800, hidden=6, signal=0.8
    )
    measured = [float(v.detach().square().mean().sqrt()) for v in seen]
    np.testing.assert_allclose(measured, signals, rtol=0.08)
    sizes = [float(v.grad.square().mean().sqrt()) for v in seen]
    np.testing.assert_allclose(np.array(sizes) / sizes[-1], gradients, rtol=0.2)


def test_predictions_on_paper() -> None:
    """He keeps all for ReLU; Glorot halves a ReLU's mean square a layer."""
    signals, gradients = meanfield.dense(
        "relu", "he", inputs=50, width=50, hidden=20
    )
    np.testing.assert_allclose(signals, 1, rtol=0.01)
    np.testing.assert_allclose(gradients, 1, rtol=0.01)
    signals, gradients = meanfield.dense(
        "relu", "glorot", inputs=50, width=50, hidden=20
    )
    np.testing.assert_allclose(signals, 0.5 ** (np.arange(1, 21) / 2), 0.02)
    np.testing.assert_allclose(gradients, signals[::-1] * 2**0.5, rtol=0.02)


def looked_at(network: nn.Module) -> Trained:
    return Trained(
        network=network,
        splits=digits(train=64),
        view=View(),
        precision="float32",
        seed=0,
    )


def test_flow_of_layers_against_a_loop() -> None:
    torch.manual_seed(0)
    network = SMALL("relu", "he")
    layer: Any = network.hidden[1]
    with torch.no_grad():
        layer.linear.bias[:3] = -1e3  # a quarter of the units die
    trained = looked_at(network)
    found = probes.layer_flow(trained)
    inputs, targets = training.to_tensors(
        trained.splits.train, torch.device("cpu")
    )
    values, given, puts = trained.view(inputs).flatten(1), [], []
    assert found["input"] == pytest.approx(float(values.square().mean() ** 0.5))
    for one in network.hidden:
        assert isinstance(one, nn.Sequential)
        given.append(one[0](values))
        values = given[-1].clamp(min=0)
        values.retain_grad()
        puts.append(values)
    nn.functional.cross_entropy(network.output(values), targets).backward()
    for number, (before, after) in enumerate(zip(given, puts, strict=True)):
        assert after.grad is not None
        expected = {
            "signal": float(after.square().mean() ** 0.5),
            "gradient": float(after.grad.square().mean() ** 0.5),
            "inside": float((before.abs() <= 3).float().mean()),
            "shift": float(after.mean(0).square().mean())
            / float(after.square().mean()),
            "dead": float((before <= 0).all(0).float().mean()),
        }
        for name, value in expected.items():
            assert found[name][number] == pytest.approx(value, rel=1e-4), name
    assert found["dead"][1] >= 3 / 12


@pytest.mark.parametrize(
    ("name", "dead"), [("softmax", 0.0), ("sign", 1.0), ("leaky-relu", 0.0)]
)
def test_what_counts_as_dead(name: str, dead: float) -> None:
    torch.manual_seed(0)
    found = probes.layer_flow(looked_at(SMALL(name, "he")))
    assert found["dead"].tolist() == [dead] * 4


def test_softmax_passes_gradients_though_its_sum_is_fixed() -> None:
    given = torch.zeros(3, 2, requires_grad=True)
    assert probes._dead(given, given.softmax(1)) == 0


def test_weights_are_measured_by_layer() -> None:
    network = LeNet(activation="frelu")
    found = probes.weights(looked_at(network))["weight"]
    np.testing.assert_allclose(
        found, [float(w.square().mean() ** 0.5) for w in weights(network)]
    )
    assert len(found) == 5 + 2


def declare(profile: Profile) -> Grid:
    return {
        f"{name}, he": partial(
            training.fit,
            model=partial(SMALL, activation=name, initialisation="he"),
            data=partial(digits, train=32),
            recipe=Recipe(epochs=1, batch_size=16, learning_rate=0.01),
            watches=(probes.layer_flow, probes.weights),
        )
        for name in ("relu", "sort")
    }


@pytest.fixture
def runs() -> list[Record]:
    return experiment.run("tiny", declare, profile="smoke")


def test_figures_and_tables_of_layers(runs: list[Record]) -> None:
    group = grouped(runs)["relu, he"]
    flows = [run.arrays("layer_flow.npz") for run in group]
    ratios = [f["gradient"][0, 0] / f["gradient"][0, -1] for f in flows]
    row = depths.flow(runs).iloc[0]
    assert row["first / last"] == f"{np.sqrt(ratios[0] * ratios[1]):.1e}"
    assert row["dead after, %"] == pytest.approx(
        100 * np.mean([f["dead"][-1] for f in flows])
    )
    assert depths.flow(runs).iloc[1]["predicted"] == "–"
    line, points, _ = depths.start(runs).get_lines()
    assert len(np.asarray(line.get_ydata())) == 4
    signals = [f["signal"][0] for f in flows]
    np.testing.assert_allclose(
        np.asarray(points.get_ydata(), float), np.sqrt(signals[0] * signals[1])
    )
    assert len(depths.through(runs).get_lines()) == 2
    predicted = depths.predicted(group[0])
    assert predicted is not None and len(predicted[0]) == 4


def test_measures_of_layers(runs: list[Record]) -> None:
    flow = runs[0].arrays("layer_flow.npz")
    weight = runs[0].arrays("weights.npz")["weight"]
    expected = {
        "dead units": flow["dead"][1].mean(),
        "inside": flow["inside"][0].mean(),
        "mean shift": flow["shift"][1].mean(),
        "weight growth": np.log(weight[1] / weight[0]).mean(),
    }
    for name, value in expected.items():
        assert MEASURES[name](runs[0]) == pytest.approx(value), name


def test_where_an_activation_starts_to_work() -> None:
    found = {(1, 2): 0.1, (1, 8): 0.9, (2, 2): 0.5, (2, 8): 0.4}
    made = [
        planted(
            f"sort, depth {depth}, width {width}", 0, 0.5, scores={"fits": s}
        )
        for (depth, width), s in found.items()
    ]
    table = depths.shares(made)["sort"]
    assert table.to_numpy().tolist() == [[0.1, 0.9], [0.5, 0.4]]
    row = depths.works(made).iloc[0].tolist()
    assert row == ["sort", "8", "none"]
    drawn = [text.get_text() for text in depths.fits(made).texts]
    assert drawn == ["10", "90", "50", "40"]
    with pytest.raises(ValueError, match="arm 'sort' is not labelled"):
        depths.shares([planted("sort", 0, 0.5)])


def test_gaps_are_paired() -> None:
    made = [
        planted(name, seed, base + (0.01 if name == "a" else 0))
        for name in "ab"
        for seed, base in enumerate((0.8, 0.9))
    ]
    gap = depths.gap(made, "a", "b")
    assert gap.mean == pytest.approx(0.01) and gap.n == 2


# The measures of each arm that a rule names, where every claim holds.
HOLDING: Mapping[str, Mapping[str, float]] = {
    "LeNet, relu": {"weight growth": 0.1},
    "LeNet, silu": {"weight growth": 0.05, "accuracy": 0.9},
    "LeNet, hard-swish": {"accuracy": 0.899},
    "LeNet, frelu": {"accuracy": 0.95},
    "ResNet-18, relu": {},
    "ResNet-18, silu": {},
    "ResNet-18, elu": {},
    "ResNet-18, hard-swish": {},
    "ResNet-18, frelu": {"accuracy": 0.95},
    "sigmoid, glorot": {"inside": 0.99},
    "tanh, glorot": {},
    "relu, he": {"mean shift": 0.5, "accuracy": 0.95},
    "elu, he": {"mean shift": 0.2},
    "relu, he, ten times the rate": {"dead units": 0.3, "accuracy": 0.5},
    "leaky-relu, he, ten times the rate": {},
}


def verdicts(
    changes: Mapping[str, Mapping[str, float]],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[int, Verdict]:
    """Decide from five planted runs an arm that lie close together."""
    for name in ("dead units", "inside", "mean shift", "weight growth"):
        read = partial(lambda key, run: run.notes[key], name)
        monkeypatch.setitem(MEASURES, name, read)
    arms = {
        arm: {**dict.fromkeys(MEASURES, 0.0), "accuracy": 0.9, **values}
        for arm, values in {**HOLDING, **changes}.items()
    }
    for grid, chosen in (
        (activations.SWAPS, [arm for arm in arms if "Net" in arm]),
        (activations.DEEP, [arm for arm in arms if "Net" not in arm]),
    ):
        records.promote(
            [
                planted(
                    arm,
                    seed,
                    noisy["accuracy"],
                    grid=grid,
                    notes=noisy,
                )
                for place, arm in enumerate(chosen)
                for seed in range(5)
                for noisy in [near(arms[arm], seed + place)]
            ]
        )
    claims = [
        claim
        for claim in activations.CLAIMS
        if claim.practical == activations.IN_NETWORKS
    ]
    return {v.claim.id: v for v in decide(claims, best_evidence)}


def near(values: Mapping[str, float], number: int) -> dict[str, float]:
    return {
        name: value + 1e-5 * math.sin(number) for name, value in values.items()
    }


def test_all_claims_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = verdicts({}, monkeypatch)
    assert seen.pop(70).status == "not testable here"
    assert set(seen) == {74, 75, 76, 77, 78, 79}
    assert {verdict.status for verdict in seen.values()} == {"supported"}


@pytest.mark.parametrize(
    ("arm", "values", "refuted"),
    [
        ("LeNet, silu", {"weight growth": 0.095}, {74}),
        ("ResNet-18, hard-swish", {"accuracy": 0.89}, {75}),
        ("sigmoid, glorot", {"inside": 0.9}, {76}),
        ("sigmoid, glorot", {"inside": 0.99, "accuracy": 0.8}, {76}),
        ("relu, he, ten times the rate", {"accuracy": 0.5}, {77}),
        ("leaky-relu, he, ten times the rate", {"accuracy": 0.5}, {77}),
        ("elu, he", {"mean shift": 0.46}, {78}),
        ("ResNet-18, elu", {"accuracy": 0.91}, {78}),
        ("LeNet, frelu", {"accuracy": 0.899}, {79}),
    ],
)
def test_each_claim_can_be_refuted(
    arm: str,
    values: Mapping[str, float],
    refuted: set[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = verdicts({arm: values}, monkeypatch)
    assert {i for i, v in seen.items() if v.status == "refuted"} == refuted


def test_a_tiny_round_of_the_benchmark_makes_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timings, "SHAPE", (2, 4, 3, 3))
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    folder = tmp_path / "benchmarks" / "results"
    monkeypatch.setattr(benchmarks, "RESULTS", folder)
    assert depths.costs() is None
    rows = list(timings.measure(1))
    names = [row["activation"] for row in rows]
    assert names == [name for name in ACTIVATIONS if name != "relu"]
    assert all(row["ratio"] > 0 and row["n"] == 1 for row in rows)
    benchmarks.store("activations", rows)
    assert json.loads((folder / "activations.json").read_text())["rows"]
    page = pages.benchmarks_page()
    assert "## activations" in page and "in units of ReLU" in page
    assert "gelu" in page and "NaN" not in page
    costs = depths.costs()
    assert costs is not None and costs["activation"].tolist() == names


def test_a_pass_goes_forward_and_backward() -> None:
    """A contestant that skipped the backward pass would be too fast."""
    calls: list[str] = []

    class Spy(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, maps: torch.Tensor) -> torch.Tensor:
            calls.append("forward")
            return maps.clone()

        @staticmethod
        def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
            calls.append("backward")
            return gradients[0]

    class Module(nn.Module):
        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            done: torch.Tensor = Spy.apply(maps)  # type: ignore[no-untyped-call]
            return done

    maps = torch.ones(2, requires_grad=True)
    timings.go(Module(), maps, torch.ones(2))
    assert calls == ["forward", "backward"] * timings.PASSES
    assert maps.grad is None


@pytest.mark.parametrize(
    ("low", "high", "judged"),
    [
        (1.6, 1.9, "holds"),
        (1.2, 1.4, "does not hold"),
        (1.4, 1.6, "is not decided"),
    ],
)
def test_a_remark_on_speed_is_judged_by_the_rounds(
    low: float, high: float, judged: str
) -> None:
    names = ["leaky-relu", "gelu"]
    costs = pd.DataFrame(
        {
            "activation": names,
            "ratio": [1.0, (low + high) / 2],
            "low": [0.9, low],
            "high": [1.1, high],
        }
    )
    said = depths.remark(costs)
    assert f"ReLU, the remark {judged}" in said.partition("gelu")[2]
    assert "does not hold" in said.partition("gelu")[0]
    assert depths.remark(None) == "Not measured yet."
