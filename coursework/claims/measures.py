"""What a rule compares: one number of a run's record."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

from coursework.records import Record

Measure = Callable[[Record], float]


def final_accuracy(record: Record) -> float:
    """Accuracy on the test split."""
    return record.scores["accuracy"]


def first_accuracy(record: Record) -> float:
    """Read validation accuracy after the first epoch: how fast it starts."""
    return float(record.history[0]["validation"]["accuracy"])


def second_accuracy(record: Record) -> float:
    """Read validation accuracy after the second epoch."""
    return float(record.history[1]["validation"]["accuracy"])


def late_rise(record: Record) -> float:
    """Find the largest rise of validation accuracy between two late reports.

    Late means in the second half of training.
    """
    curve = [epoch["validation"]["accuracy"] for epoch in record.history]
    late = curve[len(curve) // 2 :]
    rises = (b - a for a, b in itertools.pairwise(late))
    return float(max(rises, default=0.0))


def seconds(record: Record) -> float:
    """Seconds of training."""
    return record.seconds


def log_seconds(record: Record) -> float:
    """Natural logarithm of the seconds of training: ratios as differences."""
    return math.log(record.seconds)


def log_seconds_per_multiply_add(record: Record) -> float:
    """Natural logarithm of training time per multiply-add of a forward pass."""
    return -math.log(record.examples_per_second * record.multiply_adds)


def overfitting(record: Record) -> float:
    """Last validation loss minus last training loss, nats per example."""
    last = record.history[-1]
    return float(last["validation_loss"] - last["train_loss"])


def fits(record: Record) -> float:
    """Share of a stack's networks that get every training point right."""
    return record.scores["fits"]


def misses(record: Record) -> float:
    """Share of a stack's networks that do not fit."""
    return 1 - record.scores["fits"]


def train_loss(record: Record) -> float:
    """Training loss of the last epoch, nats per example."""
    return float(record.history[-1]["train_loss"])


def gradient_spread(record: Record) -> float:
    """How far first and last unit's gradients lie apart before training.

    The absolute logarithm of their ratio; reads the artefact ``flow.npz``.
    """
    gradient = record.arrays("flow.npz")["gradient"][0]
    return abs(math.log(gradient[0] / gradient[-1]))


def gate_range(record: Record) -> float:
    """Read the largest minus the smallest gate of an SE block.

    The mean over pictures and blocks; reads the artefact ``gates.npz``.
    """
    gates = record.arrays("gates.npz")
    ranges = [v.mean() for k, v in gates.items() if k.startswith("range")]
    return float(sum(ranges) / len(ranges))


def dead_units(record: Record) -> float:
    """Share of a deep network's units that pass no gradient at the end.

    The mean over layers; reads the artefact ``layer_flow.npz``, as do the
    two measures below.
    """
    return float(record.arrays("layer_flow.npz")["dead"][-1].mean())


def inside(record: Record) -> float:
    """Share of an activation's inputs from -3 to 3 before training."""
    return float(record.arrays("layer_flow.npz")["inside"][0].mean())


def mean_shift(record: Record) -> float:
    """Share of units' mean square that their own means have at the end."""
    return float(record.arrays("layer_flow.npz")["shift"][-1].mean())


def weight_growth(record: Record) -> float:
    """Logarithm of how much a layer's weights grow in training, on average.

    Reads the artefact ``weights.npz``.
    """
    weight = record.arrays("weights.npz")["weight"]
    return float(sum(map(math.log, weight[-1] / weight[0])) / weight.shape[1])


def mean_average_precision(record: Record) -> float:
    """Mean over classes of average precision on the test split."""
    return record.scores["mAP"]


def macro_f1(record: Record) -> float:
    """Mean over classes of F1 on the test split, thresholds by validation."""
    return record.scores["macro-f1"]


def loss_rises(record: Record) -> float:
    """Sum of all rises of the training loss from epoch to epoch, in nats."""
    losses = [epoch["train_loss"] for epoch in record.history]
    return float(sum(max(b - a, 0) for a, b in itertools.pairwise(losses)))


def late_drop(record: Record) -> float:
    """How far validation loss falls in the second half, as a share.

    Of its value at half time, to the lowest after it.
    """
    losses = [epoch["validation_loss"] for epoch in record.history]
    half = len(losses) // 2
    return float(1 - min(losses[half:]) / losses[half])


def log_bytes_kept(record: Record) -> float:
    """Natural logarithm of what a step keeps for its backward pass.

    Bytes a picture; reads the artefact ``step_memory.npz``.
    """
    return math.log(float(record.arrays("step_memory.npz")["kept"]))


def batches_with_a_hit(record: Record) -> float:
    """Share of batches of 16 with a right answer, before any training.

    Reads the artefact ``empty_batches.npz``.
    """
    return float(record.arrays("empty_batches.npz")["hit"][0])


def one_step_away(record: Record) -> float:
    """How far accuracy falls one size away from that trained on.

    The mean of a step up and a step down; reads ``resolutions.npz``, as does
    the measure below.
    """
    below, here, above = record.arrays("resolutions.npz")["accuracy"][1:4]
    return float(here - (below + above) / 2)


def further_fall(record: Record) -> float:
    """How much further accuracy falls two sizes away than one."""
    least, below, _, above, most = record.arrays("resolutions.npz")["accuracy"]
    return float((below + above) / 2 - (least + most) / 2)


def early_loss(record: Record) -> float:
    """Training loss after a quarter of the epochs, nats per example."""
    early = record.history[(len(record.history) - 1) // 4]
    return float(early["train_loss"])


def macro_recall(record: Record) -> float:
    """Mean over classes of the recall on the test split."""
    return record.scores["macro-recall"]


def ensemble_gain(record: Record) -> float:
    """Accuracy of an ensemble minus that of its best member."""
    return record.scores["gain"]


def estimate_error(record: Record) -> float:
    """How far an estimate of accuracy lay from what it estimates."""
    return record.scores["error"]


MEASURES: Mapping[str, Measure] = {
    "accuracy": final_accuracy,
    "fits": fits,
    "misses": misses,
    "first accuracy": first_accuracy,
    "second accuracy": second_accuracy,
    "late rise": late_rise,
    "seconds": seconds,
    "log seconds": log_seconds,
    "log seconds per multiply-add": log_seconds_per_multiply_add,
    "overfitting": overfitting,
    "train loss": train_loss,
    "gradient spread": gradient_spread,
    "gate range": gate_range,
    "dead units": dead_units,
    "inside": inside,
    "mean shift": mean_shift,
    "weight growth": weight_growth,
    "mAP": mean_average_precision,
    "macro F1": macro_f1,
    "loss rises": loss_rises,
    "late drop": late_drop,
    "early loss": early_loss,
    "macro recall": macro_recall,
    "ensemble gain": ensemble_gain,
    "estimate error": estimate_error,
    "log bytes kept": log_bytes_kept,
    "batches with a hit": batches_with_a_hit,
    "fall one step away": one_step_away,
    "further fall": further_fall,
}
