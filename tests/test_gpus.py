"""Shares of a GPU's peak, reckoned on paper, and the memory of a run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from coursework import gpus
from coursework.experiment import Run, execute
from tests import trials
from tests.trials import tiny


@pytest.mark.parametrize(
    ("device", "share"),
    [
        # 4.089e9 multiply-adds, 6 FLOPs each, 2,000 pictures: 4.9068e13.
        ("NVIDIA H100 80GB HBM3", 4.9068e13 / 989e12),
        ("NVIDIA H100 PCIe", 4.9068e13 / 756e12),
        ("NVIDIA A100-SXM4-80GB", 4.9068e13 / 312e12),
        ("NVIDIA L40S", 4.9068e13 / 362e12),
        ("AMD EPYC", None),
    ],
)
def test_a_share_on_paper(device: str, share: float | None) -> None:
    found = gpus.share_of_peak(4_089_000_000, 2000, device)
    assert found == (share and pytest.approx(share))


def test_a_record_knows_its_share() -> None:
    run = trials.planted("here", 0, 0.5)
    assert run.share_of_peak is None  # made on a CPU
    there = replace(run, environment={"device": "NVIDIA H200"})
    work = 6 * run.multiply_adds * run.examples_per_second
    assert there.share_of_peak == pytest.approx(work / 989e12)


def test_a_run_without_a_gpu_has_no_memory_of_one() -> None:
    run = Run.of("gpus", "tiny", "smoke", 0, partial(tiny))
    assert execute(run).device_memory_bytes is None


def test_a_run_counts_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"most": 999}  # by the run before

    def forget() -> None:
        held["most"] = 17

    planted: dict[str, Any] = {
        "is_available": lambda: True,
        "max_memory_allocated": lambda: held["most"],
        "reset_peak_memory_stats": forget,
        "get_device_name": lambda: "NVIDIA H100 80GB HBM3",
    }
    for name, answer in planted.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    run = Run.of("gpus", "tiny", "smoke", 1, partial(tiny))
    assert execute(run).device_memory_bytes == 17
