"""The plan against the store: what is done, under way, failed or missing."""

from __future__ import annotations

import json
import math
import multiprocessing
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from coursework import stopping
from coursework.experiment import Run
from coursework.launch import journal, launchers, notebooks, slurm
from coursework.launch.batch import once
from coursework.launch.budget import Costs
from coursework.launch.launchers import Launcher
from coursework.launch.notebooks import Notebook, Parameters

Name = Literal["done", "running", "queued", "failed", "missing"]
NAMES: tuple[Name, ...] = get_args(Name)
UNDONE: tuple[Name, ...] = ("failed", "missing")  # and nobody is at them


@dataclass(frozen=True)
class State:
    """How a run stands; ``where`` and ``why`` as far as they are known.

    ``seconds`` is a guess of what an undone run takes on this machine.
    """

    run: Run
    name: Name
    attempts: int = 0
    where: str = ""
    why: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Status:
    """All runs that notebooks ask for, as far as their plans go.

    Of a chain whose later stages depend on earlier winners, that is up to the
    first stage that misses runs.
    """

    states: Sequence[State]
    seconds: float  # until all is done here, NaN where nothing tells
    faults: Mapping[str, str]  # notebooks that do not even plan

    @property
    def exit_status(self) -> int:
        """Exit status: 75 where the plan is not done, 1 where there is none."""
        done = all(state.name == "done" for state in self.states)
        return 1 if self.faults else 0 if done else stopping.RESUMABLE

    def text(self) -> str:
        """Lay the status out for people: a line a grid, then the reasons."""
        grids: dict[str, Counter[str]] = {}
        for state in self.states:
            grids.setdefault(state.run.grid, Counter())[state.name] += 1
        head = "".join(f"{name:>9}" for name in NAMES)
        lines = [f"{'grid':28}{head}"]
        for grid, counts in grids.items():
            numbers = "".join(f"{counts[name]:9}" for name in NAMES)
            lines.append(f"{grid:28}{numbers}")
        for state in self.states:
            if state.where or state.why:
                reason = state.why.strip().rpartition("\n")[2]
                said = " · ".join(filter(None, (state.where, reason)))
                lines.append(
                    f"{state.name}: {state.run}, attempt {state.attempts}: "
                    f"{said}"
                )
        lines += [f"FAULT {name}: {why}" for name, why in self.faults.items()]
        if any(state.name != "done" for state in self.states):
            lines.append(self._time_left())
        return "\n".join(lines)

    def _time_left(self) -> str:
        if math.isnan(self.seconds):
            return "time left: unknown, no record tells what such runs take"
        return f"time left here: about {self.seconds / 60:.1f} minutes"

    def to_json(self) -> str:
        """Write the status for programs."""
        states = [
            {
                **{k: v for k, v in asdict(state.run).items() if k != "spec"},
                **{k: v for k, v in vars(state).items() if k != "run"},
                "state": state.name,
                "name": state.run.name,
            }
            for state in self.states
        ]
        left = None if math.isnan(self.seconds) else self.seconds
        counts = Counter(state.name for state in self.states)
        content = {
            "counts": {name: counts[name] for name in NAMES},
            "seconds_left": left,
            "faults": dict(self.faults),
            "runs": states,
        }
        return json.dumps(content, indent=1)


def look(
    chosen: Sequence[Notebook],
    parameters: Mapping[str, Parameters],
    profile: str,
    jobs: int | None = None,
) -> Status:
    """Ask notebooks for their plans and the store for what is there."""
    jobs = jobs or launchers.room()
    context = multiprocessing.get_context("spawn")
    wanted, missing, faults = list[Run](), list[Run](), dict[str, str]()
    with ProcessPoolExecutor(jobs, mp_context=context) as executor:
        asked = {
            book.name: executor.submit(
                notebooks.asked,
                book,
                {"profile": profile, **parameters[book.name]},
            )
            for book in chosen
        }
        for name, answer in asked.items():
            some, lacking = answer.result()
            wanted, missing = wanted + some, missing + lacking
            if not some:
                faults[name] = (
                    "its plan names no run; `coursework run` says why"
                )
    return judge(wanted, missing, faults, jobs)


def judge(
    wanted: Sequence[Run],
    missing: Sequence[Run],
    faults: Mapping[str, str],
    jobs: int,
) -> Status:
    """Say of each run that is wanted how it stands; each counts once."""
    undone = once(missing)
    costs, queue = Costs.known(), slurm.queue() or {}
    states = [
        _state(undone[run.name], costs, queue)
        if run.name in undone
        else State(run, "done", journal.attempts(run))
        for run in once(wanted).values()
    ]
    left = costs.left([s.run for s in states if s.name != "done"])
    return Status(states, left / jobs, faults)


def resubmit(
    status: Status, launch: Launcher, jobs: int | None = None
) -> Mapping[Run, str]:
    """Do the runs that nobody is at; return those that failed, and why."""
    undone = [state.run for state in status.states if state.name in UNDONE]
    return launch(undone, jobs, None).failed if undone else {}


def _state(run: Run, costs: Costs, queue: Mapping[str, str]) -> State:
    job = slurm.queued(run)
    noted = [ln for ln in journal.lines(run) if ln["what"] != "queued"]
    last = noted[-1] if noted else {}
    name: Name = "missing"
    where, why = "", ""
    if journal.under_way(run):
        name, where = "running", _where(run)
    elif job in queue:
        name, where = "queued", f"job {job}, {queue[job].lower()}"
    elif last.get("what") == "failed":
        name, why = "failed", str(last["why"])
    elif last:
        why = f"{last['what']} at {last['at']}"
    guess = costs.guess(run)
    seconds = None if math.isnan(guess) else guess
    return State(run, name, journal.attempts(run), where, why, seconds)


def _where(run: Run) -> str:
    started = [ln for ln in journal.lines(run) if ln["what"] == "started"]
    if not started:
        return "a process of this machine, or of one that shares its store"
    line = started[-1]
    job = f", job {line['job']}" if line["job"] else ""
    return f"process {line['pid']} on {line['host']}{job}, since {line['at']}"
