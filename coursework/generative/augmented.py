"""The trial that asks whether generated pictures help a classifier."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coursework import training
from coursework.data.jitter import Augment
from coursework.data.splits import Loader, Split, Splits
from coursework.generative import store
from coursework.generative.denoising import Diffusion
from coursework.generative.gan import Gan
from coursework.recipe import Recipe, at_least, named
from coursework.trial import Epoch, Outcome, stream

Source = Literal["none", "generated", "augmented"]
Pictures = NDArray[np.uint8]
FEW_SHOT = Gan(steps=600, shift=2, learning_rate=1e-3)
MILD = Augment(rotate=15, crop=0.75, probability=1.0)  # a digit stays one


@dataclass(frozen=True, kw_only=True)
class Few:
    """A set with few real pictures, and what may make more of them.

    ``rows`` and ``labels`` say of each additional picture which real one it
    stands beside, and its class.
    """

    splits: Splits
    rows: NDArray[np.intp]
    labels: NDArray[np.int64]
    method: Gan | Diffusion
    augmentation: Augment
    seed: int


def augmented(
    *,
    data: Loader,
    k: int,
    extra: int,
    source: Source,
    model: Callable[[], nn.Module],
    recipe: Recipe,
    method: Gan | Diffusion = FEW_SHOT,
    augmentation: Augment = MILD,
    seed: int,
    checkpoint: Path | None = None,
) -> Generator[Epoch, None, Outcome]:
    """Train a classifier on k real pictures a class and ``extra`` others.

    ``source`` says which: "generated" by a network that has seen the same
    real pictures only, and was trained anew for each seed; "augmented" real
    ones, each changed once; "none": the real ones again, unchanged, so that
    all arms make the same number of updates.  The seed chooses the real
    pictures, too; those of a smaller k are among those of a larger one.

    Raises ValueError if a class has fewer pictures, or if generated ones
    would have no labels.
    """
    splits = joined(
        data(),
        k=k,
        extra=extra,
        source=source,
        method=method,
        augmentation=augmentation,
        seed=seed,
    )
    outcome = yield from training.fit(
        model=model,
        data=lambda: splits,
        recipe=recipe,
        seed=seed,
        checkpoint=checkpoint,
    )
    return outcome


def joined(
    splits: Splits,
    *,
    k: int,
    extra: int,
    source: Source,
    method: Gan | Diffusion,
    augmentation: Augment,
    seed: int,
) -> Splits:
    """Replace the training split, see :func:`augmented`; the others stay."""
    add = named(SOURCES, source, "source")
    at_least("extra", extra, 0)
    few = replace(splits, train=first_of_each(splits, k, seed))
    if not extra:
        return few
    real = few.train
    classes = range(len(few.classes))
    places = [np.flatnonzero(real.targets == label) for label in classes]
    rows = np.concatenate([np.resize(place, extra) for place in places])
    labels = real.targets[rows]
    more = add(
        Few(
            splits=few,
            rows=rows,
            labels=labels,
            method=method,
            augmentation=augmentation,
            seed=seed,
        )
    )
    train = Split(
        inputs=np.concatenate(
            [real.inputs, more.reshape(-1, *real.inputs.shape[1:])]
        ),
        targets=np.concatenate([real.targets, labels]),
    )
    return replace(few, train=train)


def first_of_each(splits: Splits, k: int, seed: int) -> Split:
    """Take k training pictures of each class, by the seed."""
    at_least("k", k, 1)
    targets = splits.train.targets
    fewest = np.bincount(targets, minlength=len(splits.classes)).min()
    if k > fewest:
        raise ValueError(
            f"k is {k}; a class of {splits.name} has only {fewest} training "
            "pictures"
        )
    rng = np.random.default_rng(stream(seed, "real"))
    order = rng.permutation(len(targets))
    rows = [
        order[targets[order] == label][:k]
        for label in range(len(splits.classes))
    ]
    return splits.train.take(np.concatenate(rows))


def _repeated(few: Few) -> Pictures:
    return few.splits.train.inputs[few.rows].astype(np.uint8)


def _changed(few: Few) -> Pictures:
    """Change each of the repeated pictures, at random."""
    pictures = torch.from_numpy(_repeated(few))
    random = torch.Generator().manual_seed(stream(few.seed, "augmented"))
    whole = pictures[:, None] if pictures.ndim == 3 else pictures
    changed: Pictures = few.augmentation(whole, random).numpy()
    return changed


def _generated(few: Few) -> Pictures:
    """Let a network draw that has learnt from the few real pictures."""
    method = few.method
    if isinstance(method, Gan) and method.conditioning == "none":
        raise ValueError(
            "conditioning is 'none', so generated pictures have no labels to "
            "learn from; accepted: 'label', 'auxiliary'"
        )
    learner = store.trained(method, few.splits, few.seed)
    return learner.pictures(few.labels, stream(few.seed, "extra"))


SOURCES: Mapping[Source, Callable[[Few], Pictures]] = {
    "none": _repeated,
    "generated": _generated,
    "augmented": _changed,
}
