"""Data files on this machine: looked for, fetched and known by their hash."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from coursework import paths
from coursework.data.sources import File, Refused, Source

UNASKED_MB = 40  # a larger download must be asked for by name


class DataUnavailable(RuntimeError):
    """Data are not there or not right; says what was tried and what to do."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The files of a data set, or of a part of it, and their sources.

    ``name`` is also the folder under ``paths.data()``; ``download_mb`` is
    what crosses the network, in 10^6 bytes; files without a source are put
    into the folder by hand; ``stand_in`` names the set that can take this
    one's place.
    """

    name: str
    download_mb: float
    files: tuple[File, ...]
    sources: tuple[Source, ...]
    stand_in: str | None = None

    @property
    def folder(self) -> Path:
        """Where the files lie on this machine."""
        return paths.data() / self.name

    def problem(self, file: File) -> str | None:
        """Say what is wrong with a file on this machine; None: nothing."""
        path = self.folder / file.name
        if not path.is_file():
            return f"{path} is missing"
        kind, expected = file.digest
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, kind).hexdigest()
        if found == expected:
            return None
        return (
            f"{path} is damaged: {path.stat().st_size} bytes with {kind} "
            f"{found}, expected {file.size} with {expected}"
        )

    def lacking(self) -> list[File]:
        """List the files that are missing or damaged."""
        return [file for file in self.files if self.problem(file)]

    def unavailable(self, *reasons: str) -> DataUnavailable:
        """Make the error that names the reasons and the ways out."""
        files = ", ".join(f"{f.name} ({f.size} bytes)" for f in self.files)
        ways = [f"put exactly these files into {self.folder}: {files}"]
        if self.sources:
            ways.append(
                "with a network and COURSEWORK_OFFLINE unset, run "
                f"'coursework data fetch {self.name}'"
            )
        if self.stand_in:
            ways.append(f"run on a stand-in: --set dataset={self.stand_in}")
        return DataUnavailable(
            f"{self.name} can't be had:\n  - "
            + "\n  - ".join(reasons)
            + "\nWays out:\n  - "
            + "\n  - ".join(ways)
        )


def read(archive: Archive, name: str) -> bytes:
    """Return a file's verified bytes; all else as :func:`verified`."""
    return verified(archive, name).read_bytes()


def verified(archive: Archive, name: str) -> Path:
    """Return where a file lies whole; fetch a small archive it is not in.

    Raises DataUnavailable, naming the file, if it can't be had, if its hash
    is wrong, or if the archive is too large to be fetched without asking.
    """
    file = next(file for file in archive.files if file.name == name)
    path = archive.folder / name
    if not path.is_file():
        if archive.download_mb > UNASKED_MB:
            raise archive.unavailable(
                f"{path} is missing, and {archive.download_mb:g} MB are "
                "fetched only when asked for"
            )
        fetch(archive)
    if problem := archive.problem(file):
        raise archive.unavailable(problem)
    return path


def fetch(archive: Archive) -> Path:
    """Bring the files that are missing or damaged; return their folder.

    Two processes may ask at once: the second waits, then finds them there.
    Raises DataUnavailable, naming each attempt, if no source delivers.
    """
    if not (lacking := archive.lacking()):
        return archive.folder
    if not archive.sources:
        raise archive.unavailable(
            *(str(archive.problem(file)) for file in lacking)
        )
    if os.environ.get("COURSEWORK_OFFLINE", "0") not in ("", "0"):
        raise archive.unavailable("COURSEWORK_OFFLINE is set: nothing tried")
    try:
        archive.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(archive.folder / ".lock"):
            _try_sources(archive)
    except OSError as error:
        raise archive.unavailable(
            f"{archive.folder} can't be written ({error}); COURSEWORK_DATA "
            "chooses another folder"
        ) from error
    return archive.folder


def _try_sources(archive: Archive) -> None:
    attempts = []
    for source in archive.sources:
        if not (lacking := archive.lacking()):
            break
        try:
            source.bring(lacking, archive.folder)
        except Refused as error:
            attempts.append(str(error))
    if archive.lacking():
        raise archive.unavailable(*attempts)
    for part in archive.folder.glob("*.part"):
        part.unlink()
