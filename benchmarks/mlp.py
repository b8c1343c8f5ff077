"""Time one training step of the numpy network beside its peers.

``python -m benchmarks.mlp`` measures the time of each peer in units of ours,
784-1024-10 in float32 where nothing else is said: the median over rounds in
which all take their turn, at two batch sizes and with one thread and two, each
in a process of its own.  With one thread it is the process's CPU time, with
more the time on the clock, for waiting threads burn CPU time too.  The table
goes to ``benchmarks/results/mlp.json``, which a page of the book shows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from benchmarks import store

PICTURES, ROUNDS = 6144, 25
SIZES = (784, 1024, 10)
RATE, MOMENTUM, DECAY = 0.1, 0.9, 1e-4

Contestant = Callable[[], object]


def main() -> None:
    """Measure every setting in a process of its own and store the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, type=int, help="batch and threads")
    chosen = parser.parse_args().one
    if chosen:
        print(json.dumps(one(*chosen)))
        return
    rows = []
    for threads in (1, 2):
        for batch in (128, 512):
            # Thread numbers are read when the libraries are imported.
            count = dict.fromkeys(
                ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
                str(threads),
            )
            command = [sys.executable, "-m", __spec__.name]
            done = subprocess.run(
                [*command, "--one", str(batch), str(threads)],
                env=os.environ | count,
                capture_output=True,
                text=True,
                check=True,
            )
            rows += json.loads(done.stdout)
            print(*rows[-4:], sep="\n")
    store("mlp", rows)


def one(batch: int, threads: int) -> list[dict[str, Any]]:
    """Measure one setting; a row a peer."""
    times = measure(contestants(batch, threads), threads)
    ours = times.pop("coursework")
    found = []
    for name, taken in times.items():
        ratios = sorted(t / o for t, o in zip(taken, ours, strict=True))
        found.append(
            {
                "peer": name,
                "batch": batch,
                "threads": threads,
                "ratio": median(ratios),
                "low": ratios[len(ratios) // 4],
                "high": ratios[-1 - len(ratios) // 4],
                "n": len(ratios),
            }
        )
    return found


def measure(
    named: Mapping[str, Contestant], threads: int
) -> dict[str, list[float]]:
    """Let all take turns, so that a busy moment strikes each alike."""
    clock = time.process_time if threads == 1 else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in named}
    for round_ in range(-1, ROUNDS):  # the first round only warms up
        for name, steps in named.items():
            started = clock()
            steps()
            if round_ >= 0:
                times[name].append(clock() - started)
    return times


def contestants(batch: int, threads: int) -> dict[str, Contestant]:
    """Prepare each: a call is one epoch on the same pictures."""
    import numpy as np  # noqa: PLC0415 - see main

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (PICTURES, 28, 28), dtype=np.uint8)
    # As in MNIST, 67 pixels that are zero in every picture: two rows, and
    # enough of the next.
    pictures.reshape(len(pictures), -1)[:, :67] = 0
    labels = rng.integers(0, 10, len(pictures))
    return {
        "coursework": ours(pictures, labels, batch),
        "the bare matrix products": products(batch),
        "numpy, float64, as in a textbook": textbook(pictures, labels, batch),
        "scikit-learn MLPClassifier": scikit_learn(pictures, labels, batch),
        "torch nn.Linear": in_torch(pictures, labels, batch, threads),
    }


def ours(pictures: Any, labels: Any, batch: int) -> Contestant:
    """Train the network of this project, as its trial does."""
    from coursework.data.splits import Split  # noqa: PLC0415
    from coursework.mlp import MLP, Descent  # noqa: PLC0415
    from coursework.recipe import Recipe  # noqa: PLC0415

    recipe = Recipe(
        epochs=1000,
        batch_size=batch,
        learning_rate=RATE,
        momentum=MOMENTUM,
        weight_decay=DECAY,
    )
    train = Split(inputs=pictures, targets=labels)
    descent = Descent(MLP(SIZES), train, recipe, 0)
    return lambda: descent.train(1)


def products(batch: int) -> Contestant:
    """Multiply what one step has to, in numpy, and do nothing else."""
    import numpy as np  # noqa: PLC0415

    rng = np.random.default_rng(0)
    inputs, hidden, outputs = SIZES
    x, first, seen, second, error, delta = (
        rng.standard_normal(shape, dtype=np.float32)
        for shape in (
            (batch, inputs + 1),
            (inputs + 1, hidden),
            (batch, hidden + 1),
            (hidden + 1, outputs),
            (batch, outputs),
            (batch, hidden),
        )
    )
    z, scores = np.empty_like(delta), np.empty_like(error)
    slopes = np.empty_like(first), np.empty_like(second)

    def steps() -> None:
        for _ in range(PICTURES // batch):
            np.matmul(x, first, out=z)
            np.matmul(seen, second, out=scores)
            np.matmul(seen.T, error, out=slopes[1])
            np.matmul(error, second[:-1].T, out=z)
            np.matmul(x.T, delta, out=slopes[0])

    return steps


def textbook(pictures: Any, labels: Any, batch: int) -> Contestant:
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
        for at in range(0, len(table), batch):
            x, y = (a[order[at : at + batch]] for a in (table, onehot))
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


def scikit_learn(pictures: Any, labels: Any, batch: int) -> Contestant:
    """Train scikit-learn's network for one epoch."""
    import numpy as np  # noqa: PLC0415
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    table = (pictures.reshape(len(pictures), -1) / 255).astype(np.float32)
    network = MLPClassifier(
        SIZES[1:-1],
        solver="sgd",
        batch_size=batch,
        learning_rate_init=RATE,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        alpha=DECAY,
        random_state=0,
    )
    classes = np.arange(SIZES[-1])
    return lambda: network.partial_fit(table, labels, classes=classes)


def in_torch(
    pictures: Any, labels: Any, batch: int, threads: int
) -> Contestant:
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
        for at in range(0, len(table), batch):
            rows = order[at : at + batch]
            optimiser.zero_grad()
            scores = network(table[rows])
            loss = torch.nn.functional.cross_entropy(scores, targets[rows])
            torch.autograd.backward(loss)
            optimiser.step()

    return steps


if __name__ == "__main__":
    main()
