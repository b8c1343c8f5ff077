"""Figures of activations: computed, complete, and small enough for a page."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from coursework import records
from coursework.models.activations import ACTIVATIONS, ELEMENTWISE
from coursework.records import Record
from coursework.views import activations
from coursework.views.activations import response
from tests.trials import planted

X = np.linspace(-2.9, 2.9, 30)


@pytest.fixture(autouse=True)
def closed() -> None:
    plt.close("all")


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"permute"}))
def test_a_derivative_is_the_slope_of_its_curve(name: str) -> None:
    _, slope = response(name, X)
    ends = [response(name, X + h)[0] for h in (-1e-6, 1e-6)]
    expected = (ends[1] - ends[0]) / 2e-6
    if name == "straight-through-sign":  # made up, not the slope
        expected = (abs(X) <= 1).astype(float)
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-6)


def test_a_channel_is_seen_beside_two_others() -> None:
    x = np.array([-2.0, 0.0, 2.0])
    values, slope = response("sort", x)
    assert values.tolist() == [-2, -1, -1]
    assert slope.tolist() == [1, 0, 0]
    values, _ = response("softmax", x)
    expected = np.exp(x) / (np.exp(x) + np.exp(-1) + np.exp(1))
    np.testing.assert_allclose(values, expected)


def test_every_activation_has_its_panel_and_row() -> None:
    axes = activations.catalogue()
    drawn = axes.figure.axes
    assert [a.get_title() for a in drawn if a.axison] == list(ACTIVATIONS)
    assert all(len(a.lines) == 2 for a in drawn if a.axison)
    rows = BeautifulSoup(activations.formulas().data, "html.parser").find_all(
        "tr"
    )[1:]
    assert [row.find_all("td")[0].get_text() for row in rows] == list(
        ACTIVATIONS
    )
    text = rows[list(ACTIVATIONS).index("relu")].get_text()
    assert r"\([x > 0]\)" in text
    assert set(ELEMENTWISE) < set(ACTIVATIONS)


def stack(arm: str, fits: list[float], frames: int = 16) -> Record:
    """Plant the run of a stack; its field is noise."""
    rng = np.random.default_rng(0)
    field = io.BytesIO()
    np.savez_compressed(
        field,
        field=5 * rng.integers(0, 52, (frames, 18, 24), np.uint8),
        extent=np.array([0.0, 4.0, 0.0, 3.0]),
        inputs=rng.uniform(0, 3, (100, 2)),
        targets=rng.integers(0, 2, 100),
    )
    watched = io.BytesIO()
    gradient = np.full((3, len(fits), 2), 0.5)
    gradient[..., 1] = 7
    gradient[0, :, 0] = 0
    np.savez_compressed(watched, step=np.arange(3), gradient=gradient)
    kept = {"field.npz": field.getvalue(), "networks.npz": watched.getvalue()}
    each = {
        "accuracy": [0.5 + 0.5 * value for value in fits],
        "train accuracy": [0.875 if value == 0 else 1.0 for value in fits],
        "fits": fits,
        "beyond linear": fits,
    }
    record = planted(
        arm,
        0,
        0.5,
        notes={"networks": each},
        artefacts={
            n: hashlib.sha256(content).hexdigest()
            for n, content in kept.items()
        },
    )
    records.save(record, kept)
    return record


def test_every_network_is_a_dot_and_filled_if_it_fits() -> None:
    runs = [stack("a", [1.0, 0.0, 1.0]), stack("b", [0.0])]
    axes = activations.accuracies(runs)
    groups: Any = axes.collections
    dots = [c.get_offsets().data[:, 0].tolist() for c in groups]
    assert dots == [[100, 100], [50], [], [50]]
    filled = [len(c.get_facecolor()) > 0 for c in groups]
    assert filled == [True, False, True, False]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]


def test_the_gradient_drawn_is_the_first_layers() -> None:
    axes = activations.gradients([stack("a", [1.0, 0.0])], ["a"])
    line: Any = axes.lines[0].get_ydata()
    assert line.tolist() == [activations.FLOOR, 0.5, 0.5]


def test_films_are_small_captioned_and_lazy() -> None:
    runs = [stack("<a>", [0.0, 1.0]), stack("b", [1.0])]
    page = BeautifulSoup(activations.films(runs).data, "html.parser")
    captions = [c.get_text() for c in page.find_all("figcaption")]
    assert captions == [
        "<a>: 88 % of training points",
        "b: 100 % of training points",
    ]
    pictures = page.find_all("img")
    assert len(pictures) == 2
    for picture in pictures:
        assert picture["loading"] == "lazy" and len(picture["alt"]) > 20
        film = base64.b64decode(str(picture["src"]).partition(",")[2])
        assert len(film) < 100_000
        opened: Any = Image.open(io.BytesIO(film))
        assert opened.n_frames == 16
