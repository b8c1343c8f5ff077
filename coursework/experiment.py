"""Grids of variants, and running what is missing of them; imports no torch.

A grid is declared by a function of the profile that returns a plain dict:
row label → variant, where a variant is a ``functools.partial`` of a trial.
The same seeds run in every variant, so that differences are paired.
"""

from __future__ import annotations

import datetime
import hashlib
import inspect
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock

from coursework import gpus, identity, paths, provenance, records, stopping
from coursework.progress import Progress
from coursework.recipe import named
from coursework.records import Record
from coursework.trial import Epoch, Outcome

Profile = Literal["smoke", "quick", "standard", "full"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
EVIDENCE: tuple[Profile, ...] = ("full", "standard")  # best first
SEEDS: Mapping[Profile, int] = {
    "smoke": 2,
    "quick": 3,
    "standard": 5,
    "full": 5,
}

Grid = Mapping[str, Callable[..., Any]]
Declare = Callable[[Profile], Grid]
OnEpoch = Callable[["Run", Epoch], None]
Epochs = Generator[Epoch, None, Outcome]


class MissingRunsError(LookupError):
    """Declared runs that have no record where training is forbidden."""


class Planned(Exception):
    """Stops a notebook whose missing runs have been written down."""


@dataclass(frozen=True)
class Run:
    """One cell of a grid: a variant and a seed, as another process needs it.

    Its trial is built from the spec only where it is called, so that who
    merely plans runs does not import what they train with.
    """

    grid: str
    variant: str
    profile: str
    seed: int
    key: str
    spec: identity.Spec = field(compare=False)

    @staticmethod
    def of(grid: str, variant: str, profile: str, seed: int, trial: Any) -> Run:
        """Describe a cell of a grid; see :func:`identity.describe`."""
        key, spec = identity.key(trial), identity.describe(trial)
        return Run(grid, variant, profile, seed, key, spec)

    @property
    def trial(self) -> Any:
        """The variant, ready to be called with a seed."""
        return identity.build(self.spec)

    @property
    def name(self) -> str:
        """Name of the run, unique over all grids."""
        return records.run_name(self.key, self.seed, self.profile)

    def __str__(self) -> str:
        return f"{self.grid} · {self.variant} · seed {self.seed}"


def run(
    grid: str,
    declare: Declare,
    *,
    profile: str,
    seeds: Mapping[Profile, int] = SEEDS,
) -> list[Record]:
    """Return the records of a grid in declared order, training if need be.

    ``profile`` may also be ``"evidence"``: then the highest of ``full`` and
    ``standard`` whose committed records are complete is shown, and nothing
    is trained.  Under ``coursework run`` missing runs are written down and
    the notebook stops; elsewhere they are trained here, with progress.

    Raises ValueError for an unknown profile, NotImportableError for a
    variant that is not importable, MissingRunsError where training is
    forbidden.
    """
    if profile == "evidence":
        return _evidence(grid, declare, seeds)
    known: Profile = named({p: p for p in PROFILES}, profile, "profile")
    wanted = _cells(grid, declare, known, seeds)
    found = [_find(cell) for cell in wanted]
    missing = [c for c, r in zip(wanted, found, strict=True) if r is None]
    _note(grid, wanted, missing)
    if missing and os.environ.get("COURSEWORK_MODE") == "plan":
        raise Planned(f"{len(missing)} runs of grid {grid!r} are missing")
    if missing:
        train(missing)
        found = [_find(cell) for cell in wanted]
    return [_labelled(c, r) for c, r in zip(wanted, found, strict=True) if r]


def train(missing: Sequence[Run]) -> None:
    """Do runs one after another in this process, showing progress."""
    with Progress(len(missing)) as progress:
        for cell in missing:
            execute(cell, on_epoch=progress.epoch)
            progress.done(cell)


def begin(cell: Run, **changes: Any) -> Epochs:
    """Call a trial, with a checkpoint file if it knows how to use one.

    ``changes`` take the place of arguments that the run has.
    """
    trial = partial(cell.trial, **changes)
    if "checkpoint" in inspect.signature(trial).parameters:
        trial = partial(trial, checkpoint=checkpoint_file(cell))
    started: Epochs = trial(seed=cell.seed)
    return started


def execute(
    cell: Run,
    *,
    on_epoch: OnEpoch | None = None,
    start: Callable[[Run], Epochs] = begin,
) -> Record:
    """Do one run and store its record; a run that is there is not repeated.

    One file lock a run: of two processes that want the same run, the second
    waits and then finds the record of the first.  The system drops the lock
    of a killed process.  Asked to stop by a signal, it does so after a step
    or an epoch and raises :class:`stopping.Stopped`.  ``start`` begins the
    trial.
    """
    lock = paths.runs() / ".locks" / f"{cell.name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock), stopping.noted():
        done = _find(cell)
        if done is not None:
            checkpoint_file(cell).unlink(missing_ok=True)  # of a killed run
            return done
        cell = _also_seen(cell)
        history: list[dict[str, Any]] = []
        gpus.forget_memory()
        started = time.perf_counter()
        epochs = start(cell)
        while True:
            try:
                epoch = next(epochs)
            except StopIteration as stop:
                outcome: Outcome = stop.value
                break
            history.append(vars(epoch) | {"validation": {**epoch.validation}})
            if on_epoch:
                on_epoch(cell, epoch)
            if stopping.asked():
                epochs.throw(stopping.Stopped())  # for it to keep its state
        wall = time.perf_counter() - started
        record = _record(cell, outcome, history, wall)
        records.save(record, outcome.artefacts)
        checkpoint_file(cell).unlink(missing_ok=True)
    return record


def _also_seen(cell: Run) -> Run:
    """Look at a run that is repeated as its record before did, too.

    Two grids may ask different things of the same run; without this each
    would drop what the other asked for.
    """
    before = records.run_file(cell.key, cell.seed, cell.profile)
    if not before.exists():
        return cell
    stored = records.parse(before.read_bytes(), before)
    return replace(cell, spec=identity.united(cell.spec, stored.spec))


def checkpoint_file(cell: Run) -> Path:
    """Name a run's checkpoint by all of its spec, defaults included."""
    spec = json.dumps(cell.spec, sort_keys=True)
    digest = hashlib.sha256(spec.encode()).hexdigest()[:8]
    return paths.runs() / ".checkpoints" / f"{cell.name}-{digest}.pt"


def left_out(declare: Declare, profile: str) -> list[str]:
    """List the arms of ``full`` that a profile leaves out."""
    here = set(declare(named({p: p for p in PROFILES}, profile, "profile")))
    return [variant for variant in declare("full") if variant not in here]


def _cells(
    grid: str, declare: Declare, profile: Profile, seeds: Mapping[Profile, int]
) -> list[Run]:
    cells = []
    for variant, trial in declare(profile).items():
        try:
            first = Run.of(grid, variant, profile, 0, trial)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"grid {grid!r}, variant {variant!r}: {error}"
            ) from None
        cells += [replace(first, seed=s) for s in range(seeds[profile])]
    return cells


