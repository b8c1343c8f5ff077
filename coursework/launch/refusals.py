"""What can't be meant among the options of ``coursework train``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from coursework.launch import adhoc, choices
from coursework.launch.options import Options
from coursework.recipe import Recipe, at_least

# These decide which other options have a use, so they are judged first.
DECIDING = ("dataset", "att_type", "side", "source")
RECIPE = {
    "epochs": "epochs",
    "lr": "learning_rate",
    "batch_size": "batch_size",
    "optimiser": "optimiser",
    "momentum": "momentum",
    "weight_decay": "weight_decay",
    "early_stop": "early_stop",
    "schedule": "schedule",
    "precision": "precision",
}


def faults(options: Options) -> list[str]:
    """List all that is wrong with the options, each told once.

    What hangs on a wrong model, data set or attention can't be judged, and
    is left out then.
    """
    found = [*_faults_of_training(options)]
    if options.task is not None:  # it is judged where its grids are known
        return found
    plain = Options(practical=options.practical, model=options.model)
    hopeless = _told(lambda: choices.choose(plain))
    if not hopeless:
        found += _faults_of_network(options, plain)
    return [*dict.fromkeys(hopeless + found)]


def _faults_of_training(options: Options) -> Iterator[str]:
    """Judge what goes into the recipe, and how many pictures there are."""
    for option, argument in RECIPE.items():
        changed: dict[str, Any] = {argument: getattr(options, option)}
        yield from _told(lambda c=changed: Recipe(**{"epochs": 1, **c}))
    if options.train is not None:
        train = options.train
        yield from _told(lambda: at_least("train", train, 1))


def _faults_of_network(options: Options, plain: Options) -> list[str]:
    """Judge the options of a known model, beside those that decide."""
    deciding = {name: getattr(options, name) for name in DECIDING}
    found = [
        fault
        for name, value in deciding.items()
        for fault in _told(
            lambda n=name, v=value: _bound(replace(plain, **{n: v}))
        )
    ]
    if found:
        return found
    for name in [n for n in choices.OTHERS if n not in deciding]:
        if (value := getattr(options, name)) != getattr(Options, name):
            asked = replace(plain, **deciding, **{name: value})
            found += _told(lambda a=asked: adhoc.cell(a))
    return found or _told(lambda: adhoc.cell(_trained_once(options)))


def _bound(options: Options) -> None:
    choices.bind(choices.choose(options), options)


def _trained_once(options: Options) -> Options:
    """Take the recipe's options, which are judged apart, at their defaults."""
    plain = {name: getattr(Options, name) for name in (*RECIPE, "train")}
    return replace(options, **plain)


def _told(check: Callable[..., Any]) -> list[str]:
    """Return what a check says against it, if anything."""
    try:
        check()
    except ValueError as fault:
        return [str(fault)]
    return []
