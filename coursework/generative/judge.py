"""The small network whose features and classes generated pictures get.

It is a ConvNet trained here, on the same set: no Inception, so distances
between its features are no FID.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coursework import devices, paths, training
from coursework.data.kept import Arrays, kept
from coursework.data.splits import Split, Splits
from coursework.generative import scores
from coursework.models.convnet import ConvNet
from coursework.recipe import Recipe
from coursework.training import Trained
from coursework.trial import Epoch, Outcome

RECIPE = Recipe(
    epochs=4,
    batch_size=128,
    optimiser="adam",
    learning_rate=3e-3,
    schedule="cosine",
)
TAUGHT_BY = 20_000  # training pictures at most: it must be ready soon


@dataclass(frozen=True)
class Judge:
    """A trained classifier, cut before its last layer."""

    body: nn.Module
    head: nn.Linear

    def features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute features (N, size)."""
        nobody = np.zeros(len(pictures), np.int64)
        split = Split(inputs=pictures, targets=nobody)
        return training.predict(self.body, split)

    def classes(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Name the class of each row of features."""
        device = next(self.head.parameters()).device
        with torch.inference_mode():
            logits = self.head(torch.from_numpy(features).to(device))
        found: NDArray[np.int64] = logits.argmax(1).cpu().numpy()
        return found

    def scores(
        self,
        real: NDArray[np.uint8],
        drawn: NDArray[np.uint8],
        labels: NDArray[np.int64],
    ) -> dict[str, float]:
        """Compare drawn pictures, of so many labels, with real ones."""
        true, found = self.features(real), self.features(drawn)
        named = self.classes(found)
        return {
            "frechet": scores.frechet(true, found),
            "precision": scores.coverage(true, found),
            "recall": scores.coverage(found, true),
            "label accuracy": float((named == labels).mean()),
            "classes": scores.modes(named, self.head.out_features),
        }


def judge(splits: Splits) -> Judge:
    """Train the judge on a set's training split, or read a kept one."""
    few = splits.first(min(TAUGHT_BY, len(splits.train)))
    shape, classes = few.train.inputs.shape[1:], len(few.classes)
    channels = shape[0] if len(shape) == 3 else 1
    model = partial(ConvNet, channels=channels, classes=classes)
    told = repr((few.info().sha256, RECIPE, str(model())))
    name = hashlib.sha256(told.encode()).hexdigest()[:16]
    weights = kept(
        paths.data() / "judges" / f"{name}.npz", lambda: _taught(model, few)
    )
    network = model()
    network.load_state_dict(
        {name: torch.from_numpy(array) for name, array in weights.items()}
    )
    *body, head = network.to(devices.pick_device())
    assert isinstance(head, nn.Linear)
    return Judge(nn.Sequential(*body), head)


def _taught(model: partial[ConvNet], splits: Splits) -> Arrays:
    """Train from seed 0: one judge judges all runs."""
    outcome = finished(
        training.fit(
            model=model,
            data=lambda: splits,
            recipe=RECIPE,
            probes=[weights],
            test=False,
            seed=0,
        )
    )
    with np.load(io.BytesIO(outcome.artefacts["weights.npz"])) as arrays:
        return dict(arrays)


def weights(trained: Trained) -> Mapping[str, NDArray[Any]]:
    """Look at all of a network's weights."""
    state = trained.network.state_dict()
    return {name: tensor.cpu().numpy() for name, tensor in state.items()}


def finished(trial: Generator[Epoch, None, Outcome]) -> Outcome:
    """Let a trial run to its end, unwatched."""
    while True:
        try:
            next(trial)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
