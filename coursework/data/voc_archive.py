"""PASCAL VOC 2012 as its authors pack it, read where it lies.

Everingham and others, "The PASCAL Visual Object Classes Challenge: A
Retrospective" (2015), section 2.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

from coursework.data.download import Archive, verified
from coursework.data.sources import File, Mirror
from coursework.data.voc_layout import Tree

BASE = "VOCdevkit/VOC2012"
VALUES = {"aeroplane": 1, "bird": 3, "car": 7, "cat": 8, "person": 15}
OTHERS = range(21)  # the background and VOC's other fifteen classes

# The authors publish no hash; this md5 is the one torchvision compares.
VOC2012 = Archive(
    name="voc2012",
    download_mb=1999.6,
    files=(
        File(
            "VOCtrainval_11-May-2012.tar",
            "",
            1_999_639_040,
            md5="6cd6e144f989b92b3379bac3b3de84fd",
        ),
    ),
    sources=(
        Mirror("https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/{}"),
        Mirror("https://d2l-data.s3-accelerate.amazonaws.com/{}"),
    ),
    stand_in="tinyvoc-composed",
)


@contextmanager
def archived() -> Iterator[Tree]:
    """Read VOC2012 inside its archive: nothing of it is ever unpacked."""
    (file,) = VOC2012.files
    path = verified(VOC2012, file.name)
    with tarfile.open(path, "r:") as package:
        members = {member.name: member for member in package}

        def read(name: str) -> bytes:
            member = members.get(f"{BASE}/{name}")
            if member is None or not member.isfile():
                raise FileNotFoundError("no such file in the archive")
            stream = package.extractfile(member)
            return stream.read() if stream else b""

        yield Tree(
            where=f"{path}:{BASE}",
            read=read,
            classes=tuple(VALUES.values()),
            others=OTHERS,
            remedy=f"Delete {path} and run 'coursework data fetch voc2012'",
        )
