"""Running a grid: what is missing, once, and whose records are shown."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import types
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coursework import experiment, identity, paths, records
from coursework.experiment import MissingRunsError, Planned, Run
from coursework.identity import describe
from coursework.records import Record
from coursework.trial import Epoch, Outcome
from tests import trials
from tests.trials import notes, tiny, variants

ONE: Mapping[experiment.Profile, int] = dict.fromkeys(experiment.PROFILES, 1)


def run(profile: str = "smoke", **options: Any) -> list[Record]:
    return experiment.run("grid", variants, profile=profile, **options)


def promote(profile: str) -> list[Record]:
    """Train a profile and make it evidence; forget what was trained."""
    made = run(profile)
    records.promote(made)
    for file in paths.runs().glob("*.json"):
        file.unlink()
    (trials.folder() / "log").unlink(missing_ok=True)
    return made


def test_all_variants_run_with_the_same_seeds_in_declared_order() -> None:
    cells = [(record.variant, record.seed) for record in run()]
    assert cells == [("low", 0), ("low", 1), ("high", 0), ("high", 1)]
    assert notes("start") == ["0", "1", "0", "1"]


def test_the_same_seed_brings_the_same_noise_to_every_variant() -> None:
    low, high = records.grouped(run()).values()
    gaps = {
        round(b.scores["accuracy"] - a.scores["accuracy"], 9)
        for a, b in zip(low, high, strict=True)
    }
    assert gaps == {0.25}


def test_finished_runs_are_not_repeated() -> None:
    first = run()
    assert run() == first
    assert len(notes("start")) == 4


def test_only_what_is_missing_is_run() -> None:
    made = run()
    records.run_file(made[2].key, made[2].seed).unlink()
    again = run()
    assert notes("start") == ["0", "1", "0", "1", "0"]
    assert [r.name for r in again] == [r.name for r in made]


def test_one_variant_under_two_labels_is_trained_once() -> None:
    made = experiment.run(
        "grid", lambda _: {"a": tiny, "b": partial(tiny)}, profile="smoke"
    )
    assert [r.variant for r in made] == ["a", "a", "b", "b"]
    assert len(notes("start")) == 2


def test_a_run_of_another_grid_gets_the_labels_of_this_one() -> None:
    run()
    made = experiment.run(
        "other", lambda _: {"row": tiny}, profile="quick", seeds=ONE
    )
    found = [(r.grid, r.variant, r.profile) for r in made]
    assert found == [("other", "row", "quick")]
    assert len(notes("start")) == 4


def test_a_new_option_keeps_old_runs_and_a_new_default_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def trained(options: str, **chosen: Any) -> int:
        """Count the runs that a version of the trial still has to do."""
        before = len(notes("start"))
        module: Any = types.ModuleType("planted_module")
        module.tiny = tiny
        code = f"def fit(*, {options}, seed): return tiny(seed=seed)"
        exec(code, module.__dict__)
        monkeypatch.setitem(sys.modules, "planted_module", module)
        trial = partial(module.fit, **chosen)
        experiment.run("g", lambda _: {"a": trial}, profile="smoke", seeds=ONE)
        return len(notes("start")) - before

    assert trained("rate=0.1, width=8", rate=0.2) == 1
    assert trained("rate=0.1, width=8", rate=0.2) == 0
    assert trained("rate=0.1, width=8, momentum=0.0", rate=0.2) == 0
    new = {"rate": 0.2, "momentum": 0.9}
    assert trained("rate=0.1, width=8, momentum=0.0", **new) == 1
    assert trained("rate=0.1, width=16", rate=0.2) == 1


@pytest.mark.parametrize("promoted", [["standard"], ["full", "standard"]])
def test_evidence_takes_full_before_standard(promoted: list[str]) -> None:
    for profile in promoted:
        promote(profile)
    shown = run("evidence")
    rows = 3 if "full" in promoted else 2
    assert {r.profile for r in shown} == {promoted[0]}
    assert len(shown) == rows * 5
    assert notes("start") == []


def test_incomplete_full_evidence_gives_way_to_standard() -> None:
    made = promote("full")
    promote("standard")
    records.promote(made[:-1])
    assert {r.profile for r in run("evidence")} == {"standard"}


def test_missing_evidence_names_the_commands_and_trains_nothing() -> None:
    with pytest.raises(MissingRunsError) as caught:
        run("evidence")
    message = str(caught.value)
    assert "coursework run PRACTICAL --profile standard" in message
    assert "coursework record PRACTICAL --profile standard" in message
    assert "standard: none committed" in message and "'grid'" in message
    assert notes("start") == []


def test_evidence_does_not_read_this_machines_runs() -> None:
    run("standard")
    with pytest.raises(MissingRunsError):
        run("evidence")


def test_committed_evidence_is_not_trained_again() -> None:
    made = promote("standard")
    assert run("standard") == made
    assert notes("start") == []


def test_an_unknown_profile_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'huge'.*'smoke'.*'full'"):
        run("huge")
    with pytest.raises(ValueError, match=r"'huge'.*'smoke'.*'full'"):
        experiment.left_out(variants, "huge")


def test_arms_left_out_are_those_of_full() -> None:
    assert experiment.left_out(variants, "quick") == ["higher"]
    assert experiment.left_out(variants, "full") == []


def test_a_plan_writes_down_what_is_missing_and_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ledger() -> dict[str, list[Run]]:
        line = json.loads(path.read_text().splitlines()[-1])
        return {k: [Run(**c) for c in line[k]] for k in ("wanted", "missing")}

    path = tmp_path / "ledger"
    monkeypatch.setenv("COURSEWORK_LEDGER", str(path))
    run(seeds=ONE)
    assert ledger()["missing"] == [
        Run.of("grid", v, "smoke", 0, t) for v, t in variants("smoke").items()
    ]
    monkeypatch.setenv("COURSEWORK_MODE", "plan")
    with pytest.raises(Planned, match="2 runs of grid 'grid'"):
        run()
    assert [(c.variant, c.seed) for c in ledger()["missing"]] == [
        ("low", 1),
        ("high", 1),
    ]
    assert len(ledger()["wanted"]) == 4
    assert notes("start") == ["0", "0"]
    for cell in ledger()["missing"]:
        experiment.execute(cell)
    assert len(run()) == 4
    assert ledger()["missing"] == []


def test_a_cell_from_a_plan_is_the_cell_that_was_declared() -> None:
    cell = Run.of("grid", "row", "smoke", 1, trials.NESTED)
    again = Run(**json.loads(json.dumps(dataclasses.asdict(cell))))
    assert identity.key(again.trial) == cell.key
    assert identity.matches(cell.spec, again.trial)
    assert str(again) == "grid · row · seed 1"


def test_stale_runs_are_trained_again_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stale = run(seeds=ONE)[0]
    other = dataclasses.replace(stale, source="code of last year")
    records.save(other, {"note.txt": b"seed 0"})
    assert run(seeds=ONE)[0].source == other.source
    monkeypatch.setenv("COURSEWORK_STALE", "1")
    assert run(seeds=ONE)[0].source == stale.source
    assert len(notes("start")) == 3
    run(seeds=ONE)
    assert len(notes("start")) == 3


def test_a_failed_run_leaves_nothing_and_can_be_done_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell = trials.cell(act="fail")
    with pytest.raises(RuntimeError, match="planted failure"):
        experiment.execute(cell)
    assert not records.run_file(cell.key, 0).exists()
    monkeypatch.setitem(trials.ACTS, "fail", trials.work)
    assert experiment.execute(cell).name == cell.name


def test_a_record_holds_what_the_trial_gave() -> None:
    record = experiment.execute(trials.cell(epochs=3))
    assert [epoch["epoch"] for epoch in record.history] == [1, 2, 3]
    assert record.seconds == 0.75
    assert record.examples_per_second == 3 * 100 / 0.75
    assert record.parameters == 7 and record.multiply_adds == 11
    assert record.spec["args"]["level"] == 0.5  # left at its default
    assert record.data["sizes"]["test"] == 1000
    stored = records.find(trials.cell(epochs=3).trial, 0)
    assert stored is not None and stored.to_json() == record.to_json()


def looked_at(
    *, level: float = 0.5, probes: Sequence[Any] = (), seed: int
) -> Generator[Epoch, None, Outcome]:
    """Do as ``tiny``, and leave what each probe saw, as ``training.fit``."""
    outcome = yield from tiny(level=level, seed=seed)
    names = [probe["partial"].partition(":")[2] for probe in describe(probes)]
    seen = {f"{name}.npz": name.encode() for name in names}
    return dataclasses.replace(outcome, artefacts=seen)


def probed(*probes: Any) -> Record:
    """Run a grid of one cell, whose trial looks with these probes."""
    trial = partial(looked_at, probes=probes)
    made = experiment.run(
        "g", lambda _: {"a": trial}, profile="smoke", seeds=ONE
    )
    return made[0]


def test_a_run_lacking_a_new_probes_artefact_is_done_again() -> None:
    assert not probed().artefacts
    both = probed(trials.work, trials.pause)
    assert set(both.artefacts) == {"work.npz", "pause.npz"}
    assert both.artefact("pause.npz") == b"pause"
    assert len(notes("start")) == 2
    for probes in ((trials.pause,), (), (trials.pause, trials.work)):
        assert probed(*probes).to_json() == both.to_json()
    assert len(notes("start")) == 2
    # What was asked before stays asked, or two grids would take turns.
    more = probed(trials.work, trials.kill)
    assert set(more.artefacts) == {"work.npz", "pause.npz", "kill.npz"}
    assert len(notes("start")) == 3
    assert probed(trials.pause).to_json() == more.to_json()
    assert len(notes("start")) == 3


def test_evidence_lacking_a_probes_artefact_is_missing() -> None:
    def shown(*probes: Any) -> list[Record]:
        trial = partial(looked_at, probes=probes)
        return experiment.run(
            "g", lambda _: {"a": trial}, profile="evidence", seeds=ONE
        )

    made = dataclasses.replace(probed(trials.work), profile="standard")
    records.promote([made])
    assert shown(trials.work)[0].artefact("work.npz") == b"work"
    with pytest.raises(MissingRunsError, match="1 missing"):
        shown(trials.work, trials.pause)


def test_two_processes_train_a_run_once() -> None:
    code = "from tests import trials; trials.ask('meet')"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert len(notes("ask")) == 2
    assert len(notes("start")) == 1
