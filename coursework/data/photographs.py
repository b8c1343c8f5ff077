"""Fine-grained photographs: archives of pictures made into arrays.

The archives, see ``birds`` and ``oxford``, are fetched and verified as all
others, and unpacked only for as long as their pictures are decoded.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coursework.data import archives
from coursework.data.download import Archive, verified
from coursework.data.kept import Arrays, kept
from coursework.data.splits import Split, Splits, stratified
from coursework.data.voc_layout import squared
from coursework.recipe import at_least

SPLIT_SEED = 200  # the same validation rows for every run, whatever seed
HELD_OUT = 10  # one in so many validates where the authors set none apart
VERSION = 1  # of what is made of the pictures


class Examples(Protocol):
    """Pictures of a split with their classes, as torchvision has them."""

    @property
    def classes(self) -> Sequence[str]:
        """Name the classes in the order of their numbers."""

    def __len__(self) -> int:
        """Count the pictures."""

    def __getitem__(self, index: int, /) -> tuple[Image.Image, int]:
        """Return a picture and the number of its class."""


Opened = Mapping[str, Examples]  # by split; it may lack "validation"


@dataclass(frozen=True, kw_only=True)
class Photographs:
    """A set of photographs: its archive, and how to read it unpacked.

    ``opened`` gets a folder; in its subfolder ``inside`` lie the contents of
    the archive's tars and its other files.  ``variant`` tells what is kept
    of different ways to read one archive apart.
    """

    name: str
    archive: Archive
    opened: Callable[[Path], Opened]
    inside: str = "."
    variant: str = ""

    def splits(self, side: int) -> Splits:
        """Load the pictures, (N, 3, side, side), decoded once a machine.

        Of each the centre square, as long as the shorter side, is resized.
        Where the authors set no validation pictures apart, one in
        ``HELD_OUT`` for training validates, stratified and always the same.
        Raises DataUnavailable if the archive is not there or damaged.
        """
        at_least("side", side, 8)
        digest = self.archive.files[0].digest[1][:16]
        file = f"decoded-{digest}-{side}{self.variant}-v{VERSION}.npz"
        arrays = kept(self.archive.folder / file, partial(self._decode, side))
        parts = {
            split: Split(inputs=arrays[split], targets=arrays[f"{split} of"])
            for split in ("train", "validation", "test")
            if split in arrays
        }
        if "validation" not in parts:
            whole = parts["train"]
            held_out = len(whole) // HELD_OUT
            rows = stratified(whole.targets, held_out, SPLIT_SEED)
            parts["train"], parts["validation"] = map(whole.take, rows)
        return Splits(
            name=self.name,
            train=parts["train"],
            validation=parts["validation"],
            test=parts["test"],
            classes=tuple(map(str, arrays["classes"])),
        )

    def _decode(self, side: int) -> Arrays:
        files = [verified(self.archive, f.name) for f in self.archive.files]
        with tempfile.TemporaryDirectory(dir=self.archive.folder) as place:
            root = Path(place)
            try:
                _unpack(files, root / self.inside)
                return decoded(self.opened(root), side)
            except Exception as error:  # a damaged file fails in many ways
                where = ", ".join(map(str, files))
                what = str(error).replace(f"{root}/", "")
                raise self.archive.unavailable(f"{where}: {what}") from error


def decoded(opened: Opened, side: int) -> Arrays:
    """Read all pictures: by split uint8 (N, 3, side, side), "SPLIT of" (N,).

    Raises OSError, naming the picture, if one is damaged.
    """
    names = np.array(opened["train"].classes)
    arrays: dict[str, NDArray[Any]] = {"classes": names}
    for split, examples in opened.items():
        inputs = np.empty((len(examples), 3, side, side), np.uint8)
        targets = np.empty(len(examples), np.int64)
        for row in range(len(examples)):
            try:
                picture, targets[row] = examples[row]
            except Exception as error:
                raise OSError(f"{split} picture {row}: {error}") from error
            small = squared(picture.convert("RGB")).resize(
                (side, side), Image.Resampling.BILINEAR
            )
            inputs[row] = np.asarray(small).transpose(2, 0, 1)
        arrays |= {split: inputs, f"{split} of": targets}
    return arrays


def _unpack(files: Sequence[Path], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for file in files:
        if not tarfile.is_tarfile(file):
            shutil.copy(file, folder)
            continue
        archives.extract(file, folder)
