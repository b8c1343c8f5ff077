"""Random changes of training pictures: each its own, the batch at once.

The changes take one parameter a picture, of shape (N, 1, 1, 1) unless said
otherwise, and floats between 0 and 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from coursework.data.mixing import erase
from coursework.recipe import at_least


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What may happen to a training picture, and how much of it.

    ``flip`` is the probability of mirroring left-right; each of the others
    happens with ``probability``, its parameters uniform: ``rotate`` within
    ± degrees; ``colour`` brightness, contrast, saturation (within 1 ±
    ``colour``) and hue (± that share of the circle), in this order; ``blur``
    with a Gaussian of kernel 3 and a standard deviation of so many pixels or
    down to half of it; ``crop`` cuts out a part of the picture's own shape
    and at least this share of its area, and enlarges it; ``noise`` adds to
    every number a Gaussian one of this standard deviation; ``erase`` puts
    random numbers in the place of a part of at most this share of its area
    :cite:p:`zhong2020erasing`.  Grey pictures have no saturation and no hue.
    """

    flip: float = 0.0
    rotate: float = 0.0
    colour: float = 0.0
    blur: float = 0.0
    crop: float = 1.0
    probability: float = 0.5
    noise: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values that no picture could be changed by."""
        for name, high in _HIGHEST.items():
            value = getattr(self, name)
            if not 0 <= value <= high:
                raise ValueError(f"{name} is {value}; accepted: [0, {high}]")
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop is {self.crop}; accepted: (0, 1]")
        at_least("blur", self.blur, 0)
        at_least("noise", self.noise, 0)

    def __call__(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Change (N, C, H, W), uint8 or floats in 0..1, to the same.

        As many random numbers are drawn whatever is turned on, so arms that
        differ in one operation share all others; none if nothing is.  Raises
        ValueError if ``colour`` is to change other than 1 or 3 channels.
        """
        if replace(self, probability=0.5) == Augment():
            return pictures
        n, channels, height, width = pictures.shape
        if self.colour and channels not in (1, 3):
            raise ValueError(
                f"pictures have {channels} channels; colour takes 1 or 3: "
                "leave it at 0"
            )
        mirrored = torch.rand(n, generator=generator) < self.flip
        happens = torch.rand(4, n, generator=generator) < self.probability
        drawn = torch.rand(9, n, generator=generator)
        within = 2 * drawn - 1
        degrees = happens[0] * self.rotate * within[0]
        share = 1 - happens[1] * (1 - self.crop) * drawn[1]
        colours = (happens[2] * self.colour * within[4:8]).T
        sigma = happens[3] * self.blur * (1 + drawn[8]) / 2
        maps = affine(mirrored, degrees, share, within[2:4], height / width)
        moved = mirrored | (degrees != 0) | (share < 1)
        batch = _floats(pictures)
        _change(batch, moved, sample, maps)
        _change(batch, colours.any(1), recolour, colours)
        _change(batch, sigma > 0, blur, sigma[:, None, None, None])
        self._cover(batch, generator)
        if pictures.is_floating_point():
            return batch
        return batch.mul_(255).round_().to(pictures.dtype)

    def _cover(self, batch: Tensor, generator: torch.Generator) -> None:
        """Add noise and erase, in place."""
        for name, cover in COVERS.items():
            if amount := getattr(self, name):
                own = forked(generator, name)
                hit = torch.rand(len(batch), generator=own) < self.probability
                rows = hit.nonzero().flatten().to(batch.device)
                batch[rows] = cover(batch[rows], amount, own)


_HIGHEST = {
    "flip": 1,
    "rotate": 180,
    "colour": 0.5,
    "probability": 1,
    "erase": 1,
}
_CACHED = 2**18  # numbers that a CPU changes at once
R1 = Augment(flip=0.5, rotate=10, colour=0.2, blur=0.8, crop=0.5)


def _floats(pictures: Tensor) -> Tensor:
    """Copy into floats."""
    if pictures.is_floating_point():
        return pictures.clone()
    return pictures.float().div_(255)


