"""Tables and sentences of practical 7, from records and counted networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from IPython.display import HTML, Markdown

from coursework import outline, records, show, stats
from coursework.data.sets import SETS
from coursework.models.attention import MakeAttention, SqueezeExcite
from coursework.models.attention.branch import BETWEEN, GATES
from coursework.models.attention.cbam import CBAM
from coursework.models.attention.coordinate import CoordinateAttention
from coursework.models.attention.eca import ECA
from coursework.models.attention.pitfalls import batch_softmax
from coursework.models.attention.triplet import (
    TripletAttention,
    triplet_ca,
    triplet_lka,
)
from coursework.models.resnet import ResNet
from coursework.models.van import VAN
from coursework.outline.shapes import Shape
from coursework.recipe import named
from coursework.records import Record, grouped

PICTURE = (3, 32, 32)
COUNTED: Mapping[str, MakeAttention] = {
    "SE": SqueezeExcite,
    "ECA": ECA,
    "CBAM": CBAM,
    "CA, reduction 32": CoordinateAttention,
    "CA, reduction 16": partial(CoordinateAttention, reduction=16),
    "Triplet": TripletAttention,
    "Triplet, biases": partial(TripletAttention, bias=True),
    "Triplet, kernel 3": partial(TripletAttention, kernel=3),
    "Triplet, kernel 5": partial(TripletAttention, kernel=5),
    "TripletCA": triplet_ca,
    "TripletLKA": triplet_lka,
}
# What report R0 printed of costs, in its own words.
PRINTED = {
    (50, "Triplet"): "22.52 M, 4.17 G",
    (50, "TripletCA"): "1.16 % more parameters than Triplet",
}
# Report R0's two-epoch demonstration: top-1 in per cent, one run each; None
# where it left the field blank.
DEMO: Mapping[str, tuple[float, float | None]] = {
    "activation gelu": (22.05, 35.26),
    "activation leaky-relu": (24.48, 34.32),
    "pools max, avg, median": (23.11, None),
    "TripletCA": (24.07, 34.57),
    "CA": (19.98, 29.09),
}


def data_note(dataset: str) -> Markdown:
    """Say which data set a page shows; ValueError for an unknown one."""
    named(SETS, dataset, "data set")
    if dataset == "cifar100":
        return Markdown("**Data of this page: CIFAR-100**, as in report R0.")
    return Markdown(
        f"**Data of this page: `{dataset}`**, not report R0's CIFAR-100.  No "
        "accuracy here can be set beside the report's."
    )


def gate_ranges() -> pd.DataFrame:
    """List between which values a gate lies, by what stands before it.

    Over logits from -50 to 50, computed with the modules themselves.
    """
    logits = torch.linspace(-50, 50, 100_001)[:, None, None, None]
    rows = []
    for name, make in BETWEEN.items():
        row: dict[str, str] = {"activation": name}
        for gate in ("sigmoid", "tanh"):
            with torch.no_grad():
                values = GATES[gate]()(make(1)(logits))
            row[f"{gate} from"] = f"{float(values.min()):.3f}"
            row[f"{gate} to"] = f"{float(values.max()):.3f}"
        rows.append(row)
    return pd.DataFrame(rows)


def overheads() -> pd.DataFrame:
    """Count what attention adds to ResNet-18 and -50 with 100 classes.

    On CIFAR's stem at 32 px, beside what report R0 printed.
    """
    rows = []
    for depth in (18, 50):
        build = partial(ResNet, depth, classes=100, stem="cifar")
        base = _count(build, PICTURE)
        shapes = Counter(
            step.given
            for step in outline.steps(build, PICTURE)
            if step.name.endswith(".attention")
        )
        name = f"ResNet-{depth}"
        rows.append(_row(name, "none", base, (0, 0)))
        for block, make in COUNTED.items():
            more = _in_units(make, shapes)
            said = PRINTED.get((depth, block), "")
            rows.append(_row(name, block, base, more, said))
    # R0's VAN-B0 has 1000 outputs, as published
    rows.append(_row("VAN-B0", "its own", _count(VAN, PICTURE), (0, 0)))
    return pd.DataFrame(rows)


def _in_units(
    make: MakeAttention, shapes: Mapping[Shape, int]
) -> tuple[int, int]:
    """Count parameters and multiply-adds of a module in units so shaped."""
    parameters = work = 0
    for shape, units in shapes.items():
        own, products = _count(partial(make, shape[0]), shape)
        parameters += units * own
        work += units * products
    return parameters, work


def _count(build: outline.Build, shape: Shape) -> tuple[int, int]:
    """Count parameters and multiply-adds for one input."""
    (row,) = outline.costs({"": build}, shape).to_dict("records")
    return int(row["parameters"]), int(row["multiply-adds"])


def _row(
    network: str,
    attention: str,
    base: tuple[int, int],
    more: tuple[int, int],
    said: str = "",
) -> dict[str, str]:
    return {
        "network": network,
        "attention": attention,
        "parameters": f"{base[0] + more[0]:,}",
        "added": f"{more[0]:+,}",
        "multiply-adds": f"{base[1] + more[1]:,}",
        "added, %": f"{100 * more[1] / base[1]:+.2f}",
        "R0 printed": said,
    }


def costs(runs: Sequence[Record], *, baseline: str) -> pd.DataFrame:
    """Set what arms cost side by side, differences to a baseline's.

    Speed and memory are medians over seeds; memory is the GPU's where there
    was one.
    """
    arms = grouped(runs)
    base = named(arms, baseline, "baseline")[0]
    rows = []
    for name, group in arms.items():
        speeds = [run.examples_per_second for run in group]
        memory = np.median(
            [run.device_memory_bytes or run.peak_memory_bytes for run in group]
        )
        more = group[0].multiply_adds / base.multiply_adds - 1
        rows.append(
            {
                "arm": name,
                "parameters": group[0].parameters,
                "added": f"{group[0].parameters - base.parameters:+,}",
                "multiply-adds": group[0].multiply_adds,
                "added, %": f"{100 * more:+.2f}",
                "pictures a second": f"{np.median(speeds):,.0f}",
                "peak memory, MiB": f"{memory / 2**20:,.0f}",
                "n": len(group),
            }
        )
    return pd.DataFrame(rows)


def top5(runs: Sequence[Record], *, baseline: str) -> HTML | Markdown:
    """Show top-5 accuracy, where there are classes enough for it."""
    if "top-5" in runs[0].scores:
        return show.results(runs, score="top-5", baseline=baseline)
    return Markdown(
        "Top-5 accuracy is scored where there are more than ten classes."
    )


def stages(chain: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """List each stage's options with what they validated at."""
    rows = []
    for stage, runs in chain.items():
        best = records.best(runs)
        for name, group in grouped(runs).items():
            values = [records.validation(run) for run in group]
            seen = stats.t_interval(values)
            rows.append(
                {
                    "stage": stage,
                    "option": name,
                    "validation accuracy": show.percent(seen),
                    "": "carried on" if name == best else "",
                }
            )
    return pd.DataFrame(rows)


