"""Time one training step of the numpy network beside its peers.

``python -m benchmarks.mlp [--threads N]`` prints the time of each peer in
units of ours: the median over rounds in which all took their turn, process
CPU time, batch 512 of 784-1024-10.  Only ratios mean anything.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

BATCH, STEPS, ROUNDS = 512, 12, 15
SIZES = (784, 1024, 10)
RATE, MOMENTUM, DECAY = 0.1, 0.9, 1e-4

Contestant = Callable[[], object]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    for name in ("OMP", "OPENBLAS", "MKL"):
        # Read by the libraries when they are imported, so before that.
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    times = measure(contestants(threads))
    ours = times.pop("coursework")
    print(f"| {threads} thread(s) | time in units of ours | spread |")
    print("|---|---|---|")
    for name, taken in times.items():
        ratios = sorted(t / o for t, o in zip(taken, ours, strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-len(ratios) // 4]
        print(f"| {name} | {median(ratios):.2f} | {low:.2f} to {high:.2f} |")


def measure(named: Mapping[str, Contestant]) -> dict[str, list[float]]:
    """Let all take turns, so that a busy moment strikes each alike."""
    times: dict[str, list[float]] = {name: [] for name in named}
    for round_ in range(-1, ROUNDS):  # the first round only warms up
        for name, steps in named.items():
            started = time.process_time()
            steps()
            if round_ >= 0:
                times[name].append(time.process_time() - started)
    return times


def contestants(threads: int) -> dict[str, Contestant]:
    """Prepare each: a call trains for ``STEPS`` steps on the same pictures."""
    import numpy as np  # noqa: PLC0415 - see main

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (STEPS * BATCH, 28, 28), dtype=np.uint8)
    # As in MNIST, 67 pixels that are zero in every picture: two rows, and
    # enough of the next.
    pictures.reshape(len(pictures), -1)[:, :67] = 0
    labels = rng.integers(0, 10, len(pictures))
    return {
        "coursework": ours(pictures, labels),
        "its bare matrix products": products(),
        "numpy, float64, as in a textbook": textbook(pictures, labels),
        "scikit-learn MLPClassifier": scikit_learn(pictures, labels),
        "torch nn.Linear": in_torch(pictures, labels, threads),
    }


def ours(pictures: Any, labels: Any) -> Contestant:
    """Train the network of this project, as its trial does."""
    from coursework.data.splits import Split  # noqa: PLC0415
    from coursework.mlp import MLP, Descent  # noqa: PLC0415
    from coursework.recipe import Recipe  # noqa: PLC0415

    recipe = Recipe(
        epochs=1000,
        batch_size=BATCH,
        learning_rate=RATE,
        momentum=MOMENTUM,
        weight_decay=DECAY,
    )
    train = Split(inputs=pictures, targets=labels)
    descent = Descent(MLP(SIZES), train, recipe, 0)
    return lambda: descent.train(1)


def products() -> Contestant:
    """Multiply what one step has to, in numpy, and do nothing else."""
    import numpy as np  # noqa: PLC0415

    rng = np.random.default_rng(0)
    inputs, hidden, outputs = SIZES
    x, first, seen, second, error, delta = (
        rng.standard_normal(shape, dtype=np.float32)
        for shape in (
            (BATCH, inputs + 1),
            (inputs + 1, hidden),
            (BATCH, hidden + 1),
            (hidden + 1, outputs),
            (BATCH, outputs),
            (BATCH, hidden),
        )
    )
    z, scores = np.empty_like(delta), np.empty_like(error)
    slopes = np.empty_like(first), np.empty_like(second)

    def steps() -> None:
        for _ in range(STEPS):
            np.matmul(x, first, out=z)
            np.matmul(seen, second, out=scores)
            np.matmul(seen.T, error, out=slopes[1])
            np.matmul(error, second[:-1].T, out=z)
            np.matmul(x.T, delta, out=slopes[0])

    return steps


def textbook(pictures: Any, labels: Any) -> Contestant:
    """Write the same training as the formulas read, in float64."""
    import numpy as np  # noqa: PLC0415

    rng = np.random.default_rng(0)
    table = pictures.reshape(len(pictures), -1) / 255
    onehot = np.eye(SIZES[-1])[labels]
    w = [rng.normal(0, 0.04, shape) for shape in (SIZES[:2], SIZES[1:])]
    b = [np.zeros(size) for size in SIZES[1:]]
    vw, vb = [0 * x for x in w], [0 * x for x in b]

    def steps() -> None:
        order = rng.permutation(len(table))
        for at in range(0, len(table), BATCH):
            x, y = (a[order[at : at + BATCH]] for a in (table, onehot))
            h = np.maximum(x @ w[0] + b[0], 0)
            s = h @ w[1] + b[1]
            p = np.exp(s - s.max(1, keepdims=True))
            d1 = (p / p.sum(1, keepdims=True) - y) / len(y)
            d0 = (d1 @ w[1].T) * (h > 0)
            for i, (seen, d) in enumerate(((x, d0), (h, d1))):
                vw[i] = MOMENTUM * vw[i] + seen.T @ d + DECAY * w[i]
                vb[i] = MOMENTUM * vb[i] + d.sum(0)
                w[i] = w[i] - RATE * vw[i]
                b[i] = b[i] - RATE * vb[i]

    return steps


def scikit_learn(pictures: Any, labels: Any) -> Contestant:
    """Train scikit-learn's network for one epoch."""
    import numpy as np  # noqa: PLC0415
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    table = (pictures.reshape(len(pictures), -1) / 255).astype(np.float32)
    network = MLPClassifier(
        SIZES[1:-1],
        solver="sgd",
        batch_size=BATCH,
        learning_rate_init=RATE,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        alpha=DECAY,
        random_state=0,
    )
    classes = np.arange(SIZES[-1])
    return lambda: network.partial_fit(table, labels, classes=classes)


def in_torch(pictures: Any, labels: Any, threads: int) -> Contestant:
    """Train two ``nn.Linear`` on a tensor in memory."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(threads)
    table = torch.from_numpy(pictures).flatten(1).float() / 255
    targets = torch.from_numpy(labels)
    network = torch.nn.Sequential(
        torch.nn.Linear(*SIZES[:2]),
        torch.nn.ReLU(),
        torch.nn.Linear(*SIZES[1:]),
    )
    optimiser = torch.optim.SGD(
        network.parameters(),
        RATE,
        MOMENTUM,
        weight_decay=DECAY,
        fused=True,
    )

    def steps() -> None:
        order = torch.randperm(len(table))
        for at in range(0, len(table), BATCH):
            rows = order[at : at + BATCH]
            optimiser.zero_grad()
            scores = network(table[rows])
            loss = torch.nn.functional.cross_entropy(scores, targets[rows])
            torch.autograd.backward(loss)
            optimiser.step()

    return steps


if __name__ == "__main__":
    main()
