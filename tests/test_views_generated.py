"""Drawn pictures, their scores and what they help, from planted records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from coursework import stats, thumbnails
from coursework.records import Record
from coursework.views import generated as views
from coursework.views import generated_pictures as drawn
from tests.test_views_multilabel import plant
from tests.trials import planted

SIDE, CLASSES, REPORTS = 8, 3, 2
LABELS = np.tile(np.arange(CLASSES), 4)  # four rows, a column a class
SCORES = {
    "frechet": (20.0, 30.0),
    "precision": (0.5, 0.7),
    "recall": (0.3, 0.5),
    "label accuracy": (0.9, 1.0),
    "classes": (3.0, 2.0),
    "nearest": (1.0, 1.2),
}
REAL = {"frechet": 4.0, "precision": 0.8, "label accuracy": 0.99}
ACCURACY = {
    "5 real": (0.5, 0.6, 0.55),
    "5 real, generated": (0.6, 0.72, 0.65),
    "5 real, augmented": (0.8, 0.9, 0.85),
    "50 real": (0.9, 0.91, 0.92),
    "50 real, generated": (0.91, 0.90, 0.92),
    "50 real, augmented": (0.95, 0.96, 0.97),
}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    plt.close("all")
    yield
    plt.close("all")


def flat(shades: Any) -> NDArray[np.uint8]:
    """Make plain pictures (n, 3, SIDE, SIDE), one of each shade."""
    levels = np.asarray(shades, np.uint8)[:, None, None, None]
    return np.broadcast_to(levels, (len(levels), 3, SIDE, SIDE)).copy()


def coded(shades: Any, **beside: Any) -> dict[str, Any]:
    return {
        "code": thumbnails.stacked(flat(shades)),
        "number": np.array(len(shades)),
        **beside,
    }


def drawer(
    variant: str = "DCGAN", seed: int = 0, set_: str = "mnist", **settings: Any
) -> Record:
    """Plant a run; a picture of class c is 60 c dark, 20 more a report."""
    shades = np.concatenate([60 * LABELS + 20 * r for r in range(REPORTS)])
    record = plant(
        variant,
        seed,
        {name: values[seed] for name, values in SCORES.items()},
        frames=coded(shades, labels=LABELS),
        # in turn, and class 0 twice more
        grid=coded([*(60 * LABELS), 0, 0], labels=np.array([*LABELS, 0, 0])),
        neighbours=coded([10, 60, 200, 220], distances=np.array([3.4, 7.6])),
    )
    method = {"steps": 40, "reports": REPORTS, **settings}
    history = [
        {
            **record.history[0],
            "epoch": epoch,
            "validation_loss": 1.0 / epoch + seed,
            "validation": {"real": 0.6 + seed / 10, "drawn": 0.1 * epoch},
        }
        for epoch in range(1, REPORTS + 1)
    ]
    return replace(
        record,
        data={**record.data, "name": set_},
        spec={"args": {"method": {"args": method}}},
        history=history,
        seconds=10.0 + 2 * seed,
        notes={"real": REAL, "trained parameters": 1234},
    )


def few() -> list[Record]:
    return [
        planted(name, seed, value)
        for name, values in ACCURACY.items()
        for seed, value in enumerate(values)
    ]


def interval(values: Any, form: str) -> str:
    seen = stats.t_interval(values)
    return f"{form} ({form} to {form})".format(seen.mean, seen.low, seen.high)


def test_a_film_has_a_frame_a_report_and_a_column_a_class() -> None:
    frames = drawn.films(drawer(), scale=2)
    assert len(frames) == REPORTS
    cell = 2 * (SIDE + 2)
    for report, frame in enumerate(frames):
        assert frame.size == (CLASSES * cell, 4 * cell)
        pixels = np.asarray(frame).astype(int)
        for row in range(4):
            for column in range(CLASSES):
                middle = pixels[cell * row + 10, cell * column + 10]
                assert abs(middle - 60 * column - 20 * report).max() < 6


def test_a_sheet_shows_all_pictures_and_blanks() -> None:
    pictures = flat([10, 20, 30]).transpose(0, 2, 3, 1)
    pixels = np.asarray(drawn.sheet(pictures, 2))
    assert pixels.shape == (20, 20, 3)
    seen = [pixels[5, 5, 0], pixels[5, 15, 0], pixels[15, 5, 0]]
    assert seen == [10, 20, 30]
    assert (pixels[10:, 10:] == 255).all()
    assert (pixels[0] == 255).all() and (pixels[:, 9:11] == 255).all()


def test_the_grid_has_a_column_a_class() -> None:
    axes = drawn.grid(drawer())
    assert [text.get_text() for text in axes.get_xticklabels()] == list("012")
    pixels: Any = axes.images[0].get_array()
    assert pixels.shape == (40, 30, 3)
    for place, tick in enumerate(axes.get_xticks()):
        column = pixels[5::10, int(tick), 0].astype(int)
        assert len(column) == 4 and abs(column - 60 * place).max() < 6


def test_neighbours_stand_below_what_was_drawn() -> None:
    first = drawn.neighbours(drawer())
    assert first.figure is not None
    panels = [axes for axes in first.figure.axes if isinstance(axes, Axes)]
    shades = [int(np.mean(axes.images[0].get_array())) for axes in panels]  # type: ignore[arg-type]
    np.testing.assert_allclose(shades, [10, 60, 200, 220], atol=6)
    assert [axes.get_xlabel() for axes in panels] == ["", "", "3", "8"]
    assert [panels[0].get_ylabel(), panels[2].get_ylabel()] == [
        "drawn",
        "nearest",
    ]


def test_scores_have_intervals_and_what_can_be_reached() -> None:
    groups = {
        "DCGAN": [drawer(seed=0), drawer(seed=1)],
        "diffusion": [drawer("diffusion")],
        "on birds": [drawer("on birds", set_="birds")],
    }
    table = views.table(groups)
    assert table["arm"].tolist() == [
        "training pictures",
        "DCGAN",
        "diffusion",
        "training pictures",
        "on birds",
    ]
    assert table["data"].tolist() == ["mnist"] * 3 + ["birds"] * 2
    assert table["n"].tolist() == ["–", "2", "1", "–", "1"]
    for score, title in views.SCORES.items():
        expected = interval(SCORES[score], "{:.2f}")
        assert table[title][1] == expected
        assert table[title][2] == f"{SCORES[score][0]:.2f}"
    assert table["precision"][0] == "0.80" and table["recall"][0] == "–"


def test_labels_that_mean_nothing_are_compared_with_a_guess() -> None:
    said = views.labels_mean_nothing(drawer())
    assert "drew it 90 % of the time" in said
    assert "among 3 would be right 33 %" in said


def test_how_both_learn() -> None:
    gan = [drawer(seed=0), drawer(seed=1)]
    left = drawn.losses(gan, [drawer("diffusion")])
    assert left.figure is not None
    right = left.figure.axes[1]
    lines = {str(line.get_label()): line for line in left.lines}
    assert lines["real"].get_xdata().tolist() == [20, 40]  # type: ignore[union-attr]
    np.testing.assert_allclose(lines["real"].get_ydata(), [0.65, 0.65])  # type: ignore[arg-type]
    np.testing.assert_allclose(lines["drawn"].get_ydata(), [0.1, 0.2])  # type: ignore[arg-type]
    np.testing.assert_allclose(right.lines[0].get_ydata(), [1, 0.5])  # type: ignore[arg-type]
    assert len(left.collections) == 2 and not right.collections
    assert left.get_title() == "DCGAN, n = 2"
    assert right.get_title() == "diffusion, n = 1"


def test_a_run_that_broke_off_shortens_the_band() -> None:
    broken = drawer(seed=1)
    broken = replace(broken, history=broken.history[:1])
    left = drawn.losses([drawer(), broken], [drawer("diffusion")])
    assert left.lines[0].get_xdata().tolist() == [20]  # type: ignore[union-attr]


def test_both_kinds_side_by_side() -> None:
    gan = [drawer(seed=0), drawer(seed=1)]
    table = views.compared(gan, [drawer("diffusion", leaps=25)])
    rows = {name: [*both] for name, *both in table.itertuples(index=False)}
    assert rows["passes a picture"] == ["1", "25"]
    expected = interval((10, 12), "{:.0f}")
    assert rows["seconds of training"] == [expected, "10"]
    expected = interval(SCORES["recall"], "{:.2f}")
    assert rows["recall"] == [expected, "0.30"]
    assert rows["trained parameters"] == ["1,234"] * 2
    assert rows["n"] == ["2", "1"]
    assert "noise" in rows["goal"][1]


def test_what_helps_is_paired_over_seeds() -> None:
    table = views.helped(few())
    assert table["real a class"].tolist() == [5] * 3 + [50] * 3
    assert table["added"].tolist() == ["nothing", "generated", "augmented"] * 2
    assert set(table["n"]) == {3}
    alone, added, changed = (np.array(v) for v in list(ACCURACY.values())[:3])
    assert table["accuracy, %"][1] == interval(100 * added, "{:.1f}")
    assert table["to the real alone"].tolist()[:3] == [
        "–",
        interval(100 * (added - alone), "{:+.1f}"),
        interval(100 * (changed - alone), "{:+.1f}"),
    ]
    expected = interval(100 * (added - changed), "{:+.1f}")
    assert table["to augmented"].tolist()[:3] == ["–", expected, "–"]


def test_one_seed_has_no_interval() -> None:
    table = views.helped([run for run in few() if run.seed == 0])
    assert table["accuracy, %"].tolist()[:2] == ["50.0", "60.0"]
    assert table["to the real alone"][1] == "+10.0"


def test_accuracy_is_drawn_with_its_interval() -> None:
    axes = views.help_figure(few())
    legend = axes.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["real alone", "+ generated", "+ augmented real"]
    for container, source in zip(axes.containers, views.SOURCES, strict=True):
        line, _, (bars,) = container.lines  # type: ignore[attr-defined]
        for place, k in enumerate((5, 50)):
            seen = stats.t_interval(
                [100 * v for v in ACCURACY[f"{k} {source}"]]
            )
            assert line.get_ydata()[place] == pytest.approx(seen.mean)
            ends = bars.get_segments()[place][:, 1]
            np.testing.assert_allclose(ends, [seen.low, seen.high])
    # at the seed's own numbers, one beside the other
    assert axes.containers[0].lines[0].get_xdata()[0] < 5  # type: ignore[attr-defined]
    assert axes.containers[1].lines[0].get_xdata()[0] == 5  # type: ignore[attr-defined]


def test_sentences_follow_the_intervals() -> None:
    five, fifty = views.help_said(few()).splitlines()
    assert "**5 real pictures a class**" in five and "gains +10.7" in five
    assert "that loses -19.3" in five
    assert "makes a difference of +0.0" in fifty and "may be none" in fifty
    assert "that loses -5.0" in fifty


def test_a_gain_that_may_be_none_is_called_so() -> None:
    # a mean of +2, differences of 5, -4 and 5
    values = {"": (0.5, 0.5, 0.5), ", generated": (0.55, 0.46, 0.55)}
    values[", augmented"] = values[""]
    runs = [
        planted(f"7 real{name}", seed, value)
        for name, accuracies in values.items()
        for seed, value in enumerate(accuracies)
    ]
    said = views.help_said(runs)
    assert said.count("makes a difference of +2.0") == 2
    assert said.count("may be none") == 2
