"""Time a head on features computed once beside the frozen network in the loop.

``python -m benchmarks.fine_grained`` trains a new head on EfficientNet-Lite0
for ten epochs of pictures of 128 px.  The peer passes each batch through the
frozen network, in float32.  Ours passes each picture through it once, in the
precision that the table gives, and trains the head on what comes out.  "apart"
is the largest difference between the features of both ways; in float32 it is
at most 1e-5, or the benchmark stops.  "accuracy" is what features in that
precision change on the test split, against float32, over five heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks import turns
from coursework import show, stats
from coursework.data.animals import animals
from coursework.data.augment import View
from coursework.data.splits import Split, Splits
from coursework.features import BATCH as AT_ONCE
from coursework.features import Untouched
from coursework.models.pretrained import lite0
from coursework.models.transfer import Transfer, transfer
from coursework.precision import prepare
from coursework.recipe import Precision, Recipe
from coursework.tasks import SingleLabel
from coursework.training import Training, predict, to_tensors
from coursework.trial import stream

PEER = "frozen network in the loop, float32"
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
PICTURES, BATCH, SEEDS, CLOSE = 64, 32, 5, 1e-5
RECIPE = Recipe(
    epochs=10,
    batch_size=BATCH,
    optimiser="adamw",
    learning_rate=0.003,
    weight_decay=0.01,
    schedule="one-cycle",
)
Build = Callable[..., nn.Module]


def measure(
    rounds: int,
    build: Build = lite0,
    data: Callable[[], Splits] = animals,
) -> Iterator[turns.Row]:
    """Measure with features in each precision; a row each."""
    splits = data()
    view = View(channels=3)
    some = splits.train.take(np.arange(PICTURES))
    whole = transfer(
        backbone=build, classes=len(splits.classes), strategy="head"
    )
    exact: list[float] = []
    for precision in PRECISIONS:
        body = frozen(build, precision)
        reached = accuracies(splits, body, view, precision)
        exact = exact or reached  # float32 comes first
        features = extract(body, some, view, precision).inputs
        apart = float(abs(features - in_loop(whole, some, view)).max())
        if precision == "float32" and apart > CLOSE:
            raise ArithmeticError(
                f"features are {apart:.1e} apart in float32; at most {CLOSE} "
                "is rounding: both ways must see the same network and pictures"
            )
        yield from turns.compare(
            partial(once, body, some, view, precision),
            {PEER: partial(train, whole, some, view)},
            rounds,
            features=precision,
            apart=f"{apart:.0e}",
            accuracy=show.points(stats.paired(reached, exact)),
        )


def frozen(build: Build, precision: Precision) -> nn.Module:
    """Build a network whose outputs are features, ready for a precision."""
    body = build(classes=0)
    prepare(body, precision)
    return body


def extract(
    body: nn.Module, split: Split, view: View, precision: Precision
) -> Split:
    """Put features (N, size) in place of the pictures, as ``featured`` does."""
    rows = np.arange(len(split))
    parts = [
        predict(
            body, split.take(rows[start : start + AT_ONCE]), view, precision
        )
        for start in range(0, len(rows), AT_ONCE)
    ]
    return Split(inputs=np.concatenate(parts), targets=split.targets)


def once(
    body: nn.Module, split: Split, view: View, precision: Precision
) -> None:
    """Compute features and train a head on them."""
    features = extract(body, split, view, precision)
    train(head(features, int(split.targets.max()) + 1), features)


def head(features: Split, classes: int, seed: int = 0) -> nn.Module:
    """Draw a new head for some features."""
    torch.manual_seed(stream(seed, "weights"))
    return nn.Linear(features.inputs.shape[1], classes)


def train(
    network: nn.Module, split: Split, view: View = Untouched(), seed: int = 0
) -> None:
    """Train what of a network trains, for all epochs."""
    training = Training(network, RECIPE, view, seed)
    inputs, targets = to_tensors(split, torch.device("cpu"))
    for _ in range(RECIPE.epochs):
        training.epoch(inputs, targets, SingleLabel())


def in_loop(whole: Transfer, split: Split, view: View) -> NDArray[np.float32]:
    """Collect what the head is given while the whole network trains."""
    network: Any = whole.train().network
    pictures, _ = to_tensors(split, torch.device("cpu"))
    with torch.no_grad():
        maps = map(network.forward_features, map(view, pictures.split(BATCH)))
        parts = [network.forward_head(one, pre_logits=True) for one in maps]
    found: NDArray[np.float32] = torch.cat(parts).numpy()
    return found


def accuracies(
    splits: Splits, body: nn.Module, view: View, precision: Precision
) -> list[float]:
    """Train a head a seed on all features, and score it on the test split."""
    given, asked = (
        extract(body, split, view, precision)
        for split in (splits.train, splits.test)
    )
    found = []
    for seed in range(SEEDS):
        linear = head(given, len(splits.classes), seed)
        train(linear, given, seed=seed)
        said = predict(linear, asked, Untouched()).argmax(1)
        found.append(float((said == asked.targets).mean()))
    return found


if __name__ == "__main__":
    turns.run("fine_grained", measure, rounds=5)
