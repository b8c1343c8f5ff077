"""Drawings say what the built modules are, in text that can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.text import Text
from torch import nn

from coursework import figures
from coursework.models.attention import SqueezeExcite
from coursework.models.densenet import DenseLayer, r2_layer
from coursework.views import drawings

GREY = np.random.default_rng(0).integers(0, 256, (13, 28, 28), np.uint8)
LABELS = np.arange(13) % 10
CLASSES = [str(number) for number in range(10)]
COUNTS = np.random.default_rng(0).poisson(2, (10, 10)) + 1000 * np.eye(10)
DRAWINGS: dict[str, Callable[[], Axes]] = {
    "one layer": lambda: drawings.dense_block(1, 12, 24),
    "R2's block": lambda: drawings.dense_block(2, 32, 64, r2_layer),
    "widest block": lambda: drawings.dense_block(6, 256, 1024),
    "gates": lambda: drawings.se_block(64, 4),
    "widest gates": lambda: drawings.se_block(2048, 2),
    "resized": lambda: drawings.resized(GREY[:8], 224),
    "digits": lambda: drawings.digits(GREY, LABELS, LABELS, np.ones(13)),
    "confusion": lambda: drawings.confusion(COUNTS, CLASSES),
    "means": lambda: drawings.confusion(COUNTS + 0.25, CLASSES),
}


@pytest.fixture(autouse=True)
def styled() -> Iterator[None]:
    with plt.rc_context():
        figures.style()
        yield
    plt.close("all")


def texts(axes: Axes) -> list[Text]:
    """List what is written in an axes' figure."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    found: list[Text] = []
    for part in figure.axes:
        found += part.texts
        if part.axison:
            found += [part.title, part.xaxis.label, part.yaxis.label]
            found += part.get_xticklabels() + part.get_yticklabels()
    return [text for text in found if text.get_text()]


def said(axes: Axes) -> list[str]:
    return [text.get_text() for text in texts(axes)]


@pytest.mark.parametrize("name", DRAWINGS)
def test_text_can_be_read(name: str) -> None:
    """At 7 inches: at least 8 points, inside the figure, no overlaps."""
    axes = DRAWINGS[name]()
    figure = axes.get_figure(root=True)
    assert figure is not None
    assert figure.get_figwidth() == 7
    figure.draw_without_rendering()
    written = texts(axes)
    assert min(float(text.get_fontsize()) for text in written) >= 8
    boxes = [(t.get_text(), t.get_window_extent()) for t in written]
    for text, box in boxes:
        assert figure.bbox.containsx(box.x0), text
        assert figure.bbox.containsx(box.x1), text
        assert figure.bbox.containsy(box.y0), text
        assert figure.bbox.containsy(box.y1), text
    for (one, box), (other, another) in combinations(boxes, 2):
        assert not box.overlaps(another), (one, other)


def test_a_dense_block_on_paper() -> None:
    """64 maps in; each of three layers reads all and adds 32."""
    found = said(drawings.dense_block(3, 32, 64))
    assert found.count("64") == 4 + 1  # in each of four piles, and their sum
    assert found.count("32") == 1 + 2 + 3
    assert {"96", "128", "160"} <= set(found)
    assert {"$H_1$", "$H_2$", "$H_3$"} <= set(found)
    assert found[-1].endswith(
        "H: BatchNorm2d, ReLU, 1×1 convolution, "
        "BatchNorm2d, ReLU, 3×3 convolution"
    )


def test_the_numbers_of_a_dense_block_are_the_modules() -> None:
    def generous(channels: int, growth: int) -> DenseLayer:
        return DenseLayer(nn.Conv2d(channels, growth + 5, 1))

    found = said(drawings.dense_block(1, 12, 24, generous))
    made = generous(24, 12)(torch.zeros(1, 24, 4, 4)).shape[1]
    assert sorted(found[:-1]) == sorted(
        ["24", "24", "24", str(made - 24), str(made), "$H_1$"]
    )


