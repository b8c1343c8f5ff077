"""Arrays that take long to make, kept on this machine."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from coursework import paths

Arrays = Mapping[str, NDArray[Any]]


def kept(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Read arrays from a file; make and keep them if it is not there.

    Its name must hold whatever decides about them.  Two processes may ask at
    once: the second waits, then reads.  A damaged file is made anew; where
    the folder can't be written, it costs only time.
    """
    if (arrays := _read(path)) is None:
        with _locked(path):
            if (arrays := _read(path)) is None:
                arrays = make()
                with suppress(OSError):
                    paths.write(path, _packed(arrays))
    return arrays


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # Not beside the file: a data set's folder says that somebody wants it.
    lock = FileLock(paths.data() / ".locks" / f"{path.stem}.lock")
    with suppress(OSError):  # no lock where nothing can be written
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _packed(arrays: Arrays) -> bytes:
    """Return an npz file whose comment is the hash of its list of files."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    with zipfile.ZipFile(content, "a") as packed:
        packed.comment = _listed(packed)
    return content.getvalue()


def _listed(packed: zipfile.ZipFile) -> bytes:
    """Hash the names, lengths and CRC-32 of the files in an archive."""
    files = [(m.filename, m.file_size, m.CRC) for m in packed.infolist()]
    return hashlib.sha256(repr(files).encode()).hexdigest().encode()


def _read(path: Path) -> Arrays | None:
    """Return what was kept; None if it is not there or damaged."""
    try:
        with zipfile.ZipFile(path) as packed:
            # A flipped bit in its list of files can hide some of them.
            if packed.comment != _listed(packed):
                return None
            # zipfile compares the CRC-32 once all of a member is read; numpy
            # alone would stop where the array's header says.
            files = {name: packed.read(name) for name in packed.namelist()}
        return {
            name.removesuffix(".npy"): np.load(
                io.BytesIO(file), allow_pickle=False
            )
            for name, file in files.items()
        }
    except Exception:  # a damaged file fails in many ways
        return None
