"""Tiny-VOC's three sets, on trees and archives of a few pictures."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from coursework import cli
from coursework.data import (
    course_set,
    sets,
    tinyvoc,
    voc_archive,
    voc_layout,
    voc_splits,
)
from coursework.data.compose import voc as composer
from coursework.data.download import DataUnavailable
from coursework.data.sources import File, Mirror
from coursework.data.splits import Split

BASE = "VOCdevkit/VOC2012"
BIRD, CAR, DOG, PERSON, VOID = 3, 7, 12, 15, 255  # as in VOC's own masks
Bytes = NDArray[np.uint8]


def mask(**areas: int) -> Bytes:
    """Draw (100, 100): so many pixels of each class, side by side."""
    values = {"bird": 2, "car": 3, "person": 5, "void": VOID}
    flat = np.zeros(10_000, np.uint8)
    start = 0
    for name, pixels in areas.items():
        flat[start : start + pixels] = values[name]
        start += pixels
    return flat.reshape(100, 100)


@pytest.mark.parametrize(
    ("areas", "present"),
    [
        ({}, ()),
        ({"bird": 100}, ()),  # exactly 1 %
        ({"bird": 101}, ("bird",)),
        ({"bird": 99, "void": 100}, ()),  # exactly 1 % of the 9,900 left
        ({"bird": 100, "void": 100}, ("bird",)),
        ({"void": 10_000}, ()),
        ({"void": 9_999, "person": 1}, ("person",)),
        ({"car": 300, "person": 400}, ("car", "person")),  # they touch
        ({"car": 60, "person": 60}, ()),  # together they are no class
    ],
)
def test_a_class_is_present_above_a_percent_of_what_is_not_void(
    areas: Mapping[str, int], present: tuple[str, ...]
) -> None:
    found = voc_layout.labels(mask(**areas), 5)
    assert found.dtype == np.int64
    assert found.tolist() == [int(c in present) for c in voc_archive.VALUES]


Tree = dict[str, bytes]


def jpg(pixels: Bytes) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=95, subsampling=0)
    return content.getvalue()


def png(values: Bytes, palette: bool = True) -> bytes:
    image = Image.fromarray(values)
    if palette:
        image.putpalette(list(range(256)) * 3)
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def example(number: int, value: int) -> tuple[Bytes, Bytes]:
    """Draw (60, 100) pixels: a square of 30, left and top of the centre.

    It is as white in the picture as it holds ``value`` in the mask, with a
    contour of void; all else is as dark as the picture's number.
    """
    picture = np.full((60, 100, 3), 2 * number, np.uint8)
    picture[6:36, 26:56] = 255
    values = np.zeros((60, 100), np.uint8)
    values[5:37, 25:57] = VOID
    values[6:36, 26:56] = value
    values[:, :20] = PERSON  # left of the centre square
    return picture, values


SHOWN = (BIRD, BIRD, BIRD, BIRD, CAR, CAR, CAR, CAR, DOG, DOG, DOG, DOG)


def tree(lists: Mapping[str, range]) -> Tree:
    files = {}
    for split, numbers in lists.items():
        ids = "".join(f"2012_{n:06d}\n" for n in numbers)
        files[f"ImageSets/Segmentation/{split}.txt"] = ids.encode()
        for n in numbers:
            picture, values = example(n, SHOWN[n % len(SHOWN)])
            files[f"JPEGImages/2012_{n:06d}.jpg"] = jpg(picture)
            files[f"SegmentationClass/2012_{n:06d}.png"] = png(values)
    return files


def numbers(split: Split) -> list[int]:
    """Read the numbers that the pictures' lower right corners show."""
    return [int(n) for n in np.rint(split.inputs[:, 0, -1, -1] / 2)]


def write(folder: Path, files: Tree) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


Install = Callable[[Tree], Path]


