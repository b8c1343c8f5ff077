"""One file with all that a machine without network needs to do runs.

That machine has Python and the packages of ``THERE``.  The rest of what
training and papermill need travels as wheels.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from coursework import paths, provenance, records
from coursework.data.cifar import CIFAR10_JPEG
from coursework.data.mnist import ARCHIVE as MNIST
from coursework.launch import bundled

LIMIT = 60_000_000  # bytes
THERE = (
    "numpy",
    "pandas",
    "scikit-learn",
    "seaborn",
    "timm",
    "torch",
    "torchvision",
)
# Directly used packages that travel though some package of THERE needs them,
# too: its version may be older than ours asks for.
SMALL = (
    "filelock",
    "ipykernel",
    "jupytext",
    "papermill",
    "pyyaml",
    "resvg-py",
    "torchinfo",
    "tqdm",
    "tyro",
)
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux2014_x86_64")
DATA = (MNIST, CIFAR10_JPEG)
DENSE = (".whl", ".xz", ".png")  # compressing them again gains nothing


def pack(
    file: Path, profile: str, python: str, wheels: Path | None
) -> Iterator[str]:
    """Write the bundle; yield what it holds, kind by kind, in bytes.

    All evidence travels, and this machine's runs of ``profile``; artefacts
    are those of that profile alone.  ``wheels`` is a folder to take the wheels
    from; by default pip fetches those that fit ``python`` on Linux.  Data sets
    that are not here are left out and named.  Raises RuntimeError if a wheel
    can't be had, ValueError if the file would be too large; then nothing is
    written.
    """
    sizes = Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "bundle.zip"
        found = wheels or _fetched(Path(folder), python)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for source, name in _contents(found, profile):
                dense = source.suffix in DENSE
                how = zipfile.ZIP_STORED if dense else zipfile.ZIP_DEFLATED
                archive.write(source, name, how)
                packed = archive.getinfo(name).compress_size
                sizes[name.partition("/")[0]] += packed
            origin = json.dumps(provenance.origin())
            archive.writestr(provenance.ORIGIN, origin)
        size = part.stat().st_size
        if size > LIMIT:
            listed = ", ".join(f"{k} {v}" for k, v in sizes.most_common())
            raise ValueError(
                f"the bundle would have {size} bytes, at most {LIMIT} are "
                f"accepted: {listed}; delete runs that are evidence already"
            )
        paths.write(file, part.read_bytes())
    for kind, number in sizes.most_common():
        yield f"{number:12,} {kind}"
    yield f"{size:12,} {file}"
    for data in DATA:
        if not (paths.data() / data.name).is_dir():
            yield f"left out, for it is not here: data set {data.name}"
    yield f"there: python -m zipfile -e {file.name} work"
    yield "       python work/run --help"


def needed() -> dict[str, str]:
    """Name the packages that travel and the versions installed here."""
    extra = _closure(SMALL) - _closure(THERE) | set(SMALL)
    return {name: importlib.metadata.version(name) for name in sorted(extra)}


def _closure(names: Iterable[str]) -> set[str]:
    """Collect packages with all that they need, as installed here."""
    from packaging.requirements import Requirement  # noqa: PLC0415
    from packaging.utils import canonicalize_name  # noqa: PLC0415

    found, waiting = set[str](), [*names]
    while waiting:
        name = str(canonicalize_name(waiting.pop()))
        if name in found:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or ():
            needs = Requirement(line)
            if needs.marker is None or needs.marker.evaluate({"extra": ""}):
                waiting.append(needs.name)
    return found


def _fetched(folder: Path, python: str) -> Path:
    """Fetch the wheels by pip, for another Python than this one."""
    pins = [f"{name}=={version}" for name, version in needed().items()]
    platforms = [word for p in PLATFORMS for word in ("--platform", p)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", python, *platforms]
    done = subprocess.run(
        [*command, "--dest", str(folder), *pins],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"pip can't fetch the wheels: {done.stderr.strip()}\nHave them in "
            "a folder and give it: --wheels FOLDER"
        )
    return folder


def _contents(wheels: Path, profile: str) -> Iterator[tuple[Path, str]]:
    """Pair each file to be packed with its name in the bundle."""
    yield Path(bundled.__file__), "run"
    for wheel in sorted(wheels.glob("*.whl")):
        yield wheel, f"wheels/{wheel.name}"
    for folder, files in (("", _code()), ("data/", _data())):
        root = paths.data() if folder else paths.PROJECT
        yield from ((f, folder + f.relative_to(root).as_posix()) for f in files)
    for path in _runs(profile):
        yield path, f"runs/{path.relative_to(paths.runs()).as_posix()}"
    for path in _evidence(profile):
        yield path, f"results/{path.relative_to(paths.results()).as_posix()}"


def _code() -> Iterator[Path]:
    for folder in ("coursework", "notebooks", "benchmarks"):
        for path in sorted((paths.PROJECT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _data() -> Iterator[Path]:
    for data in DATA:
        files = [paths.data() / data.name / file.name for file in data.files]
        yield from filter(Path.is_file, files)


def _runs(profile: str) -> Iterator[Path]:
    for path in sorted(paths.runs().glob("*.json")):
        record = records.parse(path.read_bytes(), path)
        if record.profile == profile:
            yield path
            yield from _files(path.with_suffix(""), record)


def _evidence(profile: str) -> Iterator[Path]:
    for grid, profiles in records.grids().items():
        for each in profiles:
            yield records.evidence_file(grid, each)
        for record in records.evidence(grid, profile):
            folder = paths.results() / grid / "artefacts" / record.name
            yield from _files(folder, record)


def _files(folder: Path, record: records.Record) -> Iterator[Path]:
    yield from filter(Path.is_file, (folder / n for n in record.artefacts))
