"""Vision transformers: counts, torchvision's outputs, report R1's defects."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coursework import guard_torchvision
from coursework.models.vit import (
    Attention,
    Block,
    R1ViT,
    ViT,
    vit_mnist,
)

Builder = Callable[..., ViT]
SMALL: tuple[Builder, ...] = (vit_mnist, R1ViT)


def digits(count: int = 6) -> Tensor:
    source = torch.Generator().manual_seed(3)
    return torch.randn(count, 1, 28, 28, generator=source)


def build(builder: Builder, **options: object) -> ViT:
    torch.manual_seed(0)
    return builder(**options)


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def blocks(network: ViT) -> list[Block]:
    return [block for block in network.blocks if isinstance(block, Block)]


def on_paper(
    *, patches: int, values: int, dim: int, depth: int, mlp: int, classes: int
) -> int:
    """Count a network whose heads are together as wide as its stream."""
    embedding = values * dim + dim
    tokens = dim + (patches + 1) * dim
    attention = 3 * (dim * dim + dim) + (dim * dim + dim)
    block = attention + 2 * dim * mlp + mlp + dim + 2 * 2 * dim
    return embedding + tokens + depth * block + 2 * dim + (dim + 1) * classes


def test_parameter_counts() -> None:
    with torch.device("meta"):
        base = ViT()
    assert size(base) == 86_567_656
    assert size(base) == on_paper(
        patches=196, values=768, dim=768, depth=12, mlp=3072, classes=1000
    )
    digit = partial(on_paper, patches=16, values=49, classes=10)
    assert size(R1ViT()) == digit(dim=128, depth=1, mlp=512) == 208_522
    assert size(vit_mnist()) == digit(dim=64, depth=4, mlp=128) == 139_018


def from_torchvision(name: str) -> str:
    """Translate the name of one of torchvision's parameters."""
    for theirs, ours in (
        (r"^conv_proj", "patches.embed"),
        (r"^encoder\.pos_embedding", "positions"),
        (r"^encoder\.layers\.encoder_layer_(\d+)", r"blocks.\1"),
        (r"^encoder\.ln", "norm"),
        (r"^heads\.head", "head"),
        (r"ln_(\d)", r"norm\1"),
        (r"self_attention\.in_proj_", "attention.qkv."),
        (r"self_attention\.out_proj", "attention.out"),
    ):
        name = re.sub(theirs, ours, name)
    return name


