"""Whether data, runs and evidence are what they say they are."""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from coursework import identity, paths, provenance, records
from coursework.data import sets
from coursework.experiment import EVIDENCE, Run
from coursework.launch import notebooks
from coursework.launch.notebooks import Notebook
from coursework.launch.workers import THREADS
from coursework.records import DamagedRecordError, Record

TOLERANCE = 0.05  # of a score, where other versions or another machine made it
MADE_BY = ("python", *provenance.VERSIONS, "device", "threads", "system")


@dataclass(frozen=True)
class Finding:
    """What was found of one thing; a note is no fault."""

    mark: Literal["ok", "note", "FAULT"]
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.mark:6}{self.where}: {self.text}"


def data() -> Iterator[Finding]:
    """Hash the files of data sets; one that is not there is no fault."""
    for name, file, good, message in sets.verify():
        missing = message.endswith("is missing")
        mark: Literal["note", "FAULT"] = "note" if missing else "FAULT"
        yield Finding("ok" if good else mark, f"{name} {file}", message or "ok")


def evidence(chosen: Sequence[Notebook]) -> Iterator[Finding]:
    """Check the committed records of the grids that notebooks name."""
    every = list[Record]()
    for path in _committed(chosen):
        where = f"{path.parent.name}/{path.name}"
        lines = path.read_bytes().splitlines()
        found = _read(
            [(line, path, f"{where}:{n}") for n, line in enumerate(lines, 1)],
            path.parent / "artefacts",
        )
        good = [record for record, _ in found if record]
        yield from (fault for _, faults in found for fault in faults)
        yield from _strangers(where, good)
        yield _summary(where, good)
        every += good
    yield from _twice(every)
    if not every:
        yield Finding("note", "evidence", "none is committed")


def runs() -> Iterator[Finding]:
    """Check this machine's runs, and see what killed processes left."""
    folder = paths.runs()
    files = sorted(folder.glob("*.json"))
    found = _read([(p.read_bytes(), p, p.name) for p in files], folder)
    for path, (record, faults) in zip(files, found, strict=True):
        yield from faults
        if record and path.stem != record.name:
            yield Finding("FAULT", path.name, f"holds the run {record.name}")
    yield _summary("runs", [record for record, _ in found if record])
    if left := list(folder.rglob(".part-*")):
        text = f"{len(left)} unfinished files of killed writes; nobody reads"
        yield Finding("note", "runs", f"{text} them, they may be deleted")


def declared(chosen: Sequence[Notebook]) -> Iterator[Finding]:
    """See whether the evidence has all runs that notebooks declare.

    The part of each notebook that declares its grids is executed.
    """
    for book in chosen:
        for profile in EVIDENCE:
            grids = {p.parent.name for p in _committed([book], profile)}
            if grids:
                wanted, _ = notebooks.asked(book, {"profile": profile})
                ours = [run for run in wanted if run.grid in grids]
                where = f"{book.name}, {profile}"
                yield _complete(where, ours, grids)


def rerun(chosen: Sequence[Notebook], number: int) -> Iterator[Finding]:
    """Train so many runs again, the cheapest of as many grids; compare.

    Scores must be equal where the machine, the number of threads and all
    versions are those of the record, else within ``TOLERANCE``.
    """
    cheapest = dict[str, Record]()
    for path in _committed(chosen) if number else ():
        for line in path.read_bytes().splitlines():
            with suppress(DamagedRecordError):  # evidence() names it
                record = records.parse(line, path)
                least = cheapest.setdefault(record.grid, record)
                cheapest[record.grid] = min(record, least, key=_cost)
    for record in sorted(cheapest.values(), key=_cost)[:number]:
        yield compared(record, *_again(record))


def compared(
    record: Record, scores: Mapping[str, float], here: Mapping[str, object]
) -> Finding:
    """Set scores and environment of a repetition beside those of a record."""
    where = f"{record.grid} · {record.variant} · seed {record.seed}"
    others = [
        f"{name} {record.environment[name]} there, {here.get(name)} here"
        for name in MADE_BY
        if name in record.environment
        and record.environment[name] != here.get(name)
    ]
    apart = _apart(record.scores, scores)
    text = f"scores differ by up to {apart:.3g}"
    reason = f"; made with {'; '.join(others)}" if others else ""
    if apart == 0:
        return Finding("ok", where, f"the same scores again{reason}")
    if others and apart <= TOLERANCE:
        return Finding("note", where, text + reason)
    allowed = TOLERANCE if others else 0
    return Finding("FAULT", where, f"{text}, accepted: {allowed}{reason}")


def _committed(chosen: Iterable[Notebook], profile: str = "*") -> list[Path]:
    """List the evidence of the grids that some notebook names."""
    sources = [book.path.read_text(encoding="utf-8") for book in chosen]
    return [
        path
        for path in sorted(paths.results().glob(f"*/{profile}.jsonl"))
        if any(f'"{path.parent.name}"' in source for source in sources)
    ]


