"""Where a network looks: Grad-CAM, and whether that is on the object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate


def grad_cam(
    network: nn.Module,
    layer: nn.Module,
    pictures: Tensor,
    classes: Tensor,
    *,
    size: tuple[int, int] | None = None,
    mode: Literal["bilinear", "nearest"] = "bilinear",
    prefix: int | None = None,
) -> NDArray[np.float32]:
    """Map which places speak for a class :cite:p:`selvaraju2017gradcam`.

    Pictures float (N, C, H, W) and a class (N,) for each give maps
    (N, H, W), or of ``size``, from 0 to 1: eq. 1 and 2 on what ``layer`` puts
    out in evaluation mode, enlarged by ``mode``, divided by the largest.  A
    map stays 0 where nothing speaks for the class.  With a ``prefix`` the
    layer puts out tokens (N, prefix + places, C), and the first of them, as a
    class token, have no place.  Raises ValueError where the layer gives no
    maps (N, C, H, W), or no such tokens.
    """
    seen: list[Tensor] = []

    def cut(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        seen.append(output.detach().requires_grad_())
        return seen[-1].clone()  # the next module may work in place

    with (
        evaluating(network),
        torch.enable_grad(),
        layer.register_forward_hook(cut),
    ):
        outputs = network(pictures)
        if not seen or seen[-1].ndim != (4 if prefix is None else 3):
            raise ValueError(
                f"{type(layer).__name__} puts out "
                f"{tuple(seen[-1].shape) if seen else 'nothing'}; Grad-CAM "
                "takes a layer with maps (N, C, H, W), as last_map finds it, "
                "or with a prefix tokens (N, T, C), as last_tokens does"
            )
        chosen = outputs.gather(1, classes[:, None]).sum()
        (slopes,) = torch.autograd.grad(chosen, seen[-1])
    slopes, maps = (
        values if prefix is None else as_maps(values, prefix, pictures)
        for values in (slopes, seen[-1].detach())
    )
    weights = slopes.mean((2, 3), keepdim=True)
    coarse = (weights * maps).sum(1, keepdim=True).relu()
    coarse = coarse.nan_to_num(0, 0, 0)  # of a network that diverged
    maps = interpolate(coarse, size or pictures.shape[-2:], mode=mode)
    top = maps.amax((2, 3), keepdim=True)
    scaled: NDArray[np.float32] = (
        (maps / torch.where(top > 0, top, 1))[:, 0].float().cpu().numpy()
    )
    return scaled


def last_map(network: nn.Module, pictures: Tensor, least: int = 4) -> nn.Module:
    """Find the last module whose maps have ``least`` × ``least`` places.

    Fewer point at hardly anything.  Runs the network on ``pictures``
    (N, C, H, W) once.  Raises ValueError where tokens (N, T, C) come after
    it, as in a transformer, or there is none.
    """
    found: list[nn.Module] = []

    def note(module: nn.Module, _: Any, output: Any) -> None:
        shape = getattr(output, "shape", ())
        if len(shape) == 3:
            found.clear()
        elif len(shape) == 4 and min(shape[2:]) >= least:
            found.append(module)

    with ExitStack() as stack:
        stack.enter_context(evaluating(network))
        stack.enter_context(torch.no_grad())
        for module in network.modules():
            stack.enter_context(module.register_forward_hook(note))
        network(pictures)
    if not found:
        raise ValueError(
            f"{type(network).__name__} ends in no maps (N, C, H, W) of at "
            f"least {least} × {least}; Grad-CAM takes convolutional networks "
            "and pictures large enough for them"
        )
    return found[-1]


def last_tokens(network: nn.Module) -> nn.Module:
    """Find the norm before a transformer's last attention.

    Behind that attention only the token that is classified from has a slope,
    where there is one.  Raises ValueError where no module is called
    ``norm1``, as in our and timm's transformers.
    """
    found: list[nn.Module] = [
        module
        for name, module in network.named_modules()
        if name.split(".")[-1] == "norm1"
    ]
    if not found:
        raise ValueError(
            f"{type(network).__name__} has no norm1 before an attention; "
            "Grad-CAM of convolutional networks takes last_map"
        )
    return found[-1]


def as_maps(tokens: Tensor, prefix: int, pictures: Tensor) -> Tensor:
    """Lay tokens (N, prefix + places, C) out as maps (N, C, H', W').

    Row by row, in the form of ``pictures`` (N, C, H, W); the first ``prefix``
    tokens are left out.  Raises ValueError where the places don't fill it.
    """
    placed = tokens[:, prefix:].transpose(1, 2)
    number, (height, width) = placed.shape[2], pictures.shape[-2:]
    lines = round((number * height / width) ** 0.5)
    if not lines or number % lines or number * height != lines**2 * width:
        raise ValueError(
            f"{number} tokens behind the first {prefix} do not fill a picture "
            f"of {height} × {width}; set prefix to the number of tokens "
            "without a place"
        )
    maps: Tensor = placed.unflatten(2, (lines, -1))
    return maps


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Hold a network in evaluation mode; each module gets its own back."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def peaks(maps: NDArray[Any]) -> NDArray[np.intp]:
    """Find row and column (N, 2) of each map's maximum, maps (N, H, W).

    Of equal maxima the one nearest to their mean position is taken: of a
    place enlarged by "nearest", its middle.  Maps enlarged bilinearly are
    flat beyond the middles of their outermost places, which would draw a
    finger to the picture's border.
    """
    found = []
    for one in maps:
        tied = np.argwhere(one == one.max())
        off = ((tied - tied.mean(0)) ** 2).sum(1)
        found.append(tied[off.argmin()])
    return np.array(found, np.intp).reshape(-1, 2)


def pointing(maps: NDArray[Any], masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Play the pointing game :cite:p:`zhang2016excitation`, section 4.1.

    Tells for each map (N, H, W) whether its maximum lies on the mask
    (N, H, W).  Deviates from the paper: no tolerance of 15 pixels, as masks
    are finer than its boxes.  A map of one value everywhere points nowhere.
    """
    rows, columns = peaks(maps).T
    hits: NDArray[np.bool_] = masks[np.arange(len(masks)), rows, columns]
    hits &= np.ptp(maps, axis=(1, 2)) > 0
    return hits


def chance(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share (N,) of pixels on the mask: where a blind finger hits."""
    return np.asarray(masks.mean((1, 2)), np.float64)


def centre(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell (N,) whether a finger on the middle of the picture hits."""
    height, width = masks.shape[1:]
    hits: NDArray[np.bool_] = masks[:, height // 2, width // 2]
    return hits
