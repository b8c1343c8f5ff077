"""Wrong pictures and archives: named, and nothing is made of them."""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coursework import paths
from coursework.data import course_set
from coursework.data import kept as kept_arrays
from coursework.data.archives import RATIO, extract
from coursework.data.colour_masks import image
from coursework.data.download import DataUnavailable
from coursework.data.sources import Refused
from coursework.data.voc_layout import Tree, whole
from tests.faults import damage
from tests.faults.scene import same

RED = (200, 40, 10)


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    picture.save(file := io.BytesIO(), kind, **options)
    return file.getvalue()


def plain(mode: str, size: tuple[int, int] = (20, 30)) -> Image.Image:
    return Image.new("RGB", size, RED).convert(mode)


def headed(width: int, height: int) -> bytes:
    """Write a PNG whose header promises so many pixels, and no more of it."""
    size = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(body))
        + kind
        + body
        + pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def sixteen_bits() -> bytes:
    return saved(Image.fromarray(np.full((30, 20), 40_000, np.uint16)))


def transparent_palette() -> bytes:
    return saved(plain("P"), transparency=bytes(256))


NOISE = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
JPEG = saved(Image.fromarray(NOISE), "JPEG")

WRONG = {
    "16 bits": (sixteen_bits(), "mode I;16"),
    "floats": (saved(plain("L").convert("F"), "TIFF"), "mode F"),
    "transparent": (saved(Image.new("RGBA", (9, 9))), "transparent parts"),
    "transparent grey": (saved(Image.new("LA", (9, 9))), "transparent parts"),
    "transparent palette": (transparent_palette(), "transparent parts"),
    "a strip": (saved(plain("L", (1, 10**5))), "a strip of 1 x 100000"),
    "a flat strip": (saved(plain("L", (10**5, 9))), "a strip of 100000 x 9"),
    "no pixels": (headed(0, 0), "picture"),
    "a bomb": (headed(9500, 9500), "9500 x 9500 pixels, more than"),
    "a large bomb": (headed(60_000, 60_000), "3600000000 pixels"),
    "truncated": (JPEG[: len(JPEG) // 2], "damaged"),
    "nothing": (b"", "no picture"),
    "a page": (b"<!doctype html><p>404", "no picture"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_picture_is_named_with_what_was_found(
    fault: str, tmp_path: Path
) -> None:
    content, found = WRONG[fault]
    with pytest.raises(OSError, match=found):
        whole(content)
    path = tmp_path / "seen.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"seen\.png: found .*expected") as one:
        image(path)
    tree = Tree(
        where="set", read=lambda _: content, classes=(), others=(), remedy="Go"
    )
    with pytest.raises(DataUnavailable, match=r"/JPEGImages/7\.jpg") as two:
        tree.example("7")
    assert found in str(one.value) and found in str(two.value)


@pytest.mark.parametrize("cut", range(2, len(JPEG), len(JPEG) // 70))
def test_a_truncated_jpeg_is_never_taken(cut: int) -> None:
    with pytest.raises(OSError, match="picture"):
        whole(JPEG[:cut])


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "PNG"),
        ("1", "PNG"),
        ("P", "PNG"),
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGBA", "PNG"),
    ],
)
def test_what_loses_nothing_becomes_rgb(
    mode: str, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "seen"
    path.write_bytes(saved(plain(mode), kind))
    found = np.asarray(image(path)).astype(int)
    wanted = np.asarray(plain(mode).convert("RGB")).astype(int)
    assert found.shape == (30, 20, 3) and abs(found - wanted).max() <= 4


def test_a_course_set_with_a_wrong_picture_is_not_put_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    source = tmp_path / "set"
    source.mkdir()
    (source / "labels.txt").write_text("1,1\n2,1\n")
    for name in ("1.jpg", "2.jpg"):
        (source / name).write_bytes(sixteen_bits())
    for name in ("1.png", "2.png"):
        (source / name).write_bytes(saved(plain("RGB")))
    with pytest.raises(ValueError, match="mode I;16") as caught:
        course_set.put_in(source)
    for name in ("1.jpg", "2.jpg"):
        assert str(source / name) in str(caught.value)
    assert not course_set.folder().exists()
    assert list(paths.data().rglob("*")) == []


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Any:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


HOSTILE = {
    "up": [member("../out")],
    "up inside": [member("a/../../out")],
    "absolute": [member("/tmp/coursework-out")],
    "symbolic link": [member("a", tarfile.SYMTYPE, "..")],
    "write through a link": [
        member("a", tarfile.SYMTYPE, ".."),
        member("a/out"),
    ],
    "hard link": [member("a", tarfile.LNKTYPE, "../secret")],
    "device": [member("a", tarfile.CHRTYPE)],
    "block device": [member("a", tarfile.BLKTYPE)],
    "pipe": [member("a", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_of_a_hostile_archive_gets_outside(
    kind: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("ours")
    packed, target = tmp_path / "packed.tar.gz", tmp_path / "target"
    with tarfile.open(packed, "w:gz") as archive:
        for each in HOSTILE[kind]:
            archive.addfile(each, io.BytesIO())
    with pytest.raises(Refused, match="holds "):
        extract(packed, target)
    left = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    assert {str(p) for p in left} <= {"packed.tar.gz", "secret", "target"}
    assert not Path("/tmp/coursework-out").exists()


@pytest.mark.parametrize("parts", [1, 50])
def test_a_bomb_is_refused_before_it_is_unpacked(
    parts: int, tmp_path: Path
) -> None:
    size = 50_000_000 // parts
    packed, target = tmp_path / "packed.tar.gz", tmp_path / "target"
    with tarfile.open(packed, "w:gz") as archive:
        for number in range(parts):
            large = member(f"part{number}")
            large.size = size
            archive.addfile(large, io.BytesIO(bytes(size)))
    assert RATIO * packed.stat().st_size < 50_000_000
    with pytest.raises(Refused, match=f"over {RATIO} times"):
        extract(packed, target)
    written = sum(p.stat().st_size for p in target.rglob("*") if p.is_file())
    assert written <= RATIO * packed.stat().st_size


def test_an_honest_archive_is_unpacked(tmp_path: Path) -> None:
    packed = tmp_path / "packed.tar"
    with tarfile.open(packed, "w") as archive:
        archive.addfile(member("a", tarfile.DIRTYPE))
        inner = member("a/thing")
        inner.size = 3
        archive.addfile(inner, io.BytesIO(b"abc"))
    extract(packed, tmp_path / "target")
    thing = tmp_path / "target/a/thing"
    assert thing.read_bytes() == b"abc" and os.access(thing, os.R_OK)


def test_no_flipped_bit_hides_kept_arrays(tmp_path: Path) -> None:
    """Without a seal one in an archive's list can hide all but the first."""
    packed = kept_arrays._packed(damage.ARRAYS)
    path = tmp_path / "arrays.npz"
    listed = packed.index(b"PK\x01\x02")
    for place in range(8 * listed, 8 * len(packed)):
        content = bytearray(packed)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        found = kept_arrays._read(path)
        assert found is None or same(found, damage.ARRAYS), place
