"""Memory, time and accuracy, from planted records."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursework import stats
from coursework.records import Record
from coursework.views import resources as views
from tests.test_views_multilabel import plant

KEPT = {"bfloat16": 512.0, "float32": 1024.0}  # bytes a picture
ACCURACY = {"bfloat16": (0.5, 0.7), "float32": (0.6, 0.9)}
SECONDS = {"bfloat16": (1.0, 2.0), "float32": (3.0, 4.0)}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    plt.close("all")
    yield
    plt.close("all")


def runs(
    variant: str, size: int | None = 32, precision: str = "bfloat16"
) -> list[Record]:
    """Plant two runs of an epoch on the 100 pictures of a planted record."""
    arrays: dict[str, Any] = {
        "kept": np.array(KEPT[precision]),
        "gradients": np.array(2**20),
    }
    recipe = {"value": "coursework.recipe:Recipe", "args": {"batch_size": size}}
    return [
        replace(
            plant(variant, seed, {"accuracy": accuracy}, step_memory=arrays),
            spec={"args": {"recipe": recipe}},
            seconds=SECONDS[precision][seed],
        )
        for seed, accuracy in enumerate(ACCURACY[precision])
    ]


@pytest.fixture
def groups() -> dict[str, list[Record]]:
    return {
        "bfloat16": runs("bfloat16"),
        "float32": runs("float32", precision="float32"),
        "batch of 8": runs("batch of 8", 8),
        "the whole set": runs("the whole set", None),
    }


def test_bytes_and_steps_are_counted(groups: dict[str, list[Record]]) -> None:
    table = views.costs(groups, "bfloat16").set_index("arm")
    assert table["batch"].tolist() == [32, 32, 8, 100]
    assert table["steps"].tolist() == [4, 4, 13, 1]
    assert table["kept a picture, KiB"].tolist() == [0.5, 1, 0.5, 0.5]
    assert table["kept a step, MiB"]["the whole set"] == 512 * 100 / 2**20
    assert set(table["gradients, MiB"]) == {1}
    assert table["seconds"].tolist() == [1.5, 3.5, 1.5, 1.5]


def test_epochs_multiply_steps(groups: dict[str, list[Record]]) -> None:
    run = groups["batch of 8"][0]
    assert views.steps(replace(run, history=[*run.history] * 3)) == 39


def test_times_are_compared_seed_by_seed(
    groups: dict[str, list[Record]],
) -> None:
    times = stats.t_interval([math.log(3), math.log(2)])
    expected = [math.exp(v) for v in (times.mean, times.low, times.high)]
    table = views.costs(groups, "bfloat16").set_index("arm")["times as long"]
    assert table["bfloat16"] == "baseline"
    assert table["float32"] == "{:.2f} ({:.2f} to {:.2f})".format(*expected)
    one = {name: found[:1] for name, found in groups.items()}
    assert views.costs(one, "bfloat16")["times as long"][1] == "3.00"


def test_what_larger_batches_do(groups: dict[str, list[Record]]) -> None:
    chosen = {
        name: groups[name]
        for name in ("batch of 8", "bfloat16", "the whole set")
    }
    figure = views.over_batches(chosen).get_figure(root=True)
    assert figure is not None
    held, number, accuracy = figure.axes
    for axes, values in (
        (held, [512 * size / 2**20 for size in (8, 32, 100)]),
        (number, [13, 4, 1]),
        (accuracy, [60, 60, 60]),
    ):
        x, y = np.array(axes.lines[0].get_data(), float)
        assert x.tolist() == [8, 32, 100]
        np.testing.assert_allclose(y, values)
    told = views.memory_of_batches(chosen)
    assert "on 100 pictures keeps 0.0 MiB" in told
    assert "12.5 times as much" in told
    assert "take 1.0 MiB in both, and AdamW's two means 2.0 MiB" in told


def test_what_a_precision_saves(groups: dict[str, list[Record]]) -> None:
    told = views.precision_saves(groups, "float32", "bfloat16")
    assert "In float32 a picture keeps 2.00 times" in told
    assert f"takes {math.sqrt(6):.2f} (" in told
    assert told.endswith("(95 % interval over n = 2).")
