"""Parameter-efficient fine-tuning by the peft library, and our own LoRA.

Adapters learn inside a frozen network; its head is trained in full and
starts as ``build`` drew it.  Every kind starts as the network it adapts, in
what it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from coursework import guard_torchvision
from coursework.models.lora import lora, matching
from coursework.recipe import named

POINTWISE = ("conv_pw", "conv_pwl")  # the 1 x 1 convolutions of EfficientNet
TIMM_ATTENTION = ("attn.qkv", "attn.proj")  # of timm's vision transformers
ATTENTION = ("attention.qkv", "attention.out")  # of ours, models/vit.py


def _lora(peft: Any, rank: int, alpha: int, **options: Any) -> Any:
    return peft.LoraConfig(r=rank, lora_alpha=alpha, **options)


def _dora(peft: Any, rank: int, alpha: int, **options: Any) -> Any:
    return _lora(peft, rank, alpha, use_dora=True, **options)


def _loha(peft: Any, rank: int, alpha: int, **options: Any) -> Any:
    return peft.LoHaConfig(r=rank, alpha=alpha, **options)


def _lokr(peft: Any, rank: int, alpha: int, **options: Any) -> Any:
    return peft.LoKrConfig(r=rank, alpha=alpha, **options)


def _ia3(peft: Any, rank: int, alpha: int, **options: Any) -> Any:
    return peft.IA3Config(feedforward_modules=[], **options)


def _library(
    config: Callable[..., Any],
    network: nn.Module,
    targets: tuple[str, ...],
    rank: int,
    alpha: int,
) -> nn.Module:
    """Put the library's adapters into the network itself: names stay."""
    guard_torchvision()
    peft = import_module("peft")  # takes seconds, and the guard comes first
    chosen = config(peft, rank, alpha, target_modules=list(targets))
    adapted: nn.Module = peft.inject_adapter_in_model(chosen, network)
    return adapted


KINDS: Mapping[str, Callable[..., nn.Module]] = {
    "lora": partial(_library, _lora),
    "dora": partial(_library, _dora),
    "loha": partial(_library, _loha),
    "lokr": partial(_library, _lokr),
    "ia3": partial(_library, _ia3),
    "own-lora": lora,
}


class FrozenNorms(nn.Module):
    """A network whose frozen batch norms are in evaluation mode always.

    A norm without a gradient still moves its running statistics in training.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute what ``body`` does."""
        result: Tensor = self.body(pictures)
        return result

    def train(self, mode: bool = True) -> FrozenNorms:
        """Set the mode of all parts but the frozen batch norms."""
        super().train(mode)
        for part in self.modules():
            if isinstance(part, _BatchNorm) and not any(
                weight.requires_grad for weight in part.parameters()
            ):
                part.eval()
        return self


def adapted(
    *,
    build: Callable[[], nn.Module],
    kind: str,
    targets: tuple[str, ...],
    head: str,
    rank: int = 8,
    alpha: int = 8,
) -> nn.Module:
    """Build a network, frozen but for its head and adapters.

    ``targets`` names the layers with adapters and ``head`` that of the
    classes, by the ends of their names.  Kinds: "lora" and "own-lora"
    :cite:p:`hu2022lora`; "dora", which trains each output's norm apart
    :cite:p:`liu2024dora`; "loha", a Hadamard product of two low ranks
    :cite:p:`hyeonwoo2022fedpara`; "lokr", a Kronecker product
    :cite:p:`yeh2024lycoris`; "ia3", one factor an output channel of every
    target, where the paper has keys, values and the MLP, and neither ``rank``
    nor ``alpha`` :cite:p:`liu2022ia3`.  A change is scaled by alpha / rank.
    Raises ValueError for an unknown kind and for a target or head without a
    module.
    """
    insert = named(KINDS, kind, "kind of adapter")
    network = build()
    matching(network, targets)
    heads = matching(network, (head,))
    network = insert(network, targets=targets, rank=rank, alpha=alpha)
    for name in heads:
        network.get_submodule(name).requires_grad_(True)
    return FrozenNorms(network).train()
