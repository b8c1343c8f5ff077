"""The data sets by name: what each is, where it comes from, how it loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from coursework.data import cifar, download, mnist
from coursework.data.compose import styles
from coursework.data.compose.objects import objects
from coursework.data.digits import digits
from coursework.data.download import UNASKED_MB, Archive
from coursework.data.moons import moons
from coursework.data.splits import Loader, Splits
from coursework.recipe import named


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One set: its loader and what a reader should know about it."""

    loader: Callable[..., Splits]
    licence: str
    source: str
    archives: tuple[Archive, ...] = ()
    stand_in_for: str | None = None

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
    "cifar10": DataSet(
        loader=cifar.cifar10,
        licence="none given by the authors, who ask to be cited",
        source="Krizhevsky: CIFAR-10 (2009)",
        archives=(cifar.CIFAR10,),
    ),
    "cifar100": DataSet(
        loader=cifar.cifar100,
        licence="none given by the authors, who ask to be cited",
        source="Krizhevsky: CIFAR-100 (2009)",
        archives=(cifar.CIFAR100,),
    ),
    "cifar10-jpeg": DataSet(
        loader=cifar.cifar10_jpeg,
        licence="that of CIFAR-10: none given",
        source="CIFAR-10 encoded anew as JPEG, put into its folder by hand",
        archives=(cifar.CIFAR10_JPEG,),
    ),
    "objects": DataSet(
        loader=objects,
        licence=f"free, the sets' own: {styles.credits()}",
        source="icon sets of @iconify-json, composed with backgrounds here",
        archives=(styles.ARCHIVE,),
        stand_in_for="cifar100",
    ),
}


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
    named_sets = {name: named(SETS, name, "data set") for name in names}
    return [
        (name, archive)
        for name, known in (named_sets or SETS).items()
        for archive in known.archives
        if named_sets
        or (archive.sources and archive.download_mb <= UNASKED_MB)
        or archive.folder.is_dir()
    ]
