"""The four places a network comes from: own code, two libraries, a hub.

Whatever the source, a network takes pictures in -1 ... 1, as a View gives
them: what its weights were trained on is made inside, by a
:class:`~coursework.models.pretrained.Normalise`.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from coursework import guard_torchvision
from coursework.data.download import DataUnavailable
from coursework.models import pretrained as timms
from coursework.models.convnet import ConvNet
from coursework.models.pretrained import Normalise
from coursework.models.resnet import resnet18, resnet34, resnet50, resnet101
from coursework.models.transfer import head
from coursework.models.vit import ViT
from coursework.recipe import named

Source = Literal["own", "torchvision", "timm", "hub"]

OWN: Mapping[str, Callable[..., nn.Module]] = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "vit_b_16": ViT,
    "convnet": partial(ConvNet, channels=3),
}
NTS_NET = "nicolalandro/ntsnet-cub200"
BIRDS = 200  # the classes of CUB-200-2011


class NTSNet(nn.Module):
    """NTS-Net :cite:p:`yang2018learning`, of whose outputs one is the answer.

    ``network`` returns, of pictures (N, 3, 448, 448), seven things; the
    fourth are the logits from the picture and its best parts together.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.normalise = Normalise((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute logits (N, 200)."""
        logits: Tensor = self.network(self.normalise(pictures))[3]
        return logits


def build(
    name: str, classes: int, source: Source = "timm", pretrained: bool = True
) -> nn.Module:
    """Build a network by the name it has where it comes from.

    "own" has no pretrained weights; "torchvision" takes that library's best;
    "timm" is :mod:`~coursework.models.pretrained`, with "lite0" from a Python
    package; "hub" has "ntsnet" alone, trained on CUB-200-2011, and runs the
    code of its author's repository.  ``classes=0`` leaves the head out: the
    outputs are features (N, size).

    Raises ValueError for an unknown name or source and for weights that do
    not exist, DataUnavailable for weights that can't be had.
    """
    return named(SOURCES, source, "source")(name, classes, pretrained)


def own(name: str, classes: int, pretrained: bool) -> nn.Module:
    """Build one of our networks."""
    make = named(OWN, name, "network of our own")
    if pretrained:
        raise ValueError(
            f"pretrained is True, but there are no weights of our {name!r}: "
            "set pretrained=False, or take source 'timm' or 'torchvision'"
        )
    network: nn.Module = make(classes=classes or 1)
    return network if classes else _with_head(network, 0)


def torchvision(name: str, classes: int, pretrained: bool) -> nn.Module:
    """Build a network of torchvision with a new head."""
    guard_torchvision()
    from torchvision import models  # noqa: PLC0415  # the guard comes first

    known = models.list_models(module=models)
    if name not in known:
        alike = get_close_matches(name, known) or ["resnet18"]
        raise ValueError(
            f"unknown network {name!r}; accepted: what torchvision.models."
            f"list_models() gives, such as {', '.join(alike)}"
        )
    weights: Any = models.get_model_weights(name).DEFAULT
    if pretrained:
        network = _fetched(name, weights)
    else:
        network = models.get_model(name, weights=None)
    seen = weights.transforms()
    parts = OrderedDict(
        normalise=Normalise(seen.mean, seen.std),
        body=_with_head(network, classes),
    )
    return nn.Sequential(parts)


def timm(name: str, classes: int, pretrained: bool) -> nn.Module:
    """Build a network of timm; "lite0" is EfficientNet-Lite0."""
    if name == "lite0":
        return timms.lite0(classes, pretrained)
    return timms.backbone(name, classes, pretrained)


def hub(name: str, classes: int, pretrained: bool) -> nn.Module:
    """Load NTS-Net from the hub of torch, which checks for forks itself."""
    named({"ntsnet": NTS_NET}, name, "network of the hub")
    if pretrained and classes != BIRDS:
        raise ValueError(
            f"classes is {classes}; NTS-Net's weights know the {BIRDS} birds "
            "of CUB-200-2011: accepted is that, or pretrained=False"
        )
    if _offline():
        raise _unavailable(name, "COURSEWORK_OFFLINE is set: nothing tried")
    try:
        loaded: Any = torch.hub.load(
            NTS_NET,
            name,
            pretrained=pretrained,
            topN=6,
            num_classes=classes,
            trust_repo=True,  # whoever asks for this source does
        )
    except Exception as error:  # not ours: it fails in many ways
        raise _unavailable(name, repr(error)) from error
    return NTSNet(loaded)


SOURCES: Mapping[Source, Callable[[str, int, bool], nn.Module]] = {
    "own": own,
    "torchvision": torchvision,
    "timm": timm,
    "hub": hub,
}


def _fetched(name: str, weights: Any) -> nn.Module:
    """Build a network with weights from torch's cache or the network."""
    from torchvision import models  # noqa: PLC0415

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if _offline() and not (folder / Path(weights.url).name).exists():
        raise _unavailable(name, f"offline, and {folder} lacks them")
    try:
        network: nn.Module = models.get_model(name, weights=weights)
    except (OSError, RuntimeError) as error:  # no network, or a wrong hash
        raise _unavailable(name, repr(error)) from error
    return network


def _with_head(network: nn.Module, classes: int) -> nn.Module:
    path = head(network)
    old: Any = network.get_submodule(path)
    new = nn.Linear(old.in_features, classes) if classes else nn.Identity()
    network.set_submodule(path, new)
    return network


def _offline() -> bool:
    return os.environ.get("COURSEWORK_OFFLINE", "0") not in ("", "0")


def _unavailable(name: str, reason: str) -> DataUnavailable:
    return DataUnavailable(
        f"the weights of {name!r} can't be had: {reason}\n"
        "Ways out:\n"
        "  - with a network and COURSEWORK_OFFLINE unset, build it once: "
        "torch's cache (TORCH_HOME) then holds them\n"
        "  - source 'timm' with 'lite0', whose weights come as a Python "
        "package\n"
        "  - random weights: pretrained=False"
    )
