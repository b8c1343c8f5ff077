"""Vision transformers: the standard form, and that of report R1."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from coursework.models.activations import ELEMENTWISE
from coursework.recipe import at_least, named


class Attention(nn.Module):
    """Multi-head self-attention :cite:p:`vaswani2017attention`, section 3.2.

    ``scaled=False`` leaves the factor 1/sqrt(head_dim) of eq. 1 out.  A hook
    on ``rows`` sees the attention rows (N, heads, T, T) of each pass.
    """

    def __init__(
        self, dim: int, heads: int, head_dim: int, *, scaled: bool = True
    ) -> None:
        super().__init__()
        self.heads = heads
        self.scale = head_dim**-0.5 if scaled else 1.0
        self.qkv = nn.Linear(dim, 3 * heads * head_dim)
        self.rows = nn.Softmax(dim=-1)
        self.out = nn.Linear(heads * head_dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, dim) to the same shape."""
        rows, values = self._attend(tokens)
        mixed: Tensor = self.out((rows @ values).transpose(1, 2).flatten(2))
        return mixed

    def weights(self, tokens: Tensor) -> Tensor:
        """Return what each token takes from each: (N, heads, T, T)."""
        return self._attend(tokens)[0]

    def _attend(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        split = self.qkv(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        logits = self.scale * query @ key.transpose(-2, -1)
        return self.rows(logits), value


class Block(nn.Module):
    """Attention and a two-layer network, each added to the stream.

    Normalises before each, inside the branch
    :cite:p:`dosovitskiy2021image`, eq. 2 and 3.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        head_dim: int,
        mlp_dim: int,
        *,
        dropout: float,
        activation: str,
        scaled: bool,
    ) -> None:
        super().__init__()
        entry = named(ELEMENTWISE, activation, "elementwise activation")
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attention = Attention(dim, heads, head_dim, scaled=scaled)
        self.dropout = nn.Dropout(dropout)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_dim),
            entry.make(1),  # channels come last here: one PReLU slope for all
            nn.Dropout(dropout),
            nn.Linear(mlp_dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, dim) to the same shape."""
        tokens = tokens + self.dropout(self.attention(self.norm1(tokens)))
        change: Tensor = self.mlp(self.norm2(tokens))
        return tokens + change


class Patches(nn.Module):
    """Cut pictures into squares and map each to a token, row by row."""

    def __init__(self, channels: int, patch_size: int, dim: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(channels, dim, patch_size, stride=patch_size)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, C, H, W) to tokens (N, T, dim)."""
        tokens: Tensor = self.embed(pictures)
        return tokens.flatten(2).transpose(1, 2)


class ViT(nn.Module):
    """Vision transformer :cite:p:`dosovitskiy2021image`, section 3.1.

    Takes pictures (N, channels, image_size, image_size), gives logits
    (N, classes) read from the class token.  The defaults are ViT-B/16,
    86,567,656 parameters.  ``activation`` is any elementwise one of the
    catalogue; ``head_dim`` is ``dim // heads`` unless given; ``scaled`` see
    :class:`Attention`; without ``positions`` the embeddings stay zero, and
    patches have no order.  Weights start at torch's defaults.  Raises
    ValueError for sizes that do not divide and for an unknown activation.
    """

    embedding: ClassVar[type[nn.Module]] = Patches
    block: ClassVar[type[Block]] = Block
    read: ClassVar[int] = 0  # the token that is classified from

    def __init__(
        self,
        *,
        image_size: int = 224,
        patch_size: int = 16,
        channels: int = 3,
        classes: int = 1000,
        dim: int = 768,
        depth: int = 12,
        heads: int = 12,
        head_dim: int | None = None,
        mlp_dim: int = 3072,
        dropout: float = 0.0,
        activation: str = "gelu",
        scaled: bool = True,
        positions: bool = True,
    ) -> None:
        super().__init__()
        at_least("depth", depth, 1)
        side = _divide("image_size", image_size, "patch_size", patch_size)
        head_dim = head_dim or _divide("dim", dim, "heads", heads)
        make_block = partial(
            self.block,
            dim,
            heads,
            head_dim,
            mlp_dim,
            dropout=dropout,
            activation=activation,
            scaled=scaled,
        )
        self.shape = (channels, image_size, image_size)
        self.patches = self.embedding(channels, patch_size, dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(0.02 * torch.randn(1, side**2 + 1, dim))
        if not positions:
            nn.init.zeros_(self.positions.requires_grad_(False))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(make_block() for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """Compute logits; ValueError for pictures of another shape."""
        if pictures.shape[1:] != self.shape:
            raise ValueError(
                f"pictures have shape {tuple(pictures.shape)}; this network "
                f"takes (N, {', '.join(map(str, self.shape))}): resize them, "
                "or set image_size and channels"
            )
        tokens = self.patches(pictures)
        first = self.class_token.expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], dim=1) + self.positions
        tokens = self.norm(self.blocks(self.dropout(tokens)))
        logits: Tensor = self.head(tokens[:, self.read])
        return logits


def vit_mnist(
    *,
    image_size: int = 28,
    channels: int = 1,
    classes: int = 10,
    dim: int = 64,
    depth: int = 4,
    head_dim: int = 16,
    activation: str = "gelu",
    scaled: bool = True,
    positions: bool = True,
) -> ViT:
    """Build a small ViT for digits: 4 x 4 patches, heads as the width asks.

    As many heads of ``head_dim`` as fit the stream's ``dim``, which must be a
    multiple of it; the MLP is twice as wide as the stream.  139,018
    parameters.
    """
    return ViT(
        image_size=image_size,
        patch_size=image_size // 4,
        channels=channels,
        classes=classes,
        dim=dim,
        depth=depth,
        heads=_divide("dim", dim, "head_dim", head_dim),
        mlp_dim=2 * dim,
        activation=activation,
        scaled=scaled,
        positions=positions,
    )


class AddedAttention(nn.Module):
    """Attention alone, behind a norm and added to the stream."""

    def __init__(self, like: Block) -> None:
        super().__init__()
        (dim,) = like.norm1.normalized_shape
        heads = like.attention.heads
        width = like.attention.out.in_features // heads
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.attention = Attention(dim, heads, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, dim) to the same shape."""
        change: Tensor = self.attention(self.norm(tokens))
        return tokens + change


def vit_with_attention(*, classes: int = 10) -> ViT:
    """Build :func:`vit_mnist` with one more attention layer behind its blocks.

    It is report R3's proposal for a ViT of which little is trained.
    """
    vit = vit_mnist(classes=classes)
    last = vit.blocks[-1]
    assert isinstance(last, Block)
    vit.blocks.append(AddedAttention(last))
    return vit


class R1Block(Block):
    """Report R1's block: the stream itself is overwritten by its norm."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, dim) to the same shape."""
        tokens = self.norm1(tokens)
        tokens = tokens + self.dropout(self.attention(tokens))
        tokens = self.norm2(tokens)
        change: Tensor = self.mlp(tokens)
        return tokens + change


class Stretches(nn.Module):
    """Report R1's "patches": equally many consecutive pixels a token.

    At 28 pixels a side that is a stretch of 1.75 rows, not a 7x7 square.
    """

    def __init__(self, channels: int, patch_size: int, dim: int) -> None:
        super().__init__()
        self.embed = nn.Linear(channels * patch_size**2, dim)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, C, H, W) to tokens (N, T, dim)."""
        size = self.embed.in_features
        tokens: Tensor = self.embed(pictures.reshape(len(pictures), -1, size))
        return tokens


class R1ViT(ViT):
    """Report R1's network, defects included, 208,522 parameters.

    Tokens are stretches of pixels; a norm overwrites the residual stream; the
    last patch is classified from, not the class token.  Which parameters have
    biases follows from the count; where dropout sits and the first weights
    are not recorded and are those of :class:`ViT`.
    """

    embedding = Stretches
    block = R1Block
    read = -1

    def __init__(
        self,
        *,
        image_size: int = 28,
        patch_size: int = 7,
        channels: int = 1,
        classes: int = 10,
        activation: str = "gelu",
        scaled: bool = True,
    ) -> None:
        super().__init__(
            image_size=image_size,
            patch_size=patch_size,
            channels=channels,
            classes=classes,
            dim=128,
            depth=1,
            heads=8,
            head_dim=16,
            mlp_dim=512,
            dropout=0.2,
            activation=activation,
            scaled=scaled,
        )


def _divide(whole: str, size: int, part: str, step: int) -> int:
    if step < 1 or size < step or size % step:
        raise ValueError(
            f"{whole} is {size} and {part} is {step}; {whole} must be a "
            f"multiple of {part}"
        )
    return size // step
