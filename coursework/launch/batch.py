"""Plan → what is missing is trained → the notebooks again, until all is there.

A chain whose later stages depend on earlier winners takes one round a stage;
a killed or out-of-time batch goes on where it stopped.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from coursework import chain, identity, paths, records, stopping
from coursework.experiment import Run
from coursework.launch import pool
from coursework.launch.launchers import Launcher, local
from coursework.launch.notebooks import (
    Execution,
    Mode,
    Notebook,
    Parameters,
    execute,
    is_fresh,
)


@dataclass
class Batch:
    """What became of a batch of notebooks."""

    done: list[Execution] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: list[Run] = field(default_factory=list)
    elsewhere: list[Run] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    trained: int = 0
    wanted: list[Run] = field(default_factory=list)

    @property
    def status(self) -> int:
        """Exit status: 1 after a failure, 75 if the same command goes on."""
        return 1 if self.failed else stopping.RESUMABLE if self.left else 0


def page_path(profile: str, name: str) -> Path:
    """Return where the page of a notebook lies for a profile."""
    folder = paths.PROJECT / "_build" / profile / "practicals"
    return folder / f"{name}.ipynb"


def run(
    chosen: Sequence[Notebook],
    parameters: dict[str, Parameters],
    *,
    profile: str,
    jobs: int | None = None,
    budget: float | None = None,
    launch: Launcher = local,
    grids: Collection[str] | None = None,
) -> Batch:
    """Bring notebooks up to date for a profile.

    ``parameters`` holds what to set besides the profile, by notebook;
    ``budget`` is in minutes; ``launch`` does the runs that are missing.  With
    ``grids`` only the runs of these are done, and a notebook that needs more
    gets no page.
    """
    deadline = None if budget is None else time.monotonic() + 60 * budget
    batch, waiting, before = Batch(), list(chosen), None
    sure = set[str]()  # notebooks that miss no run after the next training
    while waiting:
        stopping.check()
        started = time.perf_counter()
        seen = execute_all(
            waiting,
            {
                b.name: {"profile": profile, **parameters[b.name]}
                for b in chosen
            },
            "ask",
            profile,
            jobs or os.cpu_count() or 1,
            sure=sure,
        )
        _add(batch, "notebooks", time.perf_counter() - started)
        batch.done += [e for e in seen if e.status in ("complete", "unchanged")]
        batch.failed |= {e.name: e.error for e in seen if e.status == "failed"}
        batch.wanted = [run for e in seen for run in e.wanted]
        planned = [e for e in seen if e.status == "planned"]
        if grids is not None:
            planned = _only(planned, grids)
        sure = {e.name for e in planned if e.whole}
        missing = once([run for e in planned for run in e.missing])
        if not missing or set(missing) == before:
            batch.failed |= {e.name: "its runs stay missing" for e in planned}
            break
        before = set(missing)
        started = time.perf_counter()
        report = launch(list(missing.values()), jobs, deadline)
        _add(batch, "training", time.perf_counter() - started)
        undone = [*report.failed, *report.left, *report.elsewhere]
        batch.trained += len(missing) - len(undone)
        batch.left += report.left
        batch.elsewhere += report.elsewhere
        again = _settle(batch, planned, report)
        waiting = [book for book in waiting if book.name in again]
    return batch


def _only(
    planned: Sequence[Execution], grids: Collection[str]
) -> list[Execution]:
    """Keep the missing runs of some grids, and who misses any of them."""
    kept = [
        replace(e, missing=[run for run in e.missing if run.grid in grids])
        for e in planned
    ]
    return [execution for execution in kept if execution.missing]


def _settle(
    batch: Batch, planned: Sequence[Execution], report: pool.Report
) -> set[str]:
    """Enter what could not be done; name the notebooks that go on."""
    failed = {run.name: (run, why) for run, why in report.failed.items()}
    late = {run.name for run in [*report.left, *report.elsewhere]}
    again = set()
    for execution in planned:
        names = {run.name for run in execution.missing}
        if names & set(failed):
            run, why = failed[min(names & set(failed))]
            batch.failed[execution.name] = f"{run} failed:\n{why}"
        elif not names & late:
            again.add(execution.name)
    return again


def execute_all(
    chosen: Sequence[Notebook],
    parameters: dict[str, dict[str, Any]],
    mode: Mode,
    profile: str,
    jobs: int,
    *,
    folder: Path | None = None,
    sure: Collection[str] = (),
) -> list[Execution]:
    """Execute notebooks side by side, each in a process with its kernel.

    Who is ``sure`` to miss no run is not asked, nor is a page that is there
    already: most of these don't either.
    """
    context = multiprocessing.get_context("spawn")
    executions: dict[str, Execution | Future[Execution]] = {}
    with ProcessPoolExecutor(jobs, mp_context=context) as executor:
        for book in chosen:
            page = page_path(profile, book.name)
            if folder:
                page = folder / page.name
            fresh = is_fresh(page, book, parameters[book.name])
            # Stale records are looked for even behind a page that is not.
            if fresh and not os.environ.get("COURSEWORK_STALE"):
                executions[book.name] = Execution(book.name, "unchanged")
                continue
            expected = page.exists() or book.name in sure
            how: Mode = "plan" if mode == "ask" and expected else mode
            executions[book.name] = executor.submit(
                execute, book, parameters[book.name], how, page
            )
        return [_ended(name, e) for name, e in executions.items()]


def _ended(name: str, execution: Execution | Future[Execution]) -> Execution:
    """Wait for an execution; one that broke off is a failed one."""
    try:
        if isinstance(execution, Execution):
            return execution
        return execution.result()
    except Exception as error:  # the others go on
        told = f"{type(error).__name__}: {error}"
        return Execution(name, "failed", error=told)


def promote(
    chosen: Sequence[Notebook], parameters: dict[str, Parameters], profile: str
) -> list[str]:
    """Make the complete runs of notebooks evidence; say what was written.

    Raises LookupError if a run is missing, naming the command that does it.
    """
    folder = paths.PROJECT / "_build" / "promoting"
    settings = {
        book.name: {"profile": profile, **parameters[book.name]}
        for book in chosen
    }
    for page in folder.glob("*.ipynb"):
        page.unlink()
    written = []
    for seen in execute_all(
        chosen, settings, "plan", profile, 1, folder=folder
    ):
        if seen.status == "failed":
            raise LookupError(f"{seen.name} does not run: {seen.error}")
        if seen.missing:
            raise LookupError(
                f"{seen.name} lacks {len(seen.missing)} runs, first "
                f"{seen.missing[0]}; train them with `coursework run "
                f"{seen.name} --profile {profile}`"
            )
        written += _promote(seen.wanted)
    return written


def _promote(wanted: Sequence[Run]) -> list[str]:
    import dataclasses  # noqa: PLC0415

    grids: dict[str, list[records.Record]] = {}
    for run in wanted:
        record = records.find(run.trial, run.seed)
        assert record is not None  # the notebook has just shown it
        labels = {k: getattr(run, k) for k in ("grid", "variant", "profile")}
        grids.setdefault(run.grid, []).append(
            dataclasses.replace(record, **labels)
        )
    chain.one_machine(grids)
    return [
        f"{records.promote(runs)}: {len(runs)} runs" for runs in grids.values()
    ]


def once(runs: Sequence[Run]) -> dict[str, Run]:
    """Do runs that are the same under several labels once, for all of them."""
    found: dict[str, Run] = {}
    for run in runs:
        first = found.setdefault(run.name, run)
        spec = identity.united(first.spec, run.spec)
        found[run.name] = replace(first, spec=spec)
    return found


def _add(batch: Batch, stage: str, seconds: float) -> None:
    batch.seconds[stage] = batch.seconds.get(stage, 0.0) + seconds
