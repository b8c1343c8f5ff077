"""The course's own Tiny-VOC: its folder is checked and put in, whole.

The set comes as pictures ``INDEX.jpg``, masks ``INDEX.png`` of one colour a
class, and text files of lines ``INDEX,0,1,…``: a column a class, 1 where the
picture shows it.  Which colour is which column is told by the order of the
lines: the first colour met is that of the first column, and so on, within a
mask from left to right and from top to bottom.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from coursework import paths
from coursework.data.colour_masks import NO_CLASSES, image, indexed
from coursework.data.download import DataUnavailable

FIRST_TEST = 6000  # as in report R1: smaller indices train
SHOWN = 8  # of the faults
LINE = re.compile(r"\d+(,[01])+")
REMEDY = "Import the course set again: 'coursework data import tiny-voc PATH'"

Lines = Mapping[int, tuple[int, ...]]


def folder() -> Path:
    """Return where the set lies once it was imported."""
    return paths.data() / "tiny-voc"


def ready() -> Path:
    """Return its folder; DataUnavailable if it was never imported."""
    if not folder().is_dir():
        raise DataUnavailable(
            f"{folder()} is missing: no source offers the course set. "
            "With a copy of it: 'coursework data import tiny-voc PATH'; else "
            "run on a stand-in: --set dataset=tinyvoc-composed"
        )
    return folder()


def label_lines(place: Path) -> Lines:
    """Read the labels of each index, in the order of the lines.

    A text file counts if its first line is a label line.  Raises ValueError,
    naming file and line, for one that is none, is given twice or has another
    number of classes than the first, and if there are no lines at all.
    """
    labels: dict[int, tuple[int, ...]] = {}
    for path in sorted(place.rglob("*")):
        if path.suffix in (".txt", ".csv") and path.is_file():
            _add_lines(path, labels)
    if not labels:
        raise ValueError(
            f"{place} holds no label lines; expected a .txt or .csv file "
            "whose first line reads INDEX,0,1,… with a column a class"
        )
    return labels


def _add_lines(path: Path, labels: dict[int, tuple[int, ...]]) -> None:
    lines = path.read_text(errors="replace").split()
    if not lines or not LINE.fullmatch(lines[0]):
        return
    for number, line in enumerate(lines, 1):
        if not LINE.fullmatch(line):
            raise ValueError(
                f"{path}: line {number} is {line!r}; expected INDEX,0,1,…"
            )
        index, *flags = map(int, line.split(","))
        columns = len(next(iter(labels.values()), flags))
        if index in labels or len(flags) != columns:
            raise ValueError(
                f"{path}: line {number} is {line!r}; expected an index that "
                f"no line before has, and {columns} classes"
            )
        labels[index] = tuple(flags)


def put_in(source: Path) -> str:
    """Check a course set and put it into the data folder, in VOC's layout.

    Returns a sentence on what was put in; an earlier import is replaced.
    Raises ValueError, naming the files and what is wrong with each, and
    OSError on a full disk; then what lay there before is intact.
    """
    if not source.is_dir():
        raise ValueError(f"{source} is no folder; give that of the course set")
    labels = label_lines(source)
    target = folder()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as place:
            new = Path(place) / "new"
            if faults := list(_convert(source, labels, new)):
                raise ValueError(_listed(source, faults))
            if target.exists():
                target.rename(Path(place) / "before")
            new.rename(target)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror or error} while putting {source} into {target}; "
            "nothing was changed there. Free some space or choose another "
            "folder with COURSEWORK_DATA",
        ) from error
    classes = len(next(iter(labels.values())))
    return f"{target}: {len(labels)} pictures, {classes} classes"


def _listed(source: Path, faults: list[str]) -> str:
    more = len(faults) - SHOWN
    shown = faults[:SHOWN] + [f"and {more} more"] * (more > 0)
    return (
        f"{source} was not imported:\n  - "
        + "\n  - ".join(shown)
        + "\nMend these files and import again."
    )


def _convert(source: Path, labels: Lines, new: Path) -> Iterator[str]:
    """Write the set in VOC's layout and yield whatever is wrong with it."""
    pictures, masks = _numbered(source, ".jpg"), _numbered(source, ".png")
    for index in sorted(pictures.keys() - labels.keys()):
        yield f"{pictures[index][0]}: no label line has the index {index}"
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (new / name).mkdir(parents=True)
    colours = dict(NO_CLASSES)
    for index, flags in labels.items():
        try:
            picture = _only(pictures, index, source / f"{index}.jpg")
            mask = _only(masks, index, source / f"{index}.png")
            drawn = indexed(mask, image(picture).size, colours, flags)
        except ValueError as fault:
            yield str(fault)
            continue
        drawn.save(new / "SegmentationClass" / f"{index:06d}.png")
        content = picture.read_bytes()
        (new / "JPEGImages" / f"{index:06d}.jpg").write_bytes(content)
    _write_lists(labels, new)


def _write_lists(labels: Lines, new: Path) -> None:
    lines = [",".join(map(str, (i, *flags))) for i, flags in labels.items()]
    (new / "labels.txt").write_text("\n".join(lines) + "\n")
    for split in ("train", "test"):
        ids = [
            f"{index:06d}\n"
            for index in sorted(labels)
            if (index < FIRST_TEST) is (split == "train")
        ]
        path = new / "ImageSets" / "Segmentation" / f"{split}.txt"
        path.write_text("".join(ids))


def _numbered(source: Path, suffix: str) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = {}
    for path in sorted(source.rglob(f"*{suffix}")):
        if re.fullmatch("[0-9]+", path.stem):
            found.setdefault(int(path.stem), []).append(path)
    return found


def _only(files: Mapping[int, list[Path]], index: int, expected: Path) -> Path:
    found = files.get(index, [])
    if len(found) != 1:
        names = ", ".join(map(str, found)) or "none"
        raise ValueError(
            f"{expected}: found {names} of that index; expected one file, "
            "there or in a folder below"
        )
    return found[0]
