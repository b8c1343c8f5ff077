"""What every test stands on: folders of its own, no network, no batch."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
if str(PROJECT) not in sys.path:
    sys.path.insert(0, str(PROJECT))  # `tests.trials`, however pytest starts


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the project's runs and evidence out, and the test's files in.

    The variables that a batch sets are set here first, so that they are as
    they were when the test is over.
    """
    monkeypatch.setenv("COURSEWORK_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSEWORK_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("COURSEWORK_OFFLINE", "1")
    monkeypatch.setenv("TRIALS_FOLDER", str(tmp_path))
    search = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", search)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    for name in ("MODE", "LEDGER", "STALE", "DEBUG"):
        monkeypatch.setenv(f"COURSEWORK_{name}", "")
        monkeypatch.delenv(f"COURSEWORK_{name}")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread: sums then come out the same."""
    import torch  # noqa: PLC0415  # most tests do without

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
