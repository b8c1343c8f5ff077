"""Figures and tables of multi-label runs, from planted records."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from coursework import multilabel, records, show, stats
from coursework import probes_multilabel as probes
from coursework.records import Record
from coursework.training import Probe
from coursework.views import multilabel as views
from coursework.views import multilabel_pictures as drawn
from tests.test_probes_multilabel import trained
from tests.trials import planted

CLASSES = np.array(["bird", "car", "<cat>"])
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    plt.close("all")
    yield
    plt.close("all")


def plant(
    variant: str, seed: int, scores: Any = None, **kept: Arrays
) -> Record:
    """Save a record whose artefacts are the given arrays."""
    files: dict[str, bytes] = {}
    for name, arrays in kept.items():
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        files[f"{name}.npz"] = file.getvalue()
    hashes = {n: hashlib.sha256(c).hexdigest() for n, c in files.items()}
    level = float(zlib.crc32(variant.encode()))  # tells the runs apart
    record = planted(variant, seed, level, artefacts=hashes)
    record = dataclasses.replace(record, scores=scores or {})
    records.save(record, files)
    return record


def outputs(seed: int, skill: float, pictures: int = 120) -> Arrays:
    """Make logits that know the targets as well as ``skill`` says."""
    fixed = np.random.default_rng(0)
    targets = (fixed.random((pictures, 3)) < (0.6, 0.2, 0.1)).astype(np.uint8)
    noise = np.random.default_rng(seed).normal(size=(pictures, 3))
    logits = (skill * (2.0 * targets - 1) + noise).astype(np.float16)
    return {
        "outputs": logits,
        "targets": targets,
        "validation_outputs": logits[:30],
        "validation_targets": targets[:30],
        "classes": CLASSES,
    }


def scored(variant: str, seed: int, skill: float) -> Record:
    kept = outputs(seed, skill)
    said = kept["outputs"] > 0
    scores = multilabel.scores(kept["outputs"], said, kept["targets"])
    return plant(variant, seed, scores, curves=kept)


@pytest.fixture
def groups() -> dict[str, list[Record]]:
    return {
        name: [scored(name, seed, skill) for seed in range(3)]
        for name, skill in (("good", 2.0), ("poorer", 0.3))
    }


def ap(kept: Arrays, label: int) -> float:
    return float(
        average_precision_score(
            kept["targets"][:, label], kept["outputs"][:, label].astype(float)
        )
    )


def x_and_y(line: Line2D) -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = line.get_data()
    return np.asarray(x, float), np.asarray(y, float)


def curves(axes: Axes) -> list[NDArray[Any]]:
    """Collect what is drawn of classes, not of iso-F1."""
    lines = [x_and_y(line)[1] for line in axes.lines]
    return [y for y in lines if len(y) == 101]


def legend(axes: Axes) -> list[str]:
    shown = axes.get_legend()
    return [text.get_text() for text in shown.get_texts()] if shown else []


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split(" to ")]


def test_the_table_tells_seeds_from_pictures(
    groups: dict[str, list[Record]],
) -> None:
    table = views.by_class(groups, draws=100)
    assert table["class"].tolist() == [*CLASSES, "mean"] * 2
    row = table.iloc[1]
    each = [ap(outputs(seed, 2.0), 1) for seed in range(3)]
    seen = stats.t_interval(each)
    assert float(row["AP, %"]) == pytest.approx(100 * seen.mean, abs=0.06)
    np.testing.assert_allclose(
        numbers(row[views.OVER_SEEDS]),
        [100 * seen.low, 100 * seen.high],
        atol=0.06,
    )
    rng, means = np.random.default_rng(5), []
    for _ in range(100):  # pictures drawn once for all networks
        rows = rng.integers(120, size=120)
        means.append(
            np.mean(
                [
                    ap({k: kept[k][rows] for k in ("targets", "outputs")}, 1)
                    for kept in (outputs(seed, 2.0) for seed in range(3))
                ]
            )
        )
    expected = 100 * np.quantile(means, [0.025, 0.975])
    np.testing.assert_allclose(
        numbers(row[views.OVER_PICTURES]), expected, atol=3
    )
    both = [
        multilabel.mean_average_precision(k["outputs"], k["targets"])
        for k in (outputs(seed, 0.3) for seed in range(3))
    ]
    mean = float(table["AP, %"].tolist()[7])
    assert mean == pytest.approx(100 * np.mean(both), abs=0.06)
    assert "&lt;cat&gt;" in show.frame(table).data


def test_one_seed_has_no_interval_over_seeds() -> None:
    table = views.by_class({"one": [scored("one", 0, 1.0)]}, draws=20)
    assert (table[views.OVER_SEEDS] == "–").all()
    assert (table[views.OVER_PICTURES] != "–").all()


def test_scores_stand_beside_a_blind_guess(
    groups: dict[str, list[Record]],
) -> None:
    table = views.beside_majority(groups).set_index("network")
    targets = outputs(0, 1.0)["targets"]
    guess = np.broadcast_to([1, 0, 0], targets.shape)
    blind = table.loc["each class's majority"]
    for score, expected in {
        "mAP": targets.mean(),
        "subset-accuracy": accuracy_score(targets, guess),
        "hamming-accuracy": (targets == guess).mean(),
        "macro-f1": f1_score(targets, guess, average="macro", zero_division=0),
    }.items():
        assert float(str(blind[score])) == pytest.approx(
            100 * expected, abs=0.06
        )
    runs = groups["good"]
    seen = stats.t_interval([run.scores["micro-f1"] for run in runs])
    assert table.loc["good", "micro-f1"] == (
        f"{100 * seen.mean:.1f} ({100 * seen.low:.1f} to {100 * seen.high:.1f})"
    )
    assert not [name for name in table.columns if name.startswith("ap-")]


def test_who_exceeds_the_guess_is_counted(
    groups: dict[str, list[Record]],
) -> None:
    targets = outputs(0, 1.0)["targets"]
    guess = float(np.mean(targets == [1, 0, 0]))
    above, below = (
        [
            replace(run, scores={**run.scores, "hamming-accuracy": guess + by})
            for run in groups["good"]
        ]
        for by in (0.02, -0.02)
    )
    told = views.guessed({"better": above, "worse": below})
    assert f"the guess reaches {100 * guess:.1f} %" in told
    assert told.endswith("of 2 networks 1 exceed it (better).")
    assert views.guessed({"worse": below}).endswith("0 exceed it (none).")


def panels(axes: Axes) -> list[Axes]:
    drawn: list[Axes] = axes.get_figure(root=True).axes  # type: ignore[union-attr]
    return drawn


def test_precision_recall_has_a_panel_a_class(
    groups: dict[str, list[Record]],
) -> None:
    shown = panels(views.precision_recall(groups))
    assert [axes.get_title() for axes in shown] == [*CLASSES]
    for label, axes in enumerate(shown):
        lines = curves(axes)
        assert len(lines) == 2 * (3 + 1)
        for seed in range(3):
            kept = outputs(seed, 2.0)
            area = lines[seed].mean()
            assert area == pytest.approx(ap(kept, label), abs=0.02)
        np.testing.assert_allclose(lines[3], np.mean(lines[:3], axis=0))
        value = 100 * np.mean([ap(outputs(s, 2.0), label) for s in range(3)])
        assert legend(axes)[0] == f"good: AP {value:.0f} %"


def test_iso_lines_are_of_equal_f1(groups: dict[str, list[Record]]) -> None:
    first = panels(views.precision_recall(groups))[0]
    for line, f1 in zip(first.lines, views.ISO_F1, strict=False):
        x, y = x_and_y(line)
        np.testing.assert_allclose(2 * x * y / (x + y), f1)
        assert y.max() <= 1 + 1e-9


def test_a_class_without_a_positive_leaves_its_panel_empty() -> None:
    kept = outputs(0, 1.0)
    kept["targets"][:, 2] = 0
    runs = [plant("one", 0, curves=kept)]
    last = panels(views.precision_recall({"one": runs}))[2]
    assert not curves(last)
    assert views.by_class({"one": runs}, draws=20).iloc[2]["AP, %"] == "–"


def test_what_is_said_with_a_probability_is_compared() -> None:
    kept = outputs(0, 1.0)
    kept["outputs"] = np.full((120, 3), np.log(3), np.float16)  # 75 %
    above, below = panels(
        views.reliability({"sure": [plant("sure", 0, curves=kept)]})
    )
    x, y = x_and_y(above.lines[1])
    share = kept["targets"].mean()
    assert x[7] == pytest.approx(0.75, abs=1e-3)
    assert y[7] == pytest.approx(share)
    assert np.isnan(y).sum() == 9
    (label,) = legend(above)
    assert f"{100 * (0.75 - share):.1f} points" in label
    assert x_and_y(below.lines[0])[1].max() == 360


def pointed(hits: list[int]) -> Arrays:
    return {
        "pairs": np.array([10, 30, 0]),
        "hits": np.array(hits),
        "centre": np.array([4, 6, 0]),
        "chance": np.array([1.0, 3.0, 0.0]),
        "classes": CLASSES,
    }


def test_pointing_stands_beside_centre_and_chance() -> None:
    runs = [
        plant("net", seed, pointing_game=pointed(hits))
        for seed, hits in enumerate(([5, 15, 0], [7, 21, 0]))
    ]
    table = views.pointing({"net": runs}).set_index("class")
    every = stats.t_interval([20 / 40, 28 / 40])
    assert table.loc["all", "on the object, %"] == (
        f"60.0 ({100 * every.low:.1f} to {100 * every.high:.1f})"
    )
    row = table.iloc[3]
    assert [row["centre, %"], row["chance, %"]] == ["25.0", "10.0"]
    assert [row["pairs"], row["n"]] == [40, 2]
    assert table.loc["bird", "centre, %"] == "40.0"
    assert table.loc["<cat>", "on the object, %"] == "–"


def probed(*looks: Probe, **changes: Any) -> Record:
    kept = {look.__name__: dict(look(trained(**changes))) for look in looks}
    return plant("seen", 0, **kept)


def test_pictures_of_the_data_are_outlined() -> None:
    shown = panels(drawn.samples(probed(probes.samples)))
    titles = [axes.get_title() for axes in shown]
    assert titles == ["training"] * 5 + ["test"] * 5
    outlines = [len(axes.collections) for axes in shown]
    assert outlines == [1, 2, 3, 0, 0, 1, 2, 1, 0, 2]


def test_classes_are_counted_and_their_pairs() -> None:
    run = probed(probes.samples)
    table = views.class_counts(run)
    assert table["split"].tolist() == ["training", "validation", "test"]
    assert table["none of them"].tolist() == [2, 0, 1]
    axes = views.cooccurrence(run)
    texts = [int(text.get_text()) for text in axes.texts]
    assert texts == [3, 2, 1, 2, 2, 1, 1, 1, 1]
    shares = axes.collections[0].get_array()
    assert shares is not None
    assert np.ravel(shares)[1] == pytest.approx(2 / 3)


def test_the_worst_say_what_was_missed_and_seen() -> None:
    network = trained().network
    network.get_parameter("3.bias").data[:] = network.get_parameter(
        "3.bias"
    ).new_tensor([-0.01, -1.0, 0.5])
    shown = panels(drawn.worst(probed(probes.worst, network=network)))
    assert shown[0].get_title() == "misses car (29 %)"
    assert shown[0].get_xlabel() == "car, cat"
    assert shown[2].get_title() == "sees cat (62 %)"
    assert shown[2].get_xlabel() == "none of them"
    assert not shown[3].axison
    with pytest.raises(ValueError, match="no pictures"):
        drawn.worst(probed(probes.worst))


def test_grad_cam_stands_below_its_picture() -> None:
    run = probed(probes.pointing_game)
    shown = panels(drawn.gradcam(run))
    titles = [axes.get_title() for axes in shown]
    upper = ["bird", "car", "cat", "bird", "cat", "cat", "", ""]
    lower = ["on it"] * 4 + ["beside it", "on it", "", ""]
    assert titles == upper[:4] + lower[:4] + upper[4:] + lower[4:]
    assert [len(axes.images) for axes in shown[:8]] == [1] * 4 + [2] * 4
    cross = shown[4].lines[0]  # on the square in rows 0-3, columns 10-13
    (x,), (y,) = x_and_y(cross)
    assert 9.5 < x < 13.5
    assert -0.5 < y < 3.5
    assert not shown[10].axison
    left, right, bottom, top = shown[4].images[1].get_extent()
    assert (left, right, bottom, top) == (-0.5, 15.5, 15.5, -0.5)


def test_the_interval_over_pictures_is_about_all_seeds() -> None:
    runs = [scored("mixed", seed, skill) for seed, skill in ((0, 0.0), (1, 3))]
    for row in views.by_class({"mixed": runs}, draws=30).to_dict("records"):
        low, high = numbers(row[views.OVER_PICTURES])
        assert low - 3 < float(row["AP, %"]) < high + 3
