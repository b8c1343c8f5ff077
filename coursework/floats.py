"""What float32, float16 and bfloat16 can hold, and what is done about it.

Three experiments of a second each: the formats' range and precision, which
operations autocast does in the shorter one, and gradients that float16 loses
unless the loss is scaled :cite:p:`micikevicius2018mixed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

FORMATS = (torch.float32, torch.float16, torch.bfloat16)
SMALL = 1e-4  # two such factors are below what float16 can hold

Operation = Callable[[Tensor], Tensor]

# Of a square matrix of 4 × 4, seen as a picture where it has to be one.
OPERATIONS: Mapping[str, Operation] = {
    "matrix product": lambda x: x @ x,
    "linear layer": lambda x: functional.linear(x, x),
    "convolution": lambda x: functional.conv2d(x[None, None], x[None, None]),
    "attention": lambda x: functional.scaled_dot_product_attention(
        x[None], x[None], x[None]
    ),
    "ReLU": functional.relu,
    "sum of two": lambda x: x + x,
    "mean": lambda x: x.mean(),
    "softmax": lambda x: x.softmax(1),
    "layer norm": lambda x: functional.layer_norm(x, x.shape[1:]),
    "batch norm": lambda x: functional.batch_norm(x, None, None, training=True),
    "cross-entropy": lambda x: functional.cross_entropy(
        x, torch.arange(len(x))
    ),
    "squared error": lambda x: functional.mse_loss(x, x),
}


def formats() -> pd.DataFrame:
    """List range and precision of each format.

    "smallest" is the least number at full precision, "least" the least above
    zero; "next after 1" is the distance to the next number.
    """
    rows = []
    for kind in FORMATS:
        found = torch.finfo(kind)
        rows.append(
            {
                "format": _name(kind),
                "bits": found.bits,
                "largest": f"{found.max:.3g}",
                "smallest": f"{found.smallest_normal:.2g}",
                "least": f"{found.smallest_normal * found.eps:.2g}",
                "next after 1": f"{found.eps:.2g}",
                "1 + 0.001": f"{float(torch.tensor(1.001, dtype=kind)):.6g}",
            }
        )
    return pd.DataFrame(rows)


def lowered(precision: torch.dtype = torch.bfloat16) -> pd.DataFrame:
    """Run operations under the CPU's autocast, and look what comes out.

    An operation that gives the short format for both formats of its input is
    lowered; one that gives float32 for both is raised; others follow.
    """
    rows = []
    for name, operation in OPERATIONS.items():
        outputs = []
        for given in (torch.float32, precision):
            matrix = torch.ones(4, 4, dtype=given)
            with torch.autocast("cpu", precision):
                outputs.append(operation(matrix).dtype)
        does = {
            (precision, precision): "lowered",
            (torch.float32, torch.float32): "raised",
        }.get((outputs[0], outputs[1]), "follows its input")
        rows.append(
            {
                "operation": name,
                "of float32": _name(outputs[0]),
                f"of {_name(precision)}": _name(outputs[1]),
                "so it is": does,
            }
        )
    return pd.DataFrame(rows)


def gradient(precision: torch.dtype, scale: float = 1.0) -> float:
    """Compute a small gradient in a precision, from a loss times ``scale``.

    The loss is a weight times 1e-4, in that precision, times 1e-4 in
    float32; so the gradient is 1e-8.  It is divided by ``scale`` in the end.
    """
    weight = torch.ones((), requires_grad=True)
    output = weight.to(precision) * SMALL
    loss = output.float() * SMALL
    (scale * loss).backward()
    assert weight.grad is not None  # backward made it
    return float(weight.grad) / scale


def underflow(scale: float = 2.0**16) -> pd.DataFrame:
    """Compute one small gradient in each format, without and with a scale."""
    return pd.DataFrame(
        {
            "format": _name(kind),
            "gradient": f"{gradient(kind):.3g}",
            f"of the loss × {scale:,.0f}, divided": (
                f"{gradient(kind, scale):.3g}"
            ),
        }
        for kind in FORMATS
    )


def scaled_steps(
    start: float = 2.0**32, steps: int = 9, patience: int = 3
) -> pd.DataFrame:
    """Follow torch's GradScaler through steps on :func:`gradient`'s loss.

    A gradient that is infinite in float16 skips the step and halves the
    scale; ``patience`` steps taken in a row double it.  Columns: scale,
    the gradient in float16 as it was scaled, whether the weight moved.
    """
    # from 0, for next to 1 float32 itself would lose so small a step
    weight = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.SGD([weight], lr=1.0)
    scaler = torch.amp.GradScaler(
        "cpu", init_scale=start, growth_interval=patience
    )
    rows = []
    for step in range(1, steps + 1):
        before, scale = float(weight.detach()), scaler.get_scale()
        loss = (weight.half() * SMALL).float() * SMALL
        optimiser.zero_grad()
        scaler.scale(loss).backward()
        assert weight.grad is not None  # backward made it
        rows.append(
            {
                "step": step,
                "scale": f"2^{torch.tensor(scale).log2():.0f}",
                "scaled gradient": f"{float(weight.grad):.3g}",
            }
        )
        scaler.step(optimiser)
        scaler.update()
        moved = before - float(weight.detach())
        rows[-1]["step taken"] = "yes" if moved else "no"
    return pd.DataFrame(rows)


def _name(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")
