"""``coursework train gan`` and ``generate``: what each option does, errors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coursework import paths, training
from coursework.data.digits import digits
from coursework.generative import store
from coursework.generative.gan import Gan
from coursework.launch import drawing
from coursework.launch.drawing import Drawer
from tests.test_cli import coursework

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = "--steps 4 --reports 2 --width 2 --latent 4 --dataset digits --train 30"
OTHERS: dict[str, Any] = {
    "steps": 50,
    "reports": 5,
    "batch_size": 8,
    "conditioning": "auxiliary",
    "latent": 8,
    "width": 4,
    "momentum": 0.9,
    "real": 1.0,
    "drawn": 0.1,
    "every": 2,
    "shift": 3,
}

Patch = pytest.MonkeyPatch
Said = pytest.CaptureFixture[str]


def test_a_command_that_names_nothing_has_the_methods_defaults() -> None:
    assert drawing.settings(Drawer()) == Gan()


@pytest.mark.parametrize("name", OTHERS)
def test_each_option_reaches_its_setting(name: str) -> None:
    found = drawing.settings(
        dataclasses.replace(Drawer(), **{name: OTHERS[name]})
    )
    assert found == dataclasses.replace(Gan(), **{name: OTHERS[name]})
    assert drawing.settings(Drawer(lr=0.5)) == Gan(learning_rate=0.5)


def test_what_is_trained_can_be_drawn(
    tmp_path: Path, monkeypatch: Patch, capsys: Said
) -> None:
    status, said = coursework(f"train gan {SMALL}", monkeypatch, capsys)
    kept = paths.runs() / "gan.pt"
    assert status == 0 and str(kept) in said
    assert "step 2:" in said and "step 4:" in said
    assert [*kept.parent.glob("gan.pt*")] == [kept]

    sheet = tmp_path / "new" / "sheet.png"
    line = f"generate --count 12 --class 3 --seed 5 --out {sheet}"
    assert coursework(line, monkeypatch, capsys)[0] == 0
    drawn = store.generate(kept, 12, "3", 5)[:, 0]
    shown = np.asarray(Image.open(sheet))
    assert shown.shape == (2 * 30, 10 * 30, 3)
    np.testing.assert_array_equal(shown[31:59, 31:59, 0], drawn[11])
    assert (shown[30:, 60:] == 255).all()  # nothing is left to show

    line = f"generate --count 3 --out {tmp_path / 'each'}"
    assert coursework(line, monkeypatch, capsys)[0] == 0
    files = sorted((tmp_path / "each").iterdir())
    assert [file.name for file in files] == [f"0000{i}.png" for i in range(3)]
    found = [np.asarray(Image.open(file))[..., 0] for file in files]
    np.testing.assert_array_equal(found, store.generate(kept, 3)[:, 0])


def test_another_seed_and_file(
    tmp_path: Path, monkeypatch: Patch, capsys: Said
) -> None:
    kept = []
    for seed in (0, 0, 1):
        file = tmp_path / "other.pt"
        line = f"train gan {SMALL} --seed {seed} --file {file}"
        assert coursework(line, monkeypatch, capsys)[0] == 0
        kept.append(store.generate(file, 5))
        assert not (paths.runs() / "gan.pt").exists()
    np.testing.assert_array_equal(kept[0], kept[1])
    assert (kept[0] != kept[2]).any()


def test_a_killed_training_goes_on_if_all_is_the_same(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    options = Drawer(steps=4, reports=2, width=2, dataset="digits", train=30)
    data = drawing._loader(options)
    whole, halved = tmp_path / "whole.pt", tmp_path / "halved.pt"
    list(store.train(drawing.settings(options), data, whole, 0))
    killed = store.train(drawing.settings(options), data, halved, 0)
    next(killed)
    killed.close()
    assert not halved.exists()
    other = dataclasses.replace(options, real=0.5)
    assert len([*store.train(drawing.settings(other), data, halved, 0)]) == 2
    steps: list[int] = []
    learn: Any = vars(store)["learn"]

    def noticed(learner: Any, *rest: Any) -> Any:
        update = learner.update

        def counted(*given: Any) -> Any:
            steps.append(1)
            return update(*given)

        learner.update = counted
        return learn(learner, *rest)

    monkeypatch.setattr(store, "learn", noticed)
    list(store.train(drawing.settings(options), data, halved, 0))
    assert len(steps) == 2  # of four
    assert {*tmp_path.iterdir()} == {whole, halved}  # no checkpoint is left
    first, second = (store.generate(file, 4) for file in (whole, halved))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("generate", ["coursework train gan"]),
        ("generate --count x", ["--count is 'x'", "a whole number"]),
        ("generate --count 0", ["count is 0"]),
        ("generate --klass 3", ["'--klass'", "'--class'"]),
        ("train gan --stepps 5 --lr x", ["2 faults", "'--steps'", "--lr"]),
        ("train gan --conditioning all", ["'all'", "'auxiliary'", "'none'"]),
        ("train gan --steps 5", ["steps is 5"]),
        ("train gan --width 0", ["width is 0"]),
        ("train gan --latent 0", ["latent is 0"]),
        ("train gan --batch-size 0", ["batch_size is 0"]),
        ("train gan --shift -1", ["shift is -1"]),
        ("train gan --lr 0", ["learning_rate is 0.0"]),
        ("train gan --real 2", ["real is 2.0", "[0, 1]"]),
        ("train gan --drawn -1", ["drawn is -1.0", "[0, 1]"]),
        ("train gan --dataset minst", ["'minst'", "'mnist'"]),
        ("train gan --dataset moons", ["moons", "square pictures"]),
        ("train gan --dataset shapes", ["shapes", "one class each"]),
        ("train gan --dataset digits --side 32", ["side is 32", "digits"]),
        ("train gan --dataset digits --train 0", ["train is 0"]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_accepted(
    line: str, words: list[str], monkeypatch: Patch, capsys: Said
) -> None:
    status, said = coursework(line, monkeypatch, capsys)
    assert status == 2
    for word in words:
        assert word in said


def test_another_kind_of_file_is_refused(
    tmp_path: Path, monkeypatch: Patch, capsys: Said
) -> None:
    coursework(f"train gan {SMALL}", monkeypatch, capsys)
    line = f"generate --out {tmp_path / 'drawn.jpg'}"
    status, said = coursework(line, monkeypatch, capsys)
    assert status == 2 and "drawn.jpg" in said and ".png" in said
    assert [*tmp_path.glob("*.jpg")] == []


def test_both_networks_are_kept() -> None:
    splits = digits(train=30)
    method = Gan(steps=4, reports=2, width=2)
    learner = method.learner((1, 28, 28), 10)
    again = store.unpacked(store.packed(learner, method, splits)).learner
    for name, weight in learner.network.state_dict().items():
        assert weight.equal(again.network.state_dict()[name]), name
    kinds = {name.partition(".")[0] for name in learner.network.state_dict()}
    assert kinds == {"generator", "discriminator"}
