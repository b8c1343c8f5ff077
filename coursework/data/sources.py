"""Where files can be had from: what any source does, and web addresses.

A file gets its final name only after its hash was found right, so what
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
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TIMEOUT = 10  # seconds without a byte
TRANSFER_ERRORS = (ConnectionError, TimeoutError, http.client.HTTPException)
SOURCE_ERRORS = (
    *(OSError, EOFError, zlib.error, http.client.HTTPException),
    *(tarfile.TarError, zipfile.BadZipFile, subprocess.SubprocessError),
)


class Refused(OSError):
    """A source does not deliver the file; the next one may."""


@dataclass(frozen=True)
class File:
    """A file as it is kept, unpacked; ``size`` in bytes.

    ``md5`` decides where nobody publishes a ``sha256``, which is then "".
    """

    name: str
    sha256: str
    size: int
    md5: str = ""

    @property
    def digest(self) -> tuple[str, str]:
        """Name the hash that decides and give its value."""
        return ("sha256", self.sha256) if self.sha256 else ("md5", self.md5)


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
            with reason(url):
                _download(url, part, None if self.gzipped else file.size)
                try:
                    with part.open("rb") as stored:
                        unpacked = gzip.GzipFile(fileobj=stored)
                        stream = unpacked if self.gzipped else stored
                        keep(stream.read, file, folder)
                finally:
                    part.unlink()


@contextmanager
def reason(source: str) -> Iterator[None]:
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


def keep(get: Callable[[int], bytes], file: File, folder: Path) -> None:
    """Write what comes, and give it its final name if it is the file."""
    kind, expected = file.digest
    digest = hashlib.new(kind, usedforsecurity=False)
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
        if digest.hexdigest() != expected:
            raise Refused(f"{file.name} has another {kind} than expected")
        part.replace(folder / file.name)
    finally:
        part.unlink(missing_ok=True)
