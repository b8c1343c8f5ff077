"""Records: round trip, damage, evidence, and tables against scipy."""

from __future__ import annotations

import dataclasses
import errno
import getpass
import hashlib
import io
import json
import math
import os
import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats as oracle

from coursework import paths, provenance, records
from coursework.experiment import execute
from coursework.records import DamagedRecordError, Record
from tests import trials
from tests.trials import planted

NAN = math.nan
LOW = [0.80, 0.83, 0.79, 0.82, 0.81]
HIGH = [0.84, 0.86, 0.85, 0.84, 0.87]


def runs(**values: list[float]) -> list[Record]:
    return [
        planted(variant, seed, value)
        for variant, scores in values.items()
        for seed, value in enumerate(scores)
    ]


def fields(record: Record) -> str:
    """Write all fields down so that NaN equals NaN."""
    return json.dumps(vars(record), sort_keys=True)


def test_json_round_trip_with_what_is_not_finite() -> None:
    record = planted(
        "a",
        3,
        NAN,
        validation=[0.5, NAN],
        diverged="loss became nan at step 3",
        notes={"list": [1, 2.5, None]},
    )
    line = record.to_json()
    assert "NaN" not in line and "\n" not in line
    assert json.loads(line)["scores"] == {"accuracy": None}
    again = records.parse(line, Path("file"))
    assert fields(again) == fields(record)
    assert again.to_json() == line


def test_infinite_values_come_back_as_missing() -> None:
    line = planted("a", 0, math.inf).to_json()
    assert math.isnan(records.parse(line, Path("f")).scores["accuracy"])


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b'{"schema": 1}', b"\xff\xfe\x00\x01", b"\x00"],
)
@pytest.mark.parametrize("evidence", [True, False])
def test_a_damaged_file_is_named_with_the_remedy(
    content: bytes, evidence: bool
) -> None:
    cell = trials.cell()
    path = records.run_file(cell.key, cell.seed)
    if evidence:
        path = records.evidence_file("grid", "standard")
        content = planted("a", 0, 0.5).to_json().encode() + b"\n" + content
        content += b"\n" if content.endswith(b"\n") else b""
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DamagedRecordError) as caught:
        records.find(cell.trial, cell.seed)
    assert str(path) in str(caught.value)
    assert "git checkout" in str(caught.value)


@pytest.mark.parametrize("lost", ["key", "scores", "history", "schema"])
def test_a_record_without_a_field_is_damaged(lost: str) -> None:
    left = json.loads(planted("a", 0, 0.5).to_json())
    del left[lost]
    with pytest.raises(DamagedRecordError, match=lost):
        records.parse(json.dumps(left), Path("file"))


def test_a_newer_schema_is_refused() -> None:
    newer = dataclasses.replace(planted("a", 0, 0.5), schema=99)
    with pytest.raises(DamagedRecordError, match="schema 99 is newer"):
        records.parse(newer.to_json(), Path("file"))


def test_an_artefact_is_verified_by_its_hash() -> None:
    record = execute(trials.cell(seed=3))
    assert record.artefact("note.txt") == b"seed 3"
    (paths.runs() / record.name / "note.txt").write_bytes(b"seed 4")
    with pytest.raises(FileNotFoundError, match=f"note.txt.*{record.name}"):
        record.artefact("note.txt")
    with pytest.raises(FileNotFoundError, match="has no artefact 'else'"):
        record.artefact("else")


def test_an_artefact_over_the_limit_is_refused() -> None:
    record, limit = planted("a", 0, 0.5), records.ARTEFACT_LIMIT
    records.save(record, {"fits": bytes(limit)})
    other = planted("b", 1, 0.6)
    with pytest.raises(ValueError, match=rf"'big' has {limit + 1} bytes"):
        records.save(other, {"big": bytes(limit + 1)})
    assert not records.run_file(other.key, other.seed).exists()