def test_a_gate_on_paper() -> None:
    found = said(drawings.se_block(64, 4))
    assert found.count("64 × H × W") == 3  # in, out, and around the gates
    assert (found.count("64"), found.count("16")) == (3, 2)
    assert "1,040\nparameters" in found  # 64 · 16 + 16
    assert "1,088\nparameters" in found  # 16 · 64 + 64


def test_the_numbers_of_a_gate_are_the_modules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        drawings, "SqueezeExcite", lambda channels, ratio: Halved(channels)
    )
    assert said(drawings.se_block(64, 4)).count("32") == 2


class Halved(SqueezeExcite):
    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2)


def shown(axes: Axes) -> list[np.ndarray]:
    figure = axes.get_figure(root=True)
    assert figure is not None
    drawn = [part.images[0] for part in figure.axes if part.images]
    assert len({image.get_clim() for image in drawn}) == 1  # one grey scale
    return [np.asarray(image.get_array()) for image in drawn]


def test_resized_pictures_are_what_the_network_gets() -> None:
    """Bilinear: halfway between places, at 1/4 and 3/4 of the way."""
    pictures = np.array([[[0, 255], [0, 255]], [[255] * 2] * 2], np.uint8)
    axes = drawings.resized(pictures, 4)
    before, _, after, white = shown(axes)
    assert before.tolist() == [[-1, 1]] * 2
    assert after.tolist() == [[-1, -0.5, 0.5, 1]] * 4
    assert white.tolist() == [[1] * 4] * 4
    assert said(axes) == ["2 × 2 px", "4 × 4 px"]


def test_digits_say_what_they_were_taken_for() -> None:
    axes = drawings.digits(
        GREY[:3],
        np.array([4, 7, 0]),
        np.array([9, 1, 6]),
        np.array([0.979, 0.5, 1.0]),
        columns=2,
    )
    assert said(axes) == ["4 → 9, 98 %", "7 → 1, 50 %", "0 → 6, 100 %"]
    for drawn, picture in zip(shown(axes), GREY, strict=False):
        assert np.array_equal(drawn, picture)
    assert said(drawings.digits(GREY[:1], LABELS[:1], LABELS[1:2])) == ["0 → 1"]


def test_confusion_colours_errors_alone() -> None:
    matrix = np.array([[980, 0, 3], [1, 970, 2], [8, 0, 990]])
    axes = drawings.confusion(matrix, ["a", "b", "c"])
    assert said(axes)[:9] == [str(number) for number in matrix.flat]
    (image,) = axes.images
    assert image.get_clim() == (0, 8)
    array = image.get_array()
    assert array is not None
    colours = image.to_rgba(array)
    diagonal = colours[range(3), range(3)]
    assert (diagonal == diagonal[0]).all()
    assert np.ptp(diagonal[0, :3]) == 0  # a grey, which no number of errors has
    assert 0 < diagonal[0, 0] < 1
    assert (colours[0, 1] == 1).all()
    assert colours[2, 0] == pytest.approx(image.cmap(1.0))
    assert axes.get_ylabel() == "true class"


def test_confusion_takes_means_over_seeds() -> None:
    found = said(
        drawings.confusion(np.array([[9.5, 0.5], [0, 10]]), ["a", "b"])
    )
    assert found[:4] == ["9.5", "0.5", "0.0", "10.0"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: drawings.dense_block(7, 4, 4),
            "layers is 7; accepted: 1 to 6",
        ),
        (lambda: drawings.se_block(64, 5), "ratio is 5"),
        (
            lambda: drawings.resized(GREY, 56),
            "pictures is 13; accepted: 1 to 8",
        ),
        (
            lambda: drawings.digits(GREY[:0], LABELS[:0], LABELS[:0]),
            "no pictures",
        ),
    ],
)
def test_what_can_not_be_drawn_is_refused(
    draw: Callable[[], Axes], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        draw()
