"""Checkpoints of a torch training: what is needed to go on exactly.

A checkpoint lies beside this machine's runs until its record is written.  It
is written whole or not at all, and read without running any code in it.  The
file holds the last two states, newest first, each behind its SHA-256: neither
torch nor safetensors would notice a flipped bit.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from coursework import paths, provenance, ranks
from coursework.trial import Epoch

if TYPE_CHECKING:
    from coursework.training import Training

DIGEST, LENGTH = 32, 8  # bytes of a state's head
MADE_BY = ("python", "numpy", "torch", "device", "system")


def save(path: Path, training: Training) -> None:
    """Store weights, optimiser, position, history and all generators.

    Of the states that were there, the last whole one is kept as well.  Of
    several processes that train together, only rank 0 writes.
    """
    if not ranks.leads():
        return
    state = {
        "network": training.network.state_dict(),
        "optimiser": training.optimiser.state_dict(),
        "step": training.step,
        "begun": training.begun,
        "diverged": training.diverged,
        "average": training.average.state_dict(),
        "best": training.best,
        "parts": training.stepper.parts,
        "history": [asdict(epoch) for epoch in training.history],
        "seen": {
            watch: {name: torch.from_numpy(a) for name, a in arrays.items()}
            for watch, arrays in training.seen.items()
        },
        "moves": training.moves.get_state(),
        "random": torch.get_rng_state(),
        "random on GPU": torch.cuda.get_rng_state_all(),
        "made by": _made_by(),
        "elsewhere": training.elsewhere,
    }
    file = io.BytesIO()
    torch.save(state, file)
    before = [part for part in _parts(path) if part] if path.exists() else []
    states = [file.getvalue(), *map(bytes, before[:1])]
    paths.write(path, b"".join(seal(state) for state in states))


def load(path: Path, training: Training) -> None:
    """Bring a training, freshly made, to where a checkpoint was taken.

    Warns if the state before it had to be taken, or if other versions or
    another number of threads made it.  Raises ValueError, naming the file and
    what to do, if no state is whole or if it can't be read.
    """
    parts = _parts(path)
    whole = [part for part in parts if part]
    try:
        state = torch.load(
            io.BytesIO(whole[0]), weights_only=True, map_location="cpu"
        )
        training.network.load_state_dict(state["network"])
        training.optimiser.load_state_dict(state["optimiser"])
        training.history = [Epoch(**epoch) for epoch in state["history"]]
        training.seen = {
            watch: {name: tensor.numpy() for name, tensor in arrays.items()}
            for watch, arrays in state["seen"].items()
        }
        training.step, training.diverged = state["step"], state["diverged"]
        training.begun = tuple(state["begun"])
        training.average.load_state_dict(state["average"])
        training.best, training.stepper.parts = state["best"], state["parts"]
        training.moves.set_state(state["moves"])
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state["random on GPU"])
        made_by, training.elsewhere = state["made by"], state["elsewhere"]
    except Exception as error:  # a damaged file fails in many ways
        reason = type(error).__name__ if whole else "nothing in it is whole"
        raise ValueError(
            f"checkpoint {path} can't be read ({reason}); delete it to train "
            "this run from the start"
        ) from error
    epochs = len(training.history)
    if not parts[0]:
        _warn(path, f"is damaged: the state before it is whole, epoch {epochs}")
    if other := _differences(made_by, _made_by()):
        training.elsewhere += other
        _warn(
            path,
            f"was made elsewhere ({'; '.join(other)}): what comes will not "
            "equal an uninterrupted run bit by bit",
        )


def seal(state: bytes) -> bytes:
    """Put a state's hash and length before it."""
    length = len(state).to_bytes(LENGTH, "big")
    return hashlib.sha256(length + state).digest() + length + state


def _parts(path: Path) -> list[memoryview | None]:
    """Read the states in a file; None stands for one that is damaged."""
    rest, parts = memoryview(path.read_bytes()), list[memoryview | None]()
    while rest:
        digest, sealed = rest[:DIGEST], rest[DIGEST:]
        end = LENGTH + int.from_bytes(sealed[:LENGTH], "big")
        good = hashlib.sha256(sealed[:end]).digest() == digest
        parts.append(sealed[LENGTH:end] if good else None)
        rest = sealed[end:]
    return parts


def _made_by() -> dict[str, Any]:
    """Collect what the bits of a result hang on, besides code and data."""
    here = {name: provenance.environment()[name] for name in MADE_BY}
    return {**here, "threads": torch.get_num_threads()}


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    return [
        f"{name} {there.get(name)} there, {here.get(name)} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]


def _warn(path: Path, text: str) -> None:
    warnings.warn(f"checkpoint {path} {text}", stacklevel=2)
