"""The coursework package: what the notebooks stand on.

How a number comes to be, in one direction::

    recipe ─┐
    data ───┼─> training, mlp ─> experiment ─> record ─> table, figure
    models ─┘                        │            └─> claims
    metrics <─ tasks <───────────────┘

``paths``       where runs, evidence and data lie; writing files whole
``trial``       what a trial yields and returns; the one seeding function
``recipe``      how a network is trained: optimiser, rate, schedule, budget
``data``        splits, and one loader a data set
``mlp``         the numpy network and its trial
``models``      torch networks, one family a file
``training``    the torch trial; ``checkpoints`` what it needs to go on
``features``    the trial of a head on a frozen network's kept features
``precision``   when bfloat16 pays; ``probes`` what a trained network shows,
                ``probes_multilabel`` one that tells several classes;
                ``gradcam`` where it looks; ``thumbnails`` pictures to keep
``stacked``     the trial of many tiny networks at once; ``stacks`` reads it
``outline``     a network's layers, shapes and costs; ``meanfield`` theory
``tasks``       the loss and the scores that go together
``losses``      those of multi-label logits, in torch
``metrics``     scores of arrays, ``multilabel`` of several classes each;
                ``stats`` intervals and paired differences
``identity``    what names a run; ``provenance`` who and what made it
``experiment``  grids of variants, and running what is missing of them;
                ``progress`` what is seen of that
``records``     a finished run as JSON; tables and curves of many
``claims``      a statement, the rule that decides it, the verdict
``figures``     tables in, axes out; ``show`` what a page displays besides
``verdicts``    claims and verdicts as tables
``views``       figures and tables of single practicals
``launch``      worker pool, notebook runner, pages, report, doctor
``verify``      integrity of data, evidence and runs
``cli``         the command ``coursework``

Importing any of it trains, downloads and draws nothing; call
``guard_torchvision`` before the first import of torchvision.
"""

from __future__ import annotations

import sys


def guard_torchvision() -> None:
    """Make torchvision importable beside a build of torch not its own.

    The package index's torchvision can't load its compiled operators into a
    CPU build of torch, and its import then stops for want of their schemas:
    "operator torchvision::nms does not exist".  This declares them; the
    operators themselves stay unusable.  Does nothing where torchvision has
    been imported or imports as it is.
    """
    if "torchvision" in sys.modules:
        return
    try:
        import torchvision  # noqa: F401, PLC0415
    except RuntimeError:
        import torch  # noqa: PLC0415

        schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                torch.library.define(f"torchvision::{name}", schema)
