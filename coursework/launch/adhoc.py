"""Train one network of a practical by hand, apart from all grids."""

from __future__ import annotations

from functools import partial

import torch

from coursework import experiment, records, training
from coursework.data import sets
from coursework.data.augment import View
from coursework.experiment import Run
from coursework.launch import choices
from coursework.launch.choices import Network
from coursework.launch.options import Options
from coursework.recipe import Recipe, at_least
from coursework.records import ADHOC, Record
from coursework.trial import Epoch


def train(options: Options) -> Record:
    """Do the run that was asked for, showing each epoch, or find it done.

    Killed, it goes on from its last checkpoint when it is asked for again.
    Raises ValueError for a wrong option, before any data is read.
    """
    asked = cell(options)
    shown = []

    def show(_: Run, epoch: Epoch) -> None:
        shown.append(epoch)
        scores = "".join(
            f", {name} {value:.4f}" for name, value in epoch.validation.items()
        )
        print(
            f"epoch {epoch.epoch}/{options.epochs}: rate "
            f"{epoch.learning_rate:.3g}, train loss {epoch.train_loss:.4f}, "
            f"validation loss {epoch.validation_loss:.4f}{scores}, "
            f"{epoch.seconds:.1f} s",
            flush=True,
        )

    print(_title(options), flush=True)
    record = experiment.execute(asked, on_epoch=show)
    if not shown:
        print(f"finished on {record.created}; nothing was trained again")
    return record


def cell(options: Options) -> Run:
    """Say which run is asked for; ValueError for a wrong option."""
    model = choices.choose(options)
    network = choices.bind(model, options)
    side = choices.side_of(model, options)
    _try(options.model, network, (model.channels, side, side))
    if options.train is not None:
        at_least("train", options.train, 1)
    trial = partial(
        training.fit,
        model=network,
        data=sets.loader(options.dataset, train=options.train),
        recipe=Recipe(
            epochs=options.epochs,
            batch_size=options.batch_size,
            optimiser=options.optimiser,
            learning_rate=options.lr,
            schedule=options.schedule,
            precision=options.precision,
        ),
        view=View(side=side, channels=model.channels),
        test=options.test,
    )
    return Run.of(ADHOC, options.model, ADHOC, options.seed, trial)


def _title(options: Options) -> str:
    """Say what is trained, with the options that its network has."""
    model = choices.choose(options)
    chosen = "".join(
        f", {name} {getattr(options, name)}"
        for name in choices.OTHERS
        if choices.has(model, name, options)
    )
    return f"{options.model}{chosen}, {options.dataset}, seed {options.seed}"


def _try(name: str, network: Network, shape: tuple[int, int, int]) -> None:
    """Pass one picture (C, H, W) through a network that takes no memory."""
    try:
        with torch.device("meta"), torch.no_grad():
            network().eval()(torch.zeros(1, *shape))
    except RuntimeError as error:
        raise ValueError(
            f"{name} takes no pictures of {shape[-1]} px ({error}); "
            "choose another --side"
        ) from error


def summary(record: Record) -> list[str]:
    """Lay a run out as lines of a name and a value."""
    found = record.history[-1]["validation"]
    scores = {
        **{f"validation {name}": f"{v:.4f}" for name, v in found.items()},
        **{f"test {name}": f"{v:.4f}" for name, v in record.scores.items()},
    }
    if not record.scores:
        scores["test set"] = "left alone; --test scores it"
    values = {
        "data": record.data["name"] + " (a stand-in)" * record.data["stand_in"],
        "parameters": f"{record.parameters:,}",
        "multiply-adds": f"{record.multiply_adds:,}",
        "precision": record.notes["precision"],
        "seconds of training": f"{record.seconds:.1f}",
        **scores,
        "diverged": record.diverged,
        "record": records.run_file(record.key, record.seed, record.profile),
    }
    return [f"{name:22s}{value}" for name, value in values.items() if value]