def test_arrays_refuse_pickled_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    def packed(array: Any) -> bytes:
        file = io.BytesIO()
        np.savez(file, a=array)
        return file.getvalue()

    content = packed(np.arange(4))
    monkeypatch.setattr(Record, "artefact", lambda self, name: content)
    record = planted("a", 0, 0.5)
    np.testing.assert_array_equal(record.arrays("x")["a"], np.arange(4))
    content = packed(np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        record.arrays("x")


def test_promotion_sorts_and_copies_the_artefacts() -> None:
    cells = [
        trials.cell(v, s, level=level)
        for v, level in (("b", 0.1), ("a", 0.2))
        for s in (1, 0)
    ]
    made = [execute(cell) for cell in cells]
    path = records.promote(made)
    assert path == paths.results() / "trials" / "smoke.jsonl"
    kept = records.evidence("trials", "smoke")
    order = [(record.variant, record.seed) for record in kept]
    assert order == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert records.grids() == {"trials": ["smoke"]}
    for file in paths.runs().rglob("*.txt"):
        file.unlink()
    assert [r.artefact("note.txt") for r in kept] == [b"seed 0", b"seed 1"] * 2
    found = records.find(cells[0].trial, 1, evidence=True)
    assert found is not None and found.to_json() == made[0].to_json()


def test_evidence_is_read_again_when_its_file_changed() -> None:
    cell = trials.cell(level=0.5)
    assert records.find(cell.trial, 0) is None
    trials.evidence("grid", {"a": [0.5]})
    assert records.find(cell.trial, 0)
    trials.evidence("grid", {"a": [0.5, 0.6]})
    assert records.find(trials.cell(level=0.6).trial, 1)
    records.evidence_file("grid", "standard").unlink()
    assert records.find(cell.trial, 0) is None


def test_this_machines_runs_come_before_the_evidence() -> None:
    cell = trials.cell(level=0.5)
    trials.evidence("grid", {"evidence": [0.5]})
    records.save(planted("mine", 0, 0.5), {})
    for evidence, name in ((False, "mine"), (True, "evidence")):
        found = records.find(cell.trial, 0, evidence=evidence)
        assert found is not None and found.variant == name


def test_predictions_round_trip() -> None:
    targets, predicted = np.array([0, 4, 2, 1]), np.array([0, 1, 3, 1])
    offsets = ((predicted - targets) % 5).astype(np.uint8)
    text = records.pack(offsets)
    np.testing.assert_array_equal(
        (records.unpack(text) + targets) % 5, predicted
    )
    record = planted("a", 0, 0.5, predictions=text)
    assert record.correct().tolist() == [True, False, False, True]
    with pytest.raises(ValueError, match="stored no predictions"):
        planted("a", 0, 0.5).correct()


def test_table_against_scipy() -> None:
    row = records.table(runs(low=LOW, high=HIGH)).loc["high"]
    expected = oracle.t.interval(
        0.95, 4, np.mean(HIGH), oracle.sem(np.array(HIGH))
    )
    assert row["mean"] == pytest.approx(np.mean(HIGH))
    assert row["sd"] == pytest.approx(np.std(HIGH, ddof=1))
    assert (row["low"], row["high"]) == pytest.approx(expected)
    assert row["n"] == 5
    share = oracle.binomtest(852, 1000).proportion_ci(method="wilson")
    assert np.mean(HIGH) == 0.852
    assert row["test ±"] == pytest.approx((share.high - share.low) / 2)


def test_differences_are_paired_and_against_scipy() -> None:
    row = records.table(runs(low=LOW, high=HIGH), baseline="low").loc["high"]
    expected = oracle.ttest_rel(HIGH, LOW).confidence_interval()
    assert row["difference"] == pytest.approx(np.mean(HIGH) - np.mean(LOW))
    assert row["difference low"] == pytest.approx(expected.low)
    assert row["difference high"] == pytest.approx(expected.high)
    assert row["correlation"] == pytest.approx(oracle.pearsonr(HIGH, LOW)[0])


def test_table_keeps_the_declared_order_and_counts_divergence() -> None:
    made = runs(b=LOW, a=HIGH)
    made[0] = dataclasses.replace(made[0], diverged="at step 3", seconds=90.0)
    table = records.table(made)
    assert list(table.index) == ["b", "a"]
    assert table["diverged"].to_dict() == {"b": 1, "a": 0}
    assert table["seconds"].to_dict() == {"b": 2.0, "a": 2.0}


def test_intervals_of_shares_end_at_0_and_1_others_do_not() -> None:
    made = [
        dataclasses.replace(run, scores={"accuracy": v, "gain": v})
        for run, v in zip(runs(a=LOW), [0.0, 0.0, 0.0, 0.0, 1.0], strict=True)
    ]
    expected = oracle.t.interval(0.95, 4, 0.2, np.sqrt(0.2 / 5))
    share = records.table(made).loc["a"]
    assert (share["low"], share["high"]) == (0.0, pytest.approx(expected[1]))
    gain = records.table(made, "gain").loc["a"]
    assert (gain["low"], gain["high"]) == pytest.approx(expected)


def test_one_run_has_no_interval() -> None:
    row = records.table(runs(a=[0.5])).loc["a"]
    assert row["n"] == 1
    assert row[["sd", "low", "high"]].isna().all()


def test_the_choice_is_made_on_validation_never_on_test() -> None:
    made = [
        planted("best on test", 0, 0.99, validation=[0.9, 0.5]),
        planted("best on validation", 0, 0.10, validation=[0.1, 0.6]),
    ]
    assert records.best(made) == "best on validation"


def test_the_choice_passes_over_what_has_no_score() -> None:
    made = [
        planted("diverged", 0, NAN, validation=[NAN]),
        planted("poor", 0, 0.1, validation=[0.1]),
    ]
    assert records.best(made) == "poor"


def test_a_tie_goes_to_what_was_declared_first() -> None:
    assert records.best(runs(b=[0.5], a=[0.5])) == "b"


def test_each_arm_keeps_the_rate_that_validation_chose() -> None:
    made = [
        planted(f"{arm}, rate {rate}", seed, test, validation=[valid])
        for arm, rate, test, valid in (
            ("a", 0.1, 0.9, 0.5),
            ("a", 0.3, 0.7, 0.6),
            ("a b", 0.1, 0.1, 0.9),
        )
        for seed in (0, 1)
    ]
    kept = [(run.variant, run.seed) for run in records.tuned(made)]
    names = ("a, rate 0.3", "a b, rate 0.1")
    assert kept == [(name, seed) for name in names for seed in (0, 1)]


def test_rises_name_the_outputs_that_woke_up_for_good() -> None:
    file = io.BytesIO()
    np.savez(
        file,
        epoch=np.array([0, 10, 20, 30]),
        accuracy=np.array([0.1, 0.2, 0.6, 0.5]),
        alive=np.array(  # for good at 30; dead at last; never dead; at 10
            [
                [0.0, 0.1, 0.1, 0.0],
                [0.1, 0.0, 0.2, 0.2],
                [0.0, 0.0, 0.1, 0.1],
                [0.2, 0.0, 0.3, 0.3],
            ]
        ),
    )
    digest = hashlib.sha256(file.getvalue()).hexdigest()
    record = planted("a", 0, 0.5, artefacts={"watch.npz": digest})
    records.save(record, {"watch.npz": file.getvalue()})
    row = records.rises([record]).loc[0]
    assert row["largest rise (points)"] == pytest.approx(40)
    assert row["between steps"] == "10 and 20"
    assert row["came alive"] == "output 3 by step 10, output 0 by step 30"
    assert row["dead at the end"] == 1


def test_curves_have_a_row_an_epoch_of_a_run() -> None:
    made = [
        planted("a", seed, 0.5, validation=[0.1, 0.2 + seed]) for seed in (0, 1)
    ]
    frame = records.curves(made)
    assert frame["epoch"].tolist() == [1, 2, 1, 2]
    assert frame["accuracy"].tolist() == [0.1, 0.2, 0.1, 1.2]


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_the_old_file_whole(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full(io.FileIO):
        def write(self, content: Any) -> Any:
            super().write(content[:3])
            full()

    path = tmp_path / "folder" / "file"
    paths.write(path, b"old")
    place = {
        "write": (os, "fdopen", Full),
        "fsync": (os, "fsync", full),
        "rename": (Path, "replace", full),
    }
    monkeypatch.setattr(*place[step])
    with pytest.raises(OSError) as caught:
        paths.write(path, b"new content")
    assert caught.value.errno == errno.ENOSPC
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_a_record_names_no_machine_and_no_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provenance.environment.cache_clear()
    for name in ("USER", "LOGNAME", "HOSTNAME"):
        monkeypatch.setenv(name, "someone-in-particular")
    line = execute(trials.cell()).to_json()
    host = re.escape(socket.gethostname())
    assert not re.search(rf'["/]{host}["/.]', line)
    for secret in (str(Path.home()), str(paths.PROJECT), "in-particular"):
        assert secret not in line
    assert f"/{getpass.getuser()}" not in line


def test_the_digest_sees_code_but_not_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plant a package that the digest takes for the project's own."""
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "coursework_planted"
    folder.mkdir()
    (folder / "__init__.py").touch()

    def digest(text: str) -> str:
        provenance._code.cache_clear()
        (folder / "part.py").write_text(text)
        return provenance.source_digest({"coursework_planted.part"})

    first = digest('def f(x):\n    """Say it."""\n    return x + 1\n')
    assert first == digest("# why\ndef f( x ):\n    return x+1\n")
    assert first != digest("def f(x):\n    return x + 2\n")


def test_the_digest_follows_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest() -> str:
        return provenance.source_digest({"coursework.training"})

    seen: set[str] = set()
    real = provenance._code

    def spy(module: str) -> tuple[str, tuple[str, ...]]:
        seen.add(module)
        code, imported = real(module)
        changed = module == "coursework.metrics"
        return code + "changed" * changed, imported

    before = digest()
    monkeypatch.setattr(provenance, "_code", spy)
    assert digest() != before
    assert {"coursework.recipe", "coursework.data.augment"} <= seen
    assert "coursework.show" not in seen
