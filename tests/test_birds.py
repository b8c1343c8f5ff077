"""Fine-grained photographs, on archives of small pictures made here.

Each lies in its archive as the true ones do: the same files, the same names.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from coursework import guard_torchvision
from coursework.data import birds, oxford, photographs, sets
from coursework.data.birds import around, cub200
from coursework.data.download import Archive, DataUnavailable
from coursework.data.sources import File
from coursework.data.splits import Split, Splits, stratified

Files = Mapping[str, bytes]
CUB = "CUB_200_2011"
SPECIES = ["001.Black_footed_Albatross", "002.Crested_Auklet", "003.Crow"]
CLASSES = ("Black footed Albatross", "Crested Auklet", "Crow")
NUMBERS = range(1, 49)  # of 48 pictures, 16 of a class, 8 of them to train on
BOX = (12, 4, 8, 6)


def label(number: int) -> int:
    return (number - 1) // 16


def jpeg(number: int, mode: str = "RGB", height: int = 16) -> bytes:
    """Draw 40 x ``height`` pixels: red or grey is five times the number."""
    level = 5 * number
    colour = level if mode == "L" else (level, 80, 160)
    file = io.BytesIO()
    image = Image.new(mode, (40, height), colour)
    image.save(file, "JPEG", quality=95)
    return file.getvalue()


def name(number: int) -> str:
    return f"{SPECIES[label(number)]}/Bird_{number:04}.jpg"


def cub() -> dict[str, bytes]:
    """Write the archive's files; every fifth picture is grey."""
    lines = {
        "images": [f"{n} {name(n)}" for n in NUMBERS],
        "image_class_labels": [f"{n} {label(n) + 1}" for n in NUMBERS],
        "train_test_split": [f"{n} {n % 2}" for n in NUMBERS],
        "bounding_boxes": [
            f"{n} " + " ".join(f"{edge:.1f}" for edge in BOX) for n in NUMBERS
        ],
        "classes": [f"{k} {species}" for k, species in enumerate(SPECIES, 1)],
    }
    files = {
        f"{CUB}/{table}.txt": ("\n".join(rows) + "\n").encode()
        for table, rows in lines.items()
    }
    for n in NUMBERS:
        mode = "L" if n % 5 == 0 else "RGB"
        files[f"{CUB}/images/{name(n)}"] = jpeg(n, mode)
    return files | {"attributes.txt": b"1 has_bill_shape::curved\n"}


def tarball(files: Files) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as package:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    return packed.getvalue()


Install = Callable[[ModuleType, str, Files], Archive]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put an archive's files in place, and make their hashes the right ones."""
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))

    def put(module: ModuleType, constant: str, files: Files) -> Archive:
        known: Archive = getattr(module, constant)
        assert [file.name for file in known.files] == [*files]
        small = dataclasses.replace(
            known,
            files=tuple(
                File(name, hashlib.sha256(content).hexdigest(), len(content))
                for name, content in files.items()
            ),
        )
        monkeypatch.setattr(module, constant, small)
        small.folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            (small.folder / path).write_bytes(content)
        return small

    return put


@pytest.fixture
def put(install: Install) -> Callable[[Files], Archive]:
    return lambda files: install(
        birds, "CUB200", {"CUB_200_2011.tgz": tarball(files)}
    )


def numbers(split: Split) -> list[int]:
    level = split.inputs[:, 0].mean(axis=(1, 2))
    return [int(number) for number in np.rint(level / 5)]


