"""Probes that treat convolutional networks and transformers alike.

As in :mod:`coursework.probes`; outputs are logits (N, K), targets classes
(N,).  Features are those of the layer that :func:`place` finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from coursework import gradcam
from coursework.data.splits import Split
from coursework.models.positions import Layout, at_side, layout
from coursework.precision import autocast
from coursework.rollout import attention_distance
from coursework.training import Trained, predict, to_tensors

Arrays = Mapping[str, NDArray[Any]]
LOOKED_AT = 400  # pictures, evenly spaced in a split
AT_ONCE = 50
FARTHEST = 8  # pixels that a picture is shifted by
STEPS = (-2, -1, 0, 1, 2)


@dataclass(frozen=True)
class Place:
    """Where in a network to look: a layer, and how tokens lie, if it has."""

    layer: nn.Module
    tokens: Layout | None

    @property
    def prefix(self) -> int | None:
        """Tokens without a place; None where there are maps."""
        return self.tokens.prefix if self.tokens else None


def place(network: nn.Module, pictures: Tensor) -> Place:
    """Find the last layer with places, before they become one output.

    Of a transformer the tokens that enter the last attention, of others the
    last maps of at least 4 × 4.
    """
    tokens = layout(network)
    if tokens:
        return Place(gradcam.last_tokens(network), tokens)
    return Place(gradcam.last_map(network, pictures), None)


def viewed(trained: Trained, split: Split) -> Iterator[tuple[Split, Tensor]]:
    """Yield parts of a split with their pictures as the network sees them."""
    for start in range(0, len(split), AT_ONCE):
        part = split.take(np.arange(start, min(start + AT_ONCE, len(split))))
        yield part, trained.view(to_tensors(part, trained.device)[0])


def attention_distances(trained: Trained) -> Arrays:
    """Measure how far each head looks on validation pictures, in pixels.

    ``distance`` (blocks, heads), see :func:`rollout.attention_distance`;
    ``even`` (), that of attention to all patches alike; ``side`` (), of the
    picture as the network sees it, and ``patch`` (), of a token.  Raises
    ValueError for a network without tokens.
    """
    found, weights = [], []
    split = trained.splits.first(None, LOOKED_AT).validation
    for part, pictures in viewed(trained, split):
        distances, even = attention_distance(trained.network, pictures)
        found.append(distances)
        weights.append(len(part))
    tokens = layout(trained.network)
    assert tokens  # else attention_distance would have raised
    return {
        "distance": np.average(found, axis=0, weights=weights),
        "even": np.array(even),
        "side": np.array(pictures.shape[-1]),
        "patch": np.array(tokens.patch),
    }


def shift_equivariance(trained: Trained) -> Arrays:
    """Measure how features move when a picture moves to the right.

    Test pictures, as the network sees them, are shifted by ``pixels`` (S,),
    at most half their width; what moves in repeats the border.  Distances
    (S,) are root mean squares, in units of that between two pictures'
    features: ``moved``, of the shifted picture's features from the shifted
    features (between places, interpolated), where both know the place;
    ``still``, from the features not shifted; ``outputs``, of the outputs from
    those before.  ``same`` (S,) is the share of pictures whose class stays
    :cite:p:`zhang2019making`, section 4.1.  ``stride`` () is a feature's width
    in pixels.
    """
    split = trained.splits.first(None, LOOKED_AT).test
    sums: list[list[list[float]]] = []
    for _, pictures in viewed(trained, split):
        width = pictures.shape[-1]
        there = place(trained.network, pictures[:1])
        before = _features(trained, there, pictures)
        stride = width / before[0].shape[-1]
        lines = []
        for pixels in range(1, min(FARTHEST, width // 2) + 1):
            right = pad(pictures, (pixels, 0, 0, 0), mode="replicate")
            after = _features(trained, there, right[..., :width])
            lines.append(_changes(before, after, pixels / stride))
        sums.append(lines)
    moved, still, apart, outputs, others, same = np.sum(sums, axis=0).T
    return {
        "pixels": np.arange(1, len(same) + 1),
        "moved": np.sqrt(moved / apart),
        "still": np.sqrt(still / apart),
        "outputs": np.sqrt(outputs / others),
        "same": same / len(split),
        "stride": np.array(stride),
    }


def _changes(
    before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor], places: float
) -> list[float]:
    """Sum up squares over maps and outputs, and count classes that stay."""
    (maps, outputs), (new_maps, new) = before, after
    expected, first = shifted(maps, places)
    known, seen = maps[..., first:], new_maps[..., first:]
    away = len(maps) // 2  # so far off is another picture, of another class
    return [
        _square(seen - expected),
        _square(seen - known),
        _square(maps - maps.roll(away, 0)) * known.shape[-1] / maps.shape[-1],
        _square(new - outputs),
        _square(outputs - outputs.roll(away, 0)),
        float((new.argmax(1) == outputs.argmax(1)).sum()),
    ]


def _square(values: Tensor) -> float:
    return float(values.double().square().sum())


def shifted(maps: Tensor, places: float) -> tuple[Tensor, int]:
    """Shift maps (N, C, H, W) to the right, interpolating linearly.

    Returns the columns that are known, and the number of the first of them.
    """
    whole, part = int(places), places - int(places)
    first = whole + (part > 0)
    width = maps.shape[-1]
    near = maps[..., first - whole : width - whole]
    if not part:
        return near, first
    return (1 - part) * near + part * maps[..., : width - first], first


def _features(
    trained: Trained, there: Place, pictures: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute features as maps (N, C, H, W), and outputs (N, K)."""
    seen: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Tensor) -> None:
        seen.append(output.float())

    with (
        gradcam.evaluating(trained.network),
        torch.no_grad(),
        autocast(trained.precision, trained.device),
        there.layer.register_forward_hook(keep),
    ):
        outputs = trained.network(pictures).float()
    features = seen[-1]
    if there.prefix is not None:
        features = gradcam.as_maps(features, there.prefix, pictures)
    return features, outputs


def resolutions(trained: Trained) -> Arrays:
    """Score the test split at other sizes than the network was trained on.

    ``sides`` (5,) in pixels, two steps down to two up, each a quarter of the
    side but whole patches, or even; ``accuracy`` (5,).  Pictures are resized
    bilinearly, position embeddings as :func:`positions.at_side` does.
    """
    test = trained.splits.test
    side = trained.view.side or test.inputs.shape[-1]
    tokens = layout(trained.network)
    unit = tokens.patch if tokens else 2
    step = max(unit, side // 4 // unit * unit)
    sides = [side + number * step for number in STEPS]
    found = []
    for new in sides:
        network = at_side(trained.network, new)
        view = replace(trained.view, side=new)
        outputs = predict(network, test, view, trained.precision)
        found.append(np.mean(outputs.argmax(1) == test.targets))
    return {"sides": np.array(sides), "accuracy": np.array(found)}
