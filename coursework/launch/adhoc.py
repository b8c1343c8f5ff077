"""Train one network of a practical by hand, apart from all grids."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch

from coursework import chain, experiment, records, training
from coursework.data import sets
from coursework.data.augment import View
from coursework.data.download import DataUnavailable
from coursework.data.folds import fold
from coursework.data.splits import Loader
from coursework.experiment import Run
from coursework.launch import batch, choices, logs, notebooks
from coursework.launch.choices import Network
from coursework.launch.options import Options
from coursework.recipe import Recipe, at_least, named
from coursework.records import ADHOC, Record
from coursework.trial import Epoch


def train(options: Options) -> Record:
    """Do the run that was asked for, showing each epoch, or find it done.

    Killed, it goes on from its last checkpoint when it is asked for again,
    unless it is not to resume.  Raises ValueError for a wrong option, before
    any data is read.
    """
    asked = cell(options)
    if not options.resume:
        experiment.checkpoint_file(asked).unlink(missing_ok=True)
    shown, log = [], logs.open_log(options.log, asked.name)

    def show(_: Run, epoch: Epoch) -> None:
        shown.append(epoch)
        log.write(epoch)
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
    with log:
        record = experiment.execute(asked, on_epoch=show)
    if not shown:
        print(f"finished on {record.created}; nothing was trained again")
    return record


def ablation(options: Options) -> int:
    """Do a task's runs as the practical declares them; show its grid.

    Returns the exit status.  Raises ValueError for a practical without
    tasks and for an unknown task.
    """
    assert options.task is not None
    named({"triplet": chain}, options.practical, "practical with tasks")
    wanted = chain.grids(options.task)
    book = notebooks.notebooks()[chain.PRACTICAL]
    if options.dataset:
        choices.dataset(options)
    done = batch.run(
        [book],
        {book.name: {"dataset": options.dataset or ""}},
        profile=options.profile,
        grids=wanted,
    )
    for error in done.failed.values():
        print(error, file=sys.stderr)
    found = {
        (run.variant, run.seed): records.find(run.trial, run.seed)
        for run in done.wanted
        if run.grid == wanted[-1]
    }
    if not done.failed and all(found.values()):
        print(_table(wanted[-1], found))
    return done.status


def _table(grid: str, found: Mapping[tuple[str, int], Record | None]) -> str:
    """Lay a grid's mean accuracies out, the winner by validation marked."""
    runs = [
        replace(record, variant=variant)
        for (variant, _), record in found.items()
        if record
    ]
    best, lines = records.best(runs), [f"{grid}: validation and test accuracy"]
    for name, group in records.grouped(runs).items():
        means = (
            sum(values) / len(group)
            for values in (
                map(records.validation, group),
                records.scores(group),
            )
        )
        mark = " *" if name == best else ""
        lines.append(f"{name:34s}{next(means):.4f}  {next(means):.4f}{mark}")
    return "\n".join(lines)


def cell(options: Options) -> Run:
    """Say which run is asked for; ValueError for a wrong option."""
    model = choices.choose(options)
    network = choices.bind(model, options)
    side = choices.side_of(model, options)
    untrained = choices.bind(model, replace(options, pretrained=False))
    _try(options.model, untrained, (model.channels, side, side))
    if options.train is not None:
        at_least("train", options.train, 1)
    trial = partial(
        training.fit,
        model=network,
        data=_data(options, side),
        recipe=Recipe(
            epochs=options.epochs,
            batch_size=options.batch_size,
            optimiser=options.optimiser,
            momentum=options.momentum,
            weight_decay=options.weight_decay,
            early_stop=options.early_stop,
            learning_rate=options.lr,
            schedule=options.schedule,
            precision=options.precision,
        ),
        view=View(side=side, channels=model.channels),
        test=options.test,
    )
    return Run.of(ADHOC, options.model, ADHOC, options.seed, trial)


def _data(options: Options, side: int) -> Loader:
    """Bind the data set, at a size if it is made for one, or a fold of it."""
    name = choices.dataset(options)
    sized = options.practical == "fine-grained" and name != "digits"
    settings = {"side": side} if sized else {}
    whole = sets.loader(name, train=options.train, **settings)
    if options.fold is None:
        return whole
    at_least("folds", options.folds, 2)
    numbers = {str(n): n for n in range(options.folds)}
    number = named(numbers, str(options.fold), "fold")
    return partial(fold, data=whole, number=number, folds=options.folds)


def _title(options: Options) -> str:
    """Say what is trained, with the options that its network has."""
    model = choices.choose(options)
    chosen = "".join(
        f", {name} {getattr(options, name)}"
        for name in choices.OTHERS
        if choices.has(model, name, options)
    )
    data = choices.dataset(options)
    return f"{options.model}{chosen}, {data}, seed {options.seed}"


def _try(name: str, network: Network, shape: tuple[int, int, int]) -> None:
    """Pass one picture (C, H, W) through a network that takes no memory."""
    try:
        with torch.device("meta"), torch.no_grad():
            network().eval()(torch.zeros(1, *shape))
    except DataUnavailable:
        raise  # a network whose code comes from a repository
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
