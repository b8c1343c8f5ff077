"""Time a stack of networks beside the same networks one after another.

``python -m benchmarks.stacked`` trains report R1's 2-10-10-1 network on 200
points, thirty times: as one stack; one after another, as plain modules with an
optimiser each; and as one module under torch's ``vmap``.  The table goes to
``benchmarks/results/stacked.json``.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from benchmarks import turns
from coursework.data.moons import moons
from coursework.models.activations import activation
from coursework.models.stack import Stack
from coursework.optimisation import make_optimiser
from coursework.recipe import Recipe
from coursework.stacked import Descent

RECIPE = Recipe(
    epochs=10**6,
    batch_size=None,
    optimiser="adamw",
    learning_rate=0.01,
    weight_decay=0.01,
)
NETWORKS, STEPS, ROUNDS = 30, 20, 15


def main() -> None:
    """Measure three activations and store the table."""
    turns.run("stacked", measure, ROUNDS)


def measure(rounds: int) -> Iterator[turns.Row]:
    """Compare, activation by activation, with as many points as R1 drew."""
    for name in ("relu", "sigmoid", "sort"):
        peers = {
            "one after another": one_after_another(name),
            "vmap": mapped(name),
        }
        yield from turns.compare(ours(name), peers, rounds, activation=name)


def ours(name: str) -> turns.Contestant:
    """Train as the trial does."""
    stack = Stack((2, 10, 10, 1), (name, name), range(NETWORKS))
    descent = Descent(stack, moons().train, RECIPE)

    def steps() -> None:
        for _ in range(STEPS):
            descent.step()

    return steps


def one_after_another(name: str) -> turns.Contestant:
    """Train as one would without a stack: a network is done, then the next."""
    networks = [plain(name) for _ in range(NETWORKS)]
    optimisers = [make_optimiser(network, RECIPE) for network in networks]
    inputs, targets = points()

    def steps() -> None:
        for network, optimiser in zip(networks, optimisers, strict=True):
            for _ in range(STEPS):
                loss = F.binary_cross_entropy_with_logits(
                    network(inputs)[:, 0], targets
                )
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()

    return steps


def mapped(name: str) -> turns.Contestant:
    """Train all at once, with torch to find out how."""
    networks = [plain(name) for _ in range(NETWORKS)]
    weights: dict[str, Tensor] = {
        key: nn.Parameter(value.detach())
        for key, value in stack_module_state(networks)[0].items()
    }
    optimiser = torch.optim.AdamW(weights.values(), 0.01, fused=True)
    inputs, targets = points()

    def loss_of(of: dict[str, Tensor]) -> Tensor:
        logits = functional_call(networks[0], of, (inputs,))[:, 0]
        return F.binary_cross_entropy_with_logits(logits, targets)

    def steps() -> None:
        for _ in range(STEPS):
            losses: Tensor = vmap(loss_of)(weights)
            optimiser.zero_grad()
            losses.sum().backward()
            optimiser.step()

    return steps


def plain(name: str) -> nn.Sequential:
    """Build one network as a module of its own."""
    return nn.Sequential(
        nn.Linear(2, 10),
        activation(name, 10),
        nn.Linear(10, 10),
        activation(name, 10),
        nn.Linear(10, 1),
    )


def points() -> tuple[Tensor, Tensor]:
    """Return points (200, 2) and their classes, as numbers (200,)."""
    train = moons().train
    return torch.from_numpy(train.inputs), torch.from_numpy(
        train.targets
    ).float()


if __name__ == "__main__":
    main()
