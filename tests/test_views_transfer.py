"""Tables and figures of practical 6, from planted records."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from coursework import records, stats
from coursework.models.counts import Count, Layer
from coursework.records import Record
from coursework.thumbnails import stacked
from coursework.views import transfer, transfer_counts, transfer_data
from tests.test_views_multilabel import plant
from tests.trials import planted

MIB = 2**20


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    plt.close("all")
    yield
    plt.close("all")


def arm(variant: str, scores: Sequence[float], **changes: Any) -> list[Record]:
    """Plant runs of seeds 0 and up, the last seed first."""
    return [
        planted(variant, seed, score, **changes)
        for seed, score in enumerate(scores)
    ][::-1]


def sized(train: int) -> dict[str, Any]:
    sizes = {"test": 1000, "train": train, "validation": 10}  # as stored
    return {"name": "numbers", "stand_in": False, "sizes": sizes}


def y(axes: Axes, label: str) -> NDArray[Any]:
    (found,) = [one for one in axes.lines if one.get_label() == label]
    return np.asarray(found.get_ydata(), float)


def test_costs_are_paired_by_seed_and_count_what_trains() -> None:
    head = arm("head", (0.2, 0.3, 0.4), notes={"trained parameters": 3})
    whole = arm("all", (0.5, 0.55, 0.9))[::-1]  # in another order of seeds
    kept = plant(
        "kept", 0, {"accuracy": 0.5}, step_memory={"kept": np.array(3 * MIB)}
    )
    table = transfer.costs({"head": head, "all": whole}, "head", "absent")
    assert table["trained"].tolist() == [3, 7]
    assert table["of all"].tolist() == [7, 7]
    assert table["kept, MiB a picture"].tolist() == ["–", "–"]
    assert table["n"].tolist() == [3, 3]
    assert not [name for name in table if "absent" in str(name)]
    seen = stats.t_interval([0.3, 0.25, 0.5])
    assert table["less head, points"].tolist() == [
        "baseline",
        f"{100 * seen.mean:+.1f} "
        f"({100 * seen.low:+.1f} to {100 * seen.high:+.1f})",
    ]
    (row,) = transfer.costs({"kept": [kept]}).to_dict("records")
    assert row["kept, MiB a picture"] == "3.00"
    assert row["test accuracy, %"] == "50.0"  # one run has no interval
    told = transfer.trained_and_kept({"head": head, "kept": [kept]})
    assert "*head* trains 42.9 % and keeps –" in told
    assert "*kept* trains 100.0 % and keeps 3.00 MiB" in told


def test_seconds_are_medians_and_the_gap_is_of_the_last_epoch() -> None:
    lines = [
        {"train_loss": 9.0, "validation_loss": 1.0},
        {"train_loss": 0.5, "validation_loss": 2.0},
    ]
    runs = [
        dataclasses.replace(run, seconds=seconds, history=lines)
        for run, seconds in zip(arm("a", (0.1,) * 3), (1, 2, 9), strict=True)
    ]
    (row,) = transfer.costs({"a": runs}).to_dict("records")
    assert row["seconds"] == 2
    assert row["gap, nats"] == 1.5


def test_differences_are_told_against_the_baseline_alone() -> None:
    groups = {"head": arm("head", (0.2, 0.3)), "all": arm("all", (0.4, 0.5))}
    told = transfer.against(groups, "head")
    assert told.startswith("*head* reaches 25.00 %")
    assert "to it: *all* +20.00 points" in told
    assert told.count("points") == 1


def test_rates_are_chosen_by_validation() -> None:
    tried = [
        planted(f"{name}, rate {rate}", 0, 1 - value, validation=[0.9, value])
        for name, values in {"a": (0.25, 0.5), "b, c": (0.75, 0.5)}.items()
        for rate, value in zip((0.001, 0.003), values, strict=True)
    ]
    ladder = ["rate 0.001", "rate 0.003"]
    table = transfer.rates(tried)
    assert table.to_numpy().tolist() == [
        ["a", 25.0, 50.0, "0.003"],
        ["b, c", 75.0, 50.0, "0.001"],
    ]
    assert list(table) == ["arm", *ladder, "chosen"]
    told = transfer.at_the_edge(tried)
    assert told == "Of 2 arms 1 chose the highest of 2 rates (a)."


def test_answers_are_compared_seed_by_seed() -> None:
    said = [np.array(row, np.uint8) for row in ([0, 1, 2, 0], [5, 5, 5, 5])]
    ours, theirs = (
        [
            dataclasses.replace(run, predictions=records.pack(answers))
            for run, answers in zip(runs, order, strict=True)
        ]
        for runs, order in (
            (arm("once", (0.2, 0.3)), said[::-1]),
            (arm("loop", (0.2, 0.3))[::-1], said),
        )
    )
    assert "at least 100.00 % of" in transfer.agreement(ours, theirs)
    assert "*once* less *loop*: +0.00 points" in transfer.agreement(
        ours, theirs
    )
    swapped = [
        dataclasses.replace(
            run, predictions=records.pack(np.array([0, 1, 2, 9], np.uint8))
        )
        for run in theirs
    ]
    # seed 0 has three of four in common, seed 1 none
    assert "at least 0.00 % of" in transfer.agreement(ours, swapped)


def few() -> list[Record]:
    found = []
    for kind, best in (("ImageNet", 0.6), ("random", 0.1)):
        for each, train in (("all", 40), ("1", 4)):
            for rate, score in ((0.001, best * train / 40), (0.003, 0.95)):
                found += arm(
                    f"{kind}, {each} a class, rate {rate}",
                    (score, score + 0.02),
                    validation=[score if rate == 0.001 else 0.0],
                    data=sized(train),
                )
    return found


def test_few_pictures_stand_at_their_mean_number_a_class() -> None:
    axes = transfer_data.few(few(), classes=4)
    lines = {c.get_label(): c for c in axes.containers}
    assert list(lines) == ["ImageNet features", "random features"]
    for label, best in (("ImageNet features", 0.6), ("random features", 0.1)):
        line, _, bars = lines[label]
        assert np.asarray(line.get_xdata()).tolist() == [1, 10]
        np.testing.assert_allclose(
            np.asarray(line.get_ydata(), float), [10 * best + 1, 100 * best + 1]
        )
        seen = stats.t_interval([best, best + 0.02])
        low = max(seen.low, 0)  # a share
        ends = np.asarray(bars[0].get_segments()[1], float)[:, 1]
        np.testing.assert_allclose(ends, 100 * np.array([low, seen.high]))
    assert y(axes, "chance").tolist() == [25, 25]
    told = transfer_data.few_said(few(), classes=4)
    assert told.startswith("ImageNet features, 1.0 a class: 7.00 %")
    assert "random features, 10.0 a class: 11.00 %" in told
    assert told.endswith("Chance is 25.00 %.")


def test_folds_show_what_validates_beside_what_tests() -> None:
    runs = arm("contiguous fold 1", (0.3, 0.5), validation=[0.9, 0.0])
    (row,) = transfer_data.folds(runs).to_dict("records")
    assert row["validation accuracy, %"] == "0.0 (0.0 to 0.0)"
    assert stats.t_interval([0.3, 0.5]).low < 0  # which no share is
    assert stats.t_interval([0.3, 0.5]).high > 1
    assert row["test accuracy, %"] == "40.0 (0.0 to 100.0)"
    assert row["n"] == 2


def test_sorted_folds_reach_what_a_count_on_paper_says() -> None:
    # 0 0 1 | 1 2 2: of each fold only the 1 is in the other, too
    assert "more than 33.33 %" in transfer_data.sorted_folds(6, 3, 2)
    assert "more than 0.00 %" in transfer_data.sorted_folds(10, 2, 2)
    assert "5,994 pictures" in transfer_data.sorted_folds(5994, 200, 5)


def looked() -> Record:
    pictures = np.zeros((2, 3, 16, 16), np.uint8)
    pictures[1] = 255
    return plant(
        "seen",
        0,
        looks={
            "pictures": stacked(pictures),
            "labels": np.array([1, 0]),
            "classes": np.array(["ape", "<bee>"]),
        },
    )


def test_samples_have_their_classes_above() -> None:
    figure = transfer_data.samples(looked()).get_figure(root=True)
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["<bee>", "ape"]
    shades = [np.mean(axes.images[0].get_array()) for axes in figure.axes]  # type: ignore[arg-type]
    assert shades[0] < 10
    assert shades[1] > 240


def test_maps_with_nothing_on_the_object_are_counted() -> None:
    mass = [[[0.0, 0.5, 0.0, 0.0], [1, 1, 1, 1]], [[0.0, 1, 1, 1], [0] * 4]]
    runs = [
        plant("a", seed, looks={"mass": np.array(one, np.float32)})
        for seed, one in enumerate(mass)
    ]
    told = transfer.blank_maps({"a": runs, "b": runs[:1]})
    assert "object: *a* 50.0 (0.0 to 100.0) %; *b* 75.0 %." in told


def test_sizes_are_those_of_the_record() -> None:
    (run,) = arm("a", (0.5,), data=sized(60))
    table = transfer_data.sizes(run, 20)
    assert table["split"].tolist() == ["train", "validation", "test"]
    assert table["pictures"].tolist() == [60, 10, 1000]
    assert table["a class, on average"].tolist() == [3, 0.5, 50]


@pytest.mark.parametrize(
    ("profile", "classes"), [("standard", 118), ("full", 200)]
)
def test_full_shows_other_classes(profile: str, classes: int) -> None:
    (run,) = arm("a", (0.5,), profile=profile)
    assert transfer_data.classes("animals", run) == classes


def empty() -> list[Record]:
    return [
        plant(
            "head",
            seed,
            empty_batches={"hit": np.array(hit), "accuracy": np.array(right)},
        )
        for seed, (hit, right) in enumerate(
            (([0.1, 0.8], [0.01, 0.1]), ([0.3, 1.0], [0.02, 0.2]))
        )
    ]


def test_batches_without_a_hit_stand_beside_chance() -> None:
    axes = transfer_counts.empty_batches(empty(), classes=10)
    np.testing.assert_allclose(y(axes, "seen"), [80, 10])
    np.testing.assert_allclose(
        y(axes, "right answers at random"),
        [50 * (0.99**16 + 0.98**16), 50 * (0.9**16 + 0.8**16)],
    )
    np.testing.assert_allclose(y(axes, "chance"), 100 * 0.9**16)
    (band,) = axes.collections
    assert np.asarray(band.get_paths()[0].vertices)[:, 1].max() == 100
    told = transfer_counts.zeros(empty(), classes=10)
    assert "before training 80.00 %" in told and "the end 10.00 %" in told
    assert "18.5 % with 10 classes and 92.3 % with R3's 200" in told


def test_counts_are_judged_as_they_are_rounded() -> None:
    counts = [
        Count("same", "1,234", 1234),
        Count("off by one", "1,235", 1234),
        Count("rounded", "86M", 86_499_999),
        Count("badly rounded", "86M", 43_000_000),
        Count("none", None, 5),
    ]
    table = transfer_counts.counted(counts)
    assert table["R3 is"].tolist() == [
        "right",
        "1.00 times it",
        "right",
        "2.00 times it",
        "–",
    ]
    assert table["R3"].tolist()[-1] == "rounded"
    assert table["in truth"].tolist()[0] == 1234
    assert transfer_counts.wrong(counts) == 2


def test_memory_adds_up_and_the_largest_come_first() -> None:
    layers = [
        Layer("small", "Conv2d", (1,), 1 * MIB, 0),
        Layer("large", "ReLU", (1,), 8 * MIB, 3 * MIB),
        Layer("tiny", "Conv2d", (1,), MIB // 2, MIB),
        Layer("least", "Linear", (1,), 0, MIB // 4),
    ]
    table = transfer_counts.memory(layers, own=1)
    assert table.values.tolist() == [
        ["large", "ReLU", 8.0, 3.0],
        ["2 more", "Conv2d", 1.5, 1.0],
        ["1 more", "Linear", 0.0, 0.25],
        ["all", "–", 9.5, 4.25],
    ]
    told = transfer_counts.estimate(layers)
    assert "82.01 MiB" in told and "way, 9.50 MiB; kept are 4.25" in told
    assert f"{100 * 4.25 / 9.5:.0f} % of it" in told


def test_one_seed_has_a_table_too() -> None:
    runs = {"head": arm("head", (0.2,)), "all": arm("all", (0.3,))}
    table = transfer.costs(runs, "head")
    assert table["less head, points"].tolist() == ["baseline", "+10.0"]
    assert math.isnan(transfer.difference(*runs.values()).low)
