"""The pool: a crash or a kill ends one run, and a killed batch goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from coursework import experiment
from coursework.experiment import Run
from coursework.launch import pool
from tests import trials
from tests.trials import notes


def drive(*acts: str, seeds: int = 1) -> subprocess.Popen[bytes]:
    """Start a pool in a process group of its own, as a shell would."""
    code = f"from tests import trials; trials.drive({acts}, {seeds})"
    return subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True
    )


def finished(run: Run) -> bool:
    return experiment._find(run) is not None


def test_a_crash_and_a_kill_end_one_run_each() -> None:
    acts = ("work", "fail", "kill", "pause")
    assert drive(*acts).wait() == 0
    report = json.loads((trials.folder() / "report").read_text())
    assert set(report["failed"]) == {"fail", "kill"}
    assert "RuntimeError: planted failure" in report["failed"]["fail"]
    assert "status -9" in report["failed"]["kill"]
    assert report["left"] == []
    done = {act: finished(trials.cell(act, act=act)) for act in acts}
    assert done == {"work": True, "fail": False, "kill": False, "pause": True}


def test_no_run_is_started_after_the_deadline() -> None:
    cells = [trials.cell(seed=seed) for seed in range(3)]
    report = pool.run_all(cells, jobs=2, deadline=0.0)
    assert report.left == cells and not report.failed
    assert notes("start") == []


def test_a_killed_batch_goes_on_where_it_stopped() -> None:
    batch = drive("pause", seeds=5)
    try:
        trials.until((trials.folder() / "under way").exists)
    finally:
        os.killpg(batch.pid, signal.SIGKILL)
        batch.wait()
    assert notes("end") == ["0", "1"]
    assert notes("start") == ["0", "1", "2"]
    (trials.folder() / "go on").touch()
    assert drive("pause", seeds=5).wait() == 0
    assert notes("end") == ["0", "1", "2", "3", "4"]
    assert notes("start") == ["0", "1", "2", "2", "3", "4"]
    cells = [trials.cell("pause", seed, act="pause") for seed in range(5)]
    assert all(map(finished, cells))