@pytest.fixture
def composed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Take a tree for the composed one."""

    def put(files: Tree) -> Path:
        write(home / "composed" / BASE, files)
        monkeypatch.setattr(composer, "ensure", lambda _: home / "composed")
        return home / "composed"

    return put


COMPOSED = {"train": range(6), "val": range(6, 9), "test": range(9, 12)}


def test_pictures_masks_and_labels_lie_on_each_other(
    composed: Install,
) -> None:
    composed(tree(COMPOSED))
    data = tinyvoc.composed(side=30)
    assert data.name == "Tiny-VOC (composed)" and data.stand_in
    assert data.classes == ("aeroplane", "bird", "car", "cat", "person")
    for split, of in zip(
        (data.train, data.validation, data.test), COMPOSED.values(), strict=True
    ):
        assert numbers(split) == [*of]
        assert split.inputs.shape == (len(of), 3, 30, 30)
        assert split.inputs.dtype == np.uint8
        assert split.masks is not None and split.masks.dtype == np.uint8
        known = {BIRD: 2, CAR: 3, DOG: 0}
        for row, n in enumerate(of):
            # Of 100 x 60 the columns 20 to 79 stay, halved: 26 becomes 3.
            expected = np.zeros((30, 30), np.uint8)
            expected[3:18, 3:18] = known[SHOWN[n]]
            sure = split.masks[row] != VOID
            assert sure.mean() > 0.9
            assert np.array_equal(split.masks[row][sure], expected[sure])
            white = split.inputs[row].min(axis=0) > 128
            assert white[3:18, 3:18].all() and white.sum() == 15 * 15
            label = np.zeros(5, int)
            label[known[SHOWN[n]] - 1] = SHOWN[n] != DOG
            assert split.targets[row].tolist() == label.tolist()


def test_an_upright_picture_loses_its_top_and_bottom() -> None:
    rows = np.arange(101, dtype=np.uint8)[:, None].repeat(60, axis=1)
    square = np.asarray(voc_layout.squared(Image.fromarray(rows)))
    assert square.shape == (60, 60)
    assert (square[0, 0], square[-1, 0]) == (20, 79)


def test_only_the_composed_pictures_asked_for_are_composed(
    composed: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    root = composed(tree(COMPOSED))

    def ensure(sizes: Mapping[str, int]) -> Path:
        asked.append(dict(sizes))
        return root

    monkeypatch.setattr(composer, "ensure", ensure)
    few = tinyvoc.composed(train=4, held_out=3, scored=2, side=8)
    assert asked.pop() == {"train": 4, "validation": 2, "test": 2}
    assert [len(s) for s in (few.train, few.validation, few.test)] == [4, 2, 2]
    assert numbers(few.test) == [9, 10]
    none = tinyvoc.composed(train=4, held_out=0, side=8)
    assert len(none.validation) == 0
    asked.clear()
    known = dataclasses.replace(sets.SETS["tinyvoc-composed"], archives=())
    monkeypatch.setattr(sets, "SETS", {"tinyvoc-composed": known})
    monkeypatch.setattr(sets, "WEIGHTS", ())
    sets.fetch()
    assert asked == []
    sets.fetch(["tinyvoc-composed"])
    assert asked == []
    sets.prepare(["tinyvoc-composed", "no set of ours"])
    assert asked == [{"train": 1200, "validation": 400, "test": 600}]
    for settings in ({"train": 0}, {"train": 1201}, {"held_out": 401}):
        with pytest.raises(ValueError, match=r"accepted: [01] to \d+"):
            tinyvoc.composed(**settings)
    with pytest.raises(ValueError, match="scored is 0"):
        tinyvoc.composed(scored=0)
    with pytest.raises(ValueError, match="side is 7"):
        tinyvoc.composed(side=7)


PICTURE = "JPEGImages/2012_000003.jpg"
MASK = "SegmentationClass/2012_000003.png"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (PICTURE, None, ["No such file", "a whole picture"]),
        (PICTURE, b"<html>", ["no picture"]),
        (PICTURE, jpg(example(3, 1)[0])[:-200], ["truncated"]),
        (MASK, None, ["No such file"]),
        (MASK, png(example(3, 1)[1])[:-60], ["damaged"]),
        (MASK, png(example(3, 1)[1][:, 1:]), ["99 x 60", "100 x 60"]),
        (MASK, png(example(3, 1)[1], palette=False), ["mode L", "a palette"]),
        (MASK, png(example(3, 21)[1]), ["the values [21]", "20, 255]"]),
        ("ImageSets/Segmentation/val.txt", None, ["a list of ids"]),
    ],
)
def test_a_fault_names_its_file_and_nothing_is_kept(
    composed: Install, name: str, content: bytes | None, words: list[str]
) -> None:
    root = composed(tree({"train": range(3), "val": range(3, 6)}))
    whole = (root / BASE / name).read_bytes()
    (root / BASE / name).unlink()
    if content is not None:
        (root / BASE / name).write_bytes(content)
    with pytest.raises(DataUnavailable) as caught:
        tinyvoc.composed(side=8)
    for word in (name, "found", "expected", "Delete", "data fetch", *words):
        assert word in str(caught.value)
    assert not [*root.rglob("decoded*val*")] and not [*root.rglob(".part*")]
    (root / BASE / name).write_bytes(whole)
    write(root / BASE, tree({"test": range(2)}))
    assert numbers(tinyvoc.composed(side=8).validation) == [3, 4, 5]


VOC = {"train": range(40), "val": range(40, 52)}


@pytest.fixture
def voc(home: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put an archive where VOC's belongs, and make its hash the right one."""

    def put(files: Tree) -> Path:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as package:
            for name, body in files.items():
                member = tarfile.TarInfo(f"{BASE}/{name}")
                member.size = len(body)
                if body.startswith(b"link to "):
                    member.type, member.size = tarfile.SYMTYPE, 0
                    member.linkname = body.removeprefix(b"link to ").decode()
                package.addfile(member, io.BytesIO(body))
        digest = hashlib.md5(content.getvalue()).hexdigest()
        (known,) = voc_archive.VOC2012.files
        size = len(content.getvalue())
        small = dataclasses.replace(
            voc_archive.VOC2012, files=(File(known.name, "", size, md5=digest),)
        )
        for module in (voc_archive, tinyvoc):
            monkeypatch.setattr(module, "VOC2012", small)
        place = write(small.folder, {known.name: content.getvalue()})
        return place / known.name

    return put


