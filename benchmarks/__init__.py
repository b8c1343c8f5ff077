"""Side-by-side timings: ratios measured in one run, never absolute claims."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

from coursework import paths, provenance

RESULTS = paths.PROJECT / "benchmarks" / "results"


def store(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Keep a benchmark's table with the machine that it was measured on."""
    made = {
        "date": datetime.date.today().isoformat(),
        "environment": provenance.environment(),
        "rows": list(rows),
    }
    content = json.dumps(made, indent=1, sort_keys=True) + "\n"
    paths.write(RESULTS / f"{name}.json", content.encode())
