"""The benchmark of attention modules: equal contestants, and what they keep.

The textbook forms stand in ``benchmarks.textbook``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import benchmarks
from benchmarks import attention, turns
from coursework import paths
from coursework.launch import pages
from coursework.models.resnet import resnet18
from coursework.recipe import Precision

pytestmark = pytest.mark.usefixtures("one_thread")


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pair(name: str, channels: int) -> tuple[nn.Module, nn.Module]:
    """Make both forms of a module, with the same weights."""
    torch.manual_seed(0)
    module = attention.MODULES[name]
    ours, theirs = module.ours(channels), module.theirs(channels)
    weights = theirs.state_dict()
    theirs.load_state_dict(
        {k: v.view_as(weights[k]) for k, v in ours.state_dict().items()}
    )
    return ours, theirs


def results(
    module: nn.Module, maps: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Compute outputs, the maps' gradient and the parameters'."""
    maps = maps.detach().requires_grad_()
    scaled = module(maps)
    upstream = draw(*maps.shape, seed=2).to(scaled.dtype)
    first, *others = torch.autograd.grad(
        scaled, [maps, *module.parameters()], upstream
    )
    return scaled, first, others


def distance(ours: Tensor, theirs: Tensor) -> float:
    """Return the greatest difference relative to the greatest number."""
    return float((ours - theirs).detach().abs().max() / theirs.abs().max())


LAYOUTS = list(attention.LAYOUTS.values())
SHAPES = [(16, 256, 32, 32), (16, 2048, 4, 4), (4, 96, 7, 9), (4, 96, 9, 7)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", attention.MODULES)
def test_contestants_compute_the_same(
    name: str, shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    if "median" in name:  # slow to sort, and many places would share it
        shape = (1, *(min(length, 96) for length in shape[1:]))
    maps = draw(*shape).contiguous(memory_format=layout)
    found = [results(module, maps) for module in pair(name, shape[1])]
    (ours, gradient, gradients), (theirs, expected, others) = found
    assert ours.stride() == maps.stride()  # what comes next finds its order
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert distance(gradient, expected) < 1e-5
    for one, other in zip(gradients, others, strict=True):
        # Of a bias before a norm, only rounding is left.
        noise = float(other.abs().max()) < 1e-3
        assert noise or distance(one, other.view_as(one)) < 5e-5


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("side", [4, 12])
def test_of_equal_values_the_first_is_the_largest(
    side: int, layout: torch.memory_format
) -> None:
    """As after a ReLU, where whole rows are zero."""
    maps = draw(3, 24, side, side).mul(2).round().clamp(min=0)
    maps = maps.contiguous(memory_format=layout)
    ours, theirs = pair("TripletAttention", 24)
    assert distance(results(ours, maps)[1], results(theirs, maps)[1]) < 1e-5


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_bfloat16_costs_no_more_exactness_than_in_the_textbook_form(
    shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    modules = pair("TripletAttention", shape[1])
    maps = draw(*shape).bfloat16().contiguous(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16):
        found = [results(module, maps) for module in modules]
    exact = results(modules[1].double(), maps.double())
    for ours, theirs, right in list(zip(*found, exact, strict=True))[:2]:
        assert isinstance(ours, Tensor) and ours.dtype == torch.bfloat16
        errors = [
            float((each - right).detach().std()) for each in (ours, theirs)
        ]
        assert errors[0] < 1.1 * errors[1]


@pytest.mark.parametrize("layout", attention.LAYOUTS)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("shape", "most"),
    [
        ((2, 256, 32, 32), 0.5),
        ((2, 512, 16, 16), 0.7),
        ((2, 1024, 8, 8), 0.7),
        ((2, 2048, 4, 4), 0.7),
    ],
)
def test_less_is_kept_for_the_backward_pass(
    shape: attention.Shape, most: float, precision: Precision, layout: str
) -> None:
    terms = attention.Terms(shape, precision, layout)
    ours, theirs = pair("TripletAttention", shape[1])
    maps = terms.maps().requires_grad_()
    assert float(attention.share(ours, theirs, maps, terms)) <= most


def test_what_is_kept_is_counted_once() -> None:
    maps = draw(2, 3, 4, 5).requires_grad_()
    both = nn.Sequential(nn.Sigmoid(), nn.Sigmoid())
    assert attention.kept(nn.Sigmoid(), maps) == 4 * 120
    assert attention.kept(both, maps) == 2 * 4 * 120
    assert attention.kept(nn.Flatten(), maps) == 0
    square = nn.Bilinear(5, 5, 1, bias=False)
    same = maps.view(-1, 5)
    assert attention.kept(Twice(square), same) == 4 * (120 + 25)


class Twice(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.module(maps, maps)
        return found


def test_a_benchmark_may_bring_its_clock() -> None:
    now = iter([0.0, 1.0, 0.0, 9.0, 10.0, 12.0, 20.0, 25.0])
    row = turns.compare(int, {"slow": int}, 1, lambda: next(now))[0]
    assert row["ratio"] == 2.5


def test_a_tiny_round_makes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = {
        name: module._replace(shapes=[(2, 32, 4, 6)])
        for name, module in attention.MODULES.items()
    }
    monkeypatch.setattr(attention, "MODULES", tiny)
    monkeypatch.setattr(attention, "NETWORK", partial(resnet18, width=8))
    monkeypatch.setattr(attention, "PICTURES", (2, 3, 16, 16))
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path / "benchmarks/results")
    rows = list(attention.measure(1))
    assert len(rows) == 3 * 3 + 2 * 2
    assert all(row["ratio"] > 0 and row["n"] == 1 for row in rows)
    benchmarks.store("attention", rows)
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    page = pages.benchmarks_page()
    for text in (*tiny, "textbook form", "no attention", "2×3×16×16"):
        assert text in page
    assert "NaN" not in page


def test_a_step_trains() -> None:
    network = resnet18(width=8, stem="cifar", classes=attention.CLASSES)
    weights = network.get_parameter("head.2.weight")
    before = weights.detach().clone()
    terms = attention.Terms((2, 3, 16, 16), "bfloat16", "last")
    attention.step(terms.place(network), terms)()
    assert not torch.equal(weights, before)
