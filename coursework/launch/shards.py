"""Parts of a plan, for who starts several machines and tells each its number.

Such are the indexed jobs of Kubernetes, PBS arrays, SkyPilot, GNU parallel.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from coursework.experiment import Run


@dataclass(frozen=True)
class Shard:
    """Part ``number``, counted from 0, of ``parts``.

    A run belongs to a part by its name alone, so machines agree though one
    sees more runs done than another; parts are equal but for chance.
    """

    number: int
    parts: int

    @staticmethod
    def parse(text: str) -> Shard:
        """Read "i/n"; ValueError if it is no such part."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if not match or not int(match[1]) < int(match[2]):
            raise ValueError(
                f"--shard {text!r}: accepted is i/n with i from 0 to n - 1, "
                "e.g. 0/8 to 7/8 for eight machines"
            )
        return Shard(int(match[1]), int(match[2]))

    def split(self, runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
        """Split runs into those of this part and those of others."""
        mine = [run for run in runs if self._holds(run)]
        return mine, [run for run in runs if not self._holds(run)]

    def _holds(self, run: Run) -> bool:
        digest = hashlib.sha256(run.name.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.parts == self.number
