"""Composed scenes and their masks, on icon sets drawn here."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from coursework import guard_torchvision
from coursework.data.compose import places, scenes, voc
from coursework.data.compose.icons import Cutout
from coursework.data.compose.layers import Place
from coursework.data.compose.scenes import VOC, VOID
from coursework.data.compose.things import Thing, put
from coursework.data.download import DataUnavailable
from coursework.trial import stream
from tests.test_compose import drawn, write

BIRDS = ["dove", "duck", "eagle", "goose", "owl", "parrot", "swan"]
PEOPLE = [
    f"{who}{tone}-skin-tone"
    for who in ("man", "boy", "woman", "girl")
    for tone in ("-light", "-medium-light", "-medium", "-dark")
]
SETS = {
    "noto": drawn(*BIRDS, *PEOPLE, "dog", "taxi", "automobile", "ferry"),
    "openmoji": drawn(*BIRDS, "cat", "black-cat", "taxi", "ox", "airplane"),
    "twemoji": drawn(*BIRDS, *PEOPLE, "cat", "taxi", "airplane", "dog"),
}
SIZES = {"train": 5, "validation": 2, "test": 3}
SIDE = 48
B = (-1, 0, 1)
FULL = np.full((20, 20, 4), 255, np.uint8)


@pytest.fixture(autouse=True)
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write three small icon sets, the only ones there are."""
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    return write(SETS, tmp_path / "objects", monkeypatch)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[list[voc.Job]]:
    """Compose without workers, and note what was composed."""
    calls = []

    def work(folder: Path, side: int, jobs: list[voc.Job], _: object) -> None:
        calls.append(jobs)
        time.sleep(0.1)
        voc._hold(scenes.drawings())
        for job in jobs:
            voc._write(folder, side, job)

    monkeypatch.setattr(voc, "_work", work)
    return calls


