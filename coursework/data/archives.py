"""What may be taken out of an archive, and taking it out."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from coursework.data.sources import Refused

RATIO = 100  # pictures hardly shrink in an archive, text ten times


def members(package: tarfile.TarFile, file: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the files and folders that a .tar file holds, while it is safe.

    Raises Refused, naming the member, for a link, a device and what reaches
    out of the archive, and for more than ``RATIO`` times the file's size.
    """
    left = RATIO * file.stat().st_size
    for member in package:
        path = PurePosixPath(member.name)
        inside = not path.is_absolute() and ".." not in path.parts
        if not inside or not (member.isfile() or member.isdir()):
            raise Refused(
                f"holds {member.name!r}: a link, a device or outside its folder"
            )
        left -= member.size
        if left < 0:
            raise Refused(
                f"holds {member.name!r} of {member.size} bytes: unpacked, the "
                f"archive would be over {RATIO} times as large as it is"
            )
        yield member


def extract(file: Path, folder: Path) -> None:
    """Unpack a .tar file, packed or not; raises Refused as `members` does.

    Nothing is written outside of the folder.
    """
    with tarfile.open(file) as package:
        for member in members(package, file):
            package.extract(member, folder, filter="data")
