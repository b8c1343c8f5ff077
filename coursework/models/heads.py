"""Last layers that a loss of their own goes with, see ``losses_single``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from coursework.models.transfer import head


class CosineHead(nn.Linear):
    """Give ``scale`` times the cosine between features and class weights.

    Features (N, size) to (N, classes).  The margin of ArcFace or CosFace is
    the loss's, so training and evaluation are alike here.  The scale bounds
    the logits: 16 is enough for more than 99 % on one of 200 classes, by
    :cite:t:`wang2018cosface`, section 3.3.
    """

    def __init__(self, size: int, classes: int, scale: float = 16.0) -> None:
        super().__init__(size, classes, bias=False)
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        """Return (N, classes), each within ± ``scale``."""
        return self.scale * linear(normalize(input), normalize(self.weight))


class ContrastiveHead(nn.Module):
    """Give logits and, in training, an embedding of length 1 beside them.

    Features (N, size) to (N, classes + dimensions), in evaluation mode to
    (N, classes).  The embedding is a two-layer network's, as in
    :cite:t:`khosla2020supervised`, section 3.1.  ``detached`` keeps the
    classifier's gradient from the features, which then learn by contrast
    alone: the paper's two stages at once.  Without it both shape them.
    """

    def __init__(
        self,
        size: int,
        classes: int,
        dimensions: int = 128,
        *,
        detached: bool = True,
    ) -> None:
        super().__init__()
        self.classifier = nn.Linear(size, classes)
        self.projection = nn.Sequential(
            nn.Linear(size, size), nn.ReLU(), nn.Linear(size, dimensions)
        )
        self.detached = detached

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, in training with the embedding behind them."""
        logits: Tensor = self.classifier(x.detach() if self.detached else x)
        if not self.training:
            return logits
        return torch.cat([logits, normalize(self.projection(x))], dim=1)


def reheaded(
    *,
    build: Callable[[], nn.Module],
    last: Callable[[int, int], nn.Module] = nn.Linear,
    dropout: float = 0.0,
) -> nn.Module:
    """Build a network with ``last(size, classes)`` for its linear head.

    ``dropout`` is that of the features before it
    :cite:p:`srivastava2014dropout`.
    """
    network = build()
    place = head(network)
    layer = network.get_submodule(place)
    assert isinstance(layer, nn.Linear)
    new = last(layer.in_features, layer.out_features)
    if dropout:
        new = nn.Sequential(nn.Dropout(dropout), new)
    network.set_submodule(place, new)
    return network