def contents(folder: Path) -> Mapping[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_torchvision_opens_the_folder_unchanged(
    in_process: list[list[voc.Job]],
) -> None:
    guard_torchvision()
    from torchvision.datasets import VOCSegmentation  # noqa: PLC0415

    root = voc.ensure(SIZES, SIDE)
    choices = scenes.drawings()
    for split, name in ("train", "train"), ("validation", "val"):
        opened = VOCSegmentation(str(root), "2012", name)
        assert len(opened) == SIZES[split]
        for index, (picture, mask) in enumerate(opened):
            made = scenes.scene(choices[split], split, index, SIDE)
            assert picture.mode == "RGB"
            assert mask.mode == "P"
            assert np.array_equal(np.asarray(mask), made.classes)
            lost = np.asarray(picture, float) - made.picture
            assert np.abs(lost).mean() < 8  # what JPEG takes from grain
            single = Path(opened.masks[index]).name
            path = root / voc.YEAR / "SegmentationObject" / single
            assert np.array_equal(np.asarray(Image.open(path)), made.objects)


def test_colours_are_those_of_the_development_kit() -> None:
    official = {
        "background": (0, 0, 0),
        "aeroplane": (128, 0, 0),
        "bird": (128, 128, 0),
        "car": (128, 128, 128),
        "cat": (64, 0, 0),
        "person": (192, 128, 128),
        "tvmonitor": (0, 64, 128),
    }
    colours = voc.palette()
    for label, colour in official.items():
        assert tuple(colours[VOC.index(label)]) == colour
    assert tuple(colours[VOID]) == (224, 224, 192)


def test_any_number_of_workers_writes_the_same(tmp_path: Path) -> None:
    for workers in (1, 2):
        voc.compose(tmp_path / str(workers), SIZES, SIDE, workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_a_picture_is_its_index_s_whatever_else_is_asked_for(
    tmp_path: Path, in_process: list[list[voc.Job]]
) -> None:
    voc.compose(tmp_path / "one", SIZES, SIDE)
    voc.compose(tmp_path / "two", {"train": 2, "test": 1}, SIDE)
    voc.compose(tmp_path / "two", SIZES, SIDE)
    assert len(in_process[2]) == sum(SIZES.values()) - 3
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_list_is_never_cut(in_process: list[list[voc.Job]]) -> None:
    root = voc.ensure(SIZES, SIDE)
    before = contents(root)
    assert voc.ensure({"train": 3}, SIDE) == root
    assert contents(root) == before
    assert len(in_process) == 1
    voc.ensure({"train": 3, "test": 4}, SIDE)
    train = f"{voc.YEAR}/ImageSets/Segmentation/train.txt"
    assert contents(root)[train] == before[train]
    assert in_process[1:] == [[("test", 3)]]
    listed = root / voc.YEAR / "ImageSets/Segmentation/val.txt"
    assert listed.read_text() == "val_000000\nval_000001\n"
    assert voc.folder_for(SIDE) != voc.folder_for(SIDE + 1)


def test_what_a_killed_process_left_is_completed(
    tmp_path: Path, in_process: list[list[voc.Job]]
) -> None:
    root = voc.ensure(SIZES, SIDE)
    before = contents(root)
    year = root / voc.YEAR
    shutil.rmtree(year / "ImageSets")
    (year / "JPEGImages/train_000002.jpg").unlink()
    (year / "SegmentationObject/val_000001.png").unlink()
    (year / "JPEGImages/.part-train_x").write_bytes(b"half")
    voc.ensure(SIZES, SIDE)
    assert in_process[1] == [("train", 2), ("validation", 1)]
    (year / "JPEGImages/.part-train_x").unlink()
    assert contents(root) == before


def test_a_list_comes_after_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(voc, "_work", killed)
    with pytest.raises(KeyboardInterrupt):
        voc.ensure(SIZES, SIDE)
    assert not list(tmp_path.rglob("*.txt"))


def test_of_two_that_ask_at_once_one_composes(
    in_process: list[list[voc.Job]],
) -> None:
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(voc.ensure, SIZES, SIDE) for _ in range(2)]
    assert asked[0].result() == asked[1].result()
    assert len(in_process) == 1


def test_what_can_t_be_composed_is_named(sets: Path) -> None:
    with pytest.raises(ValueError, match="'val'; accepted: 'train'"):
        voc.ensure({"val": 3})
    with pytest.raises(ValueError, match="train is -1"):
        voc.ensure({"train": -1})
    (sets / "noto.json").unlink()
    with pytest.raises(DataUnavailable, match=r"noto\.json"):
        voc.ensure(SIZES)


def test_splits_share_no_drawing_and_the_test_no_style() -> None:
    keys = {
        split: {c.key for styles in part.values() for s in styles for c in s}
        for split, part in scenes.drawings().items()
    }
    assert not keys["train"] & keys["validation"]
    assert {key.split(":")[0] for key in keys["test"]} == {"twemoji"}
    seen = keys["train"] | keys["validation"]
    wanted = {f"{s}:{n}" for s in ("noto", "openmoji") for n in SETS[s]}
    assert seen == wanted
    # 14 birds, 4 persons, 3 cars, 2 cats and 4 other things: a fifth, rounded
    # up, by class; each person comes in its 4 tones.
    assert len(keys["validation"]) == 3 + 4 + 1 + 1 + 4
    tones = [{k.split("-")[0] for k in keys[s] if "skin" in k} for s in SIZES]
    assert not tones[0] & tones[1]


def alone(pixels: NDArray[np.uint8]) -> scenes.Choices:
    return {"bird": [[Cutout("noto", "owl", pixels)]]}


def test_a_mask_is_where_the_thing_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scenes, "NUMBERS", (1.0,))
    monkeypatch.setattr(scenes, "FLYING", {"bird": 1.0})  # casts no shadow
    field = {"field": places.SETTINGS["field"]}
    monkeypatch.setattr(scenes, "SETTINGS", field)
    side, changed = 96, []
    rows, columns = np.indices((side, side)) + 0.5
    for index in range(12):
        shown = scenes.scene(alone(FULL), "train", index, side)
        bare = scenes.scene(alone(0 * FULL), "train", index, side)
        assert not bare.classes.any()
        rng = np.random.default_rng(stream(index, "scenes/train"))
        (thing,) = scenes.layout(alone(FULL), rng)[2]
        place = thing.place
        way = (columns - place.x * side) + 1j * (rows - place.y * side)
        way *= np.exp(-1j * place.angle)
        outwards = np.maximum(np.abs(way.real), np.abs(way.imag))
        outwards -= place.size * side / 2
        # Half a pixel each: to whole pixels, and its corner; one of contour.
        assert (shown.classes[outwards < -2.5] == VOC.index("bird")).all()
        assert not shown.classes[outwards > 2.5].any()
        apart = np.abs(shown.picture.astype(int) - bare.picture).max(axis=2)
        assert not apart[outwards > 8].any()  # as far as the blur goes
        changed.append((apart[outwards < -2.5] > 0).mean())
    assert np.mean(changed) > 0.95


