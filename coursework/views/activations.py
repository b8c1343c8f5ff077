"""What the pages on activations draw: the catalogue, and stacks of networks."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL.Image import Image

from coursework import figures, show
from coursework.figures import PALETTE
from coursework.models.activations import ACTIVATIONS, activation
from coursework.records import Record, grouped
from coursework.stacks import networks

Floats = NDArray[np.float64]
OTHERS = (-1.0, 1.0)  # what the two other channels hold
FLOOR = 1e-6  # a logarithmic axis has no place for a gradient of 0


def response(name: str, x: Floats) -> tuple[Floats, Floats]:
    """Compute an activation and its derivative, by torch's autograd.

    One channel runs through ``x`` (N,) while two others stand at -1 and 1;
    both results (N,) are that channel's.  Maps have a single place.
    """
    torch.manual_seed(0)
    module = activation(name, 3).double().eval()
    moving = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    still = torch.tensor(OTHERS, dtype=torch.float64).expand(len(x), 2)
    features = torch.cat([moving[:, None], still], dim=1)
    values = module(features[:, :, None, None])[:, 0, 0, 0]
    (slope,) = torch.autograd.grad(values.sum(), moving)
    return values.detach().numpy(), slope.numpy()


def catalogue(names: Sequence[str] = tuple(ACTIVATIONS)) -> Axes:
    """Draw activations, solid, with their derivatives, dashed."""
    columns = 5
    rows = -(-len(names) // columns)
    grid = plt.subplots(
        rows, columns, figsize=(9, 1.6 * rows), sharex=True, sharey=True
    )[1]
    x = np.linspace(-4, 4, 201) + 1e-3  # not on a kink, not on a pole
    panels = np.atleast_1d(grid).ravel()
    for axes, name in zip(panels, names, strict=False):
        for line, style, colour in zip(
            response(name, x), ("-", "--"), PALETTE, strict=False
        ):
            # Lines that leave the panel are cut, so that poles stay open.
            seen = np.where(abs(line) < 5, line, np.nan)
            axes.plot(x, seen, style, color=colour, lw=1.4)
        axes.set_title(name, fontsize="small")
        axes.set(xlim=(-4, 4), ylim=(-2.2, 4))
        axes.tick_params(labelsize="x-small")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    first = panels[0]
    assert isinstance(first, Axes)
    return first


def formulas(names: Sequence[str] = tuple(ACTIVATIONS)) -> HTML:
    """Show the catalogue as a table."""
    rows = [
        "".join(
            f"<td>{cell}</td>"
            for cell in (
                escape(name),
                _math(entry.formula),
                escape(entry.range),
                _math(entry.derivative),
                entry.scope,
                entry.paper or "–",
            )
        )
        for name in names
        for entry in [ACTIVATIONS[name]]
    ]
    heads = ("name", "formula", "range", "derivative", "looks at", "paper")
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return HTML(
        f'<div class="scroll"><table class="results"><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _math(code: str) -> str:
    """Mark LaTeX up as Sphinx does, for the page's own MathJax."""
    return f'<span class="math notranslate">\\({escape(code)}\\)</span>'


def accuracies(runs: Sequence[Record], score: str = "accuracy") -> Axes:
    """Draw each network's test accuracy by arm; filled if it fits."""
    groups = grouped(networks(runs))
    axes = plt.subplots(figsize=(7, 1.1 + 0.3 * len(groups)))[1]
    for row, group in enumerate(groups.values()):
        values = np.array([run.scores[score] for run in group])
        fits = np.array([run.scores["fits"] == 1 for run in group])
        place = row + np.linspace(-0.28, 0.28, len(group))
        for chosen, face in ((fits, PALETTE[0]), (~fits, "none")):
            axes.scatter(
                100 * values[chosen],
                place[chosen],
                s=14,
                facecolors=face,
                edgecolors=PALETTE[0] if chosen is fits else PALETTE[1],
                linewidths=0.9,
            )
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set(xlabel=f"test {score} (%), one dot a network; filled: it fits")
    return axes


def gradients(runs: Sequence[Record], arms: Sequence[str]) -> Axes:
    """Draw the gradient of the first layer through training, by arm.

    The line is the median over networks, the band the middle 90 %.
    """
    axes = plt.subplots()[1]
    by_arm: Mapping[str, Sequence[Record]] = grouped(runs)
    for colour, arm in zip(PALETTE, arms, strict=False):
        watched = by_arm[arm][0].arrays("networks.npz")
        sizes = np.maximum(watched["gradient"][..., 0], FLOOR)
        low, middle, high = np.quantile(sizes, (0.05, 0.5, 0.95), axis=1)
        axes.plot(watched["step"], middle, color=colour, label=arm)
        axes.fill_between(
            watched["step"], low, high, color=colour, alpha=0.2, lw=0
        )
    axes.set_yscale("log")
    axes.set(
        xlabel="step",
        ylabel=f"gradient of layer 1\n(norm; {FLOOR:.0e} stands for less)",
    )
    axes.legend(frameon=False, ncols=2, fontsize="small")
    return axes


def films(runs: Sequence[Record], milliseconds: int = 180) -> HTML:
    """Show the field of each arm's first network through training.

    A picture says in its caption whether that network fits; its alternative
    text says the same.
    """
    shown = []
    for arm, group in grouped(runs).items():
        first = networks(group)[0].scores
        right = f"{100 * first['train accuracy']:.0f} % of training points"
        frames = figures.field_frames(group[0].arrays("field.npz"), scale=2)
        film = show.animation(
            _small(frames, milliseconds),
            figures.still(frames[-1]),
            f"Decision field of a network with {arm} from the first step to "
            f"the last, where it gets {right} right",
        )
        shown.append(
            f'<figure style="margin:0">{film.data}<figcaption>'
            f"{escape(arm)}: {right}</figcaption></figure>"
        )
    return HTML(
        '<div style="display:grid;gap:1rem;grid-template-columns:'
        f'repeat(auto-fill,minmax(11rem,1fr))">{"".join(shown)}</div>'
    )


def _small(frames: Sequence[Image], milliseconds: int) -> bytes:
    """Pack frames into an animated WebP for a wall of many, below 100 kB."""
    file = io.BytesIO()
    frames[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=list(frames[1:]),
        duration=[milliseconds] * (len(frames) - 1) + [2500],
        loop=0,
        quality=25,
    )
    return file.getvalue()
