"""The status: what a store holds, told run by run."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from coursework import records
from coursework.experiment import Run, execute
from coursework.launch import journal, launchers, pool, status
from tests import trials


@pytest.fixture(autouse=True)
def fresh() -> None:
    trials.fresh_workers()


def cells(*acts: str) -> list[Run]:
    return [trials.cell(act, act=act) for act in acts]


def missing(runs: list[Run]) -> list[Run]:
    return [r for r in runs if records.find(r.trial, r.seed) is None]


def judged(runs: list[Run]) -> status.Status:
    return status.judge(runs, missing(runs), {}, jobs=2)


def test_each_state_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "PAUSE", 0.01)
    runs = [*cells("work", "fail", "kill"), trials.cell("meet", act="meet")]
    pool.run_all(runs[:3], jobs=1)
    code = (
        "from coursework.launch import journal; from tests import trials; "
        "journal.attempt(trials.cell('meet', act='meet'))"
    )
    other = subprocess.Popen([sys.executable, "-c", code])
    try:
        trials.until(lambda: journal.under_way(runs[3]))
        found = judged([*runs, trials.cell("low", seed=7)])
    finally:
        other.kill()
        other.wait()
    names = {s.run.variant: s.name for s in found.states}
    assert names == {
        "work": "done",
        "fail": "failed",
        "kill": "failed",
        "meet": "running",
        "low": "missing",
    }
    by = {state.run.variant: state for state in found.states}
    assert by["fail"].attempts == 1 and by["kill"].attempts == 3
    assert by["fail"].why.endswith("RuntimeError: planted failure\n")
    assert f"process {other.pid} on {platform.node()}" in by["meet"].where
    assert found.exit_status == 75
    assert "planted failure" in found.text()
    assert judged(runs).states[3].name == "missing"  # its lock went with it


def test_what_is_left_goes_by_what_such_runs_took() -> None:
    """Two runs of 0.5 s each, side by side; two of nothing known."""
    done = trials.cell("low", 0)
    execute(done)
    wanted = [trials.cell("low", seed) for seed in range(3)]
    found = judged(wanted)
    assert [state.seconds for state in found.states] == [None, 0.5, 0.5]
    assert found.seconds == pytest.approx(0.5)
    told = json.loads(found.to_json())
    assert told["counts"]["done"] == 1 and told["counts"]["missing"] == 2
    assert told["runs"][1]["state"] == "missing"
    assert told["seconds_left"] == pytest.approx(0.5)
    assert "time left" not in judged([done]).text()
    assert judged([done]).exit_status == 0


def test_resubmitting_does_what_nobody_is_at() -> None:
    runs = cells("work", "fail")
    again = status.resubmit(judged(runs), launchers.local, jobs=2)
    assert [run.variant for run in again] == ["fail"]
    assert [state.name for state in judged(runs).states] == ["done", "failed"]
    assert status.resubmit(judged(runs[:1]), launchers.local) == {}


def test_a_torn_line_of_the_journal_is_passed_over() -> None:
    run = trials.cell()
    journal.note(run, "started")
    file = trials.folder() / "runs" / ".journal" / f"{run.name}.jsonl"
    with file.open("a") as text:
        text.write('{"what": "fai')
    assert journal.last(run)["pid"] == os.getpid()
