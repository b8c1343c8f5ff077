"""Pictures classified by what their classes are called, without training."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Generator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from coursework import guard_torchvision
from coursework.data.splits import Loader
from coursework.devices import pick_device
from coursework.tasks import SingleLabel
from coursework.training import to_tensors
from coursework.trial import Epoch, Outcome

# The paper takes 80 for photographs; one word more or less changes little.
PROMPTS = (
    "a photo of a {}.",
    "a drawing of a {}.",
    "an icon of a {}.",
    "a sketch of a {}.",
)
BATCH = 100


def reachable() -> bool:
    """Tell whether CLIP can be had: its package, and a network for weights."""
    offline = os.environ.get("COURSEWORK_OFFLINE") or os.environ.get(
        "HF_HUB_OFFLINE"
    )
    return not offline and importlib.util.find_spec("open_clip") is not None


def classify(
    *,
    data: Loader,
    network: str = "ViT-B-32",
    weights: str | None = "openai",
    prompts: Sequence[str] = PROMPTS,
    seed: int,
) -> Generator[Epoch, None, Outcome]:
    """Let CLIP say which class's name fits each test picture best.

    :cite:p:`radford2021clip`, section 3.1: a class is the mean direction of
    its ``prompts``, in which "{}" is its name.  ``network`` and ``weights``
    are named as in open_clip, which has them from a hub; without weights the
    network knows nothing.  Nothing is trained and nothing drawn: all seeds
    give the same.  Raises ModuleNotFoundError, saying what to install.
    """
    splits, device = data(), pick_device()
    clip, tokens = _built(network, weights)
    clip = clip.to(device).eval()
    names = [_readable(name) for name in splits.classes]
    inputs, _ = to_tensors(splits.test, device)
    with torch.inference_mode():
        texts = [
            clip.encode_text(
                tokens([prompt.format(name) for prompt in prompts]).to(device),
                normalize=True,
            ).mean(0)
            for name in names
        ]
        known = normalize(torch.stack(texts), dim=1)
        parts = [
            clip.encode_image(_seen(some, clip.visual), normalize=True)
            for some in inputs.split(BATCH)
        ]
        fits = (torch.cat(parts) @ known.T).float().cpu().numpy()
    task, targets = SingleLabel(), splits.test.targets
    yield from ()
    return Outcome(
        data=splits.info(),
        scores=task.scores(fits, targets),
        parameters=sum(p.numel() for p in clip.parameters()),
        multiply_adds=0,  # of training
        predictions=task.pack(fits, targets),
        notes={"network": network, "weights": weights},
    )


def _built(network: str, weights: str | None) -> tuple[Any, Any]:
    guard_torchvision()
    try:
        open_clip = importlib.import_module("open_clip")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "CLIP needs open_clip: pip install open_clip_torch"
        ) from error
    model = open_clip.create_model(network, pretrained=weights)
    return model, open_clip.get_tokenizer(network)


def _seen(pictures: Tensor, eye: Any) -> Tensor:
    """Turn uint8 (N, 1 or 3, H, W) into what the network was trained on."""
    side = eye.image_size
    size = (side, side) if isinstance(side, int) else tuple(side)
    batch = pictures.float().div_(255).expand(-1, 3, -1, -1)
    batch = interpolate(batch, size, mode="bicubic", antialias=True).clamp(0, 1)
    mean, spread = (
        torch.tensor(values, device=batch.device)[:, None, None]
        for values in (eye.image_mean, eye.image_std)
    )
    return (batch - mean) / spread


def _readable(name: str) -> str:
    """Write a class's name as people do: CUB's have numbers and "_"."""
    return name.rpartition(".")[2].replace("_", " ")
