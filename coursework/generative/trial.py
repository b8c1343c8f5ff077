"""The trial of a network that draws pictures: train it, let it draw, score."""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from coursework import thumbnails
from coursework.data.splits import Loader, Splits
from coursework.generative import scores
from coursework.generative.judge import judge
from coursework.generative.learner import (
    Learner,
    Method,
    frame_labels,
    learn,
    make,
)
from coursework.trial import Epoch, Outcome, stream

Pictures = NDArray[np.uint8]
SHOWN = 100  # drawn pictures, of the first ten classes


def fit(
    *,
    method: Method,
    data: Loader,
    drawn: int = 1000,
    seed: int,
    checkpoint: Path | None = None,
) -> Generator[Epoch, None, Outcome]:
    """Train a generative network; score ``drawn`` pictures, as many a class.

    Pictures are square, uint8 (N, H, W) or (N, C, H, W).  The scores are
    ``Judge.scores`` against as many test pictures, and "nearest": how far
    the nearest training picture is, the median over drawn pictures relative
    to that over test pictures; far below 1, they are copies.  The notes have
    under "real" what training pictures score as if they were drawn: what can
    be reached.  Multiply-adds are those of drawing one picture, parameters
    those of the network that draws.

    Seed 0 leaves pictures, each coded by ``thumbnails.stacked`` under
    ``code``: ``frames.npz`` of the same noise at each report, ``grid.npz``
    row by row, ``neighbours.npz`` with the nearest training pictures.
    """
    splits = data()
    learner = make(method, splits, seed)
    yield from learn(learner, method, splits, seed, checkpoint)
    labels = np.arange(drawn) % len(splits.classes)
    pictures = learner.pictures(labels, stream(seed, "drawn"))
    distances, rows = scores.nearest(pictures, _known(splits))
    shown = {
        "frames.npz": _frames(learner, frame_labels(len(splits.classes)))
    } | {
        "grid.npz": _grid(pictures, labels),
        "neighbours.npz": _neighbours(pictures, splits, distances, rows),
    }
    found, real = _scores(splits, pictures, labels, distances)
    sizes = [p.numel() for p in learner.network.parameters() if p.requires_grad]
    return Outcome(
        data=splits.info(),
        scores=found,
        parameters=sum(p.numel() for p in learner.artist.parameters()),
        multiply_adds=_cost(learner),
        diverged=learner.diverged,
        artefacts=shown if seed == 0 else {},
        notes={"real": real, "trained parameters": sum(sizes)},
    )


def _known(splits: Splits) -> Pictures:
    return splits.train.inputs.astype(np.uint8, copy=False)


def _scores(
    splits: Splits,
    pictures: Pictures,
    labels: NDArray[np.int64],
    distances: scores.Floats,
) -> tuple[dict[str, float], dict[str, float]]:
    """Score drawn pictures, and training pictures as if they were drawn."""
    eye = judge(splits)
    number = min(len(pictures), len(splits.train))
    some = splits.train.take(np.arange(number) * len(splits.train) // number)
    test = splits.first(None, len(pictures)).test.inputs.astype(np.uint8)
    apart, _ = scores.nearest(test, _known(splits))
    ratio = float(np.median(distances) / np.median(apart))
    found = eye.scores(test, pictures, labels) | {"nearest": ratio}
    return found, eye.scores(test, some.inputs.astype(np.uint8), some.targets)


def _cost(learner: Learner) -> int:
    """Count the multiply-adds of drawing one picture."""
    learner.network.eval()
    label = torch.zeros(1, dtype=torch.int64, device=learner.device)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        learner.draw(label, torch.Generator())
    return int(counter.get_total_flops()) // 2


def _frames(learner: Learner, labels: NDArray[np.int64]) -> bytes:
    """Pack ``labels`` (n,) and the code of all frames, n pictures each."""
    return _coded(np.concatenate(learner.frames), 32, labels=labels)


def _grid(pictures: Pictures, labels: NDArray[np.int64]) -> bytes:
    """Pack some drawn pictures and their ``labels``."""
    shown = np.flatnonzero(labels < 10)[:SHOWN]
    return _coded(pictures[shown], 64, labels=labels[shown])


def _neighbours(
    pictures: Pictures,
    splits: Splits,
    distances: scores.Floats,
    rows: NDArray[np.intp],
) -> bytes:
    """Pack ten drawn pictures, then their nearest, and the ``distances``."""
    near = _known(splits)[rows[:10]].reshape(-1, *pictures.shape[1:])
    return _coded(
        np.concatenate([pictures[:10], near]), 64, distances=distances[:10]
    )


def _coded(pictures: Pictures, side: int, **beside: NDArray[Any]) -> bytes:
    """Pack pictures (n, 1 or 3, H, W), ``number`` of them, as one JPEG."""
    colours = np.repeat(pictures, 3 // pictures.shape[1], axis=1)
    arrays: Mapping[str, NDArray[Any]] = {
        "code": thumbnails.stacked(thumbnails.shrunk(colours, side)),
        "number": np.array(len(pictures)),
        **beside,
    }
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()
