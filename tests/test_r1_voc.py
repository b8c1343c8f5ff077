"""Report R1's networks for Tiny-VOC: counts, norms, and its patches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from coursework.models import r1_voc
from coursework.models.r1_voc import PostNormBlock, R1VocViT
from coursework.models.resnet import resnet18
from coursework.models.vit import ViT

Build = Callable[..., nn.Module]

pytestmark = pytest.mark.usefixtures("one_thread")


def lenet_on_paper(left: int) -> int:
    maps = 6 * (3 * 25 + 1) + 16 * (6 * 25 + 1)
    dense = 120 * (16 * left**2 + 1) + 84 * (120 + 1) + 5 * (84 + 1)
    return maps + dense + 2 * (6 + 16 + 120 + 84)


def vgg_on_paper(width: int, left: int, hidden: tuple[int, int]) -> int:
    maps = [3, *(width * units for units in (1, 2, 4, 8, 8))]
    units = [maps[-1] * left**2, *hidden, 5]
    convolutions = sum(b * (9 * a + 1) for a, b in pairwise(maps))
    return convolutions + sum(b * (a + 1) for a, b in pairwise(units))


def vit_on_paper(patches: int, patch_size: int, dim: int, depth: int) -> int:
    embedding = (3 * patch_size**2 + 1) * dim + (patches + 1 + 1) * dim
    attention, mlp = 4 * (dim + 1) * dim, 8 * dim * dim + 5 * dim
    block = attention + mlp + 4 * dim
    return embedding + depth * block + 2 * dim + 5 * (dim + 1)


LARGE = vit_on_paper(14 * 14, 16, 768, 6)
SMALL = vit_on_paper(8 * 8, 8, 128, 4)
COUNTS: dict[str, tuple[Build, int, int]] = {  # on paper, and as reported
    "LeNet": (r1_voc.lenet, lenet_on_paper(53), 5_407_313),
    "VGG": (r1_voc.vgg, vgg_on_paper(64, 7, (4096, 1000)), 110_777_333),
    "ResNet-18": (
        partial(resnet18, classes=5),
        11_689_512 - 995 * (512 + 1),
        11_179_077,
    ),
    "ViT": (r1_voc.vit, LARGE, 43_275_269),
    "R1's ViT": (partial(r1_voc.vit, form=R1VocViT), LARGE, 43_275_269),
    "small LeNet": (r1_voc.small_lenet, lenet_on_paper(13), 338_513),
    "small VGG": (
        r1_voc.small_vgg,
        vgg_on_paper(16, 2, (1024, 250)),
        1_027_841,
    ),
    "small ViT": (r1_voc.small_vit, SMALL, 827_141),
}


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def weightless(build: Build, **options: object) -> nn.Module:
    with torch.device("meta"):
        return build(**options)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_and_shapes(name: str) -> None:
    build, on_paper, reported = COUNTS[name]
    network = weightless(build)
    assert size(network) == on_paper == reported
    side = 64 if "small" in name else 224
    pictures = torch.empty(2, 3, side, side, device="meta")
    assert network(pictures).shape == (2, 5)


@pytest.mark.parametrize("side", [32, 64, 96])
@pytest.mark.parametrize(
    "build", [r1_voc.lenet, r1_voc.vgg, partial(r1_voc.vit, form=R1VocViT)]
)
def test_other_sides(build: Build, side: int) -> None:
    network = weightless(build, side=side, classes=7)
    pictures = torch.empty(2, 3, side, side, device="meta")
    assert network(pictures).shape == (2, 7)


def kinds(network: nn.Module) -> list[str]:
    return [type(m).__name__ for m in network.modules()]


@pytest.mark.parametrize(
    ("build", "norms", "drops"),
    [
        (r1_voc.small_lenet, ["BatchNorm2d"] * 2 + ["BatchNorm1d"] * 2, 2),
        (r1_voc.small_vgg, ["BatchNorm2d"] * 5, 2),
    ],
)
def test_norm_and_dropout_can_be_switched(
    build: Build, norms: list[str], drops: int
) -> None:
    for on in (True, False):
        network = build(batch_norm=on, dropout=0.3)
        found = [kind for kind in kinds(network) if "BatchNorm" in kind]
        assert found == (norms if on else [])
        rates = [m.p for m in network.modules() if isinstance(m, nn.Dropout)]
        assert rates == [0.3] * drops
    still = build(batch_norm=False, dropout=0.0).train()
    assert torch.equal(still(pictures(2)), still(pictures(2)))


def pictures(count: int, side: int = 64) -> Tensor:
    source = torch.Generator().manual_seed(3)
    return torch.randn(count, 3, side, side, generator=source)


SMALLS: dict[str, Build] = {
    "LeNet": r1_voc.small_lenet,
    "VGG": r1_voc.small_vgg,
    "VGG, norm": partial(r1_voc.small_vgg, batch_norm=True),
    "ViT": r1_voc.small_vit,
    "R1's ViT": partial(r1_voc.small_vit, form=R1VocViT),
}


@pytest.fixture(params=SMALLS)
def small(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return SMALLS[request.param]()


def test_each_picture_is_treated_alone(small: nn.Module) -> None:
    small(pictures(4))
    small.eval()
    with torch.inference_mode():
        together = small(pictures(4))
        alone = torch.cat([small(p[None]) for p in pictures(4)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert together.std(0).max() > 0


@pytest.mark.parametrize("name", SMALLS)
def test_learns_one_batch(name: str) -> None:
    """Five answers each, any number of them yes, as the task has it."""
    torch.manual_seed(0)
    small = SMALLS[name](dropout=0.0)
    batch, answers = pictures(4), torch.eye(5)[:4]
    answers[3, 2:] = 1
    learn = torch.optim.Adam(small.parameters(), 1e-3)
    for step in range(100):
        logits = small(batch)
        if torch.equal(logits > 0, answers.bool()):
            break
        learn.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(
            logits, answers
        ).backward()
        if step == 0:
            for part, parameter in small.named_parameters():
                assert parameter.grad is not None, part
                assert parameter.grad.abs().max() > 0, part
        learn.step()
    assert 0 < step < 99


def test_the_post_norm_block_is_torchs() -> None:
    torch.manual_seed(0)
    theirs = nn.TransformerEncoderLayer(
        12, 3, 20, activation="gelu", layer_norm_eps=1e-6, batch_first=True
    ).double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.5)
    ours = PostNormBlock(
        12, 3, 4, 20, dropout=0.1, activation="gelu", scaled=True
    ).double()
    renamed = {
        "self_attn.in_proj_": "attention.qkv.",
        "self_attn.out_proj": "attention.out",
        "linear1": "mlp.0",
        "linear2": "mlp.3",
    }
    state = {}
    for name, values in theirs.state_dict().items():
        for old, new in renamed.items():
            name = name.replace(old, new)  # noqa: PLW2901
        state[name] = values
    ours.load_state_dict(state)
    tokens = torch.randn(2, 5, 12, dtype=torch.float64)
    theirs.eval()
    ours.eval()
    torch.testing.assert_close(ours(tokens), theirs(tokens))


def tokens_moved(form: type[ViT], rows: Tensor, columns: Tensor) -> Tensor:
    """Shuffle the pixels at these places; tell whose tokens change."""
    torch.manual_seed(0)
    network = r1_voc.vit(
        form=form, side=32, patch_size=8, dim=16, depth=1, heads=2
    )
    before = pictures(1, side=32)
    after = before.clone()
    order = torch.randperm(len(rows))
    after[:, :, rows, columns] = before[:, :, rows[order], columns[order]]
    assert not torch.equal(before, after)
    with torch.inference_mode():
        one, other = (network.patches(p) for p in (before, after))
    return (~torch.isclose(one, other)).any(-1)[0].nonzero().flatten()


def test_a_square_is_one_token_but_many_of_r1s_stretches() -> None:
    """Row 1, column 2 of 4 × 4 squares of 8 × 8 pixels."""
    rows, columns = torch.cartesian_prod(
        torch.arange(8, 16), torch.arange(16, 24)
    ).T
    assert tokens_moved(ViT, rows, columns).tolist() == [4 * 1 + 2]
    # 192 numbers a stretch, 6 rows of 32: rows 8 to 15 of each colour's 32
    # lie in the stretches from (32 c + 8) // 6 to (32 c + 15) // 6.
    expected = [
        t
        for c in range(3)
        for t in range((32 * c + 8) // 6, (32 * c + 15) // 6 + 1)
    ]
    assert tokens_moved(R1VocViT, rows, columns).tolist() == expected


def test_r1s_token_sees_one_colour_across_the_whole_picture() -> None:
    """Six rows of red are one of its tokens, and touch all squares above."""
    rows, columns = torch.cartesian_prod(torch.arange(6), torch.arange(32)).T
    assert tokens_moved(ViT, rows, columns).tolist() == [0, 1, 2, 3]
    for form, colours, width in ((ViT, 3, 8), (R1VocViT, 1, 32)):
        network = r1_voc.vit(
            form=form, side=32, patch_size=8, dim=16, depth=1, heads=2
        )
        pixels = pictures(1, side=32).requires_grad_()
        token = network.patches(pixels)[0, 0].square().sum()
        (slope,) = torch.autograd.grad(token, pixels)
        seen = slope[0] != 0
        assert int(seen.any(2).any(1).sum()) == colours
        assert int(seen.any(1).any(0).sum()) == width


def test_a_side_too_small_is_named() -> None:
    with pytest.raises(ValueError, match="side is 31; it must be at least 32"):
        r1_voc.vgg(side=31)
    with pytest.raises(ValueError, match="image_size is 65 and patch_size"):
        r1_voc.small_vit(side=65)
