"""``coursework train gan`` and ``coursework generate``, by hand.

Nothing heavy is imported before it is needed.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

from coursework import devices, paths

if TYPE_CHECKING:
    from coursework.data.splits import Loader
    from coursework.generative.gan import Gan

SHEET = 10  # pictures in a row


@dataclass(frozen=True, kw_only=True)
class Drawer:
    """A generator and its discriminator, as they are asked for by hand.

    Args:
        steps: Updates of the generator.
        reports: At how many points of the training progress is shown.
        batch_size: Real pictures a step.
        conditioning: What makes the generator obey its label.
        latent: How many random numbers a picture is drawn from.
        width: Maps of the layer next to the picture.
        lr: Learning rate of both networks.
        momentum: Of Adam's mean of gradients.
        real: What the discriminator should say of real pictures.
        drawn: What it should say of drawn ones.
        every: The discriminator learns in one step of so many.
        shift: Pixels by which it sees all pictures moved, at random.
        dataset: Which data set; a wrong name lists all.
        train: How many training pictures; None for all of them.
        side: To how many pixels pictures are resized, in sets made so.
        seed: Of everything random.
        file: Where both networks are kept; None: among this machine's runs.
    """

    steps: int = 2000
    reports: int = 10
    batch_size: int = 64
    conditioning: Literal["label", "auxiliary", "none"] = "label"
    latent: int = 64
    width: int = 32
    lr: float = 2e-4
    momentum: float = 0.5
    real: float = 0.9
    drawn: float = 0.0
    every: int = 1
    shift: int = 0
    dataset: str = "mnist"
    train: int | None = None
    side: int | None = None
    seed: int = 0
    file: Path | None = None


def train(options: Annotated[Drawer, arg(name="")]) -> int:
    """Train a conditional DCGAN and keep it, for `coursework generate`.

    A killed training goes on when the same command is given again.
    """
    devices.refuse_missing()
    from coursework.generative import store

    method, data = settings(options), _loader(options)
    file = options.file or _file()
    for epoch in store.train(method, data, file, options.seed):
        scores = "".join(
            f", {name} {value:.3f}" for name, value in epoch.validation.items()
        )
        print(
            f"step {epoch.epoch * method.steps // method.reports}: train loss "
            f"{epoch.train_loss:.4f}, validation loss "
            f"{epoch.validation_loss:.4f}{scores}, {epoch.seconds:.1f} s",
            flush=True,
        )
    print(f"generator and discriminator are kept in {file}")
    return 0


def settings(options: Drawer) -> Gan:
    """Gather what goes into the method."""
    from coursework.generative.gan import Gan

    return Gan(
        steps=options.steps,
        reports=options.reports,
        batch_size=options.batch_size,
        conditioning=options.conditioning,
        latent=options.latent,
        width=options.width,
        learning_rate=options.lr,
        momentum=options.momentum,
        real=options.real,
        drawn=options.drawn,
        every=options.every,
        shift=options.shift,
    )


def generate(
    *,
    count: int = 10,
    klass: Annotated[str | None, arg(name="class")] = None,
    file: Path | None = None,
    seed: int = 0,
    out: Path = Path("generated.png"),
) -> int:
    """Draw pictures with a generator that `coursework train gan` has kept.

    Args:
        count: How many.
        klass: Name of the class to draw; None: all in turn.
        file: Where the generator is kept; None: among this machine's runs.
        seed: Another one draws other pictures.
        out: A name that ends with .png for one sheet of all pictures, else a
            folder for one PNG each.
    """
    from PIL import Image

    from coursework.generative import store
    from coursework.views.generated_pictures import sheet

    if out.suffix not in ("", ".png"):
        raise ValueError(
            f"out is {out}; accepted: a name that ends with .png, for a "
            "sheet, or a folder, for pictures one by one"
        )
    drawn = store.generate(file or _file(), count, klass, seed)
    pictures = drawn.repeat(3 // drawn.shape[1], 1).transpose(0, 2, 3, 1)
    if out.suffix == ".png":
        out.parent.mkdir(parents=True, exist_ok=True)
        sheet(pictures, min(count, SHEET)).save(out)
        print(f"{count} pictures on one sheet: {out}")
        return 0
    out.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(out / f"{number:05}.png")
    print(f"{count} pictures: {out}")
    return 0


def _file() -> Path:
    return paths.runs() / "gan.pt"


def _loader(options: Drawer) -> Loader:
    """Bind the data set with what it can be told of its size."""
    from coursework.data import sets

    whole: Any = sets.loader(options.dataset)
    takes = inspect.signature(whole).parameters
    given = {"train": options.train, "side": options.side}
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if name not in takes:
            raise ValueError(
                f"{name} is {value}; {options.dataset} has no such choice: "
                f"leave --{name} out"
            )
    return sets.loader(options.dataset, **given)
