"""Keep composed arrays on this machine, under a key of what decides them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from coursework import paths
from coursework.data.compose import styles
from coursework.data.compose.icons import FULLEST, MOST
from coursework.data.compose.names import MISNAMED, NAMES
from coursework.data.kept import Arrays, kept

VERSION = 1  # of this package's code: another one composes anew


def stored(
    name: str, settings: tuple[Any, ...], make: Callable[[], Arrays]
) -> Arrays:
    """Read the arrays of a set; make them if that was never done.

    ``settings`` joins ``VERSION``, the icon sets' hashes and the choice of
    icons in the key.
    """
    return kept(paths.data() / name / f"composed-{key(settings)}.npz", make)


def key(settings: tuple[Any, ...]) -> str:
    """Name whatever decides about the pictures."""
    names = {label: known.pattern for label, known in NAMES.items()}
    sources = {
        name: (style.sha256, style.use) for name, style in styles.STYLES.items()
    }
    choice = (names, sorted(MISNAMED), MOST, FULLEST, sources)
    parts = repr((VERSION, choice, settings))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]