def test_voc_holds_out_of_train_and_tests_on_val(voc: Install) -> None:
    archive = voc(tree(VOC))
    data = sets.loader("voc2012", held_out=10, side=8)()
    assert not data.stand_in
    train, held = numbers(data.train), numbers(data.validation)
    assert sorted(train + held) == [*VOC["train"]]
    assert numbers(data.test) == [*VOC["val"]]
    assert train != sorted(train)
    # Of 40 pictures 16 show a bird, 12 a car, 12 neither.
    counts = data.validation.targets.sum(axis=0)
    assert counts.tolist() == [0, 4, 3, 0, 0]
    first = data.info()
    archive.unlink()
    again = tinyvoc.voc2012(held_out=10, side=8)
    assert again.info() == first
    few = tinyvoc.voc2012(train=7, held_out=10, scored=4, side=8)
    assert numbers(few.train) == train[:7]
    assert numbers(few.test) == [40, 43, 46, 49]
    whole = tinyvoc.voc2012(held_out=0, side=8)
    assert sorted(numbers(whole.train)) == [*VOC["train"]]
    for held_out in (-1, 40):
        with pytest.raises(ValueError, match=f"held_out is {held_out}; it"):
            tinyvoc.voc2012(held_out=held_out, side=8)


def test_held_out_rows_show_each_combination_by_its_share() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((1000, 5)) < 0.3).astype(np.int64)
    kept, held = voc_splits.held_out_rows(targets, 200, 0)
    assert sorted([*kept, *held]) == [*range(1000)] and len(held) == 200
    codes = targets @ (2 ** np.arange(5))
    share = np.bincount(codes, minlength=32) / 5
    away = np.bincount(codes[held], minlength=32) - share
    assert np.abs(away).max() < 1
    again = voc_splits.held_out_rows(targets, 200, 0)
    assert np.array_equal(held, again[1]) and np.array_equal(kept, again[0])


