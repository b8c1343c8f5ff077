"""The command ``python -m benchmarks.gpu``: settings, and who takes part."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

import benchmarks
from benchmarks import plain, turns
from benchmarks.gpu import peers
from coursework import devices, gpus, training
from coursework.data.augment import View
from coursework.models.lenet import LeNet
from coursework.models.resnet import ResNet
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel

KERNELS = 15  # that an account of the time lists


class Setting(NamedTuple):
    """A network of ours, torchvision's and timm's, and what they see."""

    ours: Callable[[], nn.Module]
    others: tuple[peers.Build, peers.Build]
    view: View
    batch: int
    pictures: int


LARGE = View(side=224, channels=3)
SETTINGS = {
    "LeNet": Setting(LeNet, (LeNet, LeNet), View(), 1024, 60_000),
    "ResNet-18": Setting(
        partial(ResNet, 18, classes=10),
        peers.named("resnet18"),
        LARGE,
        256,
        10_240,
    ),
    "ResNet-50": Setting(
        partial(ResNet, 50, classes=10),
        peers.named("resnet50"),
        LARGE,
        256,
        5_120,
    ),
}


def compare(
    name: str, setting: Setting, rounds: int, device: torch.device
) -> list[turns.Row]:
    """Measure one network all ways; a row each."""
    clock = partial(finished, device)
    pictures = plain.dataset(plain.transform(setting.view))
    some = (pictures.data, pictures.targets)
    ours = epoch(setting, *some, device)
    compiled = epoch(setting, *some, device, compiled=True)
    others = peers.peers(
        setting.others, pictures, setting.pictures, setting.batch, device
    )
    rows = turns.compare(
        ours,
        {"ours, compiled": compiled, **others},
        rounds,
        clock=clock,
        network=name,
        pixels=setting.view.side or 28,
        batch=setting.batch,
    )
    share = used(setting, turns.seconds(ours, clock), device)
    return [row | {"share of the peak": share} for row in rows]


def epoch(
    setting: Setting,
    pictures: torch.Tensor,
    targets: torch.Tensor,
    device: torch.device,
    *,
    compiled: bool = False,
) -> turns.Contestant:
    """Prepare a pass of ours over pictures that stay on the device."""
    network: Any = setting.ours().to(device)
    if compiled:
        network = torch.compile(network)
    recipe = Recipe(
        epochs=1000,
        batch_size=setting.batch,
        learning_rate=peers.RATE,
        momentum=peers.MOMENTUM,
        precision="auto",
    )
    loop = training.Training(network, recipe, setting.view, seed=0)
    inputs = pictures[: setting.pictures, None].to(device)
    wanted = targets[: setting.pictures].to(device)
    return partial(loop.epoch, inputs, wanted, SingleLabel())


def used(setting: Setting, seconds: float, device: torch.device) -> str:
    """Write which share of the device's peak a pass of ours used."""
    if device.type != "cuda":
        return "–"
    example = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    work = training.multiply_adds(setting.ours(), example, setting.view)
    share = gpus.share_of_peak(
        work, setting.pictures / seconds, torch.cuda.get_device_name(device)
    )
    return "–" if share is None else f"{100 * share:.0f} %"


def finished(device: torch.device) -> float:
    """Read the clock once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def account(setting: Setting, device: torch.device) -> str:
    """Say where the time of a pass of ours goes, kernel by kernel."""
    pictures = plain.dataset([])
    steps = epoch(setting, pictures.data, pictures.targets, device)
    steps()  # what is done but once is not asked about
    kinds = [ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    with profile(activities=kinds) as seen:
        steps()
    order = f"self_{device.type}_time_total"
    table: str = seen.key_averages().table(sort_by=order, row_limit=KERNELS)
    return table


def main() -> None:
    """Measure the networks that are named, or account for their time."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("names", nargs="*", metavar="NETWORK")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--account", action="store_true", help="list kernels, measure nothing"
    )
    given = parser.parse_args()
    if unknown := set(given.names) - set(SETTINGS):
        parser.error(f"unknown {unknown}; accepted: {', '.join(SETTINGS)}")
    device = devices.pick_device()
    chosen = {name: SETTINGS[name] for name in given.names or SETTINGS}
    if given.account:
        for name, setting in chosen.items():
            print(name, account(setting, device), sep="\n")
        return
    if device.type != "cuda":
        parser.error(
            f"the device is {device}; this benchmark is about GPUs, and none "
            "is here: `coursework doctor` says what torch sees"
        )
    rows = []
    for name, setting in chosen.items():
        for row in compare(name, setting, given.rounds, device):
            print(row, flush=True)
            rows.append(row)
    benchmarks.store("gpu", rows)


if __name__ == "__main__":
    main()
