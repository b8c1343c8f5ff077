"""What a learner needs to go on exactly where it was killed."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from coursework import checkpoints, paths
from coursework.trial import Epoch

if TYPE_CHECKING:
    from coursework.generative.learner import Learner

HEAD = checkpoints.DIGEST + checkpoints.LENGTH


def save(path: Path, learner: Learner) -> None:
    """Store networks, optimiser, position, history and frames, sealed."""
    file = io.BytesIO()
    torch.save(
        {
            "network": learner.network.state_dict(),
            "optimiser": learner.optimiser.state_dict(),
            "step": learner.step,
            "diverged": learner.diverged,
            "history": [asdict(epoch) for epoch in learner.history],
            "frames": [torch.from_numpy(frame) for frame in learner.frames],
        },
        file,
    )
    paths.write(path, checkpoints.seal(file.getvalue()))


def load(path: Path, learner: Learner) -> None:
    """Bring a learner, freshly made, to where its state was stored.

    Raises ValueError, naming the file and what to do, if it is damaged or
    another learner's.
    """
    content = path.read_bytes()
    try:
        if checkpoints.seal(content[HEAD:]) != content:
            raise ValueError("its hash is not that of what it holds")
        state = torch.load(
            io.BytesIO(content[HEAD:]), weights_only=True, map_location="cpu"
        )
        learner.network.load_state_dict(state["network"])
        learner.optimiser.load_state_dict(state["optimiser"])
        learner.step, learner.diverged = state["step"], state["diverged"]
        learner.history = [Epoch(**epoch) for epoch in state["history"]]
        learner.frames = [frame.numpy() for frame in state["frames"]]
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(
            f"checkpoint {path} can't be read ({error}); delete it to train "
            "this run from the start"
        ) from error
