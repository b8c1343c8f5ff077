"""Figures of where networks look, from planted records."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from coursework import probes_looks, stats
from coursework.records import Record
from coursework.views import looking
from tests.test_probes_transfer import trained, vit
from tests.test_views_multilabel import plant


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    plt.close("all")
    yield
    plt.close("all")


def line(axes: Axes, label: str) -> NDArray[Any]:
    (found,) = [one for one in axes.lines if one.get_label() == label]
    return np.asarray(found.get_ydata(), float)


def band(axes: Axes, number: int) -> tuple[float, float]:
    """Read the lowest and highest value of a band's first place."""
    (path,) = axes.collections[number].get_paths()
    x, y = np.asarray(path.vertices).T
    first = y[x == x.min()]
    return float(first.min()), float(first.max())


def test_overlays_show_each_method_below_the_picture() -> None:
    found = probes_looks.looks(trained(vit()))
    run = plant("vit", 0, looks=dict(found))
    first = looking.overlays(run)
    figure = first.get_figure(root=True)
    assert figure is not None
    grid = np.array(figure.axes, object).reshape(3, 5)
    assert [axes.get_ylabel() for axes in grid[:, 0]] == [
        "",
        "Grad-CAM",
        "rollout",
    ]
    assert [axes.get_title() for axes in grid[0]] == [
        "red",
        "green",
        "blue",
        "blue",
        "green",
    ]
    said = found["classes"][found["predicted"][3]]
    assert grid[2, 3].get_xlabel() == f"said: {said}"
    drawn = grid[2, 3].images[1].get_array()
    assert (drawn == found["maps"][1, 3]).all()
    assert len(grid[0, 0].collections) == 1  # the outline


def test_overlays_without_masks() -> None:
    found = dict(probes_looks.looks(trained()))
    kept = {name: found[name] for name in found if name != "objects"}
    axes = looking.overlays(plant("no masks", 0, looks=kept))
    assert not axes.collections


def test_the_table_has_controls_beside_the_score() -> None:
    hits = np.array([[[1, 1, 0, 0], [1, 0, 0, 0]], [[1, 1, 1, 0], [0] * 4]])
    runs = [
        plant(
            "vit",
            seed,
            looks={
                "methods": np.array(["Grad-CAM", "rollout"]),
                "hit": hit.astype(bool),
                "mass": np.array([[0.25] * 4, [0.125] * 4], np.float32),
                "centre": np.array([True, False, False, False]),
                "area": np.array([0.1, 0.1, 0.2, 0.2], np.float32),
            },
        )
        for seed, hit in enumerate(hits)
    ]
    table = looking.pointed({"vit": runs})
    assert table["method"].tolist() == ["Grad-CAM", "rollout"]
    np.testing.assert_allclose(table["hits"], [62.5, 12.5])
    interval = stats.t_interval([50, 75])
    assert table["low"][0] == pytest.approx(interval.low)
    assert table["high"][0] == pytest.approx(interval.high)
    np.testing.assert_allclose(table["mass"], [25, 12.5])
    np.testing.assert_allclose(table["centre"], 25)
    np.testing.assert_allclose(table["area"], 15, rtol=1e-6)
    assert table["n"].tolist() == [2, 2]


def runs(name: str, variant: str, **arrays: Any) -> list[Record]:
    """Plant two runs whose arrays differ by the seed."""
    return [
        plant(
            variant,
            seed,
            **{name: {k: np.asarray(v[seed]) for k, v in arrays.items()}},
        )
        for seed in range(2)
    ]


def test_attention_distance_by_block() -> None:
    make = partial(runs, "attention_distances", even=(5.0, 5.0))
    heads = np.array([[[1.0, 3.0], [4.0, 4.0]], [[2.0, 6.0], [8.0, 8.0]]])
    axes = looking.attention_distances(
        {"one": make("one", distance=heads), "two": make("two", distance=heads)}
    )
    assert line(axes, "one").tolist() == [3, 6]  # over seeds and heads
    dots = np.sort([one.get_ydata() for one in axes.lines[:4]], axis=0)
    assert dots[:, 0].tolist() == [1, 2, 3, 6]
    assert dots[:, 1].tolist() == [4, 4, 8, 8]
    expected = stats.t_interval([2, 4])
    assert band(axes, 0) == pytest.approx((expected.low, expected.high))


def test_curves_over_shifts() -> None:
    pixels = np.arange(1, 4)
    groups = {
        name: runs(
            "shift_equivariance",
            name,
            pixels=(pixels, pixels),
            moved=level * np.array([[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]]),
            still=level * np.full((2, 3), 0.5),
            outputs=level * np.full((2, 3), 0.7),
        )
        for name, level in (("convnet", 1.0), ("vit", 2.0))
    }
    first = looking.shift_equivariance(groups)
    figure = first.get_figure(root=True)
    assert figure is not None
    moved, still, outputs = figure.axes
    np.testing.assert_allclose(line(moved, "vit"), [0.4, 0.6, 0.8])
    np.testing.assert_allclose(line(still, "convnet"), 0.5)
    np.testing.assert_allclose(line(outputs, "vit"), 1.4)
    expected = stats.t_interval([0.1, 0.3])
    assert band(moved, 0) == pytest.approx((expected.low, expected.high))


def test_accuracy_over_sizes() -> None:
    sides = np.array([8, 12, 16, 20, 24])
    found = runs(
        "resolutions",
        "vit",
        sides=(sides, sides),
        accuracy=np.array([[1, 2, 5, 4, 3], [3, 4, 7, 6, 5]]) / 10,
    )
    axes = looking.resolutions({"vit": found})
    np.testing.assert_allclose(line(axes, "vit"), [20, 30, 60, 50, 40])
    expected = stats.t_interval([10, 30])
    assert band(axes, 0) == pytest.approx((expected.low, expected.high))
    (trained_at,) = [one for one in axes.lines if one.get_linestyle() == ":"]
    assert list(np.asarray(trained_at.get_xdata())) == [16, 16]
