"""What the test pictures show: with it, kept predictions can be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from coursework.training import Trained


def test_labels(trained: Trained) -> Mapping[str, NDArray[Any]]:
    """Keep the test split's ``targets`` (N,) and the names of ``classes``."""
    return {
        "targets": trained.splits.test.targets,
        "classes": np.array(trained.splits.classes),
    }
