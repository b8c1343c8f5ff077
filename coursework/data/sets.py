"""The data sets by name: what each is, where it comes from, how it loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from coursework.data import (
    birds,
    cifar,
    course_set,
    download,
    mnist,
    oxford,
    tinyvoc,
    voc_archive,
    weights,
)
from coursework.data.animals import animals
from coursework.data.compose import styles
from coursework.data.compose.objects import objects
from coursework.data.digits import digits
from coursework.data.download import UNASKED_MB, Archive
from coursework.data.moons import moons
from coursework.data.shapes import shapes
from coursework.data.splits import Loader, Splits
from coursework.recipe import named


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One set: its loader and what a reader should know about it.

    ``make`` does what takes long beside the download, if anything does.
    """

    loader: Callable[..., Splits]
    licence: str
    source: str
    archives: tuple[Archive, ...] = ()
    stand_in_for: str | None = None
    make: Callable[[], object] | None = None

    @property
    def size_mb(self) -> float:
        """Size of the download in 10^6 bytes; 0 where there is none."""
        return sum(archive.download_mb for archive in self.archives)


class Finding(NamedTuple):
    """What ``verify`` found of one file; ``message`` is empty if ``ok``."""

    name: str
    file: str
    ok: bool
    message: str


_drawn = partial(
    DataSet,
    licence=f"free, the sets' own: {styles.credits()}",
    archives=(styles.ARCHIVE,),
)
_cited = partial(
    DataSet, licence="none given by the authors, who ask to be cited"
)
SETS: Mapping[str, DataSet] = {
    "mnist": DataSet(
        loader=mnist.mnist,
        licence="CC BY-SA 3.0 as commonly stated; not given by the authors",
        source="LeCun, Cortes, Burges: the MNIST database (1998)",
        archives=(mnist.ARCHIVE,),
    ),
    "digits": DataSet(
        loader=digits,
        licence="BSD-3-Clause (scikit-learn)",
        source="scikit-learn's load_digits, enlarged to 28 x 28 pixels",
        stand_in_for="mnist",
    ),
    "moons": DataSet(
        loader=moons,
        licence="none needed: computed",
        source="two half circles with Gaussian noise",
    ),
    "cifar10": _cited(
        loader=cifar.cifar10,
        source="Krizhevsky: CIFAR-10 (2009)",
        archives=(cifar.CIFAR10,),
    ),
    "cifar100": _cited(
        loader=cifar.cifar100,
        source="Krizhevsky: CIFAR-100 (2009)",
        archives=(cifar.CIFAR100,),
    ),
    "cifar10-jpeg": DataSet(
        loader=cifar.cifar10_jpeg,
        licence="that of CIFAR-10: none given",
        source="CIFAR-10 encoded anew as JPEG, put into its folder by hand",
        archives=(cifar.CIFAR10_JPEG,),
    ),
    "objects": _drawn(
        loader=objects,
        source="icon sets of @iconify-json, composed with backgrounds here",
        stand_in_for="cifar100",
    ),
    "voc2012": DataSet(
        loader=tinyvoc.voc2012,
        licence="the photographs' own, from Flickr; none given for the set",
        source="Everingham and others: PASCAL VOC 2012, segmentation",
        archives=(voc_archive.VOC2012,),
    ),
    "tinyvoc-composed": _drawn(
        loader=tinyvoc.composed,
        source="icon sets of @iconify-json, composed to scenes here",
        stand_in_for="voc2012",
        make=tinyvoc.compose,
    ),
    "animals": _drawn(
        loader=animals,
        source="icon sets of @iconify-json, one animal a picture, composed "
        "with backgrounds here",
        stand_in_for="cub200",
        make=animals,
    ),
    "cub200": DataSet(
        loader=birds.cub200,
        licence="the photographs' own; none given for the set",
        source="Wah and others: Caltech-UCSD Birds-200-2011",
        archives=(birds.CUB200,),
    ),
    "flowers102": _cited(
        loader=oxford.flowers102,
        source="Nilsback, Zisserman: 102 category flowers (2008)",
        archives=(oxford.FLOWERS102,),
    ),
    "pets": DataSet(
        loader=oxford.pets,
        licence="CC BY-SA 4.0; the photographs' own",
        source="Parkhi and others: Oxford-IIIT Pets (2012)",
        archives=(oxford.PETS,),
    ),
    "aircraft": DataSet(
        loader=oxford.aircraft,
        licence="the photographs' own: non-commercial research only",
        source="Maji and others: FGVC-Aircraft (2013)",
        archives=(oxford.AIRCRAFT,),
    ),
    "shapes": DataSet(
        loader=shapes,
        licence="none needed: computed",
        source="up to three of five plain shapes on noise",
    ),
    "tiny-voc": DataSet(
        loader=tinyvoc.imported,
        licence="not given",
        source="the course's own set, put in by 'coursework data import'",
        make=course_set.ready,
    ),
}
# How many classes the heads of transferred networks have to tell apart.
CLASSES: Mapping[str, int] = {
    "animals": 118,
    "cub200": 200,
    "flowers102": 102,
    "pets": 37,
    "aircraft": 100,
    "digits": 10,
}
WEIGHTS = (weights.LITE0,)  # of networks, fetched and verified like sets
IMPORTS: Mapping[str, Callable[[Path], str]] = {"tiny-voc": course_set.put_in}


