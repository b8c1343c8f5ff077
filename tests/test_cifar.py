"""CIFAR in its three shapes, on archives of 60 pictures made here.

The pickles are put together by hand, opcode by opcode, as Python 2 wrote the
canonical ones.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import lzma
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from coursework import paths
from coursework.data import cifar, sets
from coursework.data.download import Archive, DataUnavailable
from coursework.data.sources import File
from coursework.data.splits import Split, Splits

NAMES = [f"class {number}" for number in range(10)]
TRAIN, TEST = range(50), range(10)
Bytes = NDArray[np.uint8]


def picture(number: int) -> Bytes:
    """Draw (32, 32, 3): red is the number, green grows right, blue down."""
    drawn = np.zeros((32, 32, 3), np.uint8)
    drawn[:, :, 0] = 20 + 4 * number
    drawn[:, :, 1] = 4 * np.arange(32)
    drawn[:, :, 2] = 7 * np.arange(32)[:, None]
    return drawn


def numbers(split: Split) -> list[int]:
    red = split.inputs[:, 0].mean(axis=(1, 2))
    return [int(number) for number in np.rint((red - 20) / 4)]


def python2(value: object) -> bytes:
    """Write opcodes of protocol 2 that leave the value on the stack."""
    match value:
        case int():
            return b"J" + struct.pack("<i", value)
        case bytes():
            return b"T" + struct.pack("<i", len(value)) + value
        case list():
            return b"(" + b"".join(map(python2, value)) + b"l"
        case dict():
            pairs = (python2(k) + python2(v) for k, v in value.items())
            return b"(" + b"".join(pairs) + b"d"
        case np.ndarray():
            shape = b"(" + b"".join(map(python2, value.shape)) + b"t"
            kind = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
            kind += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            empty = b"cnumpy.core.multiarray\n_reconstruct\n"
            empty += b"(cnumpy\nndarray\n(K\x00tU\x01btR"
            content = python2(value.tobytes())
            return empty + b"(K\x01" + shape + kind + b"\x89" + content + b"tb"
    raise TypeError(type(value))


def batch(rows: range, labels: bytes) -> bytes:
    """Pickle pictures as the data set's page says: planes, row by row."""
    planes = [picture(n)[:, :, c].ravel() for n in rows for c in range(3)]
    table = {
        b"batch_label": b"a batch",
        labels: [n * 10 // len(TRAIN) for n in rows],
        b"data": np.concatenate(planes).reshape(len(rows), 3072),
    }
    return b"\x80\x02" + python2(table) + b"."


def meta(key: bytes) -> bytes:
    """Pickle the names with protocol 0, as in the archives."""
    names = b"".join(b"S'%s'\na" % name.encode() for name in NAMES)
    return b"(dS'%s'\n(l%ss." % (key, names)


def tarball(folder: str, members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as package:
        directory = tarfile.TarInfo(folder)
        directory.type = tarfile.DIRTYPE
        package.addfile(directory)
        for name, body in members.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(body)
            package.addfile(member, io.BytesIO(body))
    return content.getvalue()


def python10() -> bytes:
    members = {"readme.html": b"<meta>"} | {
        f"data_batch_{n}": batch(TRAIN[10 * n - 10 : 10 * n], b"labels")
        for n in (1, 5, 3, 4, 2)
    }
    members["test_batch"] = batch(TEST, b"labels")
    members["batches.meta"] = meta(b"label_names")
    return tarball("cifar-10-batches-py", members)


def python100(train: bytes = batch(TRAIN, b"fine_labels")) -> bytes:
    members = {"file.txt~": b"", "train": train}
    members["test"] = batch(TEST, b"fine_labels")
    members["meta"] = meta(b"fine_label_names")
    return tarball("cifar-100-python", members)


def jpeg_copy() -> bytes:
    arrays = {"classes": np.array(NAMES)}
    for part, rows in (("train", TRAIN), ("test", TEST)):
        files = []
        for number in rows:
            file = io.BytesIO()
            Image.fromarray(picture(number)).save(file, "JPEG", quality=95)
            files.append(file.getvalue())
        ends = np.cumsum([0, *map(len, files)])
        arrays[f"{part}_jpeg"] = np.frombuffer(b"".join(files), np.uint8)
        arrays[f"{part}_offsets"] = ends
        labels = np.array(rows, np.int16) * 10 // len(TRAIN)
        arrays[f"{part}_labels"] = labels.astype(np.int16)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    return lzma.compress(packed.getvalue(), preset=0)


MAKERS = {
    "cifar10": ("CIFAR10", python10),
    "cifar100": ("CIFAR100", python100),
    "cifar10-jpeg": ("CIFAR10_JPEG", jpeg_copy),
}
Install = Callable[[str, bytes], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put an archive where it belongs, and make its hash the right one."""
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))

    def put(name: str, content: bytes) -> Path:
        constant, _ = MAKERS[name]
        known: Archive = getattr(cifar, constant)
        digest = hashlib.sha256(content).hexdigest()
        file = File(known.files[0].name, digest, len(content))
        small = dataclasses.replace(known, files=(file,))
        monkeypatch.setattr(cifar, constant, small)
        known_set = dataclasses.replace(sets.SETS[name], archives=(small,))
        monkeypatch.setattr(sets, "SETS", {**sets.SETS, name: known_set})
        small.folder.mkdir(parents=True)
        (small.folder / file.name).write_bytes(content)
        return small.folder / file.name

    return put


@pytest.fixture(params=MAKERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def file(install: Install, name: str) -> Path:
    return install(name, MAKERS[name][1]())


def load(name: str, held_out: int = 20, train: int | None = None) -> Splits:
    return sets.loader(name, held_out=held_out, train=train)()


def test_pictures_labels_and_classes_are_those_of_the_archive(
    file: Path, name: str
) -> None:
    data = load(name)
    assert data.classes == tuple(NAMES)
    assert sorted(numbers(data.train) + numbers(data.validation)) == [*TRAIN]
    assert numbers(data.test) == [*TEST]
    for split in (data.train, data.validation, data.test):
        rows = numbers(split)
        expected = np.stack([picture(n) for n in rows]).transpose(0, 3, 1, 2)
        off = np.abs(split.inputs.astype(int) - expected).max()
        assert off <= (9 if name == "cifar10-jpeg" else 0)
        assert split.inputs.dtype == np.uint8
        assert split.inputs.flags.c_contiguous
        assert split.inputs.flags.writeable and split.targets.flags.writeable
        assert split.targets.dtype == np.int64
        assert split.targets.tolist() == [n // 5 for n in rows]


def test_the_validation_split_is_stratified_and_fixed(
    file: Path, name: str
) -> None:
    data = load(name)
    assert np.bincount(data.validation.targets).tolist() == [2] * 10
    few = load(name, train=7)
    assert numbers(few.train) == numbers(data.train)[:7]
    assert numbers(few.validation) == numbers(data.validation)
    assert sorted(numbers(load(name, held_out=0).train)) == [*TRAIN]


def test_each_set_says_which_it_is(file: Path, name: str) -> None:
    names = {"cifar10-jpeg": "CIFAR-10 (JPEG copy)"}
    assert load(name).info().name == names.get(name, name)


@pytest.mark.parametrize("held_out", [-1, 50])
def test_impossible_sizes_are_refused(install: Install, held_out: int) -> None:
    install("cifar100", python100())
    with pytest.raises(ValueError, match=f"held_out is {held_out}; it must"):
        load("cifar100", held_out)
    with pytest.raises(ValueError, match="train is 31"):
        load("cifar100", train=31)


def test_an_archive_is_decoded_once(file: Path, name: str) -> None:
    first = load(name)
    file.unlink()
    again = load(name)
    assert again.info() == first.info()
    assert again.classes == first.classes


def damaged(content: bytes, damage: str) -> bytes:
    middle = len(content) // 2
    match damage:
        case "flipped":
            byte = bytes([content[middle] ^ 1])
            return content[:middle] + byte + content[middle + 1 :]
        case "fewer rows":
            assert b"(50, 3, 32" in content
            return content.replace(b"(50, 3, 32", b"(10, 3, 32")
        case "cut off":
            return content[:-middle]
        case _:
            return b""


@pytest.mark.parametrize("damage", ["flipped", "fewer rows", "cut off", ""])
def test_what_was_kept_is_made_again_if_it_is_damaged(
    install: Install, damage: str
) -> None:
    folder = install("cifar100", python100()).parent
    first = load("cifar100").info()
    (kept,) = folder.glob("decoded-*.npz")
    whole = kept.read_bytes()
    kept.write_bytes(damaged(whole, damage))
    assert load("cifar100").info() == first
    assert len(kept.read_bytes()) == len(whole)
    assert sorted(folder.glob("*.npz")) == [kept]


def test_another_archive_is_not_taken_for_the_one_kept(
    install: Install, tmp_path: Path
) -> None:
    install("cifar100", python100())
    load("cifar100")
    (tmp_path / "data" / "cifar100").rename(tmp_path / "before")
    install("cifar100", python100(batch(range(10), b"fine_labels")))
    for kept in (tmp_path / "before").glob("decoded*"):
        kept.rename(tmp_path / "data" / "cifar100" / kept.name)
    data = load("cifar100", held_out=1)
    assert len(data.train) + len(data.validation) == 10


def test_a_folder_that_cannot_be_written_serves(
    file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(paths, "write", full)
    assert load(name).info() == load(name).info()
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_damaged_archive_is_named(file: Path, name: str) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DataUnavailable) as caught:
        load(name)
    for part in (str(file), hashlib.sha256(content).hexdigest()):
        assert part in str(caught.value)
    (finding,) = sets.verify([name])
    assert not finding.ok and str(file) in finding.message
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("module", "called"),
    [("os", "system"), ("__builtin__", "eval"), ("numpy", "fromfile")],
)
def test_a_pickle_that_wants_to_run_something_is_refused(
    install: Install, tmp_path: Path, module: str, called: str
) -> None:
    ran = tmp_path / "ran"
    wish = f"c{module}\n{called}\n(S'touch {ran}'\ntR.".encode()
    file = install("cifar100", python100(wish))
    with pytest.raises(DataUnavailable) as caught:
        load("cifar100")
    for part in (str(file), "cifar-100-python/train", f"{module}.{called}"):
        assert part in str(caught.value)
    assert not ran.exists()
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_large_archive_is_not_fetched_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    for name in ("cifar10", "cifar100"):
        with pytest.raises(DataUnavailable, match="only when asked for") as no:
            load(name)
        assert f"coursework data fetch {name}" in str(no.value)


def test_the_jpeg_copy_says_where_it_must_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    monkeypatch.delenv("COURSEWORK_OFFLINE")
    folder = tmp_path / "cifar10-jpeg"
    for ask in (load, lambda name: sets.fetch([name])):
        with pytest.raises(DataUnavailable) as caught:
            ask("cifar10-jpeg")
        said = str(caught.value)
        assert f"{folder / 'cifar10_jpeg.npz.xz'} is missing" in said
        assert f"into {folder}: cifar10_jpeg.npz.xz (18195144 bytes)" in said
        assert "data fetch" not in said
    assert not folder.exists()
    assert "cifar10-jpeg" not in {f.name for f in sets.verify()}
    (finding,) = sets.verify(["cifar10-jpeg"])
    assert not finding.ok
