"""Scores of generated pictures: arrays in, numbers out.

Features are (N, size) of real and of generated pictures, by one network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

Floats = NDArray[np.floating[Any]]


def frechet(real: Floats, drawn: Floats) -> float:
    """Measure the distance of two Gaussians fitted to the features.

    :cite:p:`heusel2017gans`, eq. 6; with Inception's features this would be
    the FID, with others it is not, and is comparable only to itself.
    """
    means = real.mean(0, dtype=float) - drawn.mean(0, dtype=float)
    first, second = np.cov(real, rowvar=False), np.cov(drawn, rowvar=False)
    # The product of two covariances has real eigenvalues, none below 0.
    roots = np.sqrt(np.linalg.eigvals(first @ second).real.clip(0))
    return float(
        means @ means + np.trace(first) + np.trace(second) - 2 * roots.sum()
    )


def coverage(centres: Floats, points: Floats, neighbours: int = 3) -> float:
    """Measure which share of the points some centre's ball holds.

    A ball reaches to the centre's ``neighbours``-th nearest other centre.
    Precision is ``coverage(real, drawn)`` and recall ``coverage(drawn,
    real)``: :cite:p:`kynkaanniemi2019improved`, eq. 1-2.
    """
    # The nearest centre of each is itself.
    reach = np.partition(cdist(centres, centres), neighbours, 1)[:, neighbours]
    inside = cdist(points, centres) <= reach
    return float(inside.any(1).mean())


def modes(predicted: NDArray[np.int64], classes: int) -> int:
    """Count the classes that appear at least at a tenth of an equal share."""
    counts = np.bincount(predicted, minlength=classes)
    return int((counts >= len(predicted) / (10 * classes)).sum())


def nearest(
    pictures: NDArray[np.uint8], among: NDArray[np.uint8]
) -> tuple[Floats, NDArray[np.intp]]:
    """Find each picture's nearest one: distances (N,) and rows (N,).

    A distance is the root mean square over pixels, in grey levels of 0..255.
    """
    rows, known = (p.reshape(len(p), -1) / 255 for p in (pictures, among))
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(
        known.astype(np.float32)
    )
    distances, found = search.kneighbors(rows.astype(np.float32))
    scale = 255 / np.sqrt(rows.shape[1])
    return distances[:, 0] * scale, found[:, 0]
