"""Where networks look that give a picture one class, and how often rightly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from coursework import gradcam
from coursework.data.splits import Split
from coursework.probes_transfer import LOOKED_AT, place, viewed
from coursework.rollout import rollout
from coursework.thumbnails import shrunk, stacked, thinned
from coursework.training import Trained

EXAMPLES, EXAMPLE_SIDE, MAP_SIDE = 6, 96, 32
Arrays = dict[str, NDArray[Any]]
Mode = Literal["bilinear", "nearest"]
Maps = NDArray[np.float32]
# of pictures, their classes, the maps' size and how they are enlarged
Method = Callable[[Tensor, NDArray[np.int64], tuple[int, int], Mode], Maps]


def looks(trained: Trained) -> Arrays:
    """Tell whether a network looks at what it should name.

    By method (M, n) on test pictures, with the true class whatever the
    network said: ``hit``, whether the map's maximum lies on the mask, and
    ``mass``, which share of the map does, 0 of an empty map.  Controls (n,):
    ``centre``, whether the middle of the picture lies there, and ``area``,
    the mask's share, which is what a random point hits and an even map has.
    Nothing of this where the split has no masks.  ``methods`` (M,) are
    Grad-CAM and, of transformers, attention rollout.  Seed 0 keeps examples:
    ``pictures``, which ``thumbnails.unstacked`` reads; ``objects``, the masks
    as bits; ``labels``, ``predicted``; and ``maps`` uint8 (M, e, 32, 32).
    Raises ValueError where pictures have several classes.
    """
    split = trained.splits.first(None, LOOKED_AT).test
    if split.targets.ndim > 1:
        raise ValueError(
            f"targets have shape {split.targets.shape}; this probe takes one "
            "class a picture (N,): for several, probes_multilabel has "
            "pointing_game"
        )
    methods = _methods(trained)
    found = {} if split.masks is None else _scores(trained, split, methods)
    if not trained.seed:
        found |= _examples(trained, methods)
    return found | {
        "methods": np.array(list(methods)),
        "classes": np.array(trained.splits.classes),
    }


def _scores(
    trained: Trained, split: Split, methods: dict[str, Method]
) -> Arrays:
    parts: list[Arrays] = []
    for part, pictures in viewed(trained, split):
        objects = _objects(part)
        size = (objects.shape[1], objects.shape[2])
        maps = [
            method(pictures, part.targets, size, "nearest")
            for method in methods.values()
        ]
        parts.append(
            {
                "hit": np.stack([gradcam.pointing(m, objects) for m in maps]),
                "mass": np.stack([mass(m, objects) for m in maps]),
                "centre": gradcam.centre(objects),
                "area": gradcam.chance(objects).astype(np.float32),
            }
        )
    return {
        name: np.concatenate([part[name] for part in parts], axis=-1)
        for name in parts[0]
    }


def mass(maps: Maps, masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Measure which share of each map (N, H, W) lies on its mask, 0 of none."""
    total = maps.sum((1, 2))
    shares: NDArray[np.float32] = np.divide(
        (maps * masks).sum((1, 2)),
        total,
        out=np.zeros_like(total),
        where=total > 0,
    )
    return shares


def _examples(trained: Trained, methods: dict[str, Method]) -> Arrays:
    split = trained.splits.first(None, EXAMPLES).test
    (_, pictures), *_ = viewed(trained, split)
    maps = [
        method(pictures, split.targets, (MAP_SIDE, MAP_SIDE), "bilinear")
        for method in methods.values()
    ]
    inputs = split.inputs if split.inputs.ndim == 4 else split.inputs[:, None]
    coloured = np.broadcast_to(inputs, (len(split), 3, *inputs.shape[2:]))
    kept = {
        "pictures": stacked(shrunk(coloured.copy(), EXAMPLE_SIDE)),
        "labels": split.targets,
        "predicted": trained.outputs(split).argmax(1),
        "maps": np.round(255 * np.stack(maps)).astype(np.uint8),
    }
    if split.masks is not None:
        small = replace(split, masks=thinned(split.masks, EXAMPLE_SIDE))
        kept["objects"] = np.packbits(_objects(small))
    return kept


def _methods(trained: Trained) -> dict[str, Method]:
    """Name what makes maps (N, *size) from 0 to 1."""
    network = trained.network
    one = trained.splits.first(None, 1).test
    (_, example), *_ = viewed(trained, one)
    there = place(network, example)

    def cam(
        pictures: Tensor,
        classes: NDArray[np.int64],
        size: tuple[int, int],
        mode: Mode,
    ) -> Maps:
        return gradcam.grad_cam(
            network,
            there.layer,
            pictures,
            torch.from_numpy(classes).to(trained.device),
            size=size,
            mode=mode,
            prefix=there.prefix,
        )

    def rolled(
        pictures: Tensor,
        classes: NDArray[np.int64],
        size: tuple[int, int],
        mode: Mode,
    ) -> Maps:
        shares = torch.from_numpy(rollout(network, pictures))[:, None]
        maps = interpolate(shares, size, mode=mode)[:, 0]
        scaled: Maps = (maps / maps.amax((1, 2), keepdim=True)).numpy()
        return scaled

    found: dict[str, Method] = {"Grad-CAM": cam}
    return found | {"rollout": rolled} if there.tokens else found


def _objects(split: Split) -> NDArray[np.bool_]:
    assert split.masks is not None  # asked before
    objects: NDArray[np.bool_] = split.masks == split.targets[:, None, None] + 1
    return objects
