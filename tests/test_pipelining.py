"""Two stages in two processes against one, and against counts on paper."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from coursework import pipelining
from tests.staged import BATCH, COUNTS, TARGETS, gradients, network

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.timeout(480),  # processes that import torch, on a busy machine
]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Let two processes do all that the tests look at; once."""
    folder = tmp_path_factory.mktemp("stages")
    project = str(Path(__file__).parents[1])
    line = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node=2", "-m", "tests.staged", str(folder)),
    ]
    own = {"PYTHONPATH": project, "OMP_NUM_THREADS": "1"}
    subprocess.run(line, check=True, env=os.environ | own, timeout=300)
    files = [folder / f"stage-{number}" for number in range(2)]
    return [torch.load(file, weights_only=False) for file in files]


@pytest.mark.parametrize("count", COUNTS)
def test_two_stages_do_what_one_process_does(
    count: int, two: list[dict[str, Any]]
) -> None:
    whole = network()
    expected = whole(BATCH)
    loss = cross_entropy(expected, TARGETS)
    torch.autograd.backward(loss)
    first, last = (stage["steps"][count] for stage in two)
    assert first["found"] is None
    outputs, mean = last["found"]
    torch.testing.assert_close(outputs, expected, atol=1e-6, rtol=0)
    assert mean == pytest.approx(float(loss.detach()), abs=1e-6)
    assert list(first["gradients"]) == ["0.weight", "0.bias"]
    found = first["gradients"] | last["gradients"]
    torch.testing.assert_close(found, gradients(whole), atol=1e-6, rtol=0)


def test_the_bubble_is_the_one_drawn_on_paper() -> None:
    """Of three stages and four micro-batches: a row a stage, F as time goes.

    F F F F . .
    . F F F F .
    . . F F F F
    """
    assert pipelining.bubble(3, 4) == pytest.approx(2 / 6)
    assert pipelining.bubble(1, 5) == 0
    assert pipelining.bubble(2, 1) == 0.5
    with pytest.raises(ValueError, match="micro_batches is 0"):
        pipelining.bubble(2, 0)


@pytest.mark.parametrize("stages", [1, 2, 3, 5])
def test_no_other_cut_has_a_faster_slowest_stage(stages: int) -> None:
    for seed in range(20):
        costs = np.random.default_rng(seed).integers(0, 9, 8).tolist()
        cuts = pipelining.cut(costs, stages)
        assert [cost for stage in cuts for cost in costs[stage]] == costs
        assert len(cuts) == stages and all(costs[stage] for stage in cuts)
        slowest = min(
            max(map(sum, np.split(np.array(costs), ends)))
            for ends in itertools.combinations(range(1, 8), stages - 1)
        )
        assert max(sum(costs[stage]) for stage in cuts) == slowest
    with pytest.raises(ValueError, match="layers is 2; it must be at least 3"):
        pipelining.cut([1, 1], 3)


def test_a_layers_cost_is_that_counted_on_paper() -> None:
    products = [36 * 4 * 9, 0, 0, 144 * 8, 8 * 4]
    found = pipelining.costs(network(), BATCH[:1])
    assert found == [2 * product for product in products]
    assert pipelining.costs(nn.Sequential(nn.ReLU()), BATCH[:1]) == [0]


def test_what_no_pipeline_of_two_can_do_is_refused(
    two: list[dict[str, Any]],
) -> None:
    for stage in two:
        few, uneven = stage["said"]
        assert few.startswith("1 stages for 2 processes; accepted: a stage for")
        assert uneven.startswith("a batch of 8 in 3 micro-batches; accepted")