def planted(label: str, x: float, size: float) -> Thing:
    return Thing(
        label=label,
        cutout=Cutout("noto", label, FULL),
        place=Place(x=x, y=0.5, size=size),
        light=np.ones((2, 2)),
        hue=0.0,
        saturation=1.0,
        haze=0.0,
        stands=True,
    )


def test_the_nearer_hides_and_every_border_is_void(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    things = [planted("cat", 0.4, 0.5), planted("cat", 0.6, 0.25)]
    things.append(planted("car", 0.95, 0.5))
    street = places.SETTINGS["street"]
    monkeypatch.setattr(scenes, "layout", lambda *_: (street, 0.5, things))
    made = scenes.scene({}, "train", 0, 64)
    whole = np.zeros((64, 64), np.uint8)
    # Edges on paper: .15 to .65, .475 to .725, and .7 on, of 64.
    whole[16:48, 10:42] = 1
    whole[24:40, 30:46] = 2
    whole[16:48, 45:] = 3
    wide = np.pad(whole, 1, mode="edge")
    near = [wide[1 + i : 65 + i, 1 + j : 65 + j] for i in B for j in B]
    void = np.any([other != whole for other in near], axis=0)
    expected = np.where(void, VOID, whole)
    assert (made.objects != expected).mean() < 0.02  # edges within a pixel
    labels = np.array([0, 8, 8, 7])
    inside = made.objects != VOID
    assert np.array_equal(made.classes == VOID, made.objects == VOID)
    right = labels[made.objects[inside]]
    assert np.array_equal(made.classes[inside], right)
    assert [VOC[8], VOC[7]] == ["cat", "car"]
    assert (made.objects[32, 25:38] == VOID).sum() == 2  # cat before cat


def test_layouts_follow_their_shares() -> None:
    choices = {name: [[Cutout("noto", name, FULL)]] for name in VOC[1:]}
    rng = np.random.default_rng(0)
    made = [scenes.layout(choices, rng) for _ in range(3000)]
    counts = np.bincount([len(things) for *_, things in made])[1:]
    assert counts / 3000 == pytest.approx(scenes.NUMBERS, abs=0.04)
    seen = {thing.label for *_, things in made for thing in things}
    assert seen == set(VOC[1:]) - {"diningtable"}  # of which there is no icon
    for setting, horizon, things in made:
        assert setting.horizon[0] <= horizon <= setting.horizon[1]
        sizes = [thing.place.size for thing in things]
        assert sizes == sorted(sizes)
        people = [t.place.angle for t in things if t.label == "person"]
        assert not people or max(map(abs, people)) < 0.1


def test_a_scene_is_the_same_at_every_size() -> None:
    choices = scenes.drawings()["train"]
    for index in range(6):
        small = scenes.scene(choices, "train", index, 64)
        large = scenes.scene(choices, "train", index, 256)
        there = np.stack([small.classes, large.classes[2::4, 2::4]])
        sure = (there != VOID).all(axis=0)
        assert (there[0] == there[1])[sure].mean() > 0.99
        blocks = large.picture.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
        assert np.abs(blocks - small.picture).mean() < 12  # of 255
        again = scenes.scene(choices, "train", index, 64)
        assert np.array_equal(again.picture, small.picture)
        other = scenes.scene(choices, "validation", index, 64)
        assert np.abs(other.picture.astype(int) - small.picture).mean() > 15


@pytest.mark.parametrize(("opacity", "there"), [(0.4, False), (0.6, True)])
def test_a_pixel_is_a_thing_s_where_it_covers_more_than_half(
    opacity: float, there: bool
) -> None:
    pixels = np.full((40, 40, 4), round(255 * opacity), np.uint8)
    thing = Thing(
        label="car",
        cutout=Cutout("some", "car", pixels),
        place=Place(x=0.5, y=0.5, size=0.5),
        light=np.ones((2, 2)),
        hue=0.0,
        saturation=1.0,
        haze=0.0,
        stands=False,
    )
    picture = np.zeros((64, 64, 3), np.float32)
    objects = np.zeros((64, 64), np.uint8)
    put(thing, 3, np.zeros(3, np.float32), picture, objects)
    assert (objects[20:44, 20:44] == 3 * there).all()
    inside = picture[20:44, 20:44]
    np.testing.assert_allclose(inside, opacity**2, atol=0.01)