def test_a_damaged_archive_and_a_missing_one_are_named(voc: Install) -> None:
    archive = voc(tree(VOC))
    content = archive.read_bytes()
    archive.write_bytes(content[:-1] + b"!")
    with pytest.raises(DataUnavailable) as caught:
        tinyvoc.voc2012(side=8)
    for word in (str(archive), "md5", hashlib.md5(content).hexdigest()):
        assert word in str(caught.value)
    archive.unlink()
    with pytest.raises(DataUnavailable, match="only when asked for") as caught:
        tinyvoc.voc2012(side=8)
    for word in ("data fetch voc2012", "dataset=tinyvoc-composed"):
        assert word in str(caught.value)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a folder; return it and its address."""
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    (tmp_path / "served").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path / "served", f"http://127.0.0.1:{server.server_port}/{{}}"
        server.shutdown()


def test_an_archive_is_fetched_when_asked_for_and_known_by_its_md5(
    voc: Install, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = voc(tree(VOC))
    folder, address = served
    content = archive.read_bytes()
    archive.unlink()
    small = dataclasses.replace(voc_archive.VOC2012, sources=(Mirror(address),))
    known = dataclasses.replace(sets.SETS["voc2012"], archives=(small,))
    monkeypatch.setattr(sets, "SETS", {**sets.SETS, "voc2012": known})
    monkeypatch.setenv("COURSEWORK_OFFLINE", "0")
    (folder / archive.name).write_bytes(content[:-1] + b"!")
    with pytest.raises(DataUnavailable, match="another md5 than expected"):
        sets.fetch(["voc2012"])
    assert not archive.exists()
    (folder / archive.name).write_bytes(content)
    sets.fetch(["voc2012"])
    assert len(tinyvoc.voc2012(held_out=10, side=8).train) == 30


def test_a_link_in_the_archive_is_not_followed(voc: Install) -> None:
    files = tree(VOC)
    other = "2012_000004.jpg"
    assert f"JPEGImages/{other}" in files
    archive = voc(files | {PICTURE: f"link to {other}".encode()})
    with pytest.raises(DataUnavailable) as caught:
        tinyvoc.voc2012(held_out=10, side=8)
    assert f"{archive}:{BASE}/{PICTURE}" in str(caught.value)
    assert "no such file in the archive" in str(caught.value)
    assert [*archive.parent.iterdir()] == [archive]


RED, BLUE, CONTOUR = (128, 0, 0), (0, 0, 128), (224, 224, 192)


def coloured(*stripes: tuple[int, int, int]) -> bytes:
    """Draw (60, 100) in stripes of 20 columns, colours left to right."""
    pixels = np.zeros((60, 100, 3), np.uint8)
    for number, colour in enumerate(stripes):
        pixels[:, 20 * number : 20 * number + 20] = colour
    return png(pixels, palette=False)


def course() -> Tree:
    """Three pictures for training, the last of which no mask shows on."""
    stripes = {
        7: [(0, 0, 0), RED, CONTOUR, BLUE],
        3: [(0, 0, 0), BLUE, RED],
        5999: [],
        6000: [(0, 0, 0)] * 3 + [BLUE],
    }
    files = {"readme.txt": b"Tiny\n"}
    for index, colours in stripes.items():
        picture = np.full((60, 100, 3), index % 100, np.uint8)
        files[f"pictures/{index:05d}.jpg"] = jpg(picture)
        files[f"masks/{index:05d}.png"] = coloured(*colours)
    files["labels.txt"] = b"7,1,0\n3,1,1\n5999,0,0\n6000,0,1\n"
    return files


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Return a call of `coursework data import` that tells what it said."""

    def call(*arguments: object) -> tuple[int, str]:
        line = ["coursework", "data", "import", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        return int(caught.value.code or 0), said.out + said.err

    return call


def test_the_course_set_is_put_in_by_its_path(
    home: Path,
    tmp_path: Path,
    command: Command,
) -> None:
    for ask in (tinyvoc.imported, lambda: sets.prepare(["tiny-voc"])):
        with pytest.raises(DataUnavailable, match="data import tiny-voc PATH"):
            ask()
    source = write(tmp_path / "course", course())
    status, said = command("tiny-voc", source)
    assert status == 0
    assert f"{home / 'tiny-voc'}: 4 pictures, 2 classes" in said
    data = tinyvoc.imported(held_out=1, side=30)
    assert data.classes == ("class 0", "class 1") and not data.stand_in
    rows = {}
    for split in (data.train, data.validation, data.test):
        assert split.masks is not None
        for values, label, drawn in zip(
            split.inputs[:, 0, 0, 0], split.targets, split.masks, strict=True
        ):
            rows[int(values)] = label.tolist(), drawn[15, ::10].tolist()
    # Columns 20, 40 and 60 of the mask come first in the 30 that are kept.
    assert rows == {
        7: ([1, 0], [1, 255, 2]),
        3: ([1, 1], [2, 1, 0]),
        99: ([0, 0], [0, 0, 0]),
        0: ([0, 1], [0, 0, 2]),
    }
    assert data.test.inputs[0, 0, 0, 0] == 0
    assert [len(s) for s in (data.train, data.validation)] == [2, 1]
    for path in source.rglob("*.*"):
        path.unlink()
    assert tinyvoc.imported(held_out=1, side=30).info() == data.info()


def without(name: str) -> Tree:
    files = course()
    del files[name]
    return files


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (without("pictures/00003.jpg"), ["3.jpg: found none"]),
        (without("masks/00003.png"), ["3.png: found none"]),
        (without("labels.txt"), ["no label lines", "INDEX,0,1"]),
        (course() | {"x/3.png": b""}, ["x/3.png", "masks/00003.png"]),
        (course() | {"x/8.jpg": b""}, ["x/8.jpg: no label line"]),
        (
            course() | {"pictures/00003.jpg": b"no"},
            ["pictures/00003.jpg: found what is no picture"],
        ),
        (
            course() | {"masks/00003.png": coloured()[:-40]},
            ["masks/00003.png: found a damaged picture"],
        ),
        (
            course() | {"masks/00003.png": png(mask())},
            ["masks/00003.png: found (100, 100)", "expected (100, 60)"],
        ),
        (
            course() | {"masks/06000.png": coloured((1, 2, 3), BLUE)},
            ["masks/06000.png: found the unknown colour #010203", "#800000"],
        ),
        (
            course() | {"masks/06000.png": coloured(RED)},
            ["masks/06000.png: its label line names", "#000080"],
        ),
        (course() | {"labels.txt": b"7,1,0\n3,1,2\n"}, ["line 2", "'3,1,2'"]),
        (course() | {"labels.txt": b"7,1,0\n7,1,0\n"}, ["line 2", "'7,1,0'"]),
        (course() | {"labels.txt": b"7,1,0\n3,1\n"}, ["line 2", "2 classes"]),
    ],
)
def test_a_course_set_with_a_fault_changes_nothing(
    home: Path,
    tmp_path: Path,
    command: Command,
    files: Tree,
    words: list[str],
) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    course_set.put_in(write(good, course()))
    before = {p: p.is_file() and p.read_bytes() for p in home.rglob("*")}
    write(bad, files)
    status, said = command("tiny-voc", bad)
    assert status == 2
    for word in (str(bad), *words):
        assert word in said
    after = {p: p.is_file() and p.read_bytes() for p in home.rglob("*")}
    assert after == before


def test_an_import_takes_the_place_of_the_one_before(
    home: Path, tmp_path: Path
) -> None:
    course_set.put_in(write(tmp_path / "one", course()))
    first = tinyvoc.imported(held_out=0, side=8).info()
    two = course()
    two["labels.txt"] = two["labels.txt"].replace(b"3,1,1", b"3,1,0")
    course_set.put_in(write(tmp_path / "two", two))
    assert tinyvoc.imported(held_out=0, side=8).info() != first
    names = {path.name for path in home.iterdir()}
    assert names == {"tiny-voc", ".locks"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ([], ["unknown data set to import ''", "'tiny-voc'"]),
        (["mnist", "."], ["'mnist'", "'tiny-voc'"]),
        (["tiny-voc"], ["0 paths", "import tiny-voc PATH"]),
        (["tiny-voc", "/dev/null"], ["/dev/null is no folder"]),
    ],
)
def test_an_import_that_cannot_be_meant_is_refused(
    home: Path,
    line: list[str],
    words: list[str],
    command: Command,
) -> None:
    status, said = command(*line)
    assert status == 2
    for word in words:
        assert word in said
    assert not home.exists()
