"""Probes of networks that tell which classes are in a picture.

As in :mod:`coursework.probes`; outputs are logits (N, K), targets (N, K) of
0 and 1.  Each artefact keeps the names of the ``classes`` (K,) as well;
``thumbnails.unstacked`` reads its ``pictures``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coursework import gradcam, multilabel
from coursework.data.splits import Split
from coursework.thumbnails import shrunk, stacked, thinned
from coursework.training import Trained, to_tensors

Arrays = Mapping[str, NDArray[Any]]
EXAMPLES, EXAMPLE_SIDE, MAP_SIDE = 8, 96, 32  # Grad-CAM beside the mask
WORST, WORST_SIDE = 12, 96
SHOWN, SHOWN_SIDE = {"train": 15, "test": 10}, 64
AT_ONCE = 64  # pictures in a Grad-CAM batch


def curves(trained: Trained) -> Arrays:
    """Keep outputs (N, K) and targets of the test and validation splits.

    Rounded to float16 and uint8; from them come precision-recall curves,
    thresholds, calibration and intervals over test pictures.
    """
    splits = trained.splits
    validation = trained.outputs(splits.validation)
    return {
        "outputs": trained.test_outputs.astype(np.float16),
        "targets": splits.test.targets.astype(np.uint8),
        "validation_outputs": validation.astype(np.float16),
        "validation_targets": splits.validation.targets.astype(np.uint8),
        "classes": np.array(splits.classes),
    }


def pointing_game(trained: Trained) -> Arrays:
    """Count where Grad-CAM points at the object: pairs of picture and class.

    By class (K,), on the test split, whatever the network said: ``pairs``
    whose class is present; of these ``hits``, the hits of a finger in the
    ``centre``, and those expected by ``chance``.  Void is not the object.
    Seed 0 keeps pairs of each class: ``pictures``; ``objects``, the class's
    mask as bits; ``maps`` uint8 (n, 32, 32); ``labels``, ``hit`` (n,); and
    ``peak`` (n, 2), the maximum's row and column as shares of the sides.
    Raises ValueError for a network that ends in no maps and a split without
    masks.
    """
    test, masks = trained.splits.test, _masks(trained.splits.test)
    rows, labels = np.nonzero(test.targets)
    number = len(trained.splits.classes)
    example, _ = to_tensors(test.take(np.arange(1)), trained.device)
    layer = gradcam.last_map(trained.network, trained.view(example))
    found = np.zeros((3, len(rows)))
    for start in range(0, len(rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        objects = _objects(masks[rows[part]], labels[part])
        maps = _maps(
            *(trained, layer, rows[part], labels[part]),
            size=masks.shape[1:],
            mode="nearest",
        )
        found[0, part] = gradcam.pointing(maps, objects)
        found[1, part] = gradcam.centre(objects)
        found[2, part] = gradcam.chance(objects)
    hits, centre, chance = (
        np.bincount(labels, values, minlength=number) for values in found
    )
    counts = {
        "pairs": np.bincount(labels, minlength=number),
        "hits": hits.astype(int),
        "centre": centre.astype(int),
        "chance": chance,
        "classes": np.array(trained.splits.classes),
    }
    if trained.seed:
        return counts
    chosen = _in_turn(labels)[:EXAMPLES]
    kept = _examples(trained, layer, rows[chosen], labels[chosen])
    return counts | kept | {"hit": found[0, chosen].astype(bool)}


def _examples(
    trained: Trained,
    layer: nn.Module,
    rows: NDArray[np.intp],
    labels: NDArray[np.intp],
) -> dict[str, NDArray[Any]]:
    split = trained.splits.test.take(rows)
    masks = _masks(split)
    size = masks.shape[1:]
    maps = _maps(trained, layer, rows, labels, size=size, mode="nearest")
    small = _maps(trained, layer, rows, labels, size=(MAP_SIDE, MAP_SIDE))
    objects = _objects(thinned(masks, EXAMPLE_SIDE), labels)
    return {
        "pictures": stacked(shrunk(split.inputs, EXAMPLE_SIDE)),
        "objects": np.packbits(objects),
        "maps": np.round(255 * small).astype(np.uint8),
        "labels": labels.astype(np.uint8),
        "peak": ((gradcam.peaks(maps) + 0.5) / size).astype(np.float32),
    }


def worst(trained: Trained) -> Arrays:
    """Keep the test pictures with the largest loss for one class, seed 0's.

    Only classes on the wrong side of 1/2, each picture once, largest first:
    ``pictures``, ``targets`` and ``probabilities`` (n, K), ``labels`` (n,)
    the class that it is about.
    """
    if trained.seed:
        return {}
    test, logits = trained.splits.test, trained.test_outputs
    margins = np.where(test.targets == 1, -logits, logits)  # the loss rises
    labels, largest = margins.argmax(1), margins.max(1)
    order = np.argsort(-largest, kind="stable")
    rows = order[largest[order] > 0][:WORST]
    chances = torch.from_numpy(logits[rows]).sigmoid().numpy()
    return {
        "pictures": stacked(shrunk(test.inputs[rows], WORST_SIDE)),
        "targets": test.targets[rows].astype(np.uint8),
        "probabilities": chances.astype(np.float16),
        "labels": labels[rows].astype(np.uint8),
        "classes": np.array(trained.splits.classes),
    }


def samples(trained: Trained) -> Arrays:
    """Keep what the data looks like, seed 0's.

    ``counts`` (3, K + 1) of pictures with each class, and with none, in
    training, validation and test split, and their ``sizes`` (3,);
    ``cooccurrence`` (K, K) of the training split; ``pictures`` with their
    ``masks`` (n, H, W), evenly spaced in the training and in the test split,
    and in which ``split`` each is, 0 or 2.
    """
    if trained.seed:
        return {}
    splits = trained.splits
    three = (splits.train, splits.validation, splits.test)
    shown = [(splits.train, SHOWN["train"]), (splits.test, SHOWN["test"])]
    taken = [_spaced(split, number) for split, number in shown]
    pictures = np.concatenate(
        [shrunk(part.inputs, SHOWN_SIDE) for part in taken]
    )
    masks = [thinned(_masks(part), SHOWN_SIDE) for part in taken]
    return {
        "counts": np.array([_counts(split) for split in three]),
        "sizes": np.array([len(split) for split in three]),
        "cooccurrence": multilabel.cooccurrence(splits.train.targets),
        "pictures": stacked(pictures),
        "masks": np.concatenate(masks),
        "split": np.repeat([0, 2], [len(part) for part in taken]),
        "classes": np.array(splits.classes),
    }


def _maps(
    trained: Trained,
    layer: nn.Module,
    rows: NDArray[np.intp],
    labels: NDArray[np.intp],
    *,
    size: tuple[int, ...],
    mode: Literal["bilinear", "nearest"] = "bilinear",
) -> NDArray[np.float32]:
    """Compute Grad-CAM of the given classes in rows of the test split."""
    inputs, _ = to_tensors(trained.splits.test.take(rows), trained.device)
    height, width = size
    return gradcam.grad_cam(
        trained.network,
        layer,
        trained.view(inputs),
        torch.from_numpy(labels).to(trained.device),
        size=(height, width),
        mode=mode,
    )


def _masks(split: Split) -> NDArray[np.uint8]:
    if split.masks is None:
        raise ValueError(
            "the data set has no masks; take one that has, or leave out the "
            "probes that need them (pointing_game, samples)"
        )
    return split.masks


def _objects(
    masks: NDArray[np.uint8], labels: NDArray[np.intp]
) -> NDArray[np.bool_]:
    objects: NDArray[np.bool_] = masks == labels[:, None, None] + 1
    return objects


def _in_turn(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Order places so that the first of each class come first."""
    before = [np.sum(labels[:n] == k) for n, k in enumerate(labels)]
    return np.lexsort((labels, np.array(before)))


def _spaced(split: Split, number: int) -> Split:
    number = min(number, len(split))
    return split.take(np.arange(number) * len(split) // number)


def _counts(split: Split) -> list[int]:
    none = int((split.targets.sum(1) == 0).sum())
    return [*split.targets.sum(0).tolist(), none]
