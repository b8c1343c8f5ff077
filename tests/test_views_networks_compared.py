"""Convnet and ViT side by side, from planted records and by torchvision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursework import by_hand, stats
from coursework.records import Record
from coursework.views import networks_compared as views
from tests.test_views_multilabel import plant


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    plt.close("all")
    yield
    plt.close("all")


def runs(
    variant: str, accuracies: Sequence[float], **kept: Any
) -> list[Record]:
    return [
        plant(variant, seed, {"accuracy": value}, **kept)
        for seed, value in enumerate(accuracies)
    ]


def strategy(
    variant: str, accuracies: Sequence[float], tensors: int
) -> list[Record]:
    memory = {"kept": np.array(2048.0), "gradients": np.array(4 * tensors)}
    return runs(variant, accuracies, step_memory=memory)


@pytest.fixture
def groups() -> dict[str, list[Record]]:
    return {
        "convnet, head": strategy("convnet, head", (0.5, 0.6), 2),
        "convnet, all": strategy("convnet, all", (0.8, 0.7), 7),
        "ViT, all": strategy("ViT, all", (0.9, 0.7), 6),
    }


def test_the_report_compared_unlike_with_like() -> None:
    table = views.reported()
    assert table["R3"].tolist() == ["5,400,552", "3,131,368", "–", "–"]
    block = 4 * (768 * 768 + 768), 2 * 768 * 3072 + 768 + 3072, 2 * 2 * 768
    norm, head = 2 * 768, 768 * 200 + 200
    assert table["true"].tolist() == [
        15_374_536,
        block[0] + head,
        2 * sum(block) + norm + head,
        6 * block[0] + head,
    ]
    assert table["of all"].tolist() == [23_917_832, *[85_952_456] * 3]


def test_what_trains_is_read_off_the_gradients(
    groups: dict[str, list[Record]],
) -> None:
    table = views.costs(groups).set_index("strategy")
    assert table["trained"].tolist() == [2, 7, 6]
    assert table["trained, %"].tolist() == pytest.approx(
        [200 / 7, 100, 600 / 7]
    )
    assert set(table["kept a picture, KiB"]) == {2}
    against = table["against all, points"]
    assert against["convnet, all"] == against["ViT, all"] == "–"
    seen = stats.t_interval([-0.3, -0.1])
    assert against["convnet, head"] == (
        f"-20.00 ({100 * seen.low:+.2f} to {100 * seen.high:+.2f})"
    )


def test_accuracy_over_what_trains(groups: dict[str, list[Record]]) -> None:
    figure = views.accuracy_by_trained(groups).get_figure(root=True)
    assert figure is not None
    bars = [bar for axes in figure.axes for bar in axes.containers]
    points = [bar.lines[0].get_data() for bar in bars]  # type: ignore[attr-defined]
    x, y = np.array(points, float)[..., 0].T
    assert x.tolist() == [2, 7, 6]
    assert y.tolist() == pytest.approx([55, 75, 80])
    convnet, vit = figure.axes
    assert [t.get_text() for t in convnet.texts] == ["head", "all"]
    assert [t.get_position()[0] for t in convnet.texts] == [2, 7]
    assert vit.get_ylabel().startswith("ViT")
    half = stats.t_interval([50, 60]).high - 55
    (bar,) = bars[0].lines[2]  # type: ignore[attr-defined]
    low, high = np.sort(bar.get_segments()[0][:, 1])
    # n = 2 makes them wider than all there is
    assert half > 55
    assert (low, high) == pytest.approx((0, 100))


def test_a_sentence_says_what_trains_and_what_it_gives(
    groups: dict[str, list[Record]],
) -> None:
    told = views.told(groups, "convnet, head", "ViT, all")
    assert told.startswith("“convnet, head” trains 33 % of the parameters")
    seen = stats.t_interval([-0.4, -0.1])
    assert f"is -25.00 ({100 * seen.low:+.2f} to " in told


DATA = {
    "convnet, 4 a class": (0.5, 0.7),
    "convnet, 16 a class": (0.8, 0.9),
    "ViT, 4 a class": (0.3, 0.3),
    "ViT, 16 a class": (0.7, 0.9),
}


def test_accuracy_over_data_and_the_lead() -> None:
    found = [run for name, pair in DATA.items() for run in runs(name, pair)]
    axes = views.over_data(found)
    drawn = [bar.lines[0].get_data() for bar in axes.containers]  # type: ignore[attr-defined]
    assert [list(x) for x, _ in drawn] == [[4, 16]] * 2
    np.testing.assert_allclose(
        np.array([y for _, y in drawn], float), [[60, 85], [30, 80]]
    )
    table = views.lead(found).set_index("pictures a class")
    for number, differences in ((4, [0.2, 0.4]), (16, [0.1, 0.0])):
        seen = stats.t_interval(differences)
        assert table.loc[number, "lead, points"] == (
            f"{100 * seen.mean:+.2f} "
            f"({100 * seen.low:+.2f} to {100 * seen.high:+.2f})"
        )
    assert table.loc[4, "ViT, %"] == "30.00 (30.00 to 30.00)"


def test_other_sizes_cost_points() -> None:
    sizes = {"accuracy": np.array([0.2, 0.5, 0.9, 0.7, 0.4])}
    (row,) = views.falls(
        {"ViT": runs("ViT", (0.9,), resolutions=sizes)}
    ).to_dict("records")
    assert row["as trained, %"] == "90.00"
    assert row["falls one step away"] == "+30.00"
    assert row["falls further, two away"] == "+30.00"


def test_classes_that_stay() -> None:
    pixels = np.arange(1, 9)
    moved = {"pixels": pixels, "same": 1 - pixels / 100}
    (row,) = views.stays(
        {"ViT": runs("ViT", (0.9,), shift_equivariance=moved)}
    ).to_dict("records")
    assert list(row.values()) == [
        "ViT",
        "99.00",
        "98.00",
        "96.00",
        "93.00",
        1,
    ]


@pytest.mark.parametrize("make", [by_hand.convolution, by_hand.attention])
def test_every_number_of_a_calculation_is_shown(make: Any) -> None:
    tables = make()
    figure = views.calculation(tables).get_figure(root=True)
    assert figure is not None
    assert len(figure.axes) == len(tables)
    for axes, table in zip(figure.axes, tables, strict=True):
        shown = [float(text.get_text()) for text in axes.texts]
        assert "-0" not in [text.get_text() for text in axes.texts]
        np.testing.assert_allclose(
            shown, table.values.ravel(), rtol=1e-5, atol=0.005
        )
        assert axes.get_title().replace("\n", " ") == table.title
        rows = [text.get_text() for text in axes.get_yticklabels()]
        assert rows == list(table.rows)
