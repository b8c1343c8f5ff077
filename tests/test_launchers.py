"""The local launcher: retries, deadlines, GPUs, and what goes first."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from coursework import records
from coursework.experiment import Run
from coursework.launch import budget, journal, launchers, pool, workers
from coursework.launch.budget import Costs
from tests import trials


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    trials.fresh_workers()
    monkeypatch.setattr(pool, "PAUSE", 0.05)
    monkeypatch.setattr(pool, "GRACE", 0.3)


def there(run: Run) -> bool:
    return records.find(run.trial, run.seed) is not None


def test_a_killed_run_is_tried_three_times_and_an_error_once() -> None:
    runs = [trials.cell(act, act=act) for act in ("kill", "fail", "work")]
    started = time.monotonic()
    report = launchers.local(runs, 3, None)
    assert time.monotonic() - started >= 0.05 + 0.1  # the pauses
    assert [journal.attempts(run) for run in runs] == [3, 1, 1]
    assert set(report.failed) == set(runs[:2])
    assert "status -9" in report.failed[runs[0]]
    assert "planted failure" in report.failed[runs[1]]
    assert [ln["what"] for ln in journal.lines(runs[0])] == [
        *("started", "killed") * 3,
        "failed",
    ]
    assert journal.last(runs[2])["what"] == "done"


def test_a_run_that_is_killed_once_is_done_all_the_same() -> None:
    run = trials.cell("once", act="kill_once")
    report = launchers.local([run], 1, None)
    assert not report.failed and there(run)
    assert journal.attempts(run) == 2


def test_work_under_way_ends_before_the_deadline_and_goes_on() -> None:
    runs = [trials.cell(act, 2, act=act) for act in ("work", "pause")]
    launchers.local([trials.cell()], 2, None)  # its imports may take long
    deadline = time.monotonic() + 8
    report = launchers.local(runs, 2, deadline)
    assert time.monotonic() < deadline + 20  # else it would pause for 60 s
    assert report.left == runs[1:] and not report.failed
    (trials.folder() / "go on").touch()
    assert not launchers.local(runs, 2, time.monotonic() + 60).left
    assert all(map(there, runs))


def test_a_run_is_not_started_when_it_would_end_too_late() -> None:
    """Of 10 s there are 4 left of 5: later.  Of 100 s: it may as well begin."""
    runs = [trials.cell("low", 0), trials.cell("high", 1)]
    guesses = {runs[0].name: 10.0, runs[1].name: 100.0}
    crew = pool._Pool(runs, 1, time.monotonic() + 5, guesses)
    crew.began -= 20
    assert crew._late(runs[0]) and not crew._late(runs[1])
    crew.paces = [0.1, 0.1, 5.0]  # this machine is ten times as fast
    assert not crew._late(runs[0])


def test_each_gpu_of_several_has_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [trials.cell("gpu", seed, act="gpu") for seed in range(4)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    workers.gpus.cache_clear()
    try:
        assert launchers.room() == 2
        assert not launchers.local(runs, None, None).failed
    finally:
        workers.gpus.cache_clear()
    assert {"GPU-a", "GPU-b"} == set(trials.notes("gpu"))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-a,GPU-b"


def test_what_decides_a_claim_goes_first_then_the_cheapest() -> None:
    claimed = sorted(budget.claimed())[0]
    record = trials.planted("low", 0, 0.5)
    slow, fast = (
        trials.cell(v, level=x) for v, x in (("slow", 1), ("fast", 2))
    )
    unknown = trials.cell("unknown", level=3)
    wanted = replace(trials.cell("wanted", level=4), grid=claimed)
    here = [
        replace(record, key=slow.key, seconds=9.0),
        replace(record, key=fast.key, seconds=1.0),
        replace(record, key=fast.key, seconds=3.0),
    ]
    costs = Costs(here, here)
    assert costs.table([slow, fast, unknown]) == {slow.name: 9, fast.name: 2}
    ordered = budget.order([unknown, slow, fast, wanted], costs)
    assert ordered == [wanted, fast, slow, unknown]
    assert costs.left([slow, fast, unknown]) == pytest.approx(16.5)


def test_a_run_not_seen_here_goes_by_its_multiply_adds() -> None:
    """2 s for 10 x 1,000 x 2 passes; 40 x 60,000 x 6 take 720 times that."""
    few = {"partial": "some:where", "args": {"train": 1000}}
    before = replace(
        trials.planted("low", 0, 0.5),
        spec={"partial": "tests:fit", "args": {"epochs": 2, "data": few}},
        multiply_adds=10,
        seconds=2.0,
    )
    elsewhere = replace(before, variant="deep", multiply_adds=40, seconds=1e9)
    asked = replace(trials.cell("deep", epochs=6), grid="planted")
    costs = Costs([before], [before, elsewhere])
    assert costs.guess(asked) == pytest.approx(1440.0)
