"""Nothing is lost: a short form of ``make faults``, and what it can't see."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from coursework import checkpoints, experiment, paths, provenance
from coursework.data.sources import Refused, keep
from tests.faults import damage
from tests.faults.scene import cell, essence

FAULTS = {
    "run in a step, killed",
    "run in an evaluation, killed",
    "run in a write of its checkpoint, killed",
    "run in a write of its record, killed",
    "run in a write of its checkpoint, no space",
    "run in a write of its record, no space",
    "run killed again and again",
    "extraction in a member, killed",
    "notebook in a write of its page, killed",
    "malicious pickle",
    *(f"{kind} damaged" for kind in damage.TARGETS),
}


@pytest.mark.timeout(600)  # seconds of work, but beside other work
def test_nothing_is_lost() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--short"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tried = {line[:44].rstrip() for line in done.stdout.splitlines()}
    assert tried >= FAULTS


@pytest.fixture
def left(one_thread: None) -> Iterator[Path]:
    """Leave the checkpoint of a run stopped after three of four epochs."""
    yield damage.interrupted()


def broken(content: bytes, *places: int) -> bytes:
    """Turn a bit over at each place."""
    changed = bytearray(content)
    for place in places:
        changed[place] ^= 1
    return bytes(changed)


def test_the_state_before_serves_for_a_damaged_one(left: Path) -> None:
    content = left.read_bytes()
    wanted = essence(experiment.execute(cell()))
    damage._forget(left, broken(content, 1000))
    with pytest.warns(UserWarning, match=r"before it is whole, epoch 2"):
        found = essence(experiment.execute(cell()))
    assert found == wanted and not left.exists()


def test_nothing_is_trained_from_a_checkpoint_without_a_whole_state(
    left: Path,
) -> None:
    damaged = broken(left.read_bytes(), 1000, -1000)
    left.write_bytes(damaged)
    with pytest.raises(ValueError, match="nothing in it is whole") as caught:
        experiment.execute(cell())
    assert str(left) in str(caught.value) and "delete it" in str(caught.value)
    assert left.read_bytes() == damaged


def test_a_damaged_state_does_not_drive_a_whole_one_out(
    left: Path,
) -> None:
    left.write_bytes(broken(left.read_bytes(), 1000))
    with pytest.warns(UserWarning, match="before it is whole"):
        damage.interrupted()  # trains the third epoch again
    parts = checkpoints._parts(left)
    assert len(parts) == 2 and all(parts)


def test_other_threads_on_resume_are_told_and_recorded(left: Path) -> None:
    torch.set_num_threads(2)
    told = "threads 1 there, 2 here"
    with pytest.warns(UserWarning, match=rf"elsewhere \({told}\).*bit by bit"):
        record = experiment.execute(cell())
    assert record.notes["went on elsewhere"] == [told]


@pytest.mark.parametrize("name", checkpoints.MADE_BY)
def test_another_version_or_machine_on_resume_is_told_and_recorded(
    name: str, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = provenance.environment()
    monkeypatch.setattr(
        provenance, "environment", lambda: {**here, name: "another"}
    )
    told = f"{name} {here[name]} there, another here"
    with pytest.warns(UserWarning, match="bit by bit") as warned:
        damage.interrupted(after=4)
    assert told in str(warned[0].message)
    monkeypatch.setattr(provenance, "environment", lambda: here)
    with pytest.warns(UserWarning, match="bit by bit"):
        record = experiment.execute(cell())
    back = f"{name} another there, {here[name]} here"
    assert record.notes["went on elsewhere"] == [told, back]


def test_a_run_that_goes_on_where_it_was_says_nothing(left: Path) -> None:
    assert "went on elsewhere" not in experiment.execute(cell()).notes


def test_an_archive_without_end_stops_at_the_file_s_size(
    tmp_path: Path,
) -> None:
    taken = []

    def get(size: int) -> bytes:
        taken.append(size)
        return bytes(size)

    with pytest.raises(Refused, match="sha256"):
        keep(get, damage.FILE, tmp_path)
    assert sum(taken) == damage.FILE.size + 1
    assert list(tmp_path.iterdir()) == []


def test_no_secret_gets_into_what_a_run_leaves(
    left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = b"canary-4711"
    for name in ("WANDB_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, secret.decode())
    experiment.execute(cell())
    files = [p for p in paths.runs().rglob("*") if p.is_file()]
    assert len(files) > 3
    for file in files:
        content = file.read_bytes()
        assert secret not in content
        assert os.fsencode(Path.home()) not in content