def small_stand_in(name: str) -> str:
    """Name the set that stands in for another without file or network."""
    several = ("voc2012", "tinyvoc-composed", "tiny-voc")
    return "shapes" if name in several else "digits"


def loader(name: str, **settings: Any) -> Loader:
    """Return a set's loader with settings; ValueError names the sets."""
    return partial(named(SETS, name, "data set").loader, **settings)


def fetch(names: Iterable[str] = ()) -> None:
    """Bring what the named sets lack or hold damaged, whatever their size.

    Without names: the sets that are small or already here.  Raises
    DataUnavailable, naming each attempt, if no source delivers, and
    ValueError for an unknown name before anything is fetched.
    """
    for _, archive in _archives(names):
        download.fetch(archive)


def prepare(names: Iterable[str]) -> None:
    """Do now for the named sets what their first use would wait for."""
    for name in names:
        if name in SETS and (make := SETS[name].make):
            make()


def put_in(arguments: Sequence[str]) -> str:
    """Import a set from a folder: ``arguments`` are its name and the path.

    Returns a sentence on what was put in.  Raises ValueError if it can't be
    imported, naming what is wrong with it; then nothing is changed.
    """
    name, *given = arguments or ("",)
    take = named(IMPORTS, name, "data set to import")
    if len(given) != 1:
        raise ValueError(
            f"{len(given)} paths are given; accepted is one: 'coursework data "
            f"import {name} PATH' with the folder that holds the set"
        )
    return take(Path(given[0]).expanduser())


def verify(names: Iterable[str] = ()) -> list[Finding]:
    """Compare the files with their hashes; asks no network.

    Without names: those of the sets that are small or already here.  A
    missing file is a fault, too.
    """
    findings = []
    for name, archive in _archives(names):
        for file in archive.files:
            trouble = archive.problem(file) or ""
            found = Finding(name, file.name, not trouble, trouble)
            findings.append(found)
    return findings


def _archives(names: Iterable[str]) -> list[tuple[str, Archive]]:
    holdings = {name: known.archives for name, known in SETS.items()}
    holdings |= {archive.name: (archive,) for archive in WEIGHTS}
    asked = {name: named(holdings, name, "data set") for name in names}
    found = {
        archive.name: (name, archive)
        for name, archives in reversed((asked or holdings).items())
        for archive in archives
        if asked
        or (archive.sources and archive.download_mb <= UNASKED_MB)
        or archive.folder.is_dir()
    }
    return list(found.values())[::-1]
