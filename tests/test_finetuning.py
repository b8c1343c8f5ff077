"""A network is trained on one set, and what it learnt tuned on another."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from coursework import finetuning, paths, probes_cost
from coursework.data.augment import View
from coursework.data.parts import only
from coursework.data.splits import Splits
from coursework.models.convnet import ConvNet
from coursework.models.transfer import head, transfer
from coursework.models.vit import ViT, vit_mnist, vit_with_attention
from coursework.recipe import Recipe
from coursework.training import Trained, predict
from coursework.trial import Outcome
from tests.trials import note, notes, pictures, play

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = partial(ConvNet, width=4)
TOKENS = partial(
    ViT,
    image_size=8,
    patch_size=4,
    channels=1,
    dim=8,
    depth=1,
    heads=2,
    mlp_dim=8,
)
RECIPE = Recipe(epochs=2, batch_size=16, optimiser="adam", learning_rate=0.01)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))


def old() -> Splits:
    """Load the classes to learn first, and note that somebody did."""
    note("loaded old")
    return only(data=pictures, classes=("0", "1"))


NEW = partial(only, data=pictures, classes=("2", "3", "0"))


def weights_at_the_end(trained: Trained) -> Mapping[str, NDArray[Any]]:
    """Keep all tensors of the network, under today's names."""
    return {k: v.numpy() for k, v in trained.network.state_dict().items()}


def source(seed: int = 0, **changes: Any) -> Mapping[str, NDArray[Any]]:
    settings = {
        "backbone": SMALL,
        "data": old,
        "classes": 2,
        "recipe": RECIPE,
        "view": View(),
    }
    return finetuning.pretrained(seed=seed, **settings | changes)


def tuned(**changes: Any) -> Outcome:
    settings: dict[str, Any] = {
        "backbone": SMALL,
        "classes": 3,
        "source": old,
        "source_classes": 2,
        "source_recipe": RECIPE,
        "data": NEW,
        "recipe": RECIPE,
        "probes": (weights_at_the_end, probes_cost.step_memory),
        "seed": 0,
    }
    return play(finetuning.fine_tune(**settings | changes))[1]


def arrays(outcome: Outcome, name: str) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(outcome.artefacts[name])) as kept:
        return {key: kept[key] for key in kept.files}


def test_a_source_is_learnt_once_for_each_seed_and_recipe() -> None:
    first = source()
    again = source()
    assert notes("loaded") == ["old"]
    assert all((again[name] == first[name]).all() for name in first)
    other = source(seed=1)
    assert notes("loaded") == ["old"] * 2
    assert any((other[name] != first[name]).any() for name in first)
    source(recipe=Recipe(epochs=1))
    assert notes("loaded") == ["old"] * 3
    assert len(list((paths.data() / "pretrained").glob("*.npz"))) == 3


def test_a_source_learns_its_classes() -> None:
    recipe = Recipe(
        epochs=20, batch_size=16, optimiser="adam", learning_rate=0.01
    )
    learnt = SMALL(classes=2)
    state = {k: torch.from_numpy(v) for k, v in source(recipe=recipe).items()}
    learnt.load_state_dict(state)
    test = old().test
    said = predict(learnt, test, View(), "float32").argmax(1)
    assert np.mean(said == test.targets) > 0.9


def test_all_but_the_head_is_the_sources() -> None:
    torch.manual_seed(5)
    network = transfer(backbone=SMALL, classes=3)
    path = head(network.network)
    drawn = network.network.get_parameter(f"{path}.weight").detach().clone()
    weights = source()
    finetuning.started(network, weights)
    state = network.network.state_dict()
    for name, tensor in state.items():
        if not name.startswith(path):
            np.testing.assert_array_equal(tensor.numpy(), weights[name])
    assert torch.equal(state[f"{path}.weight"], drawn)
    assert any("running_mean" in name for name in state)


def test_a_head_of_the_same_size_starts_anew_as_well() -> None:
    weights = source()
    network = finetuning.started(transfer(backbone=SMALL, classes=2), weights)
    path = f"{head(network.network)}.weight"
    found = network.network.state_dict()[path].numpy()
    assert (found != weights[path]).any()


def test_a_layer_that_the_source_lacks_stays_as_it_was_drawn() -> None:
    torch.manual_seed(1)
    weights = {k: v.numpy() for k, v in vit_mnist().state_dict().items()}
    network = transfer(backbone=vit_with_attention, classes=5)
    before = {k: v.clone() for k, v in network.network.state_dict().items()}
    finetuning.started(network, weights)
    for name, tensor in network.network.state_dict().items():
        if name.startswith(("blocks.4", "head")):
            assert torch.equal(tensor, before[name]), name
        else:
            np.testing.assert_array_equal(tensor.numpy(), weights[name])


def test_tuning_a_head_leaves_the_source_as_it_was() -> None:
    outcome = tuned(strategy="head")
    state, weights = arrays(outcome, "weights_at_the_end.npz"), source()
    assert notes("loaded") == ["old"]
    body = [
        n for n in weights if state[f"network.{n}"].shape == weights[n].shape
    ]
    kept = [n for n in body if (state[f"network.{n}"] == weights[n]).all()]
    assert kept == [n for n in weights if not n.startswith(kept_head())]
    cost = arrays(outcome, "step_memory.npz")
    assert cost["gradients"] == 4 * (16 * 3 + 3)


def kept_head() -> str:
    return head(SMALL(classes=3))


def test_tuning_everything_moves_everything() -> None:
    state = arrays(tuned(), "weights_at_the_end.npz")
    weights = source()
    moved = [n for n in weights if n.endswith("weight")]
    body = [n for n in moved if not n.startswith(kept_head())]
    assert all((state[f"network.{n}"] != weights[n]).any() for n in body)


def test_an_adapter_trains_beside_what_the_source_learnt() -> None:
    outcome = tuned(backbone=TOKENS, adapter="own-lora")
    state = arrays(outcome, "weights_at_the_end.npz")
    weights = source(backbone=TOKENS)
    frozen = {n.removeprefix("body."): v for n, v in state.items()}
    for name in ("positions", "blocks.0.mlp.0.weight", "patches.embed.weight"):
        np.testing.assert_array_equal(frozen[name], weights[name])
    rank = 8
    lora = rank * (8 + 24) + rank * (8 + 8)  # query, key and value; then out
    cost = arrays(outcome, "step_memory.npz")
    assert cost["gradients"] == 4 * (lora + 8 * 3 + 3)


def test_another_network_may_be_the_source() -> None:
    outcome = tuned(source_backbone=partial(SMALL, channels=1), strategy="head")
    state = arrays(outcome, "weights_at_the_end.npz")
    weights = source(backbone=partial(SMALL, channels=1))
    name = next(iter(weights))
    np.testing.assert_array_equal(state[f"network.{name}"], weights[name])
