"""The same network from four places, and what can't be had from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn

from coursework import guard_torchvision
from coursework.data.download import DataUnavailable
from coursework.models.sources import Source, build
from coursework.models.transfer import stages

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = "shufflenet_v2_x0_5"


def weightless(name: str, source: Source, classes: int = 5) -> nn.Module:
    """Build a network of shapes alone."""
    with torch.device("meta"):
        return build(name, classes, source, pretrained=False)


# network, source: stages, parameters of the head for 5 classes
KNOWN: dict[tuple[str, Source], tuple[int, int]] = {
    ("lite0", "timm"): (9, 6405),
    ("resnet50", "timm"): (6, 10_245),
    ("resnet50", "torchvision"): (6, 10_245),
    ("resnet50", "own"): (6, 10_245),
    ("resnet18", "timm"): (6, 2565),
    ("resnet18", "torchvision"): (6, 2565),
    ("vit_base_patch16_224", "timm"): (14, 3845),
    ("vit_b_16", "torchvision"): (14, 3845),
    ("vit_b_16", "own"): (14, 3845),
    ("vgg11", "torchvision"): (11, 20_485),
    ("convnet", "own"): (4, 325),
}


def sizes(network: nn.Module) -> list[int]:
    """Count the parameters of each stage."""
    tensors = dict(network.named_parameters())
    return [sum(tensors[n].numel() for n in s) for s in stages(network)]


@pytest.mark.parametrize(("name", "source"), KNOWN)
def test_stages_hold_each_parameter_once_and_the_head_last(
    name: str, source: Source
) -> None:
    network = weightless(name, source)
    held = [parameter for stage in stages(network) for parameter in stage]
    count, head = KNOWN[name, source]
    assert sorted(held) == sorted(n for n, _ in network.named_parameters())
    assert len(stages(network)) == count
    assert sizes(network)[-1] == head


@pytest.mark.parametrize(
    ("name", "timms"),
    [("resnet50", "resnet50"), ("vit_b_16", "vit_base_patch16_224")],
)
def test_all_sources_have_the_stages_that_timm_has(
    name: str, timms: str
) -> None:
    expected = sizes(weightless(timms, "timm"))
    assert sizes(weightless(name, "torchvision")) == expected
    assert sizes(weightless(name, "own")) == expected


@pytest.mark.parametrize(
    ("name", "source", "size"),
    [
        ("convnet", "own", 64),
        (TINY, "torchvision", 1024),
        ("lite0", "timm", 1280),
    ],
)
def test_without_classes_the_features_come_out(
    name: str, source: Source, size: int
) -> None:
    network = build(name, 0, source, pretrained=False).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2, size)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give torch a cache of its own, and a network that is down."""

    def down(*where: Any, **options: Any) -> None:
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", down)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_weights_of_torchvision_see_pictures_as_they_were_trained(
    cache: Path,
) -> None:
    guard_torchvision()
    from torchvision import models  # noqa: PLC0415

    torch.manual_seed(0)
    original = models.get_model(TINY).eval()
    known = models.get_model_weights(TINY).DEFAULT
    torch.save(original.state_dict(), cache / Path(known.url).name)
    original.fc = nn.Identity()
    network = build(TINY, 0, "torchvision").eval()
    pixels = torch.randint(256, (2, 3, 64, 64))
    seen = known.transforms()
    mean, std = (torch.tensor(v)[:, None, None] for v in (seen.mean, seen.std))
    with torch.inference_mode():
        expected = original((pixels / 255 - mean) / std)
        torch.testing.assert_close(network(pixels / 127.5 - 1), expected)


@pytest.mark.parametrize(
    ("offline", "reason"), [("1", "offline, and .* lacks"), ("0", "no route")]
)
def test_weights_that_can_not_be_had_name_the_ways_out(
    cache: Path, monkeypatch: pytest.MonkeyPatch, offline: str, reason: str
) -> None:
    monkeypatch.setenv("COURSEWORK_OFFLINE", offline)
    with pytest.raises(DataUnavailable, match=reason) as caught:
        build(TINY, 5, "torchvision")
    for way in ("COURSEWORK_OFFLINE", "TORCH_HOME", "lite0", "pretrained="):
        assert way in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("resnet18", 5, "own"), "no weights of our 'resnet18': set pretr"),
        (("resnet1", 5, "own"), "'resnet1'; accepted: 'resnet18'"),
        (("resnet1", 5, "torchvision"), "'resnet1'.*such as resnet18"),
        (("resnet18", 5, "attic"), "source 'attic'; accepted: 'own', 'torch"),
        (("resnet18", 5, "hub"), "network of the hub 'resnet18'"),
        (("ntsnet", 5, "hub"), "classes is 5; NTS-Net's weights know the 200"),
    ],
)
def test_what_there_is_not_is_refused(
    arguments: tuple[Any, ...], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        build(*arguments)


def test_offline_the_hub_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "load", None)
    with pytest.raises(DataUnavailable, match="COURSEWORK_OFFLINE is set"):
        build("ntsnet", 200, "hub")


class Seven(nn.Module):
    """Answer as NTS-Net does: the fourth of seven is what counts."""

    def forward(self, pictures: Tensor) -> list[Tensor]:
        return [pictures.mean((2, 3)) + place for place in range(7)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let the hub be reached; note what it is asked."""
    calls: list[Any] = []

    def load(*names: str, **options: Any) -> nn.Module:
        calls.append((names, options))
        return Seven()

    monkeypatch.setenv("COURSEWORK_OFFLINE", "0")
    monkeypatch.setattr(torch.hub, "load", load)
    return calls


def test_nts_net_answers_with_its_joint_logits(asked: list[Any]) -> None:
    check = vars(torch.hub)["_validate_not_a_forked_repo"]
    network = build("ntsnet", 200, "hub")
    ((names, options),) = asked
    assert names == ("nicolalandro/ntsnet-cub200", "ntsnet")
    assert options["topN"] == 6
    assert "skip_validation" not in options
    assert vars(torch.hub)["_validate_not_a_forked_repo"] is check
    white = (1 - 0.485) / 0.229
    answer = network(torch.ones(1, 3, 4, 4))
    assert float(answer[0, 0]) == pytest.approx(white + 3, rel=1e-5)


def test_a_hub_that_fails_is_said(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*names: str, **options: Any) -> nn.Module:
        raise AttributeError("its code is too old")

    monkeypatch.setattr(torch.hub, "load", fail)
    with pytest.raises(DataUnavailable, match="its code is too old"):
        build("ntsnet", 200, "hub")
