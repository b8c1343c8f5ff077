"""Wrong options are all named at once, before anything is made or read."""

from __future__ import annotations

import contextlib
import io
import string
import sys
from collections.abc import Mapping
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coursework import cli, paths
from coursework.launch import arguments
from coursework.launch.options import Options

FIXED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# A wrong value, and what must be said of it.
Wrong = st.SearchStrategy[tuple[str, str]]


def below(argument: str, low: int) -> Wrong:
    """Draw whole numbers that are too small."""
    numbers = st.integers(-(10**6), low - 1)
    return numbers.map(lambda n: (str(n), f"{argument} is {n};"))


def words(flag: str) -> Wrong:
    """Draw words that name nothing, and no number."""
    letters = st.text(string.ascii_lowercase, min_size=4, max_size=9)
    drawn = letters.filter(lambda word: word not in ACCEPTED)
    return drawn.map(lambda word: (word, f"{flag} is {word!r}; accepted: "))


ACCEPTED = {"adam", "adamw", "lion", "cosine", "constant", "plateau", "auto"}
ACCEPTED |= {"multistep", "smoke", "quick", "standard", "full", "none", "wandb"}
WRONG: Mapping[str, Wrong] = {
    "--epochs": below("epochs", 1) | words("--epochs"),
    "--lr": st.floats(-1e6, 0).map(lambda v: (str(v), f"learning_rate is {v};"))
    | words("--lr").filter(lambda wrong: wrong[0] not in ("infinity",)),
    "--batch-size": below("batch_size", 1) | words("--batch-size"),
    "--optimiser": words("--optimiser"),
    "--schedule": words("--schedule"),
    "--precision": words("--precision"),
    "--train": below("train", 1) | words("--train"),
    "--side": words("--side"),
    "--seed": words("--seed"),
    "--profile": words("--profile"),
    "--log": words("--log"),
    "--modle": st.just(("lenet", "option '--modle'; did you mean '--model'?")),
    "--kernels": st.just(("3", "unknown option '--kernels'")),
}
UNUSED: Mapping[str, Wrong] = {
    "--ratio": st.integers(17, 99).map(
        lambda n: (str(n), f"lenet has no use for --ratio {n}")
    ),
    "--residual": st.sampled_from(["none", "subtract"]).map(
        lambda name: (name, f"lenet has no use for --residual {name}")
    ),
    "--growth-rate": st.integers(33, 99).map(
        lambda n: (str(n), f"lenet has no use for --growth-rate {n}")
    ),
}


def refused(line: list[str]) -> str:
    """Run a command line that must be refused, and return what it said."""
    said = io.StringIO()
    with (
        patch.object(sys, "argv", ["coursework", *line]),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
        pytest.raises(SystemExit) as caught,
    ):
        cli.main()
    assert caught.value.code == 2 and "Traceback" not in said.getvalue()
    assert not paths.runs().exists() and not paths.data().exists()
    return said.getvalue()


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(paths.runs().parent / "data"))


def names_of(table: Mapping[str, Wrong]) -> st.SearchStrategy[list[str]]:
    return st.lists(
        st.sampled_from([*table]), min_size=1, max_size=6, unique=True
    )


def all_are_named(names: list[str], data: st.DataObject) -> None:
    drawn = [(n, *data.draw({**WRONG, **UNUSED}[n])) for n in names]
    line = ["train", "mnist-zoo", "--model", "lenet"]
    said = refused(line + [f"{name}={value}" for name, value, _ in drawn])
    for _, _, told in drawn:
        assert told in said
    assert said.count("\n  - ") == (len(names) if len(names) > 1 else 0)


@settings(FIXED, max_examples=500)
@given(names_of(WRONG), st.data())
def test_every_wrong_option_is_named(
    names: list[str], data: st.DataObject
) -> None:
    all_are_named(names, data)


@settings(FIXED, max_examples=20)
@given(names_of({**WRONG, **UNUSED}), st.data())
def test_so_is_every_option_of_other_networks(
    names: list[str], data: st.DataObject
) -> None:
    all_are_named(names, data)


def test_options_of_an_attention_are_named_together() -> None:
    line = "train triplet --model resnet18 --att-type triplet --epochs 0"
    line += " --gate sofmax --activation glu --kernel-size 4 --reduction 8"
    said = refused(line.split())
    for told in ("epochs is 0", "gate 'sofmax'", "activation 'glu'"):
        assert told in said
    for told in ("kernel is 4", "no use for --reduction 8", "5 faults"):
        assert told in said


@pytest.mark.parametrize(
    ("line", "near"),
    [
        ("train mnist-zoo --modell lenet", "'--model'"),
        ("train mnist-zoo --model lenet --schedule cosin", "'cosine'"),
        ("train mnist-zoo --model lenet --wwww 1", ""),
        ("train mnist-zoo --model lennet", "'lenet'"),
        ("train mnist-zo --model lenet", "'mnist-zoo'"),
        ("train triplet --model resnet18 --att-type tripplet", "'triplet'"),
        ("run --profile standart", "'standard'"),
        ("run --job 3", "'--jobs'"),
        ("run 01_numpy_mpl", "'01_numpy_mlp'"),
        ("run 00 --set datset=digits", "'dataset'"),
        ("record --profile ful", "'full'"),
        ("verify --declare", "'--declared'"),
    ],
)
def test_the_nearest_name_is_offered(line: str, near: str) -> None:
    said = refused(line.split())
    assert f"did you mean {near}" in said if near else "did you" not in said


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("run --jobs 0", "jobs is 0; it must be at least 1"),
        ("run --jobs -2", "jobs is -2"),
        ("run --budget -1", "budget is -1"),
        ("run --budget", "--budget lacks its value"),
        ("run --budget soon --jobs 1.5", "2 faults"),
    ],
)
def test_numbers_of_a_batch_have_a_range(line: str, told: str) -> None:
    assert told in refused(line.split())


def test_what_tyro_takes_is_taken() -> None:
    line = "--arch lenet --no-batch-norm --batch_size None --evaluate --lr=1e-4"
    read = {g.argument: g.value for g in arguments.given(Options, line.split())}
    assert read == {
        "model": "lenet",
        "batch_norm": False,
        "batch_size": None,
        "test": True,
        "lr": 1e-4,
    }
    given = arguments.given(cli.run, ["--set", "a=1", "b=2", "--stand-in"])
    assert [(g.argument, g.value, g.fault) for g in given] == [
        ("settings", ("a=1", "b=2"), ""),
        ("stand_in", True, ""),
    ]
