"""The benchmark for GPUs: its contestants train, on whatever there is."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from benchmarks import turns
from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import peers
from coursework.data.augment import View

CPU = torch.device("cpu")
PICTURES, BATCH = 10, 4
pytestmark = pytest.mark.usefixtures("one_thread")


class Watched(nn.Module):
    """A linear layer that notes what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(784, 10)
        self.seen: list[tuple[int, torch.dtype]] = []

    def forward(self, batch: Tensor) -> Tensor:
        outputs: Tensor = self.linear(batch.flatten(1))
        self.seen.append((len(batch), outputs.dtype))
        return outputs


def pictures() -> TensorDataset:
    drawn = torch.Generator().manual_seed(0)
    return TensorDataset(
        torch.rand(PICTURES + 6, 1, 28, 28, generator=drawn),
        torch.arange(PICTURES + 6) % 10,
    )


def test_each_peer_passes_once_over_the_pictures_and_learns() -> None:
    made: list[Watched] = []

    def build() -> nn.Module:
        made.append(Watched())
        return made[-1]

    loops = peers.peers((build, build), pictures(), PICTURES, BATCH, CPU)
    before = [network.linear.weight.clone() for network in made]
    short = {"float32": torch.float32}
    for (name, steps), network, start in zip(
        loops.items(), made, before, strict=True
    ):
        steps()
        kind = short.get(name.rpartition(", ")[2], torch.bfloat16)
        sizes = [4, 4, 4] if name.startswith("bare") else [4, 4, 2]
        assert network.seen == [(size, kind) for size in sizes]
        assert not torch.equal(network.linear.weight, start)


def test_ours_passes_over_the_same_number() -> None:
    network = Watched()
    setting = gpu.Setting(
        lambda: network, (Watched, Watched), View(), BATCH, PICTURES
    )
    drawn = torch.Generator().manual_seed(0)
    pixels = torch.randint(
        256, (PICTURES + 6, 28, 28), dtype=torch.uint8, generator=drawn
    )
    steps = gpu.epoch(setting, pixels, torch.arange(PICTURES + 6) % 10, CPU)
    start = network.linear.weight.clone()
    assert turns.seconds(steps, partial(gpu.finished, CPU)) > 0
    assert [size for size, _ in network.seen] == [4, 4, 2]
    assert not torch.equal(network.linear.weight, start)


def test_torchvision_and_timm_build_the_same_networks() -> None:
    for name in ("resnet18", "resnet50"):
        with torch.device("meta"):
            theirs, timms = (build() for build in peers.named(name))
            ours = gpu.SETTINGS[f"ResNet-{name[6:]}"].ours()
        counts = {
            sum(p.numel() for p in network.parameters())
            for network in (theirs, timms, ours)
        }
        assert len(counts) == 1


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["gpu", "LeNet"])
    monkeypatch.setenv("COURSEWORK_DEVICE", "cpu")
    with pytest.raises(SystemExit):
        gpu.main()
    assert "this benchmark is about GPUs" in capsys.readouterr().err
