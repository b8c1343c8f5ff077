"""A GPU that is lost or full in the middle of a batch, as torch tells it."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from coursework import devices, experiment, paths, records, training
from coursework.experiment import Run
from coursework.launch import journal, launchers, pool, workers
from coursework.recipe import Recipe
from coursework.trial import Epoch, Outcome
from tests import trials
from tests.faults.scene import cell, essence

GONE = "CUDA error: unspecified launch failure\nSearch for `cudaError...'"
ASSERTED = "CUDA error: device-side assert triggered\nSearch for ..."
GPU = "CUDA_VISIBLE_DEVICES"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    trials.fresh_workers()
    monkeypatch.setattr(pool, "PAUSE", 0.05)


def training_on(
    *, lost: Sequence[str] = (), says: str = GONE, seed: int
) -> Generator[Epoch, None, Outcome]:
    """Note GPU and device, and train; of some GPUs the second step says."""
    gpu = os.environ.get(GPU, "the only one")
    trials.note(f"on {gpu} {os.environ.get(devices.VARIABLE, '')}")
    os.environ[devices.VARIABLE] = "cpu"  # what there is to pretend with
    if gpu in lost:
        training.Training._update = fails_at(1, says)  # type: ignore[method-assign]
    return (yield from small(network=trials.mates, seed=seed))


def fails_at(step: int, says: str) -> Any:
    """Make a step of training that fails as torch does without its GPU."""
    real = training.Training._update

    def update(self: training.Training, *given: Any) -> float:
        if self.step == step:
            raise torch.AcceleratorError(says)
        return real(self, *given)

    return update


def small(**changes: Any) -> Generator[Epoch, None, Outcome]:
    recipe = Recipe(epochs=1, batch_size=16)
    network, seed = changes.pop("network"), changes.pop("seed")
    return training.fit(
        model=network, data=trials.pictures, recipe=recipe, seed=seed, **changes
    )


def runs(number: int, **settings: Any) -> list[Run]:
    trial = partial(training_on, **settings)
    return [Run.of("g", "v", "smoke", seed, trial) for seed in range(number)]


def there(run: Run) -> bool:
    return records.find(run.trial, run.seed) is not None


def launched(
    monkeypatch: pytest.MonkeyPatch, gpus: str, asked: Sequence[Run], jobs: int
) -> pool.Report:
    """Do runs on GPUs that only their names stand for."""
    monkeypatch.setenv(GPU, gpus)
    workers.gpus.cache_clear()
    try:
        return launchers.local(asked, jobs, None)
    finally:
        workers.gpus.cache_clear()


def test_the_other_gpus_do_the_runs_of_a_lost_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = runs(6, lost=["GPU-a"])
    report = launched(monkeypatch, "GPU-a,GPU-b", asked, 2)
    assert report.failed == {} and all(map(there, asked))
    used = trials.notes("on")
    lost = [line for line in used if line.startswith("GPU-a")]
    assert 1 <= len(lost) <= pool.ATTEMPTS  # it is left alone by then
    assert len(used) == len(lost) + len(asked)
    told = [journal.lines(run) for run in asked]
    failed = [ln for lines in told for ln in lines if ln["what"] == "failed"]
    assert len(failed) == len(lost)
    assert all(GONE.splitlines()[0] in line["why"] for line in failed)
    assert {lines[-1]["what"] for lines in told} == {"done"}


def test_without_its_gpu_a_batch_says_so_and_takes_no_other_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (lost,), good = runs(1, lost=["GPU-a"]), runs(2)
    report = launched(monkeypatch, "GPU-a", [lost, *good[1:]], 1)
    assert set(report.failed) == {lost} and there(good[1])
    assert "AcceleratorError: CUDA error" in report.failed[lost]
    assert journal.attempts(lost) == pool.ATTEMPTS
    assert "AcceleratorError: CUDA error" in journal.last(lost)["why"]
    assert trials.notes("on") == ["GPU-a ", *["GPU-a cuda"] * 3]


def test_what_a_run_does_wrong_on_a_gpu_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = runs(1, lost=["GPU-a"], says=ASSERTED)
    report = launched(monkeypatch, "GPU-a,GPU-b", asked, 2)
    assert "device-side assert" in report.failed[asked[0]]
    assert journal.attempts(asked[0]) == 1


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        (GONE, True),
        ("CUDA error: uncorrectable ECC error encountered", True),
        ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling ...", True),
        ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR", True),
        (ASSERTED, False),
        ("CUDA out of memory. Tried to allocate 2.00 GiB.", False),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_a_loss_is_known_by_what_torch_says(said: str, lost: bool) -> None:
    assert bool(workers.LOST.search(said)) == lost


def test_a_run_goes_on_after_a_loss_to_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    wanted = essence(experiment.execute(cell()))
    for record in paths.runs().glob("*.json"):
        record.unlink()
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(training.Training, "_update", fails_at(5, GONE))
        with pytest.raises(torch.AcceleratorError):
            experiment.execute(cell())
    assert not list(paths.runs().glob("*.json"))
    assert essence(experiment.execute(cell())) == wanted


class Tight(nn.Sequential):
    """A network for which a device holds so many pictures at once."""

    def __init__(self, at_once: int) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, 4))
        self.at_once = at_once

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        if self.training and len(pictures) > self.at_once:
            raise torch.OutOfMemoryError("planted")
        flat, linear = self
        outputs: torch.Tensor = linear(flat(pictures))
        return outputs


@pytest.mark.filterwarnings("ignore:out of memory")
def test_out_of_memory_ends_one_run_or_none_and_is_recorded() -> None:
    tight, full, good = (
        Run.of(
            "g",
            str(n),
            "smoke",
            0,
            partial(
                training.fit,
                model=partial(Tight, n),
                data=trials.pictures,
                recipe=Recipe(epochs=1, batch_size=16),
            ),
        )
        for n in (5, 0, 16)
    )
    report = launchers.local([full, tight, good], 1, None)
    assert set(report.failed) == {full}
    assert "MemoryError: not even one picture" in report.failed[full]
    found = [records.find(run.trial, 0) for run in (tight, good)]
    assert [r and r.notes.get("parts of a batch") for r in found] == [4, None]