def once(*grids: Sequence[Record]) -> list[Record]:
    """Join grids, each run once, under its first label."""
    return list({run.name: run for g in reversed(grids) for run in g}.values())


def demo(runs: Sequence[Record]) -> pd.DataFrame:
    """Set report R0's two epochs beside our first two."""
    arms, rows = grouped(runs), []
    for name, printed in DEMO.items():
        row = {"arm": name}
        for epoch, value in enumerate(printed):
            said = "blank" if value is None else f"{value:.2f} %"
            row[f"R0, epoch {epoch + 1}"] = said
            row[f"here, epoch {epoch + 1}"] = _at(arms.get(name, ()), epoch)
        rows.append(row)
    return pd.DataFrame(rows)


def _at(runs: Sequence[Record], epoch: int) -> str:
    """Write validation accuracy after an epoch, counted from 0."""
    if not runs or any(len(run.history) <= epoch for run in runs):
        return "not run"
    return show.percent(
        stats.t_interval(
            [run.history[epoch]["validation"]["accuracy"] for run in runs]
        )
    )


def reading(
    attention: Sequence[Record],
    factors: Sequence[Record],
    worth: Sequence[Record],
) -> str:
    """Say in sentences what the three comparisons show."""
    sentences = [
        _told(records.table(runs, baseline=base), base)
        for runs, base in ((attention, "none"), (factors, "Triplet"))
    ]
    arms = grouped(worth)
    for name in ("chain's", "each factor's"):
        pair = records.by_seed(
            arms[name], arms["paper's"], lambda run: run.scores["accuracy"]
        )
        told = show.points(stats.paired(*pair))
        same = arms[name][0].key == arms["paper's"][0].key
        sentences.append(
            f"The combination that is {name} choice "
            + ("is the paper's." if same else f"differs by {told}.")
        )
    return "\n\n".join(sentences)


def _told(table: pd.DataFrame, base: str) -> str:
    above = [*table.index[table["difference low"] > 0]]
    below = [*table.index[table["difference high"] < 0]]
    return (
        f"Of {len(table) - 1} arms beside *{base}*, {len(above)} lie above it "
        f"with the whole 95 % interval of their difference "
        f"({', '.join(above) or 'none'}) and {len(below)} below "
        f"({', '.join(below) or 'none'}); the rest can't be told from it with "
        f"{table['n'].iloc[0]} seeds."
    )


def batch_mates(pictures: int = 16) -> str:
    """Say what a softmax over the batch makes of gates, as R0 had it."""
    maps = torch.randn(
        pictures, 8, 6, 6, generator=torch.Generator().manual_seed(0)
    )
    module = batch_softmax(8).eval()
    with torch.no_grad():
        gates = torch.cat(
            [g.flatten() for g in module.weights(maps).values()]  # type: ignore[operator]
        )
        whole, alone = module(maps)[:1], module(maps[:1])
    ratio = float(alone.abs().mean() / whole.abs().mean())
    return (
        f"R0's softmax ran over the batch: with {pictures} random pictures its "
        f"gates are {float(gates.mean()):.4f} on average (1/{pictures} is "
        f"{1 / pictures:.4f}), and the first picture's output is {ratio:.0f} "
        "times as large if it is alone.  Its eighteen points below sigmoid "
        "are a bug's, not a softmax's."
    )
