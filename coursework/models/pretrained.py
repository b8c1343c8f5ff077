"""Networks of timm with weights from ImageNet and a new head.

With ``classes=0`` there is no head: the output is the features (N, size)
that a head would get; with ``classes=None`` the head is ImageNet's own of
1000 classes.  The body is that of ``pretrained=False`` but for its
weights, and the new head starts the same in both: the control differs in
nothing else.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from coursework import guard_torchvision
from coursework.data import download
from coursework.data.weights import LITE0

# What the published weights call a layer: what timm calls it.
OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
INSIDE = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
# The first block has no expansion, and timm counts without it.
FIRST = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}


class Normalise(nn.Module):
    """Turn pictures from -1 ... 1 into what a backbone was trained on.

    ``mean`` and ``std`` are those of its training set's channels, the
    pictures then lying in 0 ... 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            shaped = torch.tensor(values)[:, None, None]
            self.register_buffer(name, shaped, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        return ((pictures + 1) / 2 - self.mean) / self.std


def lite0(
    classes: int | None, pretrained: bool = True, dropout: float = 0.0
) -> nn.Module:
    """Build EfficientNet-Lite0, made for 224 x 224 pixels.

    Its weights were trained on pictures with mean and std one half, which is
    the -1 ... 1 that a View gives: nothing is left to normalise.  Raises
    DataUnavailable, naming the file, if the weights are missing or damaged.
    """
    name = "tf_efficientnet_lite0"
    network = _timm(name).create_model(name, drop_rate=dropout)
    if pretrained:
        (file,) = LITE0.files
        packed = io.BytesIO(download.read(LITE0, file.name))
        published = torch.load(packed, weights_only=True)
        network.load_state_dict(renamed(published, network))
    return _with_head(network, classes)


def backbone(
    name: str,
    classes: int | None,
    pretrained: bool = True,
    dropout: float = 0.0,
) -> nn.Module:
    """Build a network by timm's name, with the hub's weights.

    The network is the child ``body``, behind its :class:`Normalise`.
    Raises ValueError for an unknown name, and DataUnavailable where the
    weights are neither in the hub's cache nor to be fetched.
    """
    options = {"drop_rate": dropout} | (_hub(name) if pretrained else {})
    network = _timm(name).create_model(name, **options)
    body = _with_head(network, classes)
    parts = OrderedDict(normalise=normalisation(body), body=body)
    return nn.Sequential(parts)


def normalisation(network: Any) -> Normalise:
    """Make what turns -1 ... 1 into what a timm network was trained on."""
    known = network.pretrained_cfg
    return Normalise(known["mean"], known["std"])


def feature_size(network: nn.Module) -> int:
    """Count the features that the head of a network made here gets."""
    body: Any = getattr(network, "body", network)
    return int(body.head_hidden_size)


def renamed(weights: dict[str, Tensor], network: Any) -> dict[str, Tensor]:
    """Give the published weights of Lite0 the names of timm's network."""
    places = [
        f"blocks.{stage}.{number}"
        for stage, blocks in enumerate(network.blocks)
        for number in range(len(blocks))
    ]

    def name(published: str) -> str:
        first, _, rest = published.partition(".")
        if first != "_blocks":
            return f"{OUTSIDE[first]}.{rest}"
        block, layer, tensor = rest.split(".")
        table = INSIDE if int(block) else FIRST
        return f"{places[int(block)]}.{table[layer]}.{tensor}"

    return {name(published): tensor for published, tensor in weights.items()}


def _with_head(network: Any, classes: int | None) -> nn.Module:
    if classes is not None:
        network.reset_classifier(classes)
    built: nn.Module = network
    return built


def _timm(name: str) -> Any:
    """Import timm, which knows the name, or say which names there are."""
    guard_torchvision()
    import timm  # noqa: PLC0415  # takes seconds, and the guard comes first

    if not timm.is_model(name.partition(".")[0]):
        alike = get_close_matches(name, timm.list_models()) or ["resnet18"]
        raise ValueError(
            f"unknown backbone {name!r}; accepted: what timm.list_models() "
            f"gives, such as {', '.join(alike)}"
        )
    return timm


def _hub(name: str) -> dict[str, Any]:
    """Find the hub's weights on this machine or fetch them: timm's options."""
    known = _timm(name).get_pretrained_cfg(name)
    import huggingface_hub  # noqa: PLC0415

    offline = os.environ.get("COURSEWORK_OFFLINE", "0") not in ("", "0")
    try:
        file = huggingface_hub.hf_hub_download(
            known.hf_hub_id, "model.safetensors", local_files_only=offline
        )
    except Exception as error:  # the hub's client fails in many ways
        raise download.DataUnavailable(
            f"the hub's weights of {name!r} can't be had: {error}\n"
            "Ways out:\n"
            "  - with a network and COURSEWORK_OFFLINE unset, build it once: "
            "the hub's cache (HF_HOME) then holds them\n"
            "  - take lite0, whose weights come as a Python package\n"
            "  - random weights: pretrained=False"
        ) from error
    overlay = {"file": file, "custom_load": False}
    return {"pretrained": True, "pretrained_cfg_overlay": overlay}
