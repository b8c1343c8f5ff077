"""Try all faults and print what was lost: ``make faults``."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator

import torch

from tests.faults import damage, interrupted
from tests.faults.scene import Row, folders

EVERYWHERE = 10_000  # more places than any process passes
ROW = "{:44}{:>7}{:>10}{:>6}"


def rows(short: bool, seed: int) -> Iterator[Row]:
    """Try fault after fault; ``short`` takes seconds."""
    rng = random.Random(seed)
    places = 5 if short else EVERYWHERE
    for name, work in (
        ("run", interrupted.trained),
        ("download", interrupted.fetched),
        ("keeping of arrays", damage.remade),
        ("extraction", interrupted.extracted),
        ("notebook", interrupted.published),
    ):
        yield from interrupted.kills(work, name, places, rng)
        yield from interrupted.full_disks(work, name, places, rng)
    yield interrupted.often(1 if short else 50, rng)
    for kind in damage.TARGETS:
        yield damage.damages(kind, 13 if short else 250, rng)
    yield damage.pickles()


def main() -> int:
    """Print a line a fault; the exit status is 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="takes seconds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(ROW.format("fault", "tries", "survived", "lost"))
    tries, lost = 0, list[str]()
    for row in rows(options.short, options.seed):
        print(row, flush=True)
        tries += row.tries
        lost += [f"{row.fault}, {what}" for what in row.lost]
    print(ROW.format("all", tries, tries - len(lost), len(lost)))
    print("\n".join(lost), end="\n" * bool(lost))
    return int(bool(lost))


if __name__ == "__main__":
    with folders():
        interrupted.trained()  # imports what the tries would import each
    sys.exit(main())
