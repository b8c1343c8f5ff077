"""Where networks train: on the device asked for, or on the best there is."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

VARIABLE = "COURSEWORK_DEVICE"
ACCEPTED = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


class NoDeviceError(RuntimeError):
    """The device asked for is not there."""


def asked() -> str:
    """Return what ``COURSEWORK_DEVICE`` asks for, "auto" if nothing.

    Raises NoDeviceError for what names no device.
    """
    name = os.environ.get(VARIABLE) or "auto"
    if not ACCEPTED.fullmatch(name):
        raise NoDeviceError(
            f"{VARIABLE} is {name!r}; accepted: 'auto', 'cpu', 'cuda', "
            "'cuda:N' with a GPU's number, 'mps'"
        )
    return name


def pick_device() -> torch.device:
    """Take the device asked for; "auto" is a GPU where torch sees one.

    Raises NoDeviceError, naming the devices there are, if the one asked for
    by name is not among them: nothing else is taken in its place.
    """
    import torch  # noqa: PLC0415  # a command that refuses does without

    name, there = asked(), available()
    if name == "auto":
        name = "cuda" if "cuda" in there else "cpu"
    if name not in there:
        raise NoDeviceError(
            f"{VARIABLE} is {name!r}, which torch {torch.__version__} does not "
            f"see here; it sees: {', '.join(there)}. Choose one of these or "
            "'auto'"
        )
    return torch.device(name)


def available() -> list[str]:
    """Name the devices that torch can use here."""
    import torch  # noqa: PLC0415

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    numbered = [f"cuda:{number}" for number in range(gpus)]
    apple = ["mps"] * torch.backends.mps.is_available()
    return ["cpu", *["cuda"] * bool(gpus), *numbered, *apple]


def refuse_missing() -> None:
    """Raise NoDeviceError where pick_device would; cheap if none is named."""
    if asked() not in ("auto", "cpu"):
        pick_device()
