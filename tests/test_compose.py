"""Composed pictures, on icon sets drawn here."""

from __future__ import annotations

import hashlib
import json
import sys
import tarfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from coursework.data import download
from coursework.data.compose import backgrounds, icons, objects, store, styles
from coursework.data.compose.icons import Cutout, cutouts
from coursework.data.compose.layers import Place, layer, over, recoloured
from coursework.data.download import DataUnavailable
from coursework.data.kept import Arrays

BIRDS = ["dove", "duck", "eagle", "goose", "owl", "parrot", "swan", "pigeon"]
DISC = '<circle cx="16" cy="12" r="6" fill="{}"/>'
SHEET = '<path d="M0 0h32v32H0z" fill="{}"/>'
SIZES = {"train": 12, "validation": 6, "test": 8}
Bodies = Mapping[str, str]


def drawn(*names: str) -> Bodies:
    """Draw a disc for each name, in a colour of its own."""
    return {name: DISC.format(f"#00{ord(name[0]):x}80") for name in names}


CATS = [f"cat-face-with-{hat}" for hat in "abcdefg"]
SETS: Mapping[str, Bodies] = {
    "noto": drawn(*BIRDS, *CATS, "dog", "potted-plant"),
    "openmoji": drawn(*BIRDS, *CATS[:4], "dog", *BIRDS[:2]),
    "twemoji": drawn(*BIRDS[:4], *CATS[:4], "dog"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write three small icon sets, the only ones there are."""
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    monkeypatch.setattr(objects, "SIZES", SIZES)
    return write(SETS, tmp_path / "objects", monkeypatch)


def write(
    sets: Mapping[str, Bodies], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    folder.mkdir(exist_ok=True)
    table = {}
    for name, bodies in sets.items():
        whole = {"prefix": name, "width": 32, "height": 32}
        whole |= {"icons": {key: {"body": b} for key, b in bodies.items()}}
        content = json.dumps(whole).encode()
        (folder / f"{name}.json").write_bytes(content)
        table[name] = styles.Style(
            version="1.0.0",
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            author="nobody",
            licence="CC0-1.0",
            terms="",
            use=styles.STYLES[name].use,
        )
    monkeypatch.setattr(styles, "STYLES", table)
    monkeypatch.setattr(styles, "ARCHIVE", styles.archive(table))
    return folder


def all_of(choice: objects.Choice) -> list[Cutout]:
    return [cutout for style in choice for cutout in style]


def test_an_icon_is_cut_out_of_what_lies_around_it(folder: Path) -> None:
    (dog,) = cutouts("noto", 64)["dog"]
    assert dog.key == "noto:dog"
    assert dog.pixels.shape == (24, 24, 4)  # the disc's, at twice its size
    # A disc covers pi / 4 of its box.
    assert icons.fill(dog.pixels) == pytest.approx(np.pi / 4, abs=0.01)
    assert tuple(dog.pixels[12, 12]) == (0, ord("d"), 0x80, 255)


def test_what_shows_no_outline_or_another_thing_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = {**drawn("duck", "turkey", "swan"), "owl": SHEET.format("red")}
    sets = {"streamline-emojis": bodies, "noto": bodies}
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    write(sets, tmp_path / "objects", monkeypatch)
    for style, right in [("noto", {"turkey"}), ("streamline-emojis", set())]:
        found = {cutout.name for cutout in cutouts(style, 32)["bird"]}
        assert found == {"duck", "swan"} | right


def test_a_class_gets_no_more_than_so_many_icons_of_a_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"cat-face-with-{number:02}" for number in range(60)]
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    write({"noto": drawn(*names)}, tmp_path / "objects", monkeypatch)
    found = [cutout.name for cutout in cutouts("noto", 16)["cat"]]
    assert len(found) == len(set(found)) == icons.MOST
    assert sorted(found) != names[: icons.MOST]
    assert found == [cutout.name for cutout in cutouts("noto", 16)["cat"]]


def test_an_icon_s_own_box_goes_before_the_set_s() -> None:
    half = {"body": SHEET.format("red"), "left": -16, "width": 48}
    icon_set = {"width": 32, "height": 32, "icons": {"it": half}}
    pixels = icons.draw(icons.svg(icon_set, "it"), 32)
    assert pixels.shape == (32, 48, 4)
    assert not pixels[:, :16, 3].any()
    assert (pixels[:, 16:, 3] == 255).all()
    plain = {"icons": {"it": {"body": SHEET.format("red")}}}
    assert 'viewBox="0 0 16 16"' in icons.svg(plain, "it")


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_a_layer_covers_as_pillow_s_alpha_composite_does() -> None:
    pixels, behind = noise(16, 16, 4), noise(8, 8, 3)
    fine = np.repeat(np.repeat(behind, 2, axis=0), 2, axis=1)
    oracle = Image.fromarray(fine).convert("RGBA")
    oracle.alpha_composite(Image.fromarray(pixels))
    expected = np.asarray(oracle, np.float64)[..., :3]
    expected = expected.reshape(8, 2, 8, 2, 3).mean(axis=(1, 3))
    whole = layer(pixels, Place(x=0.5, y=0.5, size=1), 8)
    found = 255 * over(whole, (behind / 255).astype(np.float32))
    assert np.abs(found - expected).max() < 1.5  # steps of 8-bit rounding


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2])
def test_a_point_lands_where_plane_geometry_says(
    angle: float, mirrored: bool
) -> None:
    pixels = np.zeros((40, 80, 4), np.uint8)
    pixels[4:12, 60:68] = 255  # its centre: 24 right, 12 up of the middle
    place = Place(x=0.4, y=0.6, size=0.5, angle=angle, mirrored=mirrored)
    opacity = layer(pixels, place, 64)[..., 3]
    right, down = (-24 if mirrored else 24) * 0.4, -12 * 0.4  # 80 px on 32
    turn = np.exp(1j * angle) * (right + 1j * down)
    rows, columns = np.indices(opacity.shape) + 0.5
    mean = (opacity * (columns + 1j * rows)).sum() / opacity.sum()
    assert abs(mean - (0.4 * 64 + 0.6j * 64 + turn)) < 0.1
    assert opacity.sum() == pytest.approx(64 * 0.4**2, rel=0.05)


def test_colours_turn_about_the_greys() -> None:
    opaque = np.ones((1, 3, 4), np.float32)
    opaque[0, 0, :3] = (0.9, 0.2, 0.4)
    opaque[0, 1, :3] = 0.3
    opaque[0, 2] = (0.1, 0.3, 0.2, 0.5)  # half transparent
    third = recoloured(opaque, 2 * np.pi / 3, 1.0)
    assert third[0, 0] == pytest.approx((0.4, 0.9, 0.2, 1))
    assert third[0, 1] == pytest.approx((0.3, 0.3, 0.3, 1))
    grey = recoloured(opaque, 1.0, 0.0)
    assert grey[0, 0] == pytest.approx((0.5, 0.5, 0.5, 1))
    glaring = recoloured(opaque, 0.0, 10.0)
    assert glaring[0, 2] == pytest.approx((0, 0.5, 0.2, 0.5))


@pytest.mark.parametrize("kind", backgrounds.KINDS)
def test_a_background_is_made_of_its_seed(kind: str) -> None:
    def made(seed: int) -> backgrounds.Picture:
        rng = np.random.default_rng(seed)
        return backgrounds.KINDS[kind](rng, 24, "test")

    for seed in range(5):
        assert made(seed).shape == (24, 24, 3)
        assert made(seed).dtype == np.float32
        assert 0 <= made(seed).min() < made(seed).max() <= 1
        assert np.array_equal(made(seed), made(seed))
        assert not np.array_equal(made(seed), made(seed + 1))


def test_no_pixel_of_a_photo_serves_two_splits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = np.zeros((200, 640, 3), np.uint8)
    columns[:, :, 0] = np.arange(640) // 4
    photos = [Image.fromarray(columns)] * len(backgrounds.PHOTOS)
    monkeypatch.setattr(backgrounds, "_photos", lambda: photos)
    seen = {}
    for split in SIZES:
        rng = np.random.default_rng(1)
        crops = [backgrounds.photo(rng, 96, split) for _ in range(200)]
        seen[split] = set((255 * np.stack(crops)[..., 0]).round().ravel())
        assert len(seen[split]) > 20
    assert max(seen["train"]) < min(seen["validation"])
    assert max(seen["validation"]) < min(seen["test"])


def test_splits_share_no_drawing_and_the_test_no_style(folder: Path) -> None:
    parts = objects.drawings(32)
    # 16 + 4 birds, 11 + 4 cats; 2 + 1 dogs and 1 plant are too few.
    sizes = {
        split: {label: len(all_of(choice)) for label, choice in part.items()}
        for split, part in parts.items()
    }
    assert sizes == {
        "train": {"bird": 13, "cat": 9},
        "validation": {"bird": 3, "cat": 2},
        "test": {"bird": 4, "cat": 4},
    }
    keys = {
        split: {c.key for choice in part.values() for c in all_of(choice)}
        for split, part in parts.items()
    }
    assert not keys["train"] & keys["validation"]
    assert {key.split(":")[0] for key in keys["test"]} == {"twemoji"}
    seen = keys["train"] | keys["validation"]
    assert {key.split(":")[0] for key in seen} == {"noto", "openmoji"}


def test_a_class_with_too_few_test_drawings_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {**SETS, "twemoji": drawn(*BIRDS[:4], *CATS[:3])}
    write(few, folder, monkeypatch)
    assert list(objects.drawings(32)["train"]) == ["bird"]


def test_the_set_says_what_it_is(folder: Path) -> None:
    data = objects.objects(held_out=4)
    assert data.stand_in
    assert data.classes == ("bird", "cat")
    assert data.info().sizes == {"train": 12, "validation": 4, "test": 8}
    for split in (data.train, data.validation, data.test):
        assert split.inputs.dtype == np.uint8
        assert split.inputs.shape == (len(split), 3, 32, 32)
        assert list(split.targets) == [0, 1] * (len(split) // 2)
        assert len(np.unique(split.inputs, axis=0)) == len(split)
    assert objects.objects(side=16).test.inputs.shape == (8, 3, 16, 16)
    for wrong in ({"held_out": 7}, {"held_out": -1}, {"side": 4}):
        (name, value), *_ = wrong.items()
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            objects.objects(**wrong)
    with pytest.raises(ValueError, match="train is 13"):
        objects.objects(train=13)


def test_a_picture_is_its_index_s_whatever_else_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = objects.objects()
    few = objects.objects(train=5, held_out=2)
    assert np.array_equal(few.train.inputs, whole.train.inputs[:5])
    assert np.array_equal(few.test.inputs, whole.test.inputs)
    more = {"train": 15, "validation": 3, "test": 4}
    monkeypatch.setattr(objects, "SIZES", more)
    other = objects.objects(held_out=3)
    assert np.array_equal(other.train.inputs[:12], whole.train.inputs)
    assert np.array_equal(other.test.inputs, whole.test.inputs[:4])


def test_pictures_show_a_cut_out_on_a_background(folder: Path) -> None:
    choice = [[Cutout("noto", "owl", np.full((9, 9, 4), 255, np.uint8))]]
    nothing = [[Cutout("noto", "owl", np.zeros((9, 9, 4), np.uint8))]]
    covered = []
    for index in range(20):
        shown = objects.picture(choice, "train", index, 32).astype(int)
        bare = objects.picture(nothing, "train", index, 32).astype(int)
        covered.append((np.abs(shown - bare).max(axis=0) > 0).mean())
        # Another split's picture of that number lies elsewhere.
        other = objects.picture(choice, "validation", index, 32)
        assert np.abs(shown - other).mean() > 5
    # A square of .55 to .95 of the side; a white pixel may hide in white.
    assert 0.25 < min(covered) < 0.5 < max(covered) < 0.95


def refuse(side: int) -> Any:
    raise AssertionError(f"composed again at {side}")


def test_what_was_composed_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = objects.objects().info()
    for name in SETS:
        (folder / f"{name}.json").unlink()
    monkeypatch.setattr(objects, "_compose", refuse)
    assert objects.objects().info() == first
    monkeypatch.setattr(store, "VERSION", store.VERSION + 1)
    with pytest.raises(AssertionError, match="composed again"):
        objects.objects()


@pytest.mark.parametrize("harm", ["flip", "cut", "empty"])
def test_a_damaged_file_is_composed_again(folder: Path, harm: str) -> None:
    first = objects.objects().info()
    (kept,) = folder.glob("composed-*.npz")
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 255
    broken = {"flip": content, "cut": content[:-400], "empty": content[:0]}
    kept.write_bytes(broken[harm])
    assert objects.objects().info() == first


def test_of_two_that_ask_at_once_one_composes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose, times = objects._compose, []

    def slowly(side: int) -> Arrays:
        times.append(time.monotonic())
        time.sleep(0.3)
        return compose(side)

    monkeypatch.setattr(objects, "_compose", slowly)
    with ThreadPoolExecutor() as pool:
        one, other = (pool.submit(objects.objects) for _ in range(2))
    assert one.result().info() == other.result().info()
    assert len(times) == 1


@pytest.mark.parametrize("damaged", [False, True])
def test_a_set_that_is_not_right_is_named(folder: Path, damaged: bool) -> None:
    path = folder / "openmoji.json"
    content = path.read_bytes()
    path.unlink()
    if damaged:
        path.write_bytes(content[:-1] + b" ")
    with pytest.raises(DataUnavailable) as caught:
        objects.objects()
    message = str(caught.value)
    assert "coursework data fetch objects" in message
    assert f"openmoji.json ({len(content)} bytes)" in message
    if damaged:
        assert f"{path} is damaged" in message
        assert not list(folder.glob("composed-*.npz"))


def test_each_set_is_taken_from_its_own_package(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {p.name: p.read_bytes() for p in folder.glob("*.json")}
    for name in ("noto", "twemoji"):
        package = tmp_path / f"@iconify-json-{name}@1.0.0.tgz"
        with tarfile.open(package, "w:gz") as packed:
            packed.add(folder / f"{name}.json", "package/icons.json")
        (folder / f"{name}.json").unlink()
    program = tmp_path / "npm"
    program.write_text(
        f"#!{sys.executable} -SE\nimport shutil, sys\n"
        f"shutil.copy({str(tmp_path)!r} + '/'\n"
        "    + sys.argv[2].replace('/', '-') + '.tgz', 'it.tgz')\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("COURSEWORK_OFFLINE")
    download.fetch(styles.ARCHIVE)
    after = {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix}
    assert after == before
