"""Parts of a plan: each run in one, whoever asks and whatever is done."""

from __future__ import annotations

import pytest

from coursework.launch import launchers
from coursework.launch.shards import Shard
from tests import trials

CELLS = [trials.cell(seed=seed) for seed in range(40)]


def test_every_run_is_in_one_part_whatever_else_is_missing() -> None:
    parts = [Shard(number, 3).split(CELLS)[0] for number in range(3)]
    assert all(parts)
    assert sorted(run.name for part in parts for run in part) == sorted(
        run.name for run in CELLS
    )
    later, _ = Shard(1, 3).split(CELLS[::2])
    assert set(later) == set(parts[1]) & set(CELLS[::2])


@pytest.mark.parametrize("text", ["3/3", "1", "-1/3", "0/0", "1/3/5", "a/b"])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"0/8 to 7/8"):
        Shard.parse(text)


def test_a_part_is_done_here_and_the_others_are_elsewhere() -> None:
    trials.fresh_workers()
    cells = CELLS[:4]
    launch = launchers.chosen("shard", "0/2", ())
    mine, others = Shard(0, 2).split(cells)
    assert mine and others
    report = launch(cells, 2, None)
    assert report.elsewhere == others and not report.failed
    assert sorted(trials.notes("end")) == sorted(str(r.seed) for r in mine)


@pytest.mark.parametrize(
    ("name", "shard", "cluster"),
    [
        ("shard", None, ()),
        ("local", "0/2", ()),
        ("slurm", "0/2", ()),
        ("local", None, ("partition=gpu",)),
        (None, None, ("time=1:30:00",)),
        (None, None, ("partition",)),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    name: launchers.Name | None, shard: str | None, cluster: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="accepted"):
        launchers.chosen(name, shard, cluster)