def test_birds_are_those_of_the_official_split(
    put: Callable[[Files], Archive],
) -> None:
    put(cub())
    data = cub200(side=8)
    assert data.classes == CLASSES
    assert not data.stand_in
    assert numbers(data.test) == [n for n in NUMBERS if n % 2 == 0]
    train, held = numbers(data.train), numbers(data.validation)
    assert sorted(train + held) == [n for n in NUMBERS if n % 2]
    assert len(held) == 2  # one in ten of 24
    for split in (data.train, data.validation, data.test):
        assert split.inputs.shape == (len(split), 3, 8, 8)
        assert split.inputs.dtype == np.uint8
        assert split.targets.dtype == np.int64
        assert split.targets.tolist() == [label(n) for n in numbers(split)]
    # A grey picture has three equal channels, a coloured one its own.
    for number, picture in zip(
        numbers(data.test), data.test.inputs, strict=True
    ):
        rest = 2 * [5 * number] if number % 5 == 0 else [80, 160]
        expected = np.array([5 * number, *rest])[:, None, None]
        assert np.abs(picture - expected.astype(int)).max() <= 6


def test_birds_are_held_out_in_each_class_s_share(
    put: Callable[[Files], Archive],
) -> None:
    put(cub())
    data = cub200(side=8, per_class=3, scored=4)
    assert np.bincount(data.train.targets).tolist() == [3, 3, 3]
    assert (len(data.validation), len(data.test)) == (2, 4)
    assert len(set(data.validation.targets.tolist())) == 2
    first = cub200(side=8, per_class=3, train=4)
    assert np.array_equal(first.train.inputs, data.train.inputs[:4])
    assert cub200(side=8).info() == cub200(side=8).info()
    with pytest.raises(ValueError, match="per_class is 9"):
        cub200(side=8, per_class=9)
    with pytest.raises(ValueError, match="train is 23"):
        cub200(side=8, train=23)


def test_archives_are_decoded_once_a_way_and_leave_nothing(
    put: Callable[[Files], Archive],
) -> None:
    archive = put(cub())
    whole, cut = cub200(side=8).info(), cub200(side=8, crop_to_box=True).info()
    assert whole.name != cut.name
    (archive.folder / "CUB_200_2011.tgz").unlink()
    assert cub200(side=8).info() == whole
    assert cub200(side=8, crop_to_box=True).info() == cut
    assert {path.suffix for path in archive.folder.iterdir()} == {".npz"}
    with pytest.raises(DataUnavailable, match=r"1150\.6 MB are fetched only"):
        cub200(side=9)


def test_a_box_says_what_is_cut_out(put: Callable[[Files], Archive]) -> None:
    """The box (12, 4) of 8 x 6 becomes the square (12, 3) of 8 x 8."""
    red = np.zeros((16, 40, 3), np.uint8)
    red[3:11, 12:20, 0] = 255
    file = io.BytesIO()
    Image.fromarray(red).save(file, "PNG")
    put(cub() | {f"{CUB}/images/{name(2)}": file.getvalue()})
    cut = cub200(side=8, crop_to_box=True).test.inputs[0]
    assert (cut[0] == 255).all()
    assert not (cub200(side=8).test.inputs[0][0] == 255).all()


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        ((10, 5, 6, 4), (10, 4, 16, 10)),  # around the centre (13, 7)
        ((0, 0, 4, 10), (0, 0, 10, 10)),  # moved right, into the picture
        ((36, 12, 4, 8), (32, 12, 40, 20)),  # moved left
        ((5, 0, 30, 20), (10, 0, 30, 20)),  # shortened to the height
    ],
)
def test_the_square_around_a_box(
    box: tuple[int, int, int, int], corners: tuple[int, int, int, int]
) -> None:
    rows, columns = np.indices((20, 40), np.uint8)
    picture = Image.fromarray(np.dstack([columns, rows, rows]))
    found = np.asarray(around(picture, box))
    assert (*found[0, 0, :2], *(found[-1, -1, :2] + 1)) == corners
    assert found.shape[0] == found.shape[1]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("images.txt", None, "images.txt"),
        ("classes.txt", b"1 001.A\n", r"image_class_labels.txt: .*\[2, 3\]"),
        ("train_test_split.txt", b"1 1\n", r"train_test_split.txt and images"),
        ("image_class_labels.txt", b"1 two\n", "image_class_labels.txt: .*two"),
        ("bounding_boxes.txt", b"1 2.0 3.0\n", "bounding_boxes.txt"),
        (f"images/{name(7)}", None, name(7)),
        (f"images/{name(7)}", jpeg(7)[:300], f"{name(7)}: a damaged picture"),
        (f"images/{name(8)}", b"no picture", f"{name(8)}: what is no picture"),
    ],
)
def test_what_is_wrong_in_the_archive_is_named(
    put: Callable[[Files], Archive],
    file: str,
    content: bytes | None,
    message: str,
) -> None:
    files = cub()
    if content is None:
        del files[f"{CUB}/{file}"]
    else:
        files[f"{CUB}/{file}"] = content
    archive = put(files)
    with pytest.raises(DataUnavailable, match=message) as caught:
        cub200(side=8, crop_to_box=True)
    assert "CUB_200_2011.tgz" in str(caught.value)
    assert "--set dataset=animals" in str(caught.value)
    assert [path.name for path in archive.folder.iterdir()] == [
        "CUB_200_2011.tgz"
    ]