def test_vit_b_16_is_torchvisions() -> None:
    guard_torchvision()
    from torchvision.models import vit_b_16  # noqa: PLC0415

    torch.manual_seed(0)
    theirs = vit_b_16().eval()
    for parameter in theirs.parameters():
        if parameter.ndim == 1 or len(parameter) in (1, 1000):
            nn.init.normal_(parameter, std=0.3)  # they start at 0 or 1
    with torch.device("meta"):
        ours = ViT().eval()
    weights = theirs.state_dict()
    ours.load_state_dict(
        {from_torchvision(name): weights[name] for name in weights},
        assign=True,
    )
    pictures = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        expected = theirs(pictures)
        assert expected.std() > 0.1
        torch.testing.assert_close(
            ours(pictures), expected, rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("scaled", [True, False])
def test_attention_is_torchs(scaled: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(12, 3, 8, scaled=scaled).double()
    tokens = torch.randn(2, 5, 12, dtype=torch.float64)
    query, key, value = (
        part.reshape(2, 5, 3, 8).transpose(1, 2)
        for part in attention.qkv(tokens).chunk(3, dim=-1)
    )
    mixed = F.scaled_dot_product_attention(
        query, key, value, scale=None if scaled else 1.0
    )
    expected = attention.out(mixed.transpose(1, 2).reshape(2, 5, 24))
    torch.testing.assert_close(attention(tokens), expected)


def test_attention_rows_can_be_asked_for_and_hooked() -> None:
    network = build(vit_mnist).eval()
    seen: list[Tensor] = []
    last = blocks(network)[-1].attention
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    last.rows.register_forward_hook(lambda _, __, rows: seen.append(rows))
    network(digits())
    tokens, hooked = seen
    rows = last.weights(tokens)
    assert rows.shape == (6, 4, 17, 17)
    assert torch.equal(rows, hooked)
    torch.testing.assert_close(rows.sum(-1), torch.ones(6, 4, 17))


@pytest.mark.parametrize("builder", SMALL)
def test_scaling_changes_the_rows_by_the_root_of_head_dim(
    builder: Builder,
) -> None:
    plain = build(builder, scaled=False).eval()
    scaled = build(builder).eval()
    assert not torch.allclose(plain(digits()), scaled(digits()), atol=1e-4)
    with torch.no_grad():
        for block in blocks(plain):
            for parameter in block.attention.qkv.parameters():
                parameter[: len(parameter) // 3] /= 4  # the queries
    torch.testing.assert_close(plain(digits()), scaled(digits()))


@pytest.mark.parametrize("builder", SMALL)
def test_each_picture_is_treated_alone(builder: Builder) -> None:
    network = build(builder).eval()
    alone = torch.cat([network(picture[None]) for picture in digits()])
    torch.testing.assert_close(network(digits()), alone)


def test_batch_first_pitfall() -> None:
    """Torch's attention takes (T, N, D) unless told otherwise."""
    torch.manual_seed(0)
    tokens = torch.randn(3, 5, 8)
    moved = tokens.clone()
    moved[2] += 1

    def first_notices(attend: Callable[[Tensor], Tensor]) -> bool:
        return not torch.allclose(attend(moved)[0], attend(tokens)[0])

    wrong = nn.MultiheadAttention(8, 2)
    right = nn.MultiheadAttention(8, 2, batch_first=True)
    assert wrong(tokens, tokens, tokens)[0].shape == tokens.shape
    assert first_notices(lambda x: wrong(x, x, x)[0])
    assert not first_notices(lambda x: right(x, x, x)[0])
    assert not first_notices(Attention(8, 2, 4))


def test_patches_are_squares_and_r1s_are_stretches() -> None:
    square = {28 * row + column for row in range(7, 14) for column in range(7)}
    stretch = set(range(4 * 49, 5 * 49))
    for builder, expected in ((vit_mnist, square), (R1ViT, stretch)):
        pixels = digits(1).requires_grad_()
        tokens = build(builder).patches(pixels)
        assert tokens.shape[:2] == (1, 16)
        (slope,) = torch.autograd.grad(tokens[0, 4].sum(), pixels)
        assert set(slope.flatten().nonzero().flatten().tolist()) == expected


@pytest.mark.parametrize(("builder", "read"), [(vit_mnist, 0), (R1ViT, 16)])
def test_which_token_is_classified_from(builder: Builder, read: int) -> None:
    network = build(builder).eval()
    seen: list[Tensor] = []
    network.norm.register_forward_hook(lambda _, __, out: seen.append(out))
    logits = network(digits())
    assert torch.equal(logits, network.head(seen[0][:, read]))


@pytest.mark.parametrize(
    ("builder", "passes"), [(vit_mnist, True), (R1ViT, False)]
)
def test_the_stream_passes_a_silent_block_unless_it_is_r1s(
    builder: Builder, passes: bool
) -> None:
    block = blocks(build(builder).eval())[0]
    for layer in (block.attention.out, block.mlp[3]):
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    tokens = torch.randn(2, 17, block.attention.qkv.in_features)
    assert torch.equal(block(tokens), tokens) == passes


@pytest.mark.parametrize("builder", SMALL)
def test_every_parameter_gets_a_gradient(builder: Builder) -> None:
    network = build(builder)
    F.cross_entropy(network(digits()), torch.arange(6)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("builder", SMALL)
def test_learns_one_batch(builder: Builder) -> None:
    network, labels = build(builder), torch.arange(6)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(40):
        optimiser.zero_grad()
        F.cross_entropy(network(digits()), labels).backward()
        optimiser.step()
    assert torch.equal(network.eval()(digits()).argmax(1), labels)


def test_training_differs_from_evaluation_by_dropout_only() -> None:
    r1, small = build(R1ViT), build(vit_mnist)
    assert not torch.equal(r1.train()(digits()), r1.eval()(digits()))
    assert torch.equal(small.train()(digits()), small.eval()(digits()))


@pytest.mark.parametrize("builder", SMALL)
def test_activation_and_picture_size_can_be_chosen(builder: Builder) -> None:
    outputs = [
        build(builder, activation=name).eval()(digits())
        for name in ("gelu", "relu", "prelu")
    ]
    assert not torch.allclose(outputs[0], outputs[1], atol=1e-4)
    assert not torch.allclose(outputs[1], outputs[2], atol=1e-4)
    larger = build(builder, image_size=56, channels=3, classes=7)
    assert larger(torch.zeros(2, 3, 56, 56)).shape == (2, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 30}, "image_size is 30 and patch_size is 16"),
        ({"heads": 5}, "dim is 768 and heads is 5"),
        ({"depth": 0}, "depth is 0"),
        ({"activation": "softmax"}, "'softmax'; accepted: 'sigmoid', .*'gelu'"),
    ],
)
def test_wrong_settings_are_named(
    options: dict[str, object], message: str
) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        build(ViT, **options)


def test_pictures_of_another_size_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, 32, 32\).*\(N, 1, 28, 28\)"):
        vit_mnist()(torch.zeros(2, 1, 32, 32))