def _complete(where: str, ours: Sequence[Run], grids: set[str]) -> Finding:
    """Look declared runs up in the evidence alone."""
    if silent := grids - {run.grid for run in ours}:
        text = f"does not say which runs it wants of {', '.join(silent)}"
        return Finding("FAULT", where, text)
    lost = [
        run
        for run in ours
        if not records.find(run.trial, run.seed, evidence=True)
    ]
    if lost:
        text = f"{len(lost)} of {len(ours)} runs have no evidence"
        return Finding("FAULT", where, f"{text}, first {lost[0]}")
    return Finding("ok", where, f"has all {len(ours)} runs it declares")


def _read(
    lines: Sequence[tuple[bytes, Path, str]], folder: Path
) -> list[tuple[Record | None, list[Finding]]]:
    """Read records whose artefacts lie in a folder, and check each."""
    return [_checked(*line, folder) for line in lines]


def _checked(
    line: bytes, path: Path, where: str, folder: Path
) -> tuple[Record | None, list[Finding]]:
    """Read a record and say what is wrong with it."""
    try:
        record = records.parse(line, path)
    except DamagedRecordError as error:
        return None, [Finding("FAULT", where, str(error))]
    troubles = [
        _key_trouble(record),
        _score_trouble(record),
        *(_file_trouble(record, folder, name) for name in record.artefacts),
    ]
    return record, [Finding("FAULT", where, t) for t in troubles if t]


def _key_trouble(record: Record) -> str:
    try:
        key = _key(json.dumps(record.spec))
    except Exception as error:  # whatever a changed spec calls, may raise
        return f"its spec can't be built: {type(error).__name__}: {error}"
    if key == record.key:
        return ""
    return f"its key is {record.key}, that of its spec is {key}"


@cache
def _key(spec: str) -> str:
    return identity.key(identity.build(json.loads(spec)))


def _score_trouble(record: Record) -> str:
    """Compare an accuracy with the predictions that it was counted from."""
    if record.predictions is None or "accuracy" not in record.scores:
        return ""
    try:
        counted = float(record.correct().mean())
    except Exception as error:  # base64, zlib and numpy have their own
        return f"its predictions can't be read: {error}"
    given = record.scores["accuracy"]
    if math.isclose(counted, given, abs_tol=1e-9):
        return ""
    return f"its accuracy is {given}, its predictions say {counted}"


def _file_trouble(record: Record, folder: Path, name: str) -> str:
    path = folder / record.name / name
    if not path.is_file():
        return f"its artefact {path} is missing"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found == record.artefacts[name]:
        return ""
    return f"its artefact {path} has another hash than the record says"


def _strangers(where: str, good: Sequence[Record]) -> Iterator[Finding]:
    """Find records in a file of another grid or profile."""
    for record in good:
        home = f"{record.grid}/{record.profile}.jsonl"
        if home != where:
            yield Finding("FAULT", where, f"{record.name} belongs to {home}")


def _twice(every: Sequence[Record]) -> Iterator[Finding]:
    """Find a run under one label twice; two grids may well share a run."""
    cells = Counter((r.grid, r.variant, r.profile, r.name) for r in every)
    for (grid, variant, profile, name), number in cells.items():
        if number > 1:
            text = f"{name} ({variant!r}) is there {number} times"
            yield Finding("FAULT", f"{grid}/{profile}.jsonl", text)


def _summary(where: str, good: Sequence[Record]) -> Finding:
    """Count the records, and those made by other code than today's."""
    old = sum(record.source != _today(record) for record in good)
    text = f"{len(good)} records are whole"
    if not old:
        return Finding("ok", where, text)
    return Finding("note", where, f"{text}; {old} made by other code")


def _today(record: Record) -> str:
    return _digest(frozenset(identity.modules(record.spec)))


@cache
def _digest(modules: frozenset[str]) -> str:
    try:
        return provenance.source_digest(modules)
    except ValueError:  # the code that made it is gone
        return ""


def _cost(record: Record) -> float:
    return record.seconds


def _apart(old: Mapping[str, float], new: Mapping[str, float]) -> float:
    """Return how far scores lie apart at most; NaN equals NaN."""
    if old.keys() != new.keys():
        return math.inf
    gaps = [
        abs(old[k] - new[k])
        for k in old
        if not (math.isnan(old[k]) and math.isnan(new[k]))
    ]
    return max((math.inf if math.isnan(g) else g for g in gaps), default=0.0)


def _again(record: Record) -> tuple[dict[str, float], dict[str, object]]:
    """Do a run in a process with the threads that the record had."""
    threads = str(record.environment["threads"])
    os.environ |= dict.fromkeys(THREADS, threads)  # read as numpy is imported
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_scores, record.spec, record.seed).result()


def _scores(
    spec: identity.Spec, seed: int
) -> tuple[dict[str, float], dict[str, object]]:
    epochs = identity.build(spec)(seed=seed)
    while True:
        try:
            next(epochs)
        except StopIteration as stop:
            return dict(stop.value.scores), {**provenance.environment()}
