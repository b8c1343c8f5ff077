"""Archives of colour pictures made into arrays, once a machine."""

from __future__ import annotations

import io
import lzma
import pickle
import tarfile
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import IO, Any

import numpy as np

from coursework.data.download import Archive, read
from coursework.data.kept import Arrays, kept

# Inputs are uint8 (N, 3, H, W), targets int64 (N,), classes strings (K,).
FIELDS = (
    "train_inputs",
    "train_targets",
    "test_inputs",
    "test_targets",
    "classes",
)


def decoded(archive: Archive, decode: Callable[[bytes], Arrays]) -> Arrays:
    """Decode an archive's only file, or take what was kept of it before.

    Raises DataUnavailable if the file can't be had, is damaged, or holds a
    pickle that asks for more than arrays.
    """
    (file,) = archive.files

    def make() -> Arrays:
        try:
            return decode(read(archive, file.name))
        except pickle.UnpicklingError as error:
            path = archive.folder / file.name
            raise archive.unavailable(f"{path}: {error}") from error

    return kept(archive.folder / f"decoded-{file.sha256[:16]}.npz", make)


class _Plain(pickle.Unpickler):
    """Make plain values and numpy arrays; look up nothing else."""

    ADMITTED: Mapping[tuple[str, str], Any] = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def __init__(self, stream: IO[bytes], source: str) -> None:
        super().__init__(stream, encoding="bytes")  # Python 2 wrote them
        self.source = source

    def find_class(self, module: str, name: str) -> Any:
        """Return what an array is made with; refuse all that could run."""
        if (module, name) not in self.ADMITTED:
            raise pickle.UnpicklingError(
                f"the pickle {self.source} asks for {module}.{name}; only "
                "numpy arrays and plain values are accepted"
            )
        return self.ADMITTED[module, name]


def pickles(
    content: bytes,
    *,
    train: Sequence[str],
    test: str,
    labels: bytes,
    classes: tuple[str, bytes],
) -> Arrays:
    """Read pictures of 32 x 32 from a .tar.gz of pickled dictionaries.

    ``train`` and ``test`` name the members with pictures, ``labels`` their
    key for the labels, ``classes`` the member and key with the classes' names.
    Raises UnpicklingError for a pickle of anything but values and arrays.
    """
    wanted = {*train, test, classes[0]}
    parts = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as package:
        for member in package:
            name = PurePosixPath(member.name).name
            stream = package.extractfile(member)
            if stream and name in wanted:
                parts[name] = _Plain(stream, member.name).load()
    arrays = {}
    for split, members in (("train", train), ("test", [test])):
        rows = np.concatenate([parts[name][b"data"] for name in members])
        arrays[f"{split}_inputs"] = rows.reshape(-1, 3, 32, 32)
        targets = np.concatenate([parts[name][labels] for name in members])
        arrays[f"{split}_targets"] = targets.astype(np.int64)
    names = parts[classes[0]][classes[1]]
    return arrays | {"classes": np.array([name.decode() for name in names])}


def jpegs(content: bytes) -> Arrays:
    """Read an .npz.xz of JPEG files, laid end to end, and their offsets."""
    # Needed once a machine: looking a set up must not pay for it.
    from PIL import Image  # noqa: PLC0415

    unpacked = io.BytesIO(lzma.decompress(content))
    with np.load(unpacked, allow_pickle=False) as stored:
        arrays = {"classes": stored["classes"]}
        for split in ("train", "test"):
            files = stored[f"{split}_jpeg"]
            pictures = [
                np.asarray(Image.open(io.BytesIO(files[start:end])))
                for start, end in pairwise(stored[f"{split}_offsets"])
            ]
            channels_first = np.stack(pictures).transpose(0, 3, 1, 2)
            arrays[f"{split}_inputs"] = np.ascontiguousarray(channels_first)
            targets = stored[f"{split}_labels"]
            arrays[f"{split}_targets"] = targets.astype(np.int64)
    return arrays