def _change(
    batch: Tensor,
    chosen: Tensor,
    change: Callable[[Tensor, Tensor], Tensor],
    values: Tensor,
) -> None:
    """Change the chosen pictures in place, the others not by a bit."""
    places = chosen.nonzero().flatten()
    if not len(places):
        return
    several = len(places)
    if batch.device.type == "cpu":  # a whole batch would leave its caches
        several = max(1, _CACHED // batch[0].numel())
    for some in places.split(several):
        rows = some.to(batch.device)
        old = batch.index_select(0, rows)
        batch[rows] = change(old, values[some].to(batch))


def forked(generator: torch.Generator, purpose: str) -> torch.Generator:
    """Make a generator from what the given one would draw next, for a purpose.

    That one is left as it is, so what came later than others is drawn
    without moving what the others draw, in this batch or in the next.
    """
    state = generator.get_state().numpy().tobytes() + purpose.encode()
    seed = int.from_bytes(hashlib.sha256(state).digest()[:7], "big")
    return torch.Generator().manual_seed(seed)


def affine(
    mirrored: Tensor,
    degrees: Tensor,
    share: Tensor,
    place: Tensor,
    aspect: float,
) -> Tensor:
    """Say where a flipped, then turned, then cropped picture's pixels are from.

    Returns maps (N, 2, 3) for ``affine_grid``, of (N,) each: ``degrees``
    anticlockwise, ``share`` of the area; ``place`` (2, N) puts the part from
    far left or top (-1) to far right or bottom (1).  ``aspect`` is height
    over width: one unit is half a side, so a turn has to know both.
    """
    angle, side = degrees.deg2rad(), share.sqrt()
    across = 1 - 2 * mirrored.float()
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack(
        [across * cos, -across * sin * aspect, sin / aspect, cos], dim=-1
    ).unflatten(-1, (2, 2))
    centre = ((1 - side) * place).T[:, :, None]
    return torch.cat([turn * side[:, None, None], turn @ centre], dim=-1)


def sample(batch: Tensor, maps: Tensor) -> Tensor:
    """Draw each picture anew as its map (N, 2, 3) says, in one pass.

    What is turned in from outside is the picture's reflection: black corners
    would be edges that no picture has, and would tell how far it was turned.
    """
    grid = affine_grid(maps, list(batch.shape), align_corners=False)
    return grid_sample(
        batch, grid, padding_mode="reflection", align_corners=False
    )


def recolour(batch: Tensor, shares: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue by ``shares`` (N, 4)."""
    light, spread, vivid, turn = shares.T[..., None, None, None]
    batch = (batch * (1 + light)).clamp_(0, 1)
    mean = _grey(batch).mean((-3, -2, -1), keepdim=True)
    batch = torch.lerp(mean, batch, 1 + spread).clamp_(0, 1)
    if batch.shape[1] == 1:
        return batch
    batch = torch.lerp(_grey(batch), batch, 1 + vivid).clamp_(0, 1)
    return hue(batch, turn)


def _grey(batch: Tensor) -> Tensor:
    """Return luma (N, 1, H, W), by ITU-R BT.601's weights."""
    if batch.shape[1] == 1:
        return batch
    red, green, blue = batch.split(1, dim=1)
    luma: Tensor = 0.2989 * red + 0.587 * green + 0.114 * blue
    return luma


def hue(batch: Tensor, turn: Tensor) -> Tensor:
    """Turn hues by a share of the circle; HSV's other two stay."""
    red, green, blue = batch.split(1, dim=1)
    low, high = batch.aminmax(dim=1, keepdim=True)
    chroma = high - low
    scale = chroma.clamp(min=1e-12)  # grey, all differences 0: any will do
    sixth = torch.where(
        high == red,
        (green - blue) / scale,
        torch.where(
            high == green, 2 + (blue - red) / scale, 4 + (red - green) / scale
        ),
    )
    place = sixth + 6 * turn
    place -= 6 * (place / 6).floor_()  # many times faster than remainder
    pure = [
        (place - 3).abs_() - 1,
        2 - (place - 2).abs_(),
        2 - (place - 4).abs_(),
    ]
    return torch.addcmul(low, chroma, torch.cat(pure, dim=1).clamp_(0, 1))


def blur(batch: Tensor, sigma: Tensor) -> Tensor:
    """Convolve with a Gaussian, 3×3 pixels; edges are reflected."""
    side = torch.exp(-0.5 / sigma.square())
    middle = 1 / (1 + 2 * side)
    side = side * middle
    wide = pad(batch, [1, 1, 1, 1], mode="reflect")
    wide = middle * wide[..., 1:-1] + side * (wide[..., 2:] + wide[..., :-2])
    rows = wide[..., 1:-1, :], wide[..., 2:, :], wide[..., :-2, :]
    return middle * rows[0] + side * (rows[1] + rows[2])


def add_noise(batch: Tensor, spread: float, own: torch.Generator) -> Tensor:
    """Add a Gaussian number to each; what is no light any more is cut off."""
    noise = torch.randn(batch.shape, generator=own).to(batch)
    return (batch + spread * noise).clamp_(0, 1)


COVERS: Mapping[str, Callable[[Tensor, float, torch.Generator], Tensor]] = {
    "noise": add_noise,
    "erase": erase,
}
