"""Two half-moons in the plane: the small set on which a boundary is drawn."""

from __future__ import annotations

import numpy as np

from coursework.data.splits import Split, Splits
from coursework.recipe import at_least
from coursework.trial import stream


def moons(
    *,
    train: int = 200,
    validation: int = 1000,
    test: int = 1000,
    noise: float = 0.2,
    generator_seed: int = 0,
) -> Splits:
    """Draw the half-moons, each split by a generator of its own.

    The training split is scikit-learn's ``make_moons(train, noise=noise,
    random_state=generator_seed)`` as float32; by default report R1's set.
    ``validation=0`` leaves that split empty.  Raises ValueError for a
    negative size, or an empty training or test split.
    """
    at_least("train", train, 1)
    at_least("validation", validation, 0)
    at_least("test", test, 1)
    at_least("noise", noise, 0)

    def derived(purpose: str) -> int:
        return stream(generator_seed, f"moons/{purpose}") % 2**32

    return Splits(
        name="moons",
        train=_draw(train, noise, generator_seed),
        validation=_draw(validation, noise, derived("validation")),
        test=_draw(test, noise, derived("test")),
        classes=("upper moon", "lower moon"),
    )


def _draw(size: int, noise: float, seed: int) -> Split:
    """Draw ``size`` points (size, 2); scikit-learn refuses to draw none."""
    from sklearn.datasets import make_moons  # noqa: PLC0415 - 1.5 s to import

    inputs, targets = make_moons(max(size, 1), noise=noise, random_state=seed)
    return Split(
        inputs=inputs[:size].astype(np.float32),
        targets=targets[:size].astype(np.int64),
    )
