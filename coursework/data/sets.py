"""The data sets by name: what each is, where it comes from, how it loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from coursework.data import download, mnist
from coursework.data.digits import digits
from coursework.data.download import Archive
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
}


def loader(name: str) -> Loader:
    """Return a set's loader; ValueError names the accepted names."""
    return named(SETS, name, "data set").loader


def fetch(names: Iterable[str]) -> None:
    """Bring what the named sets lack or hold damaged, whatever their size.

    Raises DataUnavailable, naming each attempt, if no source delivers, and
    ValueError for an unknown name before anything is fetched.
    """
    for chosen in [named(SETS, name, "data set") for name in names]:
        for archive in chosen.archives:
            download.fetch(archive)


def verify(names: Iterable[str]) -> list[Finding]:
    """Compare each file of the named sets with its hash; ask no network."""
    findings = []
    for name in names:
        for archive in named(SETS, name, "data set").archives:
            for file in archive.files:
                trouble = archive.problem(file) or ""
                found = Finding(name, file.name, not trouble, trouble)
                findings.append(found)
    return findings
