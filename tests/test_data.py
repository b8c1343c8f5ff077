"""MNIST, digits and the table of sets, on small files made here."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from coursework import identity
from coursework.data import mnist, sets
from coursework.data.digits import digits
from coursework.data.download import Archive, DataUnavailable
from coursework.data.sources import File
from coursework.data.splits import Split, Splits

COUNTS = np.arange(10, 110, 10)  # of the classes in the training file


def packed(values: NDArray[np.uint8]) -> bytes:
    axes = [length.to_bytes(4, "big") for length in values.shape]
    header = bytes([0, 0, 8, values.ndim])
    return header + b"".join(axes) + values.tobytes()


def numbered(labels: NDArray[np.intp]) -> tuple[bytes, bytes]:
    """Pictures that hold their row's number in two pixels, and labels."""
    images = np.zeros((len(labels), 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = divmod(np.arange(len(labels)), 256)
    return packed(images), packed(labels.astype(np.uint8))


def rows(split: Split) -> list[int]:
    high, low = split.inputs[:, 0, 0], split.inputs[:, 0, 1]
    return list(high.astype(int) * 256 + low)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a small MNIST, and make its hashes the ones to be found."""
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    monkeypatch.setenv("COURSEWORK_OFFLINE", "1")
    contents = (
        *numbered(np.repeat(np.arange(10), COUNTS)),
        *numbered(np.arange(10)),
    )
    table = []
    (tmp_path / "mnist").mkdir()
    for file, content in zip(mnist.ARCHIVE.files, contents, strict=True):
        digest = hashlib.sha256(content).hexdigest()
        table.append(File(file.name, digest, len(content)))
        (tmp_path / "mnist" / file.name).write_bytes(content)
    small = dataclasses.replace(mnist.ARCHIVE, files=tuple(table))
    monkeypatch.setattr(mnist, "ARCHIVE", small)
    known = dataclasses.replace(sets.SETS["mnist"], archives=(small,))
    monkeypatch.setattr(sets, "SETS", {**sets.SETS, "mnist": known})
    return tmp_path / "mnist"


def test_mnist_splits_are_disjoint_and_stratified(folder: Path) -> None:
    data = mnist.mnist(held_out=55)
    train, held = rows(data.train), rows(data.validation)
    assert sorted(train + held) == list(range(550))
    held_counts = np.bincount(data.validation.targets)
    assert list(held_counts) == list(COUNTS // 10)
    labels = np.repeat(np.arange(10), COUNTS)
    for split in (data.train, data.validation):
        assert split.inputs.shape == (len(split), 28, 28)
        assert split.inputs.dtype == np.uint8
        assert split.targets.dtype == np.int64
        assert list(split.targets) == list(labels[rows(split)])
    assert rows(data.test) == list(data.test.targets) == list(range(10))
    assert not data.stand_in


def test_mnist_splits_are_fixed(folder: Path) -> None:
    first = mnist.mnist(held_out=55)
    np.random.default_rng(1).random()
    again = partial(mnist.mnist, held_out=55, train=30)()
    assert rows(first.validation) == rows(again.validation)
    assert rows(first.train)[:30] == rows(again.train)
    assert len(set(again.train.targets)) > 5  # shuffled, not the first class
    assert first.info() == mnist.mnist(held_out=55).info()


def test_mnist_can_keep_all_for_training(folder: Path) -> None:
    data = mnist.mnist(held_out=0)
    assert sorted(rows(data.train)) == list(range(550))
    assert data.validation.inputs.shape == (0, 28, 28)
    assert data.info().sizes == {"train": 550, "validation": 0, "test": 10}


def test_mnist_arrays_can_be_given_to_torch(folder: Path) -> None:
    data = mnist.mnist(held_out=55)
    for split in (data.train, data.validation, data.test):
        assert split.inputs.flags.writeable
        assert split.targets.flags.writeable


@pytest.mark.parametrize("held_out", [-1, 550])
def test_mnist_refuses_impossible_sizes(folder: Path, held_out: int) -> None:
    with pytest.raises(ValueError, match=f"held_out is {held_out}; it must"):
        mnist.mnist(held_out=held_out)


@pytest.mark.parametrize("name", [f.name for f in mnist.ARCHIVE.files])
@pytest.mark.parametrize("damage", ["truncated", "bit-flipped"])
def test_a_damaged_mnist_file_is_named(
    folder: Path, name: str, damage: str
) -> None:
    content = bytearray((folder / name).read_bytes())
    expected = hashlib.sha256(content).hexdigest()
    if damage == "truncated":
        del content[-1]
    else:
        content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DataUnavailable) as caught:
        mnist.mnist(held_out=55)
    found = hashlib.sha256(content).hexdigest()
    for part in (
        str(folder / name),
        found,
        expected,
        "coursework data fetch mnist",
    ):
        assert part in str(caught.value)
    bad = [f.file for f in sets.verify(["mnist"]) if not f.ok]
    assert bad == [name]


def test_a_missing_mnist_file_offline(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataUnavailable, match="COURSEWORK_OFFLINE is set"):
        mnist.mnist(held_out=55)
    (finding,) = [f for f in sets.verify(["mnist"]) if not f.ok]
    assert finding.file == "t10k-labels-idx1-ubyte"
    assert "is missing" in finding.message


def test_idx_gives_values_in_place() -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(mnist.idx(packed(values)), values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file"),
        (b"\x1f\x8b\x08\x00 packed", "not an idx file"),
        (b"\0\0\x0d\x01\0\0\0\0", "not an idx file"),
        (packed(np.zeros((2, 3), np.uint8))[:-1], "but 5 bytes follow"),
        (packed(np.zeros((2, 3), np.uint8)) + b"!", "but 7 bytes follow"),
        (packed(np.zeros((2, 3), np.uint8))[:10], "not an idx file"),
    ],
)
def test_idx_refuses_other_bytes(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mnist.idx(content)


def test_digits_are_scikit_learn_s_enlarged() -> None:
    data = digits()
    small, labels = load_digits(return_X_y=True)
    splits = (data.train, data.validation, data.test)
    assert [len(split) for split in splits] == [1197, 200, 400]
    images = np.concatenate([split.inputs for split in splits])
    targets = np.concatenate([split.targets for split in splits])
    assert images.shape == (1797, 28, 28)
    assert images.dtype == np.uint8
    inner = images[:, 2:26, 2:26]
    assert images.sum(dtype=int) == inner.sum(dtype=int)
    for across in range(3):
        for down in range(3):
            assert np.array_equal(
                inner[:, down::3, across::3], inner[:, 1::3, 1::3]
            )
    back = np.rint(inner[:, ::3, ::3] * (16 / 255)).reshape(-1, 64)
    ours = np.column_stack([back, targets]).tolist()
    theirs = np.column_stack([small, labels]).tolist()
    assert sorted(ours) == sorted(theirs)
    levels = [round(level * 255 / 16) for level in range(17)]
    assert np.unique(images).tolist() == levels


def test_digits_splits_are_stratified_and_fixed() -> None:
    data = digits()
    share = np.bincount(load_digits().target) / 1797
    for split in (data.train, data.validation, data.test):
        away = np.bincount(split.targets) - share * len(split)
        assert np.abs(away).max() < 2
    assert data.info() == digits().info()
    few = digits(train=100)
    assert np.array_equal(few.train.inputs, data.train.inputs[:100])
    assert np.array_equal(few.test.inputs, data.test.inputs)
    assert data.stand_in
    thin = digits(scored=100)
    assert len(thin.train) == len(data.train)
    for part, whole in (
        (thin.validation, data.validation),
        (thin.test, data.test),
    ):
        rows = [
            int(np.flatnonzero((whole.inputs == picture).all((1, 2)))[0])
            for picture in part.inputs
        ]
        assert rows == [number * len(whole) // 100 for number in range(100)]
        assert np.array_equal(part.targets, whole.targets[rows])
    assert digits(scored=1000).info() == data.info()
    with pytest.raises(ValueError, match="scored is 0"):
        digits(scored=0)
    with pytest.raises(ValueError, match="train is 1198"):
        digits(train=1198)


@pytest.mark.parametrize("name", sets.SETS)
def test_a_loader_is_importable_by_its_name(name: str) -> None:
    again = identity.build(identity.describe(sets.loader(name)))
    assert again.func is sets.SETS[name].loader


@pytest.mark.parametrize("name", ["digits", "moons"])
def test_a_set_names_itself_and_says_if_it_stands_in(name: str) -> None:
    data: Splits = sets.loader(name)()
    assert data.name == name
    assert data.stand_in == (sets.SETS[name].stand_in_for is not None)


def test_stand_ins_are_offered_where_there_are_some() -> None:
    archives: dict[str, Archive] = {
        archive.name: archive
        for known in sets.SETS.values()
        for archive in known.archives
    }
    for name, known in sets.SETS.items():
        if known.stand_in_for:
            assert archives[known.stand_in_for].stand_in == name


def test_without_names_the_small_and_the_present_sets_are_meant(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = sets.SETS["mnist"]
    huge = dataclasses.replace(
        mnist.ARCHIVE, name="huge", download_mb=170, sources=()
    )
    more = dataclasses.replace(small, archives=(huge,))
    monkeypatch.setattr(sets, "SETS", {"mnist": small, "huge": more})
    monkeypatch.setattr(sets, "WEIGHTS", ())
    assert {(f.name, f.ok) for f in sets.verify()} == {("mnist", True)}
    assert {f.ok for f in sets.verify(["huge"])} == {False}
    sets.fetch()
    with pytest.raises(DataUnavailable, match="huge"):
        sets.fetch(["huge"])
    (folder.parent / "huge").mkdir()
    assert {f.name for f in sets.verify()} == {"mnist", "huge"}
    (folder / "t10k-labels-idx1-ubyte").unlink()
    assert [f.ok for f in sets.verify()].count(False) == 5


def test_an_unknown_set_is_refused_before_any_is_fetched(
    folder: Path,
) -> None:
    (folder / "t10k-labels-idx1-ubyte").unlink()
    message = "unknown data set 'mnits'; accepted: 'mnist', 'digits'"
    with pytest.raises(ValueError, match=message):
        sets.fetch(["mnist", "mnits"])
    with pytest.raises(ValueError, match=message):
        sets.verify(["mnits"])
    with pytest.raises(ValueError, match=message):
        sets.loader("mnits")
    with pytest.raises(DataUnavailable):
        sets.fetch(["digits", "mnist"])


def test_looking_a_set_up_imports_no_heavy_library() -> None:
    code = (
        "import sys, coursework.data.sets as s; s.loader('digits');"
        "print({'torch', 'sklearn', 'torchvision'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert found.stdout == "set()\n"
