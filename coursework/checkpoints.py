"""Checkpoints of a torch training: what is needed to go on exactly.

A checkpoint lies beside this machine's runs until its record is written.  It
is written whole or not at all, and read without running any code in it.
"""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from coursework import paths
from coursework.trial import Epoch

if TYPE_CHECKING:
    from coursework.training import Training


def save(path: Path, training: Training) -> None:
    """Store weights, optimiser, position, history and all generators."""
    state = {
        "network": training.network.state_dict(),
        "optimiser": training.optimiser.state_dict(),
        "step": training.step,
        "diverged": training.diverged,
        "history": [asdict(epoch) for epoch in training.history],
        "seen": {
            watch: {name: torch.from_numpy(a) for name, a in arrays.items()}
            for watch, arrays in training.seen.items()
        },
        "moves": training.moves.get_state(),
        "random": torch.get_rng_state(),
        "random on GPU": torch.cuda.get_rng_state_all(),
    }
    file = io.BytesIO()
    torch.save(state, file)
    paths.write(path, file.getvalue())


def load(path: Path, training: Training) -> None:
    """Bring a training, freshly made, to where a checkpoint was taken.

    Raises ValueError, naming the file and what to do, if it can't be read.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        training.network.load_state_dict(state["network"])
        training.optimiser.load_state_dict(state["optimiser"])
        training.history = [Epoch(**epoch) for epoch in state["history"]]
        training.seen = {
            watch: {name: tensor.numpy() for name, tensor in arrays.items()}
            for watch, arrays in state["seen"].items()
        }
        training.step, training.diverged = state["step"], state["diverged"]
        training.moves.set_state(state["moves"])
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state["random on GPU"])
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(
            f"checkpoint {path} can't be read ({type(error).__name__}); delete "
            "it to train this run from the start"
        ) from error
