"""Two processes of torchrun against one, and against themselves killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from coursework import devices, distributed, ranks, records, training
from coursework.launch import workers
from coursework.optimisation import Stepper
from tests import trials
from tests.ranked import RECIPE, TRIALS, Arrays, plain, played, run, step

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.timeout(480),  # processes that import torch, on a busy machine
]
EQUAL = ("plain", "penalised", "a last batch of one", "gradual")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Let two processes do all that needs no process killed; once."""
    folder = tmp_path_factory.mktemp("ranks")
    own = {
        "COURSEWORK_RUNS": str(folder / "runs"),
        "TRIALS_FOLDER": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
    }
    line = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node=2", "-m", "tests.ranked", str(folder)),
    ]
    subprocess.run(line, check=True, env=os.environ | own, timeout=300)
    return folder


@pytest.fixture(scope="module")
def two(folder: Path) -> list[dict[str, Any]]:
    files = [folder / f"rank-{number}" for number in range(2)]
    return [torch.load(file, weights_only=False) for file in files]


def assert_same(one: Arrays, other: Arrays) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def distance(one: Arrays, other: Arrays) -> float:
    return max(
        float(np.abs(array - other[k]).max()) for k, array in one.items()
    )


def test_ranks_agree_and_repeat_bit_by_bit(two: list[dict[str, Any]]) -> None:
    for name in TRIALS:
        assert_same(two[0][name], two[1][name])
    assert_same(two[0]["plain"], two[0]["again"])


@pytest.mark.parametrize("name", EQUAL)
def test_two_processes_do_what_one_does(
    name: str, two: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 60.0)
    alone = played(name)
    assert distance(alone, two[0][name]) < 1e-6
    other = "plain" if name == "gradual" else "gradual"
    assert alone["losses"].shape == (3, 2)
    assert abs(alone["losses"] - two[0][other]["losses"]).max() > 1e-3


def test_batch_norm_takes_its_statistics_from_a_ranks_rows(
    two: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of the means is the same: of all rows, by halves."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 60.0)
    alone, found = played("normed"), two[0]["normed"]
    assert distance(alone, found) > 1e-4
    assert found["0.running_mean"] == pytest.approx(
        alone["0.running_mean"], rel=1e-2
    )


def test_parts_add_up_to_the_whole(two: list[dict[str, Any]]) -> None:
    for number in range(2):
        assert distance(two[number]["step"], two[number]["parts"]) < 1e-6
        assert distance(step(1), two[number]["parts"]) < 1e-6


def test_a_full_device_ends_the_run_with_advice(
    two: list[dict[str, Any]],
) -> None:
    for number in range(2):
        assert two[number]["full"].startswith("2 pictures (2,) of a batch")
        assert "one of 2 devices: take more" in two[number]["full"]


def test_rank_0_alone_writes_and_looks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIALS_FOLDER", str(folder))
    assert [p.name for p in folder.glob("checkpoint-*")] == ["checkpoint-0"]
    log = (folder / "log").read_text().splitlines()
    after = log[max(log.index("runs 0"), log.index("runs 1")) + 1 :]
    assert after == ["look 0"]
    assert len(list(folder.glob("runs/*.json"))) == 1


def test_all_stop_together_go_on_and_find_what_is_done(
    folder: Path, two: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        assert two[number]["stopped"] == [True, False, False]
    monkeypatch.setenv("COURSEWORK_RUNS", str(folder / "runs"))
    record = records.find(TRIALS["eventful"], 3, profile="smoke")
    assert record is not None
    assert_record(record, two[0]["eventful"])


def assert_record(record: records.Record, whole: Arrays) -> None:
    """Compare a record's network, bit by bit, with one never stopped."""
    assert record.notes["processes"] == 2
    found = record.arrays("weights.npz")
    assert_same(found, {name: whole[name] for name in found})
    losses = [(e["train_loss"], e["validation_loss"]) for e in record.history]
    np.testing.assert_array_equal(losses, whole["losses"])


def test_a_killed_rank_is_started_again_and_nothing_is_lost(
    two: list[dict[str, Any]],
) -> None:
    event = trials.folder() / "event"
    event.write_text(f"{signal.SIGKILL} 1 6")
    record = distributed.train(run("eventful"), 2)
    assert not event.exists()
    assert_record(record, two[0]["eventful"])


def test_only_the_torch_trial_can_be_shared() -> None:
    with pytest.raises(ValueError, match=r"of tests.trials:tiny; several dev"):
        distributed.train(trials.cell(), 2)
    with pytest.raises(ValueError, match="processes is 0; it must be at least"):
        distributed.train(run("plain"), 0)


def test_one_process_needs_no_ranks() -> None:
    assert ranks.count() == 1 and ranks.leads()
    assert type(ranks.make_stepper(plain(), RECIPE, "float32")) is Stepper


@pytest.mark.parametrize(
    ("asked", "there", "taken"),
    [
        ("auto", [], None),
        ("cpu", ["A", "B"], None),
        ("auto", ["A", "B"], "B"),
        ("cuda", ["A", "B", "C"], "B"),
    ],
)
def test_a_rank_sees_one_gpu(
    asked: str,
    there: list[str],
    taken: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(devices.VARIABLE, asked)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(workers, "gpus", lambda: there)
    assert distributed.take_gpu() == (taken is not None)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == (taken or "")
    assert devices.asked() == ("cuda" if taken else asked)
    monkeypatch.setenv(devices.VARIABLE, "auto")
    monkeypatch.setattr(workers, "gpus", lambda: ["A"])
    with pytest.raises(devices.NoDeviceError, match="2 processes want a GPU"):
        distributed.take_gpu()
