"""scikit-learn's digits, enlarged to MNIST's shape: a stand-in for it."""

from __future__ import annotations

import numpy as np

from coursework.data.splits import Split, Splits, stratified

TEST, VALIDATION = 400, 200
SPLIT_SEED = 1797  # the same rows for every run, whatever its seed


def digits(*, train: int | None = None, scored: int | None = None) -> Splits:
    """Load the 1,797 digits of scikit-learn as pictures (N, 28, 28).

    Each of the 8 x 8 pixels becomes a block of 3 x 3, with a border of 2;
    values 0 to 16 become 0 to 255.  The splits are stratified and always the
    same.  ``train`` keeps only so many training pictures, ValueError if there
    are fewer; ``scored`` at most so many of each of the other splits.
    """
    # Looking the set up by name must not pay for scikit-learn.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    small, labels = load_digits(return_X_y=True)
    blocks = np.kron(small.reshape(-1, 8, 8), np.ones((1, 3, 3)))
    images = np.pad(blocks, ((0, 0), (2, 2), (2, 2))) * (255 / 16)
    whole = Split(
        inputs=images.round().astype(np.uint8),
        targets=labels.astype(np.int64),
    )
    rest, test = stratified(whole.targets, TEST, SPLIT_SEED)
    kept, held = stratified(whole.targets[rest], VALIDATION, SPLIT_SEED)
    splits = Splits(
        name="digits",
        train=whole.take(rest[kept]),
        validation=whole.take(rest[held]),
        test=whole.take(test),
        classes=tuple("0123456789"),
        stand_in=True,
    )
    return splits.first(train, scored)
