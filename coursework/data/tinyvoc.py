"""Tiny-VOC: which of five classes a picture shows, several at once.

Three sets in one layout, made labels by one rule, see ``voc_layout``: the
segmentation pictures of PASCAL VOC 2012, pictures composed here, and the
course's own set.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from coursework.data import course_set
from coursework.data.compose import voc as composer
from coursework.data.splits import Split, Splits
from coursework.data.voc_archive import OTHERS, VALUES, VOC2012, archived
from coursework.data.voc_layout import Tree
from coursework.data.voc_splits import kept_split, with_validation
from coursework.recipe import at_least

SIZES = {"train": 1200, "validation": 400, "test": 600}  # of those composed


def voc2012(
    *,
    train: int | None = None,
    held_out: int = 264,
    scored: int | None = None,
    side: int = 224,
) -> Splits:
    """Load VOC2012's segmentation pictures, (N, 3, side, side).

    The official validation list is the test split, for the masks of the
    official test split are not public.  ``held_out`` of the 1,464 training
    pictures become the validation split, see ``voc_splits``; ``train``
    keeps only so many of the others, ``scored`` at most so many of the
    validation and of the test split.  Raises DataUnavailable if the archive
    is not there or damaged, ValueError if there are not that many pictures.
    """
    (file,) = VOC2012.files
    stem = VOC2012.folder / f"decoded-{file.digest[1][:16]}"
    whole = kept_split(stem, "train", side, archived)
    test = kept_split(stem, "val", side, archived)
    splits = with_validation(
        whole,
        test,
        held_out=held_out,
        name="Tiny-VOC (VOC2012)",
        classes=VALUES,
    )
    return splits.first(train, scored)


def composed(
    *,
    train: int | None = None,
    held_out: int | None = None,
    scored: int | None = None,
    side: int = 224,
) -> Splits:
    """Load pictures composed in VOC's layout; compose those that lack.

    Validation shows drawings of the training styles that training does not
    show, the test split styles never trained on.  ``train`` and ``held_out``
    take the first so many of ``SIZES``, ``scored`` at most the first so many
    of the validation and of the test split (None: all of them).  Raises
    DataUnavailable if the icon sets can't be had or a picture is damaged,
    ValueError if there are not that many pictures.
    """
    sizes = _sizes(train, held_out, scored)
    root = composer.ensure(sizes)
    where = root / composer.YEAR
    tree = Tree(
        where=str(where),
        read=partial(_file, where),
        classes=tuple(VALUES.values()),
        others=OTHERS,
        remedy="Delete it and run 'coursework data fetch tinyvoc-composed', "
        "which composes what is missing",
    )
    parts = {
        split: kept_split(
            root / f"decoded-{number}",
            composer.LISTS[split],
            side,
            lambda: nullcontext(tree),
            number,
        )
        for split, number in sizes.items()
    }
    return Splits(
        name="Tiny-VOC (composed)",
        classes=tuple(VALUES),
        stand_in=True,
        **parts,
    )


def _sizes(
    train: int | None, held_out: int | None, scored: int | None
) -> dict[str, int]:
    """Say how many pictures of each split are asked for."""
    sizes = dict(SIZES)
    asked = (("train", train, 1), ("validation", held_out, 0))
    for split, number, least in asked:
        if number is None:
            continue
        if not least <= number <= SIZES[split]:
            raise ValueError(
                f"{number} {split} pictures of Tiny-VOC (composed) are asked "
                f"for; accepted: {least} to {SIZES[split]}"
            )
        sizes[split] = number
    if scored is not None:
        at_least("scored", scored, 1)
        for split in ("validation", "test"):
            sizes[split] = min(sizes[split], scored)
    return sizes


def compose() -> None:
    """Compose all pictures of the composed set that are not there."""
    composer.ensure(SIZES)


def imported(
    *,
    train: int | None = None,
    held_out: int | None = None,
    scored: int | None = None,
    side: int = 224,
) -> Splits:
    """Load the course set that was put in with `coursework data import`.

    Its pictures with an index below 6000 train, the others test, as in
    report R1; nothing says which class is which, so they are numbered.  The
    labels are those of its lines, on which R1 was scored.  ``held_out`` of
    the training pictures (None: one in ten) become the validation split; all
    else as `voc2012`.  Raises DataUnavailable if it was never imported.
    """
    folder = course_set.ready()
    lines = course_set.label_lines(folder)
    names = [f"class {k}" for k in range(len(next(iter(lines.values()))))]
    tree = Tree(
        where=str(folder),
        read=partial(_file, folder),
        classes=range(1, len(names) + 1),
        others=(),
        remedy=course_set.REMEDY,
    )
    parts: dict[str, Split] = {}
    for name in ("train", "test"):
        part = kept_split(
            folder / "decoded", name, side, lambda: nullcontext(tree)
        )
        stated = [lines[int(index)] for index in tree.ids(name)]
        targets = np.array(stated, np.int64).reshape(part.targets.shape)
        parts[name] = replace(part, targets=targets)
    splits = with_validation(
        parts["train"],
        parts["test"],
        held_out=len(parts["train"]) // 10 if held_out is None else held_out,
        name="Tiny-VOC (course set)",
        classes=names,
    )
    return splits.first(train, scored)


def _file(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()
