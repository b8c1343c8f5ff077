"""Tables and sentences of practicals 6b and 6g, from planted records."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from coursework import records, stats
from coursework.records import Record
from coursework.views import ensembled, tricks
from coursework.views.labelled import Labels, by_class, hardest
from tests.test_views_multilabel import plant
from tests.trials import planted

SEEDS = range(3)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    plt.close("all")
    yield
    plt.close("all")


def arm(name: str, levels: Sequence[float], **scores: float) -> list[Record]:
    return [
        dataclasses.replace(
            planted(name, seed, level), scores={"accuracy": level, **scores}
        )
        for seed, level in enumerate(levels)
    ]


BASE = arm("plain", (0.50, 0.52, 0.54))
BETTER = arm("better", (0.60, 0.62, 0.641))
WORSE = arm("worse", (0.30, 0.32, 0.341))
WILD = arm("wild", (0.20, 0.90, 0.55))
# Alone its interval is just above 0; of three comparisons it is not enough.
SLIGHT = arm("slight", (0.511, 0.54, 0.56))
ALL = [*WORSE, *BASE, *WILD, *SLIGHT, *BETTER]


def test_effects_are_drawn_largest_first() -> None:
    table = tricks.ranked(ALL, "plain")
    assert table.index.tolist() == [
        "better",
        "wild",
        "slight",
        "plain",
        "worse",
    ]
    axes = tricks.effects(ALL, "plain")
    shown = [label.get_text() for label in axes.get_yticklabels()]
    assert shown == ["better", "wild", "slight", "worse"]
    means = np.asarray(axes.lines[0].get_xdata(), float)
    assert means[0] == pytest.approx(100 * (0.1 + 0.1 + 0.101) / 3)
    assert (np.diff(means) < 0).all()


def test_the_farthest_arms_are_kept_with_the_baseline() -> None:
    kept = tricks.notable(ALL, "plain", most=1)
    assert list(records.grouped(kept)) == ["worse", "plain", "better"]
    assert len(kept) == 9
    assert tricks.notable(ALL, "plain") == ALL
    assert len(tricks.notable([*BASE, *WILD], "plain")) == 6


def test_what_decides_alone_may_not_decide_among_many() -> None:
    told = tricks.decided(ALL, "plain")
    assert told.startswith("Of 4 changes")
    assert "better than *plain*: *slight*, *better*; worse: *worse*" in told
    assert "undecided: 1." in told
    assert told.endswith("comparisons there remain: *worse*, *better*.")
    gap = stats.paired((0.511, 0.54, 0.56), (0.50, 0.52, 0.54))
    assert gap.low > 0 and 3 * 2 * gap.p_above(0) > 0.05
    some = tricks.decided(ALL, "plain", ["worse", "wild", "absent"])
    assert "Of 2 changes" in some and "better than *plain*: none" in some
    assert "better*," not in some
    single = [run for run in ALL if run.seed == 0]
    assert "decide nothing" in tricks.decided(single, "plain")
    assert "decide nothing" in tricks.decided(ALL, "plain", ["absent"])


def tried() -> list[Record]:
    table = {
        "plain": {"0.001": 0.3, "0.003": 0.5},
        "moves": {"0.001": 0.6, "0.003": 0.4},
        "stays": {"0.001": 0.1, "0.003": 0.55},
        "other": {"0.1": 0.45, "0.3": 0.35},
    }
    return [
        planted(f"{name}, rate {rate}", 0, 1 - value, validation=[0.9, value])
        for name, values in table.items()
        for rate, value in values.items()
    ]


def test_an_effect_is_the_change_s_and_its_rate_s() -> None:
    table = tricks.tuning(tried(), "plain").set_index("change")
    effects = table["effect, points"].to_dict()
    assert effects == pytest.approx({"moves": 10, "stays": 5, "other": -5})
    assert table["its rate"].tolist() == ["0.001", "0.003", "0.1"]
    # at the baseline's rate "moves" is ten points worse, not better
    assert table["at rate 0.003"].tolist() == ["-10.0", "+5.0", "–"]
    assert table["by its own rate"].tolist() == ["+20.0", "+0.0", "–"]
    told = tricks.tuning_said(tried(), "plain")
    assert told.startswith("Of 2 changes")
    assert "1 chose another" in told
    assert "gave a change 10.0 points of validation accuracy" in told
    assert "at most 20.0" in told and "mean size of 7.5" in told
    assert "One picture is 10.0 points" in told  # ten validate
    alone = [run for run in tried() if run.variant[:5] in ("plain", "other")]
    assert "No change" in tricks.tuning_said(alone, "plain")


def test_all_scores_are_shown_with_their_intervals() -> None:
    runs = arm("a", (0.5, 0.6, 0.7))
    runs = [
        dataclasses.replace(
            run, scores={**run.scores, "ece": 0.1 * (run.seed + 1)}
        )
        for run in runs
    ]
    (row,) = tricks.metrics({"a": runs}).to_dict("records")
    seen = stats.t_interval([0.1, 0.2, 0.3])
    assert row["ece"] == f"20.0 (0.0 to {100 * seen.high:.1f})"
    assert row["n"] == 3 and "auroc" not in row


def test_validation_chooses_among_the_changes() -> None:
    runs = [
        planted(name, 0, test, validation=[value])
        for name, test, value in (
            ("plain", 0.1, 0.9),
            ("a", 0.9, 0.5),
            ("b", 0.2, 0.6),
        )
    ]
    assert tricks.chosen(runs, "plain") == "b"


def test_penalties_side_by_side() -> None:
    table = tricks.penalised().set_index("layer")
    assert table["L1 pulls"].tolist() == ["1, -1", "1, -1", "-1, 1", "10.75"]
    assert table["R3's L1 pulls"].tolist() == [
        *("3, -3", "2, -2", "-1, 1"),
        f"{3 * 3 + 2 * 3.5 + 4.25:g}",
    ]
    assert table["L∞ pulls"].tolist() == ["0, 0", "0, 0", "-1, 0", "4"]
    assert table["R3's L∞ pulls"].tolist() == [
        *("0, -1", "1, 0", "-1, 0"),
        f"{2 + 3 + 4}",
    ]


TARGETS = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
CLASSES = ("ant", "bee", "cat")
LABELS = Labels(TARGETS, CLASSES)
SAID = {
    "plain": ([0, 0, 1, 1, 1, 1, 0, 2, 2, 0], [0, 0, 0, 1, 1, 1, 1, 2, 2, 0]),
    "other": ([0, 0, 0, 0, 1, 1, 0, 2, 0, 0], [0, 0, 0, 0, 1, 1, 1, 2, 0, 0]),
}


def answered(name: str) -> list[Record]:
    return [
        dataclasses.replace(
            planted(name, seed, 0.5),
            predictions=records.pack(
                ((np.array(said) - TARGETS) % 3).astype(np.uint8)
            ),
        )
        for seed, said in enumerate(SAID[name])
    ]


def test_predictions_are_read_with_the_labels() -> None:
    for run, said in zip(answered("plain"), SAID["plain"], strict=True):
        assert LABELS.predicted(run).tolist() == said
    run = answered("plain")[0]
    with pytest.raises(ValueError, match="kept no predictions"):
        LABELS.predicted(dataclasses.replace(run, predictions=None))
    with pytest.raises(ValueError, match="10 predictions; there are labels"):
        Labels(TARGETS[:9], CLASSES).predicted(run)
    kept = {"targets": TARGETS, "classes": np.array(CLASSES)}
    found = Labels.of(plant("labels", 0, test_labels=kept))
    assert found.classes == CLASSES
    assert found.targets.tolist() == TARGETS.tolist()


def test_the_hardest_pairs_are_those_of_all_runs() -> None:
    table = hardest(answered("plain"), LABELS, most=2)
    whole = sum(confusion_matrix(TARGETS, said) for said in SAID["plain"])
    assert table.to_dict("records") == [
        {
            "shown": "ant",
            "said": "bee",
            "answers": whole[0, 1],
            "of": 8,
            "the other way": whole[1, 0],
            "of them": 6,
            "n": 2,
        },
        {
            "shown": "cat",
            "said": "ant",
            "answers": whole[2, 0],
            "of": 6,
            "the other way": 0,
            "of them": 8,
            "n": 2,
        },
    ]


def test_the_classes_that_a_change_moves_most() -> None:
    groups = {"plain": answered("plain")[::-1], "other": answered("other")}
    table = by_class(groups, LABELS, "plain", "other", most=1)
    scores = {
        name: np.array(
            [
                precision_recall_fscore_support(
                    TARGETS, one, labels=[0, 1, 2], zero_division=0
                )[:3]
                for one in said
            ]
        )
        for name, said in SAID.items()
    }
    change = (scores["other"] - scores["plain"])[:, 2]
    top, bottom = change.mean(0).argmax(), change.mean(0).argmin()
    assert table["class"].tolist() == [CLASSES[top], CLASSES[bottom]]
    assert (table["n"] == 2).all()
    assert table["pictures"].tolist() == [3, 3]
    for label, row in zip((top, bottom), table.to_dict("records"), strict=True):
        means = 100 * scores["other"][:, :, label].mean(0)
        for kind, mean in zip(
            ("precision", "recall", "F1"), means, strict=True
        ):
            assert row[f"{kind}, other"] == pytest.approx(mean)
        seen = stats.t_interval(change[:, label].tolist())
        assert row["F1, difference"] == (
            f"{100 * seen.mean:+.1f} "
            f"({100 * seen.low:+.1f} to {100 * seen.high:+.1f})"
        )


def test_recall_of_frequent_and_rare_classes() -> None:
    table = ensembled.thirds({"a": answered("plain")}, LABELS)
    (row,) = table.to_dict("records")
    recall = [
        confusion_matrix(TARGETS, said, normalize="true").diagonal()
        for said in SAID["plain"]
    ]
    for place, third in enumerate(("frequent", "between", "rare")):
        mean = 100 * float(np.mean([one[place] for one in recall]))
        assert row[f"recall, {third}"].startswith(f"{mean:.1f}")
    assert row["training pictures"] == 100
    unseen = Labels(TARGETS, (*CLASSES, "dog", "emu", "fox"))
    wide = [
        dataclasses.replace(run, predictions=records.pack(np.zeros(10, "u1")))
        for run in answered("plain")
    ]
    (row,) = ensembled.thirds({"a": wide}, unseen).to_dict("records")
    assert row["recall, between"].startswith("100.0")  # class 3 is not shown


def several(
    name: str, levels: Sequence[float], members: int, **scores: float
) -> list[Record]:
    more = {"member accuracy": 0.4, "ece": 0.2, "disagreement": 0.5} | scores
    more["gain"] = -0.02
    return [
        dataclasses.replace(
            run, notes={"members": members}, multiply_adds=members * 11
        )
        for run in arm(name, levels, **more)
    ]


TOGETHER = {
    "copies": several("copies", (0.4, 0.45), 5, **{"error correlation": 1.0}),
    "seeds": several("seeds", (0.5, 0.56), 4, ece=0.1),
    "poor": several("poor", (0.3, 0.3), 2),
}


def test_ensembles_gain_and_cost() -> None:
    table = ensembled.ensembles(TOGETHER, "copies").set_index("ensemble")
    gain = stats.t_interval([0.5 - 0.4, 0.56 - 0.45])
    column = table["less one network, points"]
    assert column["copies"] == "baseline"
    assert column["seeds"].startswith(f"{100 * gain.mean:+.1f} (")
    best = table["less the best member, points"].tolist()
    assert best == ["-2.0 (-2.0 to -2.0)"] * 3  # a difference may be below 0
    assert table["disagree, %"].tolist() == [50, 50, 50]
    errors = table["correlation of errors"].tolist()
    assert errors[0] == 1 and math.isnan(errors[1])
    assert table["members"].tolist() == [5, 4, 2]
    assert table["ece, %"].str.startswith("10.0")["seeds"]
    told = ensembled.ensembles_said(TOGETHER, "copies")
    assert "*seeds* gains most on one network, +10.50 points" in told
    assert "4.0 times its multiply-adds" in told
    assert "that of *seeds*, 10.0 %; one network's is 20.0 %" in told


def estimated(name: str, fits: int) -> list[Record]:
    return [
        dataclasses.replace(
            run,
            scores={
                "accuracy": 0.5,
                "estimate": 0.5 + off,
                "error": abs(off),
            },
            notes={"fits": fits},
        )
        for run, off in zip(
            arm(name, (0.5, 0.5, 0.5)), (0.1, -0.05, 0.04), strict=True
        )
    ]


def test_estimates_have_bias_and_scatter() -> None:
    groups = {"split": estimated("split", 2), "folds": estimated("folds", 5)}
    row = ensembled.estimates(groups).to_dict("records")[1]
    off = stats.t_interval([0.1, -0.05, 0.04])
    assert row["bias, points"].startswith(f"{100 * off.mean:+.1f} (")
    assert row["scatter, points"] == pytest.approx(100 * off.sd)
    assert row["trainings"] == 4 and row["n"] == 3
    told = ensembled.estimates_said(groups)
    assert "*split* is 6.3 points off on average, after 1 training;" in told
    assert told.endswith("after 4 trainings.")
    axes = ensembled.estimates_drawn(groups)
    dots: Any = axes.lines[0].get_xdata()
    assert dots.tolist() == pytest.approx([10, -5, 4])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["split", "folds"]
