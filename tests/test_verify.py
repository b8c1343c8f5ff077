"""Integrity: what is whole passes, and each harm is named."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coursework import cli, paths, provenance, records, verify
from coursework.data.mnist import ARCHIVE
from coursework.experiment import execute
from coursework.launch import notebooks
from coursework.launch.notebooks import Notebook
from coursework.records import Record
from coursework.verify import Finding
from tests import trials

GRID = "seed-noise"  # one that practical 00 declares


def promoted(grid: str = GRID, seeds: int = 2) -> list[Record]:
    """Commit records that are whole, as far as can be seen."""
    third = {"accuracy": 1 / 3}  # what the trial's predictions say
    made = [
        replace(
            execute(trials.cell("low", seed)),
            grid=grid,
            profile="standard",
            scores=third,
        )
        for seed in range(seeds)
    ]
    records.promote(made)
    return made


def book(folder: Path, *grids: str) -> Notebook:
    """Write a notebook that names grids."""
    path = folder / "99_book.py"
    path.write_text(", ".join(f'"{grid}"' for grid in grids))
    return Notebook(path)


def faults(found: Iterable[Finding]) -> list[str]:
    return [str(f) for f in found if f.mark == "FAULT"]


def marks(found: Iterable[Finding]) -> list[str]:
    return [finding.mark for finding in found]


def test_what_is_whole_has_no_fault(tmp_path: Path) -> None:
    promoted()
    promoted("other")  # two grids may share their runs
    found = list(verify.evidence([book(tmp_path, GRID, "other")]))
    assert marks(found) == ["ok", "ok"]
    assert "2 records are whole" in found[0].text


def change(**fields: Any) -> Callable[[Path], None]:
    """Change the first record in a file of evidence."""

    def harm(path: Path) -> None:
        first, *rest = path.read_text().splitlines()
        old = json.loads(first)
        del old["sha256"]  # as one who knows of it would
        changed = json.dumps(old | fields)
        path.write_text("\n".join([changed, *rest]))

    return harm


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def double(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def move(path: Path) -> None:
    path.rename(path.with_name("full.jsonl"))


def artefact(path: Path) -> Path:
    return min(path.parent.glob("artefacts/*/note.txt"))


HARMS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "key": (change(key="0" * 16), r":1: its key is 0{16}, that of its spec"),
    "spec": (
        change(spec=trials.cell(level=0.6).spec),
        ":1: its key is .*, that of its spec",
    ),
    "lost code": (
        change(spec={"partial": "tests.trials:gone", "args": {}}),
        ":1: its spec can't be built: .*gone",
    ),
    "score": (
        change(scores={"accuracy": 0.9}),
        ":1: its accuracy is 0.9, its predictions say 0.333",
    ),
    "predictions": (change(predictions="AAAA"), "predictions can't be read"),
    "cut off": (cut, r":2: .*damaged record"),
    "twice": (double, r"'low'\) is there 2 times"),
    "elsewhere": (move, "belongs to seed-noise/standard"),
    "artefact changed": (
        lambda path: artefact(path).write_text("seed 7"),
        ":1: its artefact .*note.txt has another hash",
    ),
    "artefact lost": (
        lambda path: artefact(path).unlink(),
        ":1: its artefact .*note.txt is missing",
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_each_harm_is_named(harm: str, tmp_path: Path) -> None:
    promoted()
    do, words = HARMS[harm]
    do(records.evidence_file(GRID, "standard"))
    found = faults(verify.evidence([book(tmp_path, GRID)]))
    assert found and all(GRID in fault for fault in found)
    assert re.search(words, found[0])


def test_other_code_is_a_note(tmp_path: Path) -> None:
    trials.evidence(GRID, {"low": [0.5, 0.5]})
    (found,) = verify.evidence([book(tmp_path, GRID)])
    assert found.mark == "note" and "2 made by other code" in found.text


def test_runs_and_what_a_kill_left() -> None:
    (path,) = [
        records.run_file(r.key, r.seed) for r in promoted(seeds=1)
    ]  # as the trial pretends, its score is not that of its predictions
    path.write_text(promoted(seeds=1)[0].to_json())
    assert marks(verify.runs()) == ["ok"]
    (paths.runs() / ".part-xyz").touch()
    assert marks(verify.runs()) == ["ok", "note"]
    path.rename(path.with_name("other-0.json"))
    (fault,) = faults(verify.runs())
    assert "other-0.json: holds the run " + path.stem in fault


def test_damaged_data_is_a_fault_and_missing_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    assert set(marks(verify.data())) == {"note"}
    ARCHIVE.folder.mkdir(parents=True)
    name = ARCHIVE.files[0].name
    (ARCHIVE.folder / name).write_bytes(b"not it")
    (fault,) = faults(verify.data())
    assert f"mnist {name}: " in fault and "is damaged: 6 bytes" in fault


HERE = {"python": "3", "torch": "2", "threads": 1, "device": "a processor"}


@pytest.mark.parametrize(
    ("changed", "score", "mark", "words"),
    [
        ({}, 0.5, "ok", "the same scores again"),
        ({}, 0.5000001, "FAULT", "up to 1e-07, accepted: 0"),
        ({"torch": "1"}, 0.51, "note", "0.01; made with torch 1 there, 2 here"),
        ({"threads": 2}, 0.51, "note", "made with threads 2 there, 1 here"),
        ({"torch": "1"}, 0.6, "FAULT", "accepted: 0.05; made with torch 1"),
        ({"torch": "1"}, math.nan, "FAULT", "up to inf"),
    ],
)
def test_a_repetition_is_compared_as_closely_as_it_may(
    changed: dict[str, Any], score: float, mark: str, words: str
) -> None:
    record = trials.planted("low", 0, 0.5, environment=HERE | changed)
    found = verify.compared(record, {"accuracy": score}, HERE)
    assert found.mark == mark and words in found.text


def test_nan_equals_nan_and_a_lost_score_is_a_fault() -> None:
    record = trials.planted("low", 0, math.nan, environment=HERE)
    same = verify.compared(record, {"accuracy": math.nan}, HERE)
    assert same.mark == "ok"
    assert verify.compared(record, {}, HERE).mark == "FAULT"


def test_the_cheapest_runs_are_done_again(tmp_path: Path) -> None:
    environment = provenance.environment() | {"threads": 1}
    for grid, act, seconds in (("a", 0.0, 2), ("b", 0.25, 1), ("c", 0.0, 3)):
        right = execute(trials.cell()).scores["accuracy"]
        made = trials.planted(
            "low", 0, 0.5, grid=grid, seconds=seconds, environment=environment
        )
        records.promote([replace(made, scores={"accuracy": right + act})])
    trials.folder().joinpath("log").unlink()
    found = list(verify.rerun([book(tmp_path, "a", "b", "c")], 2))
    assert [f.where[0] for f in found] == ["b", "a"]
    assert marks(found) == ["FAULT", "ok"]
    assert trials.notes("end") == ["0", "0"]


def test_a_declared_run_without_evidence_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted()
    wanted = [replace(trials.cell("low", s), grid=GRID) for s in range(3)]

    def asked(_: Notebook, settings: dict[str, str]) -> Any:
        assert settings == {"profile": "standard"}  # there is no other
        return wanted, []

    monkeypatch.setattr(notebooks, "asked", asked)
    (fault,) = faults(verify.declared([book(tmp_path, GRID)]))
    assert "1 of 3 runs have no evidence, first seed-noise · low" in fault
    assert "seed 2" in fault  # this machine's runs do not count
    wanted.pop()
    assert marks(verify.declared([book(tmp_path, GRID)])) == ["ok"]
    wanted.clear()
    (fault,) = faults(verify.declared([book(tmp_path, GRID)]))
    assert "does not say which runs it wants of seed-noise" in fault


def test_the_command_s_status_and_which_evidence_it_looks_at(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    promoted()
    for path in paths.runs().glob("*.json"):
        path.unlink()  # the trial pretends its score
    assert cli.verify(("00",)) == 0
    cut(records.evidence_file(GRID, "standard"))
    assert cli.verify(("00",)) == 1
    said = capsys.readouterr().out
    assert "FAULT seed-noise/standard.jsonl:2: " in said
    assert said.endswith("1 faults\n")
    assert cli.verify(("02",)) == 0
