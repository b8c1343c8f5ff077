"""Checks of exercises: each knows a right answer from a wrong one."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from coursework import checks
from coursework.checks import Reply
from coursework.data.splits import Split, Splits
from tests.trials import planted

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PAGES = [
    path
    for path in sorted(NOTEBOOKS.glob("*.py"))
    if "coursework import checks" in path.read_text()
    or "from coursework.checks" in path.read_text()
]

SEEDS = (0.5, 0.75, 0.625, 0.5625, 0.9, 0.8125, 0.7)
RUNS = [planted("noise", seed, value) for seed, value in enumerate(SEEDS)]
BEST = [max(five) for five in combinations(SEEDS, 5)]
LEAD = 100 * (sum(BEST) / len(BEST) - sum(SEEDS) / len(SEEDS))
ARMS = [
    planted(f"{name}, rate 0.1", seed, level + shift + seed / 100)
    for name, level in (("low", 0.5), ("high", 0.6), ("alike", 0.5))
    for seed, shift in enumerate((0.01, -0.01, 0.0))
] + [planted("wild", seed, value) for seed, value in enumerate((0.2, 0.9, 0.5))]
LOOK = {"arm": "high", "baseline": "low"}
CURVES = [
    planted("a", seed, 0.9, validation=curve)
    for seed, curve in enumerate(
        (
            [0.1, 0.2, 0.3, 0.8, 0.9, 0.9, 0.9],
            [0.81, 0.9, 0.7, 0.7, 0.7, 0.7, 0.7],
            [0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.9],
        )
    )
]
# Class 2 leads by 0.5 in channel 1; class 0 has the largest gate of all.
LAST = np.array([[0.9, 0.1, 0.2], [0.8, 0.2, 0.2], [0.1, 0.7, 0.2]])
GATED = [
    SimpleNamespace(
        arrays=lambda name: {"by_class_0": LAST[::-1], "by_class_1": LAST}
    )
]

# Classes of five, three and four training examples.
TARGETS = np.repeat([0, 1, 2], [5, 3, 4])
PART = Split(inputs=np.zeros((12, 2), np.float32), targets=TARGETS)
SHARED_OUT = Splits(
    name="planted",
    train=PART,
    validation=PART,
    test=PART,
    classes=tuple("abc"),
)


def squared_hinge(scores: Any, targets: Any) -> tuple[float, Any]:
    rows = np.arange(len(targets))
    margins = scores - scores[rows, targets][:, None] + 1
    margins[rows, targets] = 0
    margins = np.maximum(margins, 0)
    gradient = 2 * margins
    gradient[rows, targets] = -gradient.sum(axis=1)
    return np.square(margins).sum(axis=1).mean(), gradient / len(targets)


def without_the_two(scores: Any, targets: Any) -> tuple[float, Any]:
    loss, gradient = squared_hinge(scores, targets)
    return loss, gradient / 2


def summed(scores: Any, targets: Any) -> tuple[float, Any]:
    loss, gradient = squared_hinge(scores, targets)
    return loss * len(targets), gradient


def one_row(scores: Any, targets: Any) -> tuple[float, Any]:
    loss, gradient = squared_hinge(scores, targets)
    return loss, gradient[0]


def loss_alone(scores: Any, targets: Any) -> float:
    return squared_hinge(scores, targets)[0]


class Case(NamedTuple):
    """Right and wrong answers, and what else a check is given."""

    right: list[Any]
    wrong: list[Any]
    given: tuple[Any, ...] = ()
    options: dict[str, Any] | None = None


CASES = {
    "balancing_weight": Case([2, 2.0], [4, -2, 1, 0]),
    "best_of_five": Case([LEAD], [LEAD / 100, 0, 1.2 * LEAD], (RUNS,)),
    "cifar_stem": Case([16], [4, 1, 64]),
    "compared": Case(["higher"], ["lower", "undecided"], (ARMS,), LOOK),
    "degree": Case([3, np.int64(3)], [1, 2, 4]),
    # 100 planted pictures in batches of 128: one step, in one epoch
    "equal_steps": Case([1], [0, 2, 100], (RUNS,)),
    "gate_parameters": Case([2 * (64 * 64 + 64)], [2 * 64 * 64, 128]),
    "harmless_layers": Case(
        [{"log-softmax", "subtract the mean"}],
        [set(), {"log-softmax"}, {"softmax", "log-softmax"}],
    ),
    "largest_scale": Case([29], [16, 30, 28]),  # 2**29 / 10,000 < 65,504
    "lora_weights": Case([32 * 80 + 32 * 480], [80 * 480, 32 * 80]),
    # 17 convolutions in a row, 3 on shortcuts, a dense layer
    "loop_counts": Case([17 + 3 + 1], [1, 18, 20, 62]),
    "majority_of_five": Case(
        [10 * 0.6**3 * 0.4**2 + 5 * 0.6**4 * 0.4 + 0.6**5],
        [0.6, 1 - 0.4**5, 0.6**5],
    ),
    "mean_of_five": Case([1 / math.sqrt(5)], [0.2, 1, math.sqrt(5)]),
    "most_folds": Case([3], [2, 1, 4], (lambda: SHARED_OUT,)),
    "opening_class": Case([2], [0, 1, 7], (GATED,)),
    "query_factor": Case([4], [1, 0.25, 16, 2]),
    "rezero_at_one": Case(["add"], ["subtract", "none", "layer-scale"]),
    "shared_gate": Case([1 / 1024], [0.5, 1, 1024]),
    "silu_variance": Case([4], [2, 1, 0.5, 16]),
    "smoothed_gap": Case(
        [math.log(0.91 / 0.01)], [math.log(9), 4.4, 4.7, 0, 20]
    ),
    "squared_hinge": Case(
        [squared_hinge], [without_the_two, summed, one_row, loss_alone, len]
    ),
    "steps_to": Case([4, 3, 5], [1, 7, 0.8], (CURVES,)),
    "tokens": Case([8 * 8 + 1], [64, 17, 16]),
    # two blocks of 33,472 numbers, a norm of 128 and a head of 325, of 138,693
    "tuned_share": Case([0.486, 0.5], [0.25, 1, 0.4]),
    "underivable": Case(
        ["silu", "sine", "absolute value"],
        ["sigmoid", "tanh", "relu", "leaky relu", "elu", "softplus"],
    ),
    "unmoved_scores": Case([{"mAP"}, ["mAP"]], [{"macro-f1"}, set()]),
    "unsure_verdict": Case([0.9 / 2], [0.5, 0.9, 0, 1, -1]),
}


def test_every_check_has_its_cases() -> None:
    assert set(CASES) == set(checks.CHECKS)
    assert set(checks.CHECKS) <= set(checks.__all__)


@pytest.fixture(params=CASES)
def asked(request: pytest.FixtureRequest) -> tuple[Callable[..., Reply], Case]:
    case = CASES[request.param]
    check = checks.CHECKS[request.param]
    return lambda answer: check(
        answer, *case.given, **(case.options or {})
    ), case


def test_right_and_wrong(asked: tuple[Callable[..., Reply], Case]) -> None:
    check, case = asked
    assert case.right and case.wrong
    for answer in case.right:
        assert check(answer).right is True, answer
    for answer in case.wrong:
        reply = check(answer)
        assert reply.right is False and len(reply.why) > 20, answer


@pytest.mark.parametrize("answer", [None, "`x`", 1j, math.nan, True, {"a": 1}])
def test_nonsense_is_told_what_to_give(
    asked: tuple[Callable[..., Reply], Case], answer: object
) -> None:
    reply = asked[0](answer)
    assert reply.right is None and "ive " in reply.why


def test_a_comparison_is_undecided_where_the_interval_holds_zero() -> None:
    def side(arm: str, baseline: str) -> list[bool | None]:
        return [
            checks.compared(answer, ARMS, arm=arm, baseline=baseline).right
            for answer in ("higher", "lower", "undecided")
        ]

    assert side("low", "high") == [False, True, False]
    assert side("wild", "low") == [False, False, True]
    assert side("alike", "low") == [False, False, True]
    assert side("absent", "low") == [None] * 3
    missing = checks.compared("lower", ARMS, arm="absent", baseline="low")
    assert "absent" in missing.why and "low, rate 0.1" in missing.why


def test_runs_that_can_decide_nothing_are_no_wrong_answer() -> None:
    assert checks.best_of_five(1.0, RUNS[:5]).right is None
    never = checks.steps_to(1, CURVES, share=0.95)
    assert never.right is None and "never" in never.why


def test_no_answer_yet_is_no_fault() -> None:
    wanted = "Give the smallest degree, a whole number in place of `None`."
    assert checks.degree(None).why == wanted


def test_a_reply_is_shown_in_words() -> None:
    def shown(right: bool | None) -> str:
        return Reply(right, "Why.")._repr_markdown_()

    assert shown(True) == "**Right.** Why."
    assert shown(False) == "**Not yet.** Why."
    assert shown(None) == "**No answer yet.** Why."


def test_the_numbers_of_a_wrong_answer_are_not_given_away() -> None:
    for name in ("mean_of_five", "best_of_five", "cifar_stem", "tokens"):
        case = CASES[name]
        right = f"{case.right[0]:.3g}"
        reply = checks.CHECKS[name](case.wrong[0], *case.given)
        assert not re.search(rf"(?<![\d.]){re.escape(right)}", reply.why)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_calls_its_checks_with_no_answer(page: Path) -> None:
    nodes = list(ast.walk(ast.parse(page.read_text())))
    calls = [
        node
        for node in nodes
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).removeprefix("checks.") in checks.CHECKS
    ]
    assert calls
    for call in calls:
        assert ast.unparse(call.args[0]) == "None", ast.unparse(call)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_each_exercise_has_a_solution_behind_a_click(page: Path) -> None:
    exercises = page.read_text().partition("# ## Exercises")[2]
    parts = re.split(r"^# \d+\. ", exercises, flags=re.M)[1:]
    assert parts
    for part in parts:
        assert part.count("<details><summary>Solution</summary>") == 1
        assert part.count("</details>") == 1


def test_every_check_stands_on_a_page() -> None:
    text = "".join(page.read_text() for page in PAGES)
    for name in checks.CHECKS:
        assert re.search(rf"\b{name}\(None", text), name
