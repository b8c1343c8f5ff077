"""Report R1's networks for Tiny-VOC, at its 224 px and at fewer.

All take pictures (N, 3, side, side) and give logits (N, classes).  Its fourth
is ``resnet.ResNet(18, classes=5)``, 11,179,077 parameters, at any side.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from coursework.models.lenet import LeNet
from coursework.models.vgg import VGG
from coursework.models.vit import Block, Stretches, ViT
from coursework.recipe import at_least


def lenet(
    *,
    side: int = 224,
    classes: int = 5,
    batch_norm: bool = True,
    dropout: float = 0.5,
) -> LeNet:
    """Build the report's LeNet with batch norm and dropout.

    5,407,313 parameters, nearly all between 16 maps of 53×53 and 120 units
    :cite:p:`lecun1998gradient`.  The dropout's rate and place are not
    recorded; here it follows the hidden dense layers.
    """
    return LeNet(
        channels=3,
        classes=classes,
        side=side,
        batch_norm=batch_norm,
        dropout=dropout,
    )


def vgg(
    *,
    side: int = 224,
    classes: int = 5,
    width: int = 64,
    batch_norm: bool = False,
    dropout: float = 0.5,
) -> VGG:
    """Build the report's network of five convolutions, each pooled after.

    110,777,333 parameters: 64, 128, 256, 512 and 512 maps (``width`` scales
    them and the dense layers), then 25088-4096-1000-5.  VGG-11
    :cite:p:`simonyan2015vgg` has eight convolutions and 4096 in place of the
    1000.  The rate of dropout is not recorded.  Raises ValueError for a side
    below 32.
    """
    at_least("side", side, 32)
    return VGG(
        classes=classes,
        width=width,
        stages=((1,), (2,), (4,), (8,), (8,)),
        pooled=side // 32,
        hidden=(64 * width, 1000 * width // 64),
        batch_norm=batch_norm,
        dropout=dropout,
    )


class PostNormBlock(Block):
    """Attention and a two-layer network, a norm after each sum.

    As :cite:p:`vaswani2017attention`, section 3.1, and torch's
    ``TransformerEncoderLayer`` unless told otherwise.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, T, dim) to the same shape."""
        change: Tensor = self.dropout(self.attention(tokens))
        tokens = self.norm1(tokens + change)
        change = self.mlp(tokens)
        mapped: Tensor = self.norm2(tokens + change)
        return mapped


class R1VocViT(ViT):
    """Report R1's ViT for Tiny-VOC: what it took for patches are stretches.

    Each token is a run of ``3 * patch_size**2`` numbers of one colour's map,
    row after row: at 224 px and patches of 16 that is 3.4 rows.  Norms come
    after the sums.  Activation, dropout and the token that is classified
    from are not recorded; they are those of :class:`ViT`.
    """

    embedding = Stretches
    block = PostNormBlock


def vit(
    *,
    form: type[ViT] = ViT,
    side: int = 224,
    patch_size: int = 16,
    classes: int = 5,
    dim: int = 768,
    depth: int = 6,
    heads: int = 12,
    dropout: float = 0.1,
) -> ViT:
    """Build a ViT, its MLP four times as wide as its stream.

    43,275,269 parameters in the right form :cite:p:`dosovitskiy2021image` and
    in the report's, ``R1VocViT``.  Raises ValueError for sizes that do not
    divide.
    """
    return form(
        image_size=side,
        patch_size=patch_size,
        classes=classes,
        dim=dim,
        depth=depth,
        heads=heads,
        mlp_dim=4 * dim,
        dropout=dropout,
    )


# For 64 px: 338,513, 1,027,841 and 827,141 parameters.
small_lenet = partial(lenet, side=64)
small_vgg = partial(vgg, side=64, width=16)
small_vit = partial(vit, side=64, patch_size=8, dim=128, depth=4, heads=4)
