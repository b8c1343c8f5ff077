"""Time attention modules beside the same modules in textbook form.

``python -m benchmarks.attention`` measures a forward and a backward pass of
single modules, and whole training steps of ResNet-50 with triplet attention
after each unit, for pictures of 32 pixels a side.  The textbook form of
triplet attention rotates the maps by ``permute`` and ``contiguous``, that of
the median sorts.  The peer "no attention" is the same network without: below
1, and the nearer to 1, the less attention costs.  In bfloat16, convolutions
run under autocast.  "Channels" says which axis of the maps is innermost in
memory, "kept" how many bytes we keep for the backward pass in units of the
textbook form's.  Where torch sees a GPU, it is measured there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import cross_entropy

from benchmarks import textbook, turns
from coursework.devices import pick_device
from coursework.models.attention import MakeAttention
from coursework.models.attention.coordinate import CoordinateAttention
from coursework.models.attention.triplet import TripletAttention
from coursework.models.resnet import resnet50
from coursework.precision import autocast
from coursework.recipe import Precision

Shape = tuple[int, int, int, int]
PEER = "textbook form"
LAYOUTS = {"first": torch.contiguous_format, "last": torch.channels_last}


class Terms(NamedTuple):
    """On what terms contestants meet."""

    shape: Shape
    precision: Precision
    channels: str

    def place(self, network: nn.Module) -> nn.Module:
        """Put a network in training where it will be measured."""
        placed: nn.Module = network.to(  # type: ignore[call-overload]
            pick_device(), memory_format=LAYOUTS[self.channels]
        )
        return placed.train()

    def draw(self) -> Tensor:
        """Draw numbers of the shape, float32."""
        drawn = torch.randn(
            self.shape, generator=torch.Generator().manual_seed(0)
        )
        layout = LAYOUTS[self.channels]
        return drawn.to(pick_device()).contiguous(memory_format=layout)

    def maps(self) -> Tensor:
        """Draw maps in the precision in which layers hand them on."""
        low = self.precision == "bfloat16"
        return self.draw().to(torch.bfloat16 if low else torch.float32)


class Module(NamedTuple):
    """A module in our form and in the textbook's, and shapes of maps."""

    ours: MakeAttention
    theirs: MakeAttention
    shapes: list[Shape]


BIG, SMALL = (16, 256, 32, 32), (16, 2048, 4, 4)
MODULES = {
    "TripletAttention": Module(
        TripletAttention,
        textbook.Triplet,
        [BIG, (16, 512, 16, 16), (16, 1024, 8, 8), SMALL],
    ),
    "TripletAttention, median": Module(
        partial(TripletAttention, pools=("median",)),
        partial(textbook.Triplet, pools=(textbook.sorted_median,)),
        [BIG],
    ),
    "CoordinateAttention": Module(
        CoordinateAttention, textbook.Coordinate, [BIG]
    ),
}
NETWORK, PICTURES, CLASSES = resnet50, (16, 3, 32, 32), 100


def measure(rounds: int) -> Iterator[turns.Row]:
    """Measure modules, then the network; a row a peer."""
    for name, module in MODULES.items():
        for shape in module.shapes:
            for terms in (
                Terms(shape, "float32", "first"),
                Terms(shape, "bfloat16", "first"),
                Terms(shape, "bfloat16", "last"),
            ):
                yield from modules(name, module, terms, rounds)
    yield from networks(Terms(PICTURES, "float32", "first"), rounds)
    yield from networks(Terms(PICTURES, "bfloat16", "last"), rounds)


def modules(
    name: str, module: Module, terms: Terms, rounds: int
) -> list[turns.Row]:
    """Compare a module's two forms on the same maps."""
    ours, theirs = (
        terms.place(make(terms.shape[1]))
        for make in (module.ours, module.theirs)
    )
    maps = terms.maps().requires_grad_()
    return turns.compare(
        passes(ours, maps, terms),
        {PEER: passes(theirs, maps, terms)},
        rounds,
        clock,
        **setting(name, terms),
        kept=share(ours, theirs, maps, terms),
    )


def networks(terms: Terms, rounds: int) -> list[turns.Row]:
    """Compare a network with our form, with the textbook's and with none."""
    ours, theirs, plain = (
        terms.place(NETWORK(stem="cifar", classes=CLASSES, attention=attention))
        for attention in (TripletAttention, textbook.Triplet, None)
    )
    peers = {PEER: step(theirs, terms), "no attention": step(plain, terms)}
    return turns.compare(
        step(ours, terms),
        peers,
        rounds,
        clock,
        **setting("ResNet-50 with TripletAttention", terms),
        kept=share(ours, theirs, terms.draw(), terms),
    )


def setting(name: str, terms: Terms) -> dict[str, str]:
    """Say what is compared and on what terms."""
    return {
        "compared": name,
        "inputs": "×".join(map(str, terms.shape)),
        "precision": terms.precision,
        "channels": terms.channels,
    }


def passes(module: nn.Module, maps: Tensor, terms: Terms) -> turns.Contestant:
    """Prepare a forward and a backward pass, to maps and parameters."""
    inputs, upstream = [maps, *module.parameters()], terms.maps()

    def both() -> None:
        with autocast(terms.precision, maps.device):
            scaled = module(maps)
        torch.autograd.grad(scaled, inputs, upstream.to(scaled.dtype))

    return both


def step(network: nn.Module, terms: Terms) -> turns.Contestant:
    """Prepare a training step."""
    pictures = terms.draw()
    targets = torch.arange(len(pictures), device=pictures.device) % CLASSES
    optimiser = torch.optim.SGD(network.parameters(), 0.01, 0.9)

    def update() -> None:
        optimiser.zero_grad()
        with autocast(terms.precision, pictures.device):
            loss = cross_entropy(network(pictures), targets)
        torch.autograd.backward(loss)
        optimiser.step()

    return update


def share(
    ours: nn.Module, theirs: nn.Module, inputs: Tensor, terms: Terms
) -> str:
    """Write down what we keep for the backward pass in units of theirs."""
    with autocast(terms.precision, inputs.device):
        return f"{kept(ours, inputs) / kept(theirs, inputs):.2f}"


def kept(network: nn.Module, inputs: Tensor) -> int:
    """Count the bytes that a forward pass keeps for the backward pass."""
    found = dict[int, int]()

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        output = network(inputs)
    del output  # it held what is kept, so that no address came twice
    return sum(found.values())


def clock() -> float:
    """Read the time: the process's on a CPU, the wall clock's on a GPU."""
    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    turns.run("attention", measure, rounds=9)
