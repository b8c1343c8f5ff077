"""Learning to draw: scores by hand, going on, and what a classifier gets."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from coursework import identity, thumbnails, training
from coursework.data.digits import digits
from coursework.data.jitter import Augment
from coursework.data.splits import Splits
from coursework.generative import judge, scores, store, trial
from coursework.generative.augmented import augmented, joined
from coursework.generative.denoising import Denoising, Diffusion
from coursework.generative.gan import Gan
from coursework.generative.learner import (
    Learner,
    Method,
    average,
    learn,
    make,
    rows,
)
from coursework.models.convnet import ConvNet
from coursework.recipe import Recipe
from coursework.trial import Epoch, stream
from tests.trials import play

pytestmark = pytest.mark.usefixtures("one_thread")

DATA = partial(digits, train=60, scored=40)
GAN = Gan(steps=6, reports=3, batch_size=8, latent=4, width=2, shift=1)
NOISE = Diffusion(steps=6, reports=3, batch_size=8, width=8, times=20, leaps=4)
METHODS = pytest.mark.parametrize("method", [GAN, NOISE], ids=["gan", "noise"])
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(
        judge, "RECIPE", replace(judge.RECIPE, epochs=1, schedule="constant")
    )
    return tmp_path / "data"


def learnt(method: Method, seed: int = 0, **settings: Any) -> Learner:
    learner = make(method, DATA(), seed)
    for _ in learn(learner, method, DATA(), seed, **settings):
        pass
    return learner


def weights(learner: Learner) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in learner.network.state_dict().items()}


def same(first: Learner, second: Learner) -> bool:
    theirs = weights(second)
    return all(torch.equal(v, theirs[k]) for k, v in weights(first).items())


# Scores ------------------------------------------------------------------


def test_the_frechet_distance_by_its_formula() -> None:
    real, drawn = RNG.normal(size=(40, 5)), RNG.normal(1, 2, size=(60, 5))
    ours, theirs = np.cov(real.T), np.cov(drawn.T)
    means = ((real.mean(0) - drawn.mean(0)) ** 2).sum()
    spreads = np.trace(ours + theirs - 2 * sqrtm(ours @ theirs).real)
    assert scores.frechet(real, drawn) == pytest.approx(means + spreads)
    assert scores.frechet(real, real) == pytest.approx(0, abs=1e-6)


def test_two_points_apart_by_hand() -> None:
    # means 0 and 3, variances 2 and 8: 9 + (sqrt 8 - sqrt 2)²
    real = np.array([[-1.0, 0], [1, 0]])
    drawn = np.array([[1.0, 0], [5, 0]])
    assert scores.frechet(real, drawn) == pytest.approx(11)


def test_features_that_never_vary_do_no_harm() -> None:
    real = np.zeros((9, 3), np.float32)
    assert scores.frechet(real, real + 1) == pytest.approx(3)


def test_coverage_by_hand() -> None:
    centres = np.array([[0.0], [1], [3], [10]])
    # with the nearest neighbour the balls reach 1, 1, 2 and 7
    points = np.array([[-1.0], [-1.1], [5.0], [17], [17.1]])
    found = scores.coverage(centres, points, neighbours=1)
    assert found == 3 / 5


def test_coverage_against_loops() -> None:
    centres, points = RNG.normal(size=(20, 3)), RNG.normal(2, size=(30, 3))
    inside = 0
    for point in points:
        for centre in centres:
            apart = sorted(np.linalg.norm(centres - centre, axis=1))
            if np.linalg.norm(point - centre) <= apart[3]:
                inside += 1
                break
    assert 0 < inside < 30
    assert scores.coverage(centres, points) == inside / 30


def test_a_class_that_hardly_appears_is_no_mode() -> None:
    predicted = np.array([0] * 74 + [1] * 21 + [2] * 3 + [3] * 2)
    assert scores.modes(predicted, 4) == 3  # a tenth of a share is 2.5
    assert scores.modes(np.append(predicted, [2, 3]), 4) == 4


def test_the_nearest_picture_and_how_far_it_is() -> None:
    known = RNG.integers(256, size=(30, 4, 4), dtype=np.uint8)
    asked = RNG.integers(256, size=(5, 1, 4, 4), dtype=np.uint8)
    apart, found = scores.nearest(asked, known)
    gaps = asked.astype(float) - known
    by_hand = np.sqrt((gaps**2).mean((2, 3)))
    np.testing.assert_array_equal(found, by_hand.argmin(1))
    np.testing.assert_allclose(apart, by_hand.min(1), rtol=1e-4)


# Learning ----------------------------------------------------------------


@METHODS
def test_pictures_are_a_function_of_labels_and_seed(method: Method) -> None:
    learner, labels = learnt(method), np.arange(5)
    first = learner.pictures(labels, 1)
    assert first.shape == (5, 1, 28, 28)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(learner.pictures(labels, 1), first)
    assert (learner.pictures(labels, 2) != first).any()
    assert (learner.pictures(labels + 1, 1) != first).any()


@METHODS
def test_runs_of_a_seed_are_equal_and_others_are_not(method: Method) -> None:
    first = learnt(method)
    torch.rand(7)  # whatever else was drawn in between
    assert same(first, learnt(method))
    assert not same(first, learnt(method, seed=1))


@METHODS
def test_a_killed_run_goes_on_as_if_it_had_never_stopped(
    method: Method, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    file = tmp_path / "run.pt"
    killed = learn(make(method, DATA(), 0), method, DATA(), 0, file)
    before = [next(killed), next(killed)]
    killed.close()

    steps = []
    learner = make(method, DATA(), 0)
    update = learner.update
    learner.update = lambda *args: steps.append(1) or update(*args)  # type: ignore
    history = list(learn(learner, method, DATA(), 0, file))
    assert len(steps) == 2  # of six
    whole = learnt(method)
    assert same(learner, whole)
    assert history[:2] == before
    assert [timeless(e) for e in history] == [
        timeless(e) for e in whole.history
    ]
    np.testing.assert_array_equal(learner.frames, whole.frames)
    assert len(whole.frames) == 3


def timeless(epoch: Epoch) -> Epoch:
    return replace(epoch, seconds=0.0)


@pytest.mark.parametrize("place", [0, 35, 100, -1])
def test_a_damaged_checkpoint_is_named(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    file = tmp_path / "run.pt"
    learnt(GAN, checkpoint=file)
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.pt can't be read.*delete it"):
        learnt(GAN, checkpoint=file)


def test_the_discriminator_learns_every_so_many_steps() -> None:
    method = replace(GAN, every=2)
    learner = method.learner((1, 28, 28), 10)
    real, labels = torch.zeros(8, 1, 28, 28), torch.arange(8)
    for step in range(4):
        learner.step = step
        before = weights(learner)
        learner.update(real, labels, torch.Generator().manual_seed(step))
        moved = {
            name.partition(".")[0]
            for name, weight in learner.network.named_parameters()
            if not torch.equal(weight, before[name])
        }
        both = {"generator", "discriminator"}
        assert moved == (both if step % 2 == 0 else {"generator"})


def test_the_discriminator_learns_what_is_real() -> None:
    learner = rivals(learning_rate=1e-3, updates=30)
    learner.network.eval()
    random = torch.Generator().manual_seed(1)
    found = learner.validate(*WHITE, random)
    assert found["real"] > 0.6
    assert found["drawn"] < 0.3


def test_the_generator_learns_to_be_taken_for_real() -> None:
    first, later = (
        rivals(learning_rate=5e-3, updates=updates).pictures(np.arange(10), 0)
        for updates in (0, 50)
    )
    assert abs(first.mean() - 127.5) < 20
    assert later.mean() > 200


WHITE = torch.ones(16, 1, 28, 28), torch.arange(16) % 10


def rivals(learning_rate: float, updates: int) -> Learner:
    torch.manual_seed(0)
    method = Gan(width=4, learning_rate=learning_rate)
    learner = method.learner((1, 28, 28), 10)
    random = torch.Generator().manual_seed(0)
    for _ in range(updates):
        learner.network.train()
        learner.update(*WHITE, random)
    return learner


def test_a_denoiser_learns_to_name_noise() -> None:
    method = replace(NOISE, steps=40, batch_size=16, learning_rate=5e-3)
    learner = make(method, DATA(), 0)
    history = list(learn(learner, method, DATA(), 0))
    # who names none has a loss of 1
    losses = [epoch.validation_loss for epoch in history]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.6


def test_the_network_that_draws_is_a_running_mean() -> None:
    kept = {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}
    average(kept, {"w": torch.tensor([2.0, 0.0]), "n": torch.tensor(4)}, 0.9)
    torch.testing.assert_close(kept["w"], torch.tensor([1.1, 1.8]))
    assert kept["n"] == 4
    learner = learnt(NOISE)
    assert isinstance(learner, Denoising)
    assert learner.artist is learner.mean
    first = learner.mean.label.weight
    assert not torch.equal(first, learner.raw.label.weight)
    assert not torch.equal(first, make(NOISE, DATA(), 0).mean.label.weight)  # type: ignore


def test_a_steps_pictures_are_chosen_once_each() -> None:
    for step in range(3):
        assert len({*rows(10, 10, 0, step).tolist()}) == 10
    assert (rows(100, 8, 0, 1) != rows(100, 8, 0, 2)).any()
    assert (rows(100, 8, 1, 1) != rows(100, 8, 0, 1)).any()
    assert len(rows(3, 8, 0, 1)) == 8  # fewer than a batch


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (partial(Gan, steps=5), "steps is 5; it must be at least 10"),
        (partial(Gan, every=0), "every is 0"),
        (partial(Gan, reports=0), "reports is 0"),
        (partial(Diffusion, leaps=0), "leaps is 0"),
        (partial(Diffusion, times=10), "times is 10; it must be at least 25"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    build: Callable[[], Method], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        build()


# The trial ---------------------------------------------------------------


@METHODS
def test_the_trial_scores_draws_and_keeps_little(method: Method) -> None:
    variant = partial(trial.fit, method=method, data=DATA, drawn=30)
    built = identity.build(identity.describe(variant))
    assert built.keywords["method"] == method
    history, outcome = play(variant(seed=0))
    assert [epoch.epoch for epoch in history] == [1, 2, 3]
    assert {*outcome.scores} == {
        "frechet",
        "precision",
        "recall",
        "label accuracy",
        "classes",
        "nearest",
    }
    assert outcome.notes["real"]["frechet"] < outcome.scores["frechet"]
    assert outcome.parameters > 0 and outcome.multiply_adds > 0
    found = {}
    for name, content in outcome.artefacts.items():
        assert len(content) < 100_000
        with np.load(io.BytesIO(content)) as arrays:
            found[name] = dict(arrays)
    assert {*found} == {"frames.npz", "grid.npz", "neighbours.npz"}
    numbers = {name: int(arrays["number"]) for name, arrays in found.items()}
    assert numbers == {
        "frames.npz": 3 * 40,
        "grid.npz": 30,
        "neighbours.npz": 20,
    }
    grid = found["grid.npz"]
    shown = thumbnails.unstacked(grid["code"], 30)
    drawn = learnt(method).pictures(grid["labels"], stream(0, "drawn"))
    gap = shown[..., 0].astype(float) - drawn[:, 0]
    assert np.abs(gap).mean() < 12  # JPEG's loss
    assert play(variant(seed=1))[1].artefacts == {}


def test_a_generator_that_copies_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    splits = DATA()

    def copied(
        learner: Learner, labels: np.ndarray[Any, Any], seed: int
    ) -> np.ndarray[Any, Any]:
        found = [np.flatnonzero(splits.train.targets == n)[0] for n in labels]
        return splits.train.inputs[found][:, None]

    monkeypatch.setattr(Learner, "pictures", copied)
    _, outcome = play(trial.fit(method=GAN, data=DATA, drawn=30, seed=0))
    assert outcome.scores["nearest"] < 0.01
    with np.load(io.BytesIO(outcome.artefacts["neighbours.npz"])) as arrays:
        shown = thumbnails.unstacked(arrays["code"], 20).astype(float)
    assert np.abs(shown[:10] - shown[10:]).mean() < 5


def test_the_cost_of_drawing_is_counted_on_paper() -> None:
    _, outcome = play(trial.fit(method=GAN, data=DATA, drawn=30, seed=1))
    dense = 8 * (4 * 49)
    doubling = 16 * (4 * 2 * 7**2 + 2 * 1 * 14**2)
    assert outcome.multiply_adds == dense + doubling
    leap = replace(NOISE, leaps=8)
    both = [
        play(trial.fit(method=m, data=DATA, drawn=30, seed=1))[1].multiply_adds
        for m in (NOISE, leap)
    ]
    assert both[1] == 2 * both[0]


def test_one_judge_is_trained_and_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    splits = digits(train=400)
    monkeypatch.setattr(judge, "RECIPE", replace(judge.RECIPE, epochs=8))
    first = judge.judge(splits)
    monkeypatch.setattr(training, "fit", None)
    again = judge.judge(splits)
    pictures = splits.test.inputs.astype(np.uint8)
    features = first.features(pictures)
    np.testing.assert_array_equal(again.features(pictures), features)
    assert features.shape == (len(pictures), 64)
    assert (first.classes(features) == splits.test.targets).mean() > 0.7
    with pytest.raises(TypeError):  # another set needs another judge
        judge.judge(digits(train=401))


# The store ---------------------------------------------------------------


@METHODS
def test_what_is_kept_draws_the_same(
    method: Gan | Diffusion, tmp_path: Path
) -> None:
    file = tmp_path / "kept.pt"
    assert len([*store.train(method, DATA, file, 0)]) == 3
    learner = learnt(method)
    assert same(store.unpacked(file.read_bytes()).learner, learner)
    drawn = store.generate(file, 12, seed=5)
    expected = learner.pictures(np.arange(12) % 10, stream(5, "drawn"))
    np.testing.assert_array_equal(drawn, expected)
    sevens = learner.pictures(np.full(3, 7), stream(0, "drawn"))
    np.testing.assert_array_equal(store.generate(file, 3, "7"), sevens)


def test_what_cannot_be_drawn_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "kept.pt"
    with pytest.raises(FileNotFoundError, match="coursework train gan"):
        store.generate(file, 1)
    file.write_bytes(b"PK")
    with pytest.raises(ValueError, match="train it again"):
        store.generate(file, 1)
    list(store.train(GAN, DATA, file, 0))
    with pytest.raises(ValueError, match="unknown class 'cat'; accepted: '0'"):
        store.generate(file, 1, "cat")
    with pytest.raises(ValueError, match="count is 0"):
        store.generate(file, 0)


# Few real pictures ---------------------------------------------------------

FEW = partial(digits, scored=40)
JOIN: Any = partial(
    joined, k=3, extra=4, method=GAN, augmentation=Augment(rotate=15), seed=0
)
ADDED = np.repeat(np.arange(10), 4)


def test_all_arms_share_the_real_pictures_and_the_number_of_others() -> None:
    whole = FEW()
    arms: dict[str, Splits] = {
        source: JOIN(whole, source=source)
        for source in ("none", "generated", "augmented")
    }
    alone = JOIN(whole, source="none", extra=0).train
    assert np.bincount(alone.targets).tolist() == [3] * 10
    for arm in arms.values():
        assert arm.test is whole.test and arm.validation is whole.validation
        np.testing.assert_array_equal(arm.train.inputs[:30], alone.inputs)
        np.testing.assert_array_equal(
            arm.train.targets, [*alone.targets, *ADDED]
        )
        assert arm.train.inputs.shape == (70, 28, 28)
        assert arm.train.inputs.dtype == np.uint8
    repeated = arms["none"].train.inputs[30:].reshape(10, 4, 28, 28)
    real = alone.inputs.reshape(10, 3, 28, 28)
    np.testing.assert_array_equal(repeated, real[:, [0, 1, 2, 0]])
    changed = arms["augmented"].train.inputs[30:].reshape(10, 4, 28, 28)
    gap = np.abs(changed.astype(float) - repeated).mean((2, 3))
    assert 0.2 < (gap > 0).mean() < 0.9  # half of them, by chance
    assert gap.max() < 60
    assert (
        (arms["generated"].train.inputs[30:].reshape(10, 4, 28, 28) != repeated)
        .any((2, 3))
        .all()
    )


def test_fewer_pictures_are_among_more_and_the_seed_chooses() -> None:
    def chosen(k: int, seed: int) -> set[bytes]:
        few = JOIN(FEW(), source="none", extra=0, k=k, seed=seed).train
        return {picture.tobytes() for picture in few.inputs}

    assert chosen(2, 0) < chosen(5, 0)
    assert chosen(2, 0) != chosen(2, 1)


def test_the_generator_sees_the_few_pictures_only_and_is_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def noticed(
        learner: Learner, method: Method, splits: Splits, seed: int
    ) -> Any:
        seen.append((splits.train, seed))
        return learn(learner, method, splits, seed)

    monkeypatch.setattr(store, "learn", noticed)
    first = JOIN(FEW(), source="generated")
    more = JOIN(FEW(), source="generated", extra=6)
    assert len(seen) == 1  # kept for the other arm
    split, seed = seen[0]
    np.testing.assert_array_equal(split.inputs, first.train.inputs[:30])
    np.testing.assert_array_equal(split.targets, first.train.targets[:30])
    assert seed == 0
    assert len(more.train) == 90
    JOIN(FEW(), source="generated", seed=1)
    assert len(seen) == 2
    assert seen[1][1] == 1


def test_labels_of_generated_pictures_are_those_they_were_drawn_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def painted(
        learner: Learner, labels: np.ndarray[Any, Any], seed: int
    ) -> np.ndarray[Any, Any]:
        shades = np.asarray(labels, np.uint8)[:, None, None, None]
        return np.broadcast_to(shades, (len(labels), 1, 28, 28))

    monkeypatch.setattr(Learner, "pictures", painted)
    train = JOIN(FEW(), source="generated").train
    np.testing.assert_array_equal(train.inputs[30:, 0, 0], train.targets[30:])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"source": "found"}, "unknown source 'found'; accepted: 'none'"),
        ({"k": 500}, "k is 500; a class of digits has only"),
        ({"k": 0}, "k is 0"),
        ({"extra": -1}, "extra is -1"),
        ({"method": replace(GAN, conditioning="none")}, "have no labels"),
    ],
)
def test_arms_that_mean_nothing_are_refused(
    change: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        JOIN(FEW(), **{"source": "generated"} | change)


def test_the_classifiers_trial_is_the_usual_one_on_joined_pictures() -> None:
    recipe = Recipe(epochs=2, batch_size=10, optimiser="adam")
    variant = partial(
        augmented,
        data=FEW,
        k=3,
        extra=4,
        source="generated",
        model=partial(ConvNet, width=4),
        recipe=recipe,
        method=GAN,
        augmentation=Augment(rotate=15),
    )
    assert identity.key(variant)
    found, outcome = play(variant(seed=0))
    splits = JOIN(FEW(), source="generated")
    expected, usual = play(
        training.fit(
            model=partial(ConvNet, width=4),
            data=lambda: splits,
            recipe=recipe,
            seed=0,
        )
    )
    assert [*map(timeless, found)] == [*map(timeless, expected)]
    assert outcome.scores == usual.scores
    assert outcome.data.sizes["train"] == 70
