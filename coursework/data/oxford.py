"""Oxford's fine-grained photographs: flowers, pets and aircraft.

:cite:p:`nilsback2008automated`, :cite:p:`parkhi2012cats` and
:cite:p:`maji2013fine`; torchvision reads what is unpacked.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from coursework import guard_torchvision
from coursework.data.download import Archive
from coursework.data.photographs import Opened, Photographs
from coursework.data.sources import File, Mirror
from coursework.data.splits import Splits

BANNER = 20  # pixels at the lower edge of each aircraft photograph
VGG = "https://www.robots.ox.ac.uk/~vgg/data"

FLOWERS102 = Archive(
    name="flowers102",
    download_mb=344.9,
    files=(
        File(
            "102flowers.tgz",
            "2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246",
            344_862_509,
        ),
        File(
            "imagelabels.mat",
            "4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d",
            502,
        ),
        File(
            "setid.mat",
            "46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd",
            14_989,
        ),
    ),
    sources=(Mirror(f"{VGG}/flowers/102/{{}}"),),
    stand_in="animals",
)
PETS = Archive(
    name="pets",
    download_mb=811.1,
    files=(
        File(
            "images.tar.gz",
            "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
            791_918_971,
        ),
        File(
            "annotations.tar.gz",
            "52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
            19_173_078,
        ),
    ),
    sources=(Mirror(f"{VGG}/pets/data/{{}}"),),
    stand_in="animals",
)
# The authors publish no hash; this md5 is the one that others compare.
AIRCRAFT = Archive(
    name="aircraft",
    download_mb=2753.3,
    files=(
        File(
            "fgvc-aircraft-2013b.tar.gz",
            "",
            2_753_340_328,
            md5="d4acdd33327262359767eeaa97a4f732",
        ),
    ),
    sources=(Mirror(f"{VGG}/fgvc-aircraft/archives/{{}}"),),
    stand_in="animals",
)


def flowers102(
    *,
    side: int = 128,
    train: int | None = None,
    scored: int | None = None,
    per_class: int | None = None,
) -> Splits:
    """Load Oxford's 102 flowers, (N, 3, side, side), in their own splits.

    ``per_class`` keeps the first so many training pictures of each class,
    ``train`` the first so many of these, ``scored`` at most so many of the
    validation and of the test split (None: all of them).  Raises
    DataUnavailable if the archive is not there or damaged, ValueError if
    there are not that many pictures.
    """
    known = Photographs(
        name="Flowers-102",
        archive=FLOWERS102,
        opened=partial(_opened, kind="Flowers102"),
        inside="flowers-102",
    )
    return known.splits(side).per_class(per_class).first(train, scored)


def pets(
    *,
    side: int = 128,
    train: int | None = None,
    scored: int | None = None,
    per_class: int | None = None,
) -> Splits:
    """Load 37 breeds of cats and dogs; all else as `flowers102`.

    Validation is held out of the authors' ``trainval``.
    """
    known = Photographs(
        name="Oxford-IIIT Pets",
        archive=PETS,
        opened=partial(
            _opened, kind="OxfordIIITPet", train="trainval", validation=None
        ),
        inside="oxford-iiit-pet",
    )
    return known.splits(side).per_class(per_class).first(train, scored)


def aircraft(
    *,
    side: int = 128,
    train: int | None = None,
    scored: int | None = None,
    per_class: int | None = None,
) -> Splits:
    """Load 100 variants of aircraft; all else as `flowers102`.

    Its authors' own parts train, validate and test.  The line that names a
    photograph's owner is cut off, as they ask for.
    """
    known = Photographs(
        name="FGVC-Aircraft",
        archive=AIRCRAFT,
        opened=partial(_opened, kind="FGVCAircraft", transform=_without_banner),
    )
    return known.splits(side).per_class(per_class).first(train, scored)


def _opened(
    root: Path,
    kind: str,
    train: str = "train",
    validation: str | None = "val",
    **settings: Any,
) -> Opened:
    """Let torchvision's data set ``kind`` read the parts that there are."""
    guard_torchvision()
    from torchvision import datasets  # noqa: PLC0415

    parts = {"train": train, "validation": validation, "test": "test"}
    make = getattr(datasets, kind)
    return {
        split: make(root, part, **settings)
        for split, part in parts.items()
        if part
    }


def _without_banner(picture: Image.Image) -> Image.Image:
    return picture.crop((0, 0, picture.width, picture.height - BANNER))
