"""A chain of grids: who wins, what is carried on, and where it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coursework import chain, experiment, paths, records
from coursework.experiment import MissingRunsError, Planned, Run
from coursework.launch import batch
from coursework.records import Record
from tests import trials
from tests.trials import planted, tiny

OPTIONS = {"a": 1, "b": 2, "c": 3}


def runs(values: Mapping[str, list[float]], **changes: Any) -> list[Record]:
    """Plant runs by their validation accuracies; the test says otherwise."""
    return [
        planted(arm, seed, 1 - value, validation=[0.99, value], **changes)
        for arm, each in values.items()
        for seed, value in enumerate(each)
    ]


def test_the_last_validation_accuracy_decides() -> None:
    found = runs({"a": [0.5, 0.7], "b": [0.6, 0.8], "c": [0.9, 0.1]})
    assert chain.winner(OPTIONS, found) == 2


def test_of_equals_the_first_declared_wins() -> None:
    even = {"c": [0.6, 0.6], "b": [0.5, 0.7], "a": [0.6, 0.6]}
    assert chain.winner(OPTIONS, runs(even)) == 3
    assert chain.winner(OPTIONS, []) == 1


LEVELS = {"low": 0.2, "high": 0.6}
MORE = {"none": 0, "some": 1}


def stages(profile: str) -> list[Record]:
    """Run a chain whose second stage depends on the first one's winner."""
    first = experiment.run(
        "first",
        lambda _: {n: partial(tiny, level=v) for n, v in LEVELS.items()},
        profile=profile,
    )
    level = chain.winner(LEVELS, first)
    return experiment.run(
        "second",
        lambda _: {
            n: partial(tiny, level=level, epochs=1 + v) for n, v in MORE.items()
        },
        profile=profile,
    )


def test_a_chain_takes_a_round_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "ledger"
    monkeypatch.setenv("COURSEWORK_MODE", "plan")
    monkeypatch.setenv("COURSEWORK_LEDGER", str(ledger))
    seen = []
    for _ in range(2):
        ledger.write_text("")
        with pytest.raises(Planned):
            stages("smoke")
        asked = json.loads(ledger.read_text().splitlines()[-1])
        missing = [Run(**run) for run in asked["missing"]]
        seen.append((asked["grid"], [run.spec["args"] for run in missing]))
        for run in missing:
            experiment.execute(run)
    done = stages("smoke")
    assert [grid for grid, _ in seen] == ["first", "second"]
    assert {args["level"] for args in seen[1][1]} == {LEVELS["high"]}
    assert [run.variant for run in done] == ["none"] * 2 + ["some"] * 2
    # "none" with two epochs is the first stage's winner: not trained again
    assert [args["epochs"] for args in seen[1][1]] == [1, 1]


def test_a_missing_stage_names_the_practical() -> None:
    with pytest.raises(MissingRunsError) as caught:
        experiment.run("triplet-gate", trials.variants, profile="evidence")
    for word in ("run", "record"):
        assert f"coursework {word} {chain.PRACTICAL} " in str(caught.value)
    assert "PRACTICAL" not in str(caught.value)


def test_factors_are_joined_each_beside_the_baseline() -> None:
    factors: dict[str, dict[str, Any]] = {
        "gate": {"gate x": "x", "gate y": "y"},
        "kernel": {"kernel 3": 3},
        "pools": {"pools l2": ("l2",)},  # left out of the runs
    }
    found = runs({"T": [0.5], "gate x": [0.6], "gate y": [0.7]})
    found += runs({"kernel 3": [0.4]})
    assert chain.one_by_one("T", factors, found) == {"gate": "y"}


@pytest.mark.parametrize(
    ("avg", "l1", "l2", "median", "pools"),
    [
        (0.5, 0.6, 0.7, 0.4, ("l2", "max")),
        (0.5, 0.6, 0.4, 0.7, ("l1", "max", "median")),
        (0.5, 0.4, 0.4, 0.4, ("max", "avg")),
    ],
)
def test_the_fourth_pool_set_is_derived(
    avg: float, l1: float, l2: float, median: float, pools: tuple[str, ...]
) -> None:
    found = {
        "Triplet": [avg],
        "pools max, avg, median": [median],
        "pools l1, max": [l1],
        "pools l2, max": [l2],
    }
    assert chain.pool_set_4(runs(found)) == pools
    with pytest.raises(LookupError, match=f"run {chain.PRACTICAL}"):
        chain.pools("4")
    records.promote(runs(found, grid=chain.FACTORS))
    assert chain.pools("4") == pools


def test_pools_by_name_or_by_the_reports_number() -> None:
    assert chain.pools("3") == chain.pools("l2,max") == ("l2", "max")
    assert chain.pools("avg") == ("avg",)


def test_a_task_needs_the_stages_before_it() -> None:
    assert chain.grids("pool") == (
        "triplet-activation",
        "triplet-gate",
        "triplet-pool",
    )
    assert chain.grids("baseline") == ("triplet-attention",)
    with pytest.raises(ValueError, match=r"task 'pols'.*'pool'.*'factors'"):
        chain.grids("pols")


def test_the_budget_shown_is_the_best_evidences() -> None:
    assert chain.shown("quick") == "quick"
    assert chain.shown("evidence") == "standard"
    for profile in ("standard", "full"):
        trials.evidence("triplet-activation", {"none": [0.5]}, profile)
        assert chain.shown("evidence") == profile


@pytest.mark.parametrize("grid", ["triplet-gate", "triplet-attention"])
def test_a_chain_is_promoted_whole_from_one_machine(grid: str) -> None:
    """A grid that no winner decides anything of may come from anywhere."""
    cells = [
        Run.of(g, "row", "standard", seed, partial(tiny, level=level))
        for g, level in (("triplet-activation", 0.2), (grid, 0.4))
        for seed in range(2)
    ]
    made = [experiment.execute(cell) for cell in cells]
    assert len(batch._promote(cells)) == 2
    for path in paths.results().glob("*/*.jsonl"):
        path.unlink()
    other = dict(made[-1].environment) | {"device": "another processor"}
    content = {"note.txt": made[-1].artefact("note.txt")}
    records.save(replace(made[-1], environment=other), content)
    if grid == "triplet-attention":
        assert len(batch._promote(cells)) == 2
        return
    with pytest.raises(ValueError, match=r"2 machines.*another processor"):
        batch._promote(cells)
    assert not records.grids()
