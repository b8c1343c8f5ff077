"""Zero-shot classification, by a CLIP whose directions are known."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from coursework import zero_shot
from coursework.data.splits import Split, Splits
from coursework.generative.judge import finished
from coursework.trial import Outcome

COLOURS = ("deep_red", "002.deep_green", "deep blue")
MEAN, SPREAD = (0.5, 0.25, 0.0), (0.5, 0.5, 0.25)


class Clip(nn.Module):
    """Know a picture by its mean colour, and a word by the colour it names."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.visual = SimpleNamespace(
            image_size=6, image_mean=MEAN, image_std=SPREAD
        )

    def encode_image(self, pictures: Tensor, *, normalize: bool) -> Tensor:
        assert normalize and pictures.shape[1:] == (3, 6, 6)
        assert not self.training
        undone = pictures * torch.tensor(SPREAD)[:, None, None]
        colours = (undone + torch.tensor(MEAN)[:, None, None]).mean((2, 3))
        return nn.functional.normalize(colours, dim=1)

    def encode_text(self, tokens: Tensor, *, normalize: bool) -> Tensor:
        assert normalize
        return nn.functional.normalize(tokens.float(), dim=1)


def tokens(texts: list[str]) -> Tensor:
    """Give a colour's direction; "not" turns it, and only once in three."""
    rows = []
    for text in texts:
        direction = torch.tensor(
            [f"deep {name}" in text for name in ("red", "green", "blue")]
        ).float()
        assert direction.sum() == 1, text
        rows.append(direction.roll(1) if "not" in text else direction)
    return torch.stack(rows)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put a small open_clip where the real one would be imported from."""
    asked: dict[str, Any] = {}
    module: Any = ModuleType("open_clip")
    module.__spec__ = SimpleNamespace(name="open_clip")

    def create(name: str, *, pretrained: str | None) -> Clip:
        asked.update(network=name, weights=pretrained)
        return Clip()

    module.create_model = create
    module.get_tokenizer = lambda name: tokens
    monkeypatch.setitem(sys.modules, "open_clip", module)
    return asked


def pictures() -> Splits:
    """Draw six pictures of one colour each, the fourth and fifth mixed."""
    colours = [[200, 0, 0], [0, 200, 0], [0, 0, 200]]
    colours += [[90, 80, 0], [0, 80, 90], [0, 0, 0]]
    inputs = np.tile(
        np.array(colours, np.uint8)[:, :, None, None], (1, 1, 9, 9)
    )
    split = Split(inputs=inputs, targets=np.array([0, 1, 2, 0, 1, 0]))
    return Splits(
        train=split, validation=split, test=split, name="c", classes=COLOURS
    )


def ask(**settings: Any) -> Outcome:
    return finished(zero_shot.classify(data=pictures, seed=0, **settings))


def test_the_nearest_name_is_taken(planted: dict[str, Any]) -> None:
    outcome = ask()
    assert planted == {"network": "ViT-B-32", "weights": "openai"}
    assert outcome.predictions is not None
    # Blue is nearer to [0, 80, 90] than green, its label; black is a tie.
    assert outcome.predictions[:5].tolist() == [0, 0, 0, 0, 1]
    assert outcome.parameters == 1 and outcome.multiply_adds == 0


def test_a_class_is_the_mean_of_its_prompts(planted: dict[str, Any]) -> None:
    outcome = ask(prompts=("{}", "{}", "not {}"))
    assert outcome.predictions is not None
    # Green is now two parts green and one blue: [0, 80, 90] is nearer to it.
    assert outcome.predictions[:5].tolist() == [0, 0, 0, 0, 0]
    turned = ask(prompts=("not {}",))
    assert turned.predictions is not None
    assert (turned.predictions[:3] != 0).all()


def test_views_are_what_the_network_was_trained_on() -> None:
    grey = torch.full((2, 1, 9, 9), 255, dtype=torch.uint8)
    seen = zero_shot._seen(grey, Clip().visual)
    assert seen.shape == (2, 3, 6, 6)
    for channel, value in enumerate([1.0, 1.5, 4.0]):  # (1 - mean) / spread
        expected = torch.full((2, 6, 6), value)
        torch.testing.assert_close(seen[:, channel], expected)


def test_without_the_package_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(
        ModuleNotFoundError, match="pip install open_clip_torch"
    ):
        ask()


def test_it_is_reachable_with_package_and_network(
    planted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COURSEWORK_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert zero_shot.reachable()
    monkeypatch.setenv("COURSEWORK_OFFLINE", "1")
    assert not zero_shot.reachable()