def _find(cell: Run, *, evidence: bool = False) -> Record | None:
    record = records.find(
        cell.trial, cell.seed, evidence=evidence, profile=cell.profile
    )
    if record and os.environ.get("COURSEWORK_STALE") and not evidence:
        today = provenance.source_digest(identity.modules(record.spec))
        return record if record.source == today else None
    return record


def _labelled(cell: Run, record: Record) -> Record:
    """Give a record, found under whatever name, the name it has here."""
    return replace(
        record, grid=cell.grid, variant=cell.variant, profile=cell.profile
    )


def _evidence(
    grid: str, declare: Declare, seeds: Mapping[Profile, int]
) -> list[Record]:
    gaps = []
    for profile in EVIDENCE:
        wanted = _cells(grid, declare, profile, seeds)
        if wanted and not records.evidence_file(grid, profile).exists():
            gaps.append(f"{profile}: none committed")
            continue
        found = [_find(cell, evidence=True) for cell in wanted]
        if all(found):
            _note(grid, wanted, [])
            pairs = zip(wanted, found, strict=True)
            return [_labelled(c, r) for c, r in pairs if r]
        lost = [str(c) for c, r in zip(wanted, found, strict=True) if not r]
        gaps.append(f"{profile}: {len(lost)} missing, first {lost[0]}")
    practical = _practical(grid)
    raise MissingRunsError(
        f"grid {grid!r} has no complete evidence ({'; '.join(gaps)}). Train it "
        f"with `coursework run {practical} --profile standard`, then promote "
        f"it with `coursework record {practical} --profile standard`"
    )


def _practical(grid: str) -> str:
    """Name the first notebook whose source has a grid's name."""
    for path in sorted((paths.PROJECT / "notebooks").glob("[0-9]*.py")):
        if f'"{grid}"' in path.read_text(encoding="utf-8"):
            return path.stem
    return "PRACTICAL"


def _note(grid: str, wanted: Sequence[Run], missing: Sequence[Run]) -> None:
    """Tell the notebook runner what this grid asked for."""
    ledger = os.environ.get("COURSEWORK_LEDGER")
    if ledger:
        line = {
            "grid": grid,
            "wanted": [asdict(cell) for cell in wanted],
            "missing": [asdict(cell) for cell in missing],
        }
        with Path(ledger).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _record(
    cell: Run,
    outcome: Outcome,
    history: list[dict[str, Any]],
    wall: float,
) -> Record:
    trained = sum(epoch["seconds"] for epoch in history) or wall
    examples = outcome.data.sizes["train"] * (
        history[-1]["epoch"] if history else 0
    )
    # ru_maxrss is in KiB on Linux, in bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    now = datetime.datetime.now(datetime.UTC)
    return Record(
        grid=cell.grid,
        variant=cell.variant,
        profile=cell.profile,
        seed=cell.seed,
        key=cell.key,
        spec=cell.spec,
        source=provenance.source_digest(identity.modules(cell.spec)),
        data=vars(outcome.data),
        parameters=outcome.parameters,
        multiply_adds=outcome.multiply_adds,
        scores=outcome.scores,
        history=history,
        seconds=trained,
        examples_per_second=examples / trained,
        peak_memory_bytes=peak,
        device_memory_bytes=gpus.memory(),
        environment=provenance.environment(),
        created=now.isoformat(timespec="seconds"),
        predictions=None
        if outcome.predictions is None
        else records.pack(outcome.predictions),
        diverged=outcome.diverged,
        artefacts={
            name: hashlib.sha256(content).hexdigest()
            for name, content in outcome.artefacts.items()
        },
        notes=outcome.notes,
    )
