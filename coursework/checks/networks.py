"""Checks that build the network in question and look."""

# ruff: noqa: PLC0415 - a page that is given no answer need not wait for torch

from __future__ import annotations

from collections.abc import Callable

from coursework.checks.reply import (
    Reply,
    check,
    near,
    number,
    one_of,
    same,
    some_of,
    whole,
)

LAYERS = ("softmax", "log-softmax", "sigmoid", "subtract the mean")
JOINS = (
    *("add", "subtract", "reverse-subtract", "multiply", "concatenate"),
    *("layer-scale", "none"),
)


@check("the variance times the number of inputs, a number", number)
def silu_variance(answer: float) -> Reply:
    """Find the variance that keeps small gradients through SiLU.

    It is one over the square of the derivative at zero, by autograd.
    """
    import torch

    from coursework.models.activations import activation

    point = torch.zeros(1, requires_grad=True)
    activation("silu", 1)(point).sum().backward()
    assert point.grad is not None
    slope = float(point.grad)
    return near(
        answer,
        1 / slope**2,
        f"For small inputs χ is σ² times the square of the derivative at 0, "
        f"which autograd says is {slope:g}. Set χ to one.",
    )


@check("a number: how many times the multiply-adds", number)
def cifar_stem(answer: float) -> Reply:
    """Count what a stem that keeps the side costs ResNet-18 at 64 px."""
    from functools import partial

    from coursework import outline
    from coursework.models.resnet import ResNet

    network = partial(ResNet, 18, channels=1, classes=10, width=16)
    table = outline.costs(
        {"imagenet": network, "cifar": partial(network, stem="cifar")},
        (1, 64, 64),
    )
    standard, kept = table["multiply-adds"]
    return near(
        answer,
        kept / standard,
        "Each map after the stem has four times the side, so each later "
        "convolution has sixteen times the places; the stem itself has other "
        "kernels, which moves the ratio of the whole a little.",
        tolerance=0.1,
    )


@check("a whole number of parameters", whole)
def gate_parameters(answer: int) -> Reply:
    """Count the parameters of an SE block of 64 maps at ratio 1."""
    from coursework import outline
    from coursework.models.attention import SqueezeExcite

    block = SqueezeExcite(64, ratio=1)
    return same(
        answer,
        outline.count(block),
        "Two dense layers, each from 64 to 64, and each with biases: twice "
        "so many weights as 64 maps make pairs, and the biases.",
    )


@check("a number to multiply the query weights by", number)
def query_factor(answer: float) -> Reply:
    """Make scaled attention with heads of 16 act like unscaled attention."""
    import torch

    from coursework.models.vit import Attention

    torch.manual_seed(0)
    scaled, unscaled = (
        Attention(32, 2, 16, scaled=scaled) for scaled in (True, False)
    )
    unscaled.load_state_dict(scaled.state_dict())
    tokens = torch.randn(2, 5, 32)
    with torch.no_grad():
        scaled.qkv.weight[:32] *= answer
        scaled.qkv.bias[:32] *= answer
        gap = float(abs(scaled(tokens) - unscaled(tokens)).max())
    return Reply(
        gap < 1e-5,
        f"With this factor the outputs of both differ by {gap:.2g} at most. "
        "The logits are products of queries and keys over √d.",
    )


@check(f"a set of some of {', '.join(LAYERS)}", some_of(*LAYERS))
def harmless_layers(answer: frozenset[str]) -> Reply:
    """Find the layers before a cross-entropy that change nothing.

    Neither the loss nor, by autograd, its gradient by the logits.
    """
    import torch
    from torch.nn.functional import cross_entropy

    layers: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "softmax": lambda x: x.softmax(1),
        "log-softmax": lambda x: x.log_softmax(1),
        "sigmoid": torch.sigmoid,
        "subtract the mean": lambda x: x - x.mean(1, keepdim=True),
    }
    logits = torch.randn(8, 10, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    labels = torch.arange(8)
    plain = cross_entropy(logits, labels)
    (wanted,) = torch.autograd.grad(plain, logits)
    harmless = set()
    for name, layer in layers.items():
        loss = cross_entropy(layer(logits), labels)
        (found,) = torch.autograd.grad(loss, logits)
        if torch.allclose(loss, plain) and torch.allclose(
            found, wanted, atol=1e-6
        ):
            harmless.add(name)
    return same(
        answer,
        harmless,
        "Cross-entropy takes a log-softmax of what it is given. That ignores "
        "a number added to all logits of a picture, so what does no more "
        "than add one changes nothing.",
    )


@check(f"one of {', '.join(JOINS)}", one_of(*JOINS))
def rezero_at_one(answer: str) -> Reply:
    """Compare ReZero with its factor at one with another operation."""
    import torch

    from coursework.models.residual import SKIPS, Scaled, Skip

    generator = torch.Generator().manual_seed(0)
    shortcut, branch = torch.randn(2, 1, 4, 3, 3, generator=generator)
    names: dict[str, Skip] = {str(name): name for name in SKIPS}
    with torch.no_grad():
        wanted = Scaled(1, start=1.0)(shortcut, branch)
        found = SKIPS[names[answer]](4)(shortcut, branch)
        gap = float(abs(wanted - found).max())
    return Reply(
        gap < 1e-6,
        f"On random maps the two differ by {gap:.2g} at most. ReZero computes "
        "shortcut + factor × branch.",
    )


@check("a number, the weight of positive examples", number)
def balancing_weight(answer: float) -> Reply:
    """Check the root of what balances a class in one picture of five.

    The square of the answer must make the gradient of a probability of one
    half zero, by autograd.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as bce

    logit = torch.zeros(5, requires_grad=True)
    targets = torch.tensor([1.0, 0, 0, 0, 0])
    bce(logit, targets, pos_weight=torch.tensor(answer**2)).backward()
    assert logit.grad is not None
    pull = float(logit.grad.sum())
    return Reply(
        answer > 0 and abs(pull) < 1e-3,
        f"With {answer:g} squared as the weight, the five examples together "
        f"pull an undecided logit by {-pull:+.3f}; balanced means 0. The root "
        "of that weight is what is asked for.",
    )


@check("a whole number of tokens", whole)
def tokens(answer: int) -> Reply:
    """Count the tokens of a ViT at 64 px with patches of 8."""
    import torch

    from coursework.models.r1_voc import vit

    network = vit(side=64, patch_size=8, dim=16, depth=1, heads=2).eval()
    seen: list[int] = []
    network.blocks[0].register_forward_hook(
        lambda _, inputs, __: seen.append(inputs[0].shape[1])
    )
    with torch.no_grad():
        network(torch.zeros(1, 3, 64, 64))
    return same(
        answer,
        seen[0],
        "Patches of 8 cut 64 px into eight rows of eight, and one token more "
        "is there to be classified from. Twice the rows and columns: about "
        "four times the tokens, and sixteen times the pairs that attend.",
    )


@check("a number, the mean gate", number)
def shared_gate(answer: float) -> Reply:
    """Find the mean gate that a softmax over a map of 32 × 32 leaves."""
    import torch

    from coursework.models.attention.branch import BranchGate

    torch.manual_seed(0)
    gate = BranchGate(
        "hw",
        pools=("max", "avg"),
        activation="none",
        gate="softmax",
        kernel=7,
        bias=False,
    )
    with torch.no_grad():
        mean = float(gate.weights(torch.randn(2, 8, 32, 32)).mean())
    return near(
        answer,
        mean,
        "Gates that add up to 1 over a map have a mean of one over its "
        "places, whatever was learnt. A factor as large as their number, "
        "after the gate, would undo it; the norm before the gate can't.",
    )
