"""A device asked for by name is taken, or refused before anything is read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch

from coursework import devices, paths
from coursework.devices import NoDeviceError, pick_device


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """Pretend that torch sees so many GPUs, and Apple's or not."""

    def pretend(gpus: int, apple: bool) -> None:
        for owner, name, found in (
            (torch.cuda, "is_available", gpus > 0),
            (torch.cuda, "device_count", gpus),
            (torch.backends.mps, "is_available", apple),
        ):
            monkeypatch.setattr(owner, name, lambda found=found: found)

    return pretend


@pytest.mark.parametrize(
    ("asked", "there", "taken"),
    [
        ("", (0, False), "cpu"),
        ("auto", (0, False), "cpu"),
        ("auto", (2, False), "cuda"),
        ("auto", (0, True), "cpu"),
        ("cpu", (2, True), "cpu"),
        ("cuda", (1, False), "cuda"),
        ("cuda:1", (2, False), "cuda:1"),
        ("mps", (0, True), "mps"),
    ],
)
def test_the_device_asked_for_is_taken(
    asked: str,
    there: tuple[int, bool],
    taken: str,
    machine: Callable[[int, bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(*there)
    monkeypatch.setenv(devices.VARIABLE, asked)
    assert pick_device() == torch.device(taken)
    devices.refuse_missing()


@pytest.mark.parametrize(
    ("asked", "gpus", "words"),
    [
        ("cuda", 0, "it sees: cpu."),
        ("cuda:2", 2, "it sees: cpu, cuda, cuda:0, cuda:1."),
        ("mps", 1, "it sees: cpu, cuda, cuda:0."),
        ("gpu", 1, "accepted: 'auto', 'cpu', 'cuda', 'cuda:N'"),
        ("cuda:", 1, "accepted: 'auto'"),
        ("CUDA", 1, "accepted: 'auto'"),
    ],
)
def test_nothing_is_taken_in_place_of_a_named_device(
    asked: str,
    gpus: int,
    words: str,
    machine: Callable[[int, bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(gpus, False)
    monkeypatch.setenv(devices.VARIABLE, asked)
    for refuse in (pick_device, devices.refuse_missing):
        with pytest.raises(NoDeviceError) as caught:
            refuse()
        assert repr(asked) in str(caught.value)
        assert words in str(caught.value)


@pytest.mark.parametrize("line", ["train mnist-zoo --model lenet", "run 00"])
def test_the_command_refuses_before_it_reads(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(devices.VARIABLE, "cuda:99")
    run = "from coursework.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, *line.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and not done.stdout
    assert "cuda:99" in done.stderr and "Traceback" not in done.stderr
    assert not paths.runs().exists()
