"""Animals across drawing styles, on icon sets drawn here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coursework.data import animals, sets
from coursework.data.compose import styles
from coursework.data.compose.animal_names import CLASSES, meanings
from coursework.data.compose.icons import Cutout
from coursework.data.download import DataUnavailable
from tests.test_compose import drawn, write

# cat, cow and dog are in all sets; owl has one training style, fox no test.
SETS = {
    "noto": drawn("cat", "cow", "dog", "owl", "fox", "dragon"),
    "noto-v1": drawn("cat", "cow", "dog", "fox"),
    "openmoji": drawn("cat", "cow", "bird", "black-cat"),
    "fxemoji": drawn("catside", "cat", "dogside", "foxface", "bird"),
    "fluent-emoji-flat": drawn("cat", "cow", "dog", "owl", "fox", "bird"),
    "twemoji": drawn("cat", "cow", "owl", "cat-face"),
    "streamline-emojis": drawn("cat", "cow", "dog", "turkey", "bird-2"),
}
SIDE = 24


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write small icon sets, the only ones there are."""
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    return write(SETS, tmp_path / "objects", monkeypatch)


def keys(part: dict[str, list[Cutout]]) -> dict[str, set[str]]:
    return {name: {c.key for c in found} for name, found in part.items()}


def test_no_style_is_in_two_splits_and_a_class_is_once_in_a_style() -> None:
    parts = animals.drawings(SIDE)
    assert keys(parts["train"]) == {
        "bird": {"openmoji:bird", "fxemoji:bird"},
        "cat": {f"{s}:cat" for s in ("noto", "noto-v1", "openmoji")}
        | {"fxemoji:catside"},
        "cow": {f"{s}:cow" for s in ("noto", "noto-v1", "openmoji")},
        "dog": {"noto:dog", "noto-v1:dog", "fxemoji:dogside"},
    }
    held = {f"fluent-emoji-flat:{n}" for n in ("bird", "cat", "cow", "dog")}
    assert set.union(*keys(parts["validation"]).values()) == held
    assert keys(parts["test"]) == {
        "bird": {"streamline-emojis:bird-2"},
        "cat": {"twemoji:cat", "streamline-emojis:cat"},
        "cow": {"twemoji:cow", "streamline-emojis:cow"},
        "dog": {"streamline-emojis:dog"},
    }


def test_a_name_means_what_its_set_draws() -> None:
    assert meanings("fxemoji")["tiger"] == "tiger-face"
    assert meanings("fxemoji")["tigerside"] == "tiger"
    assert meanings("noto")["tiger"] == "tiger"
    assert meanings("noto")["turkey"] == "turkey"
    assert "turkey" not in meanings("streamline-emojis")  # the country's flag
    for style in styles.STYLES:
        assert set(meanings(style).values()) <= set(CLASSES)
    assert len(set(CLASSES)) == len(CLASSES) <= 254  # a mask has no more


def test_the_set_says_what_it_is() -> None:
    data = animals.animals(side=SIDE)
    assert data.stand_in
    assert sets.SETS["animals"].stand_in_for == "cub200"
    assert data.classes == ("bird", "cat", "cow", "dog")
    # Two views of each of 4 and 6 drawings.
    assert data.info().sizes == {"train": 12, "validation": 8, "test": 12}
    for split in (data.train, data.validation, data.test):
        assert split.inputs.dtype == np.uint8
        assert split.inputs.shape == (len(split), 3, SIDE, SIDE)
        assert split.targets.dtype == np.int64
        assert len(np.unique(split.inputs, axis=0)) == len(split)
    assert data.test.targets.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 1, 1, 2, 2]
    # The default is what a command without settings composes.
    assert sets.SETS["animals"].make is sets.SETS["animals"].loader


def test_training_pictures_come_in_rounds_of_classes() -> None:
    data = animals.animals(side=SIDE)
    assert data.train.targets.tolist() == [0, 1, 2, 3] * 2 + [1, 2, 3, 1]
    two = animals.animals(side=SIDE, per_class=2)
    assert np.array_equal(two.train.inputs, data.train.inputs[:8])
    fewer = animals.animals(side=SIDE, per_class=3, train=9, scored=4)
    assert np.array_equal(fewer.train.inputs, data.train.inputs[:9])
    assert len(fewer.validation) == len(fewer.test) == 4
    with pytest.raises(ValueError, match=r"per_class is 5; .* more than 4"):
        animals.animals(side=SIDE, per_class=5)
    with pytest.raises(ValueError, match="side is 4"):
        animals.animals(side=4)


def behind(*_: Any) -> NDArray[np.float32]:
    return np.full((96, 96, 3), (1, 0, 0), np.float32)


def test_a_picture_keeps_colours_and_says_where_the_animal_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A disc covers pi / 4 of its box, whose side is the place's size."""
    monkeypatch.setattr(animals, "background", behind)
    (disc, *_) = animals.drawings(96)["train"]["cat"]
    whole = 0
    for view in range(20):
        shown, covered = animals.picture(disc, "train", view, 96)
        # Between the colours, green says how much of the disc is there.
        assert (covered == (shown[1] > ord("c") / 2)).mean() > 0.99
        inside = shown[:, covered]
        assert np.median(inside, axis=1).tolist() == [0, ord("c"), 0x80]
        share = covered.mean() / (np.pi / 4)
        assert share < 0.96**2
        whole += share > 0.54**2
    assert whole > 15  # an edge may lie outside the picture


def test_masks_name_the_class() -> None:
    data = animals.animals(side=SIDE)
    for split in (data.train, data.validation, data.test):
        assert split.masks is not None
        assert split.masks.shape == (len(split), SIDE, SIDE)
        for mask, label in zip(split.masks, split.targets, strict=True):
            assert set(np.unique(mask)) == {0, label + 1}


def test_views_of_a_drawing_differ_and_depend_on_nothing_else() -> None:
    (cat, *_) = animals.drawings(SIDE)["train"]["cat"]
    made = [
        animals.picture(cat, split, view, SIDE)[0]
        for split in ("train", "test")
        for view in (0, 1)
    ]
    assert len(np.unique(np.stack(made), axis=0)) == 4
    again = animals.picture(cat, "test", 1, SIDE)[0]
    assert np.array_equal(again, made[-1])


def refuse(side: int) -> Any:
    raise AssertionError(f"composed again at {side}")


def test_what_was_composed_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = animals.animals(side=SIDE).info()
    for name in SETS:
        (folder / f"{name}.json").unlink()
    monkeypatch.setattr(animals, "_compose", refuse)
    assert animals.animals(side=SIDE).info() == first
    monkeypatch.setattr(animals, "VALIDATES", "openmoji")
    with pytest.raises(AssertionError, match="composed again"):
        animals.animals(side=SIDE)


def test_a_set_that_is_missing_is_named(folder: Path) -> None:
    (folder / "noto.json").unlink()
    with pytest.raises(DataUnavailable, match=r"noto\.json"):
        animals.animals(side=SIDE)
