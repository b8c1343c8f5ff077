"""Generative networks kept on this machine, and pictures drawn from them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from coursework import paths
from coursework.data.kept import kept
from coursework.data.splits import Loader, Splits
from coursework.generative.denoising import Diffusion
from coursework.generative.gan import Gan
from coursework.generative.learner import Learner, learn, make
from coursework.recipe import at_least, named
from coursework.trial import Epoch, stream

METHODS: Mapping[str, type[Gan] | type[Diffusion]] = {
    "gan": Gan,
    "diffusion": Diffusion,
}


class Kept(NamedTuple):
    """A trained learner and the names of the classes that it draws."""

    learner: Learner
    classes: tuple[str, ...]


def packed(learner: Learner, method: Gan | Diffusion, splits: Splits) -> bytes:
    """Write all networks of a learner down, and how to build them."""
    names = {kind: name for name, kind in METHODS.items()}
    file = io.BytesIO()
    torch.save(
        {
            "method": names[type(method)],
            "settings": asdict(method),
            "shape": splits.train.inputs.shape[1:],
            "classes": splits.classes,
            "state": learner.network.state_dict(),
        },
        file,
    )
    return file.getvalue()


def unpacked(content: bytes) -> Kept:
    """Build what was :func:`packed`, without running any code in it."""
    stored: dict[str, Any] = torch.load(
        io.BytesIO(content), weights_only=True, map_location="cpu"
    )
    method = named(METHODS, stored["method"], "method")(**stored["settings"])
    shape, classes = tuple(stored["shape"]), tuple(stored["classes"])
    whole = (1, *shape) if len(shape) == 2 else shape
    learner = method.learner(whole, len(classes))
    learner.network.load_state_dict(stored["state"])
    return Kept(learner, classes)


def trained(method: Gan | Diffusion, splits: Splits, seed: int) -> Learner:
    """Train on a set's training split, or read what this machine kept.

    All runs with the same pictures, settings and seed share one.
    """
    name = _name(method, splits, seed)

    def train() -> Mapping[str, NDArray[np.uint8]]:
        learner = make(method, splits, seed)
        for _ in learn(learner, method, splits, seed):
            pass
        content = packed(learner, method, splits)
        return {"content": np.frombuffer(content, np.uint8)}

    found = kept(paths.data() / "generators" / f"{name}.npz", train)
    return unpacked(found["content"].tobytes()).learner


def _name(method: Gan | Diffusion, splits: Splits, seed: int) -> str:
    told = repr((splits.info().sha256, method, seed))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def train(
    method: Gan | Diffusion, data: Loader, path: Path, seed: int
) -> Generator[Epoch, None, None]:
    """Train, yield the history, and keep all networks in a file.

    A killed training goes on, if it is asked for again with all the same.
    """
    splits = data()
    checkpoint = path.with_name(f"{path.name}.{_name(method, splits, seed)}")
    learner = make(method, splits, seed)
    yield from learn(learner, method, splits, seed, checkpoint)
    paths.write(path, packed(learner, method, splits))
    checkpoint.unlink(missing_ok=True)


def generate(
    path: Path, count: int, klass: str | None = None, seed: int = 0
) -> NDArray[np.uint8]:
    """Draw pictures (count, C, H, W) of one class, or of all in turn.

    Raises FileNotFoundError, saying what to do, if no networks are kept in
    the file, and ValueError for another file or an unknown class.
    """
    at_least("count", count, 1)
    if not path.exists():
        raise FileNotFoundError(
            f"no generator is kept in {path}; train one: 'coursework train gan'"
        )
    try:
        learner, classes = unpacked(path.read_bytes())
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(
            f"{path} holds no generator that can be read "
            f"({type(error).__name__}); train it again"
        ) from error
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.arange(count) % len(classes)
    if klass is not None:
        labels = np.full(count, named(numbers, klass, "class"))
    return learner.pictures(labels, stream(seed, "drawn"))
