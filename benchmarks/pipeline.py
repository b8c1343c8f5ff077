"""Time enlarging pictures and turning them into batches, and nothing else.

``python -m benchmarks.pipeline`` measures what feeds a network for pictures of
224 pixels and three channels with MNIST.  The peer does it picture by picture:
PIL resizes, repeats the grey channel, then ``ToTensor`` and ``Normalize``, and
the batch is stacked.  Ours is ``augment.View`` on a batch of uint8.  It repeats
the channel without a copy, as a view; in the second row the copy is made, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks import plain, turns
from coursework.data.augment import View

VIEW = View(side=224, channels=3)
PICTURES = 128


def measure(rounds: int) -> Iterator[turns.Row]:
    """Measure ours as it is and with the channels copied; a row each."""
    pictures = plain.dataset(plain.transform(VIEW))
    batch = pictures.data[:PICTURES, None]

    def peer() -> torch.Tensor:
        return torch.stack([pictures[row][0] for row in range(PICTURES)])

    for channels, ours in (
        ("a view", lambda: VIEW(batch)),
        ("copied", lambda: VIEW(batch).contiguous()),
    ):
        yield from turns.compare(
            ours, {"PIL and transforms": peer}, rounds, channels=channels
        )


if __name__ == "__main__":
    turns.run("pipeline", measure, rounds=25)