def test_another_archive_is_refused(put: Callable[[Files], Archive]) -> None:
    archive = put(cub())
    path = archive.folder / "CUB_200_2011.tgz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataUnavailable, match=r"CUB_200_2011\.tgz is damaged"):
        cub200(side=8)


def test_the_sizes_are_those_the_authors_give() -> None:
    """A count on paper of what the splits' rule makes of 5,994 pictures."""
    targets = np.repeat(np.arange(200), [30] * 194 + [29] * 6)
    kept, held = stratified(
        targets, len(targets) // photographs.HELD_OUT, photographs.SPLIT_SEED
    )
    assert (len(kept), len(held)) == (5395, 599)
    assert np.ptp(np.bincount(targets[held])) <= 1


@pytest.fixture
def flowers(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Archive:
    """Twelve flowers of three classes; train, validation, test are 4 each."""
    ids = np.arange(1, 13)
    tables = {}
    for table, arrays in {
        "imagelabels.mat": {"labels": (ids - 1) % 3 + 1},
        "setid.mat": {"trnid": ids[4:8], "valid": ids[:4], "tstid": ids[8:]},
    }.items():
        savemat(str(tmp_path / table), arrays)
        tables[table] = (tmp_path / table).read_bytes()
    guard_torchvision()
    from torchvision.datasets import Flowers102  # noqa: PLC0415

    known = {"image": ("102flowers.tgz", "")}
    for key, table in (("label", "imagelabels.mat"), ("setid", "setid.mat")):
        md5 = hashlib.md5(tables[table], usedforsecurity=False).hexdigest()
        known[key] = (table, md5)
    monkeypatch.setattr(Flowers102, "_file_dict", known)
    pictures = {f"jpg/image_{n:05}.jpg": jpeg(int(n)) for n in ids}
    files = {"102flowers.tgz": tarball(pictures), **tables}
    return install(oxford, "FLOWERS102", files)


def check(split: Split, expected: list[int], labels: list[int]) -> None:
    assert numbers(split) == expected
    assert split.targets.tolist() == labels
    assert split.inputs.shape[1:] == (3, 8, 8)


def test_flowers_in_their_authors_parts(flowers: Archive) -> None:
    data = oxford.flowers102(side=8)
    assert len(data.classes) == 102
    check(data.train, [5, 6, 7, 8], [1, 2, 0, 1])
    check(data.validation, [1, 2, 3, 4], [0, 1, 2, 0])
    check(data.test, [9, 10, 11, 12], [2, 0, 1, 2])
    one = oxford.flowers102(side=8, per_class=1)
    check(one.train, [5, 6, 7], [1, 2, 0])
    names = {path.name for path in flowers.folder.iterdir()}
    assert len(names) == 4  # three files of the archive, one of arrays


@pytest.fixture
def pets(install: Install) -> Archive:
    """Forty pets of two breeds: 20 to train on, 20 to test."""
    lines = [
        f"{'Abyssinian' if n % 2 else 'american_bulldog'}_{n} {2 - n % 2} 1 1"
        for n in range(1, 41)
    ]
    images = {
        f"images/{line.split()[0]}.jpg": jpeg(n)
        for n, line in enumerate(lines, 1)
    }
    tables = {
        "annotations/trainval.txt": "\n".join(lines[:20]).encode(),
        "annotations/test.txt": "\n".join(lines[20:]).encode(),
    }
    files = {
        "images.tar.gz": tarball(images),
        "annotations.tar.gz": tarball(tables),
    }
    return install(oxford, "PETS", files)


def test_pets_with_validation_held_out(pets: Archive) -> None:
    data = oxford.pets(side=8)
    assert data.classes == ("Abyssinian", "American Bulldog")
    assert sorted(numbers(data.train) + numbers(data.validation)) == [
        *range(1, 21)
    ]
    assert sorted(data.validation.targets.tolist()) == [0, 1]
    assert numbers(data.test) == [*range(21, 41)]
    for split in (data.train, data.validation, data.test):
        assert split.targets.tolist() == [1 - n % 2 for n in numbers(split)]


@pytest.fixture
def aircraft(install: Install) -> Archive:
    """Six aircraft of two variants, with a white banner of 20 pixels below."""
    base = "fgvc-aircraft-2013b/data"
    files = {f"{base}/variants.txt": b"707-320\nDR-400\n"}
    for part, first in (("train", 1), ("val", 3), ("test", 5)):
        rows = [f"{first:07} 707-320", f"{first + 1:07} DR-400"]
        path = f"{base}/images_variant_{part}.txt"
        files[path] = "\n".join(rows).encode()
    for number in range(1, 7):
        picture = np.full((60, 40, 3), 255, np.uint8)
        picture[:40, :, 0] = 5 * number
        packed = io.BytesIO()
        Image.fromarray(picture).save(packed, "PNG")
        files[f"{base}/images/{number:07}.jpg"] = packed.getvalue()
    return install(
        oxford,
        "AIRCRAFT",
        {"fgvc-aircraft-2013b.tar.gz": tarball(files)},
    )


def test_aircraft_without_the_banner(aircraft: Archive) -> None:
    data = oxford.aircraft(side=8)
    assert data.classes == ("707-320", "DR-400")
    check(data.train, [1, 2], [0, 1])
    check(data.validation, [3, 4], [0, 1])
    check(data.test, [5, 6], [0, 1])
    for split in (data.train, data.validation, data.test):
        levels: NDArray[np.uint8] = split.inputs[:, 0].astype(np.uint8)
        assert (levels == levels[:, :1, :1]).all()


@pytest.mark.parametrize("name", ["cub200", "flowers102", "pets", "aircraft"])
def test_without_files_the_ways_out_are_said(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    load: Callable[[], Splits] = sets.loader(name)
    with pytest.raises(DataUnavailable) as caught:
        load()
    (archive,) = sets.SETS[name].archives
    for file in archive.files:
        assert f"{file.name} ({file.size} bytes)" in str(caught.value)
    assert f"coursework data fetch {name}" in str(caught.value)
    assert "--set dataset=animals" in str(caught.value)
    assert not (tmp_path / "data" / name).exists()
    with pytest.raises(DataUnavailable, match="COURSEWORK_OFFLINE is set"):
        sets.fetch([name])


def test_a_damaged_layout_of_others_is_named(
    install: Install, pets: Archive
) -> None:
    files = {
        "images.tar.gz": tarball({"images/a.jpg": b""}),
        "annotations.tar.gz": tarball({"annotations/trainval.txt": b"a 1 1 1"}),
    }
    install(oxford, "PETS", files)
    with pytest.raises(DataUnavailable, match=r"annotations/test\.txt"):
        oxford.pets(side=8)
