"""The benchmarks of torch training: fair terms, and a tiny round of each."""

from __future__ import annotations

import struct
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import benchmarks
from benchmarks import accuracy, pipeline, plain, precision, step, turns, zoo
from coursework import paths
from coursework.data.augment import View
from coursework.data.digits import digits
from coursework.launch import pages
from coursework.models.lenet import LeNet

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = partial(digits, train=192)
EXAMPLE = accuracy.example


@pytest.fixture(autouse=True)
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the digits where the benchmarks look for MNIST's files."""
    splits = FEW()
    for name, split in (("train", splits.train), ("t10k", splits.test)):
        write_idx(tmp_path / f"{name}-images-idx3-ubyte", split.inputs)
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte", split.targets)
    monkeypatch.setattr(plain, "fetch", lambda archive: tmp_path)
    monkeypatch.setattr(accuracy, "mnist", FEW)
    monkeypatch.setattr(accuracy, "example", LeNet)  # the example's is slow


def write_idx(path: Path, values: NDArray[Any]) -> None:
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


@pytest.mark.parametrize(
    ("view", "tolerance"),
    [(View(), 1e-6), (View(channels=3), 1e-6), (View(56, 3), 0.01)],
)
def test_both_ways_feed_the_same_numbers(view: View, tolerance: float) -> None:
    """PIL rounds an enlarged picture to whole grey values."""
    pictures = plain.dataset(plain.transform(view))
    theirs = torch.stack([picture for picture, _ in pictures])
    ours = view(pictures.data[:, None])
    torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=0)
    assert pictures.targets.tolist() == FEW().train.targets.tolist()


def test_the_example_sees_in_memory_what_its_transforms_make() -> None:
    for train in (True, False):
        pictures = accuracy.example_data(train=train)
        inputs, targets = accuracy.in_memory(pictures)
        theirs = torch.stack([picture for picture, _ in pictures])
        torch.testing.assert_close(inputs, theirs)
        split = FEW().train if train else FEW().test
        assert targets.tolist() == split.targets.tolist()


def test_the_examples_network_has_the_published_count() -> None:
    convolutions = 32 * (9 + 1) + 64 * (32 * 9 + 1)
    dense = 128 * (64 * 12 * 12 + 1) + 10 * (128 + 1)
    assert convolutions + dense == 1_199_882
    network = EXAMPLE()
    assert sum(p.numel() for p in network.parameters()) == 1_199_882
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_a_plain_epoch_meets_each_picture_once() -> None:
    seen: list[int] = []

    class Spy(LeNet):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            seen.append(len(pictures))
            return super().forward(pictures)

    network = Spy()
    before = network.state_dict()["0.weight"].clone()
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    pictures = plain.dataset(plain.transform(View()))
    plain.epoch(pictures, 150, network, optimiser)()
    assert seen == [64, 64, 22]
    assert not torch.equal(network.state_dict()["0.weight"], before)


def test_ratios_are_peers_in_units_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The clock is what the contestants turn it by; the first turn is odd."""
    now = 0.0
    lengths = {
        "ours": iter([9.0, 2.0, 2.0, 2.0, 4.0]),
        "slow": iter([1.0, 6.0, 4.0, 8.0, 20.0]),
    }

    def spend(name: str) -> None:
        nonlocal now
        now += next(lengths[name])

    monkeypatch.setattr(time, "process_time", lambda: now)
    found = turns.compare(
        partial(spend, "ours"), {"slow": partial(spend, "slow")}, 4, batch=7
    )
    row = {"ratio": 3.5, "low": 3.0, "high": 4.0, "n": 4}  # of 3, 2, 4, 5
    assert found == [{"peer": "slow", "batch": 7, **row}]


def test_the_example_trains_until_its_goal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached = iter([0.5, 0.98, 0.991, 0.5])
    monkeypatch.setattr(accuracy, "accuracy", lambda *_: next(reached))
    monkeypatch.setattr(accuracy, "LONGEST", 4)
    test = accuracy.example_data(train=False)
    assert accuracy.epochs_needed(0.99, test, test, seed=0) == 3
    reached = iter([0.5] * 4)
    assert accuracy.epochs_needed(0.99, test, test, seed=0) == 4


def test_a_tiny_round_of_each_makes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = zoo.Setting(LeNet, View(), 32, 64)
    monkeypatch.setattr(zoo, "SETTINGS", {"LeNet": tiny})
    monkeypatch.setattr(
        precision, "SETTINGS", {"LeNet": precision.Setting(*tiny)}
    )
    monkeypatch.setattr(pipeline, "PICTURES", 8)
    monkeypatch.setattr(step, "PICTURES", 640)
    monkeypatch.setattr(step, "find_spec", lambda name: None)
    monkeypatch.setattr(accuracy, "SAMPLE", 64)
    monkeypatch.setattr(accuracy, "LONGEST", 1)
    second = replace(accuracy.FIRST, accuracy=0.994)
    monkeypatch.setattr(accuracy, "SECOND", second)
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path / "benchmarks/results")
    for module in (zoo, precision, pipeline, step, accuracy):
        rows = list(module.measure(1))
        assert all(row["ratio"] > 0 and row["n"] == 1 for row in rows)
        benchmarks.store(module.__name__.split(".")[1], rows)
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    page = pages.benchmarks_page()
    for text in ("## zoo", "DataLoader", "a bare loop", "99.4%", "copied"):
        assert text in page
    assert "NaN" not in page  # a peer that a row does not have


def test_a_run_prints_and_stores_its_rows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["x", "--rounds", "3"])
    turns.run("made", lambda rounds: [{"n": rounds}], rounds=9)
    assert capsys.readouterr().out == "{'n': 3}\n"
    assert '"n": 3' in (tmp_path / "made.json").read_text()
