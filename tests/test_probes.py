"""Probes against scikit-learn and the modules' own methods; no trace left."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from coursework import probes, training
from coursework.data.augment import View
from coursework.data.splits import Split
from coursework.models.attention import SqueezeExcite
from coursework.models.vit import ViT
from coursework.training import Probe, Trained
from tests.trials import pictures

CPU = torch.device("cpu")


def gated() -> nn.Module:
    """Build two SE blocks, a convolution apart, that batch norm looks at."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        SqueezeExcite(8, 2),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv2d(8, 4, 3),
        SqueezeExcite(4, 4),
        nn.Flatten(),
        nn.Linear(4 * 4 * 4, 4),
    )


def attentive() -> nn.Module:
    return ViT(
        image_size=8,
        patch_size=4,
        channels=1,
        classes=4,
        dim=12,
        depth=2,
        heads=3,
        mlp_dim=12,
        dropout=0.3,
    )


LOOKING: list[tuple[Probe, Callable[[], nn.Module]]] = [
    (probes.errors, gated),
    (probes.gates, gated),
    (probes.attention_entropy, attentive),
]


def trained(build: Callable[[], nn.Module], seed: int = 0) -> Trained:
    """Train a little, so that not all pictures are taken for one class."""
    torch.manual_seed(1)
    network, splits = build(), pictures()
    inputs, targets = training.to_tensors(splits.train, CPU)
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(5):
        cross_entropy(network(View()(inputs)), targets).backward()
        optimiser.step()
        optimiser.zero_grad()
    return Trained(
        network=network.eval(),
        splits=splits,
        view=View(),
        precision="float32",
        seed=seed,
    )


def batch(split: Split) -> Tensor:
    return training.to_tensors(split, CPU)[0]


def test_confusion_is_scikit_learns() -> None:
    for seed in range(2):
        seen = trained(gated, seed)
        targets = seen.splits.test.targets
        predicted = seen.outputs(seen.splits.test).argmax(1)
        found = probes.errors(seen)["confusion"]
        expected = confusion_matrix(targets, predicted, labels=range(4))
        np.testing.assert_array_equal(found, expected)
        assert len(np.unique(predicted)) > 1 and found.sum() == len(targets)
        assert (found != found.T).any()  # rows can be told from columns


def test_seed_0_keeps_the_pictures_it_got_most_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes, "SHOWN", 5)
    seen = trained(gated)
    test = seen.splits.test
    outputs = seen.outputs(test).astype(float)
    chances = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    found = probes.errors(seen)
    wrong = chances.argmax(1) != test.targets
    sure = np.sort(chances[wrong].max(1))[::-1][:5]
    np.testing.assert_allclose(found["probability"], sure, rtol=1e-5)
    assert (found["predicted"] != found["targets"]).all()
    for row, picture in enumerate(found["pictures"]):
        same = (test.inputs == picture).all((1, 2)).nonzero()[0]
        assert found["targets"][row] == test.targets[same[0]]
        assert chances[same[0]].argmax() == found["predicted"][row]
    assert set(probes.errors(trained(gated, seed=1))) == {"confusion"}


@pytest.mark.parametrize("looked_at", [20, 1000])
def test_gates_are_those_of_the_blocks_themselves(
    looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "LOOKED_AT", looked_at)
    seen = trained(gated)
    layers = list(seen.network.children())
    split = seen.splits.validation
    split = split.take(np.arange(min(looked_at, len(split))))
    with torch.no_grad():
        first = layers[0](View()(batch(split)))
        second = nn.Sequential(*layers[1:6])(first)
        gates = [layers[1].weights(first), layers[6].weights(second)]  # type: ignore[operator]
    found = probes.gates(seen)
    for number, gate in enumerate(g.double().numpy() for g in gates):
        expected = {
            "mean": gate.mean(0),
            "sd": np.sqrt(((gate - gate.mean(0)) ** 2).mean(0)),
            "first": gate[0],
            "range": gate.max(1) - gate.min(1),
            "by_class": [gate[split.targets == k].mean(0) for k in range(4)],
        }
        for name, values in expected.items():
            array = found[f"{name}_{number}"]
            assert array.dtype == np.float16
            np.testing.assert_allclose(array, values, atol=3e-4, err_msg=name)
        assert gate.std(0).max() > 1e-3  # pictures can be told apart
    assert len(found) == 10
    assert len(probes.gates(trained(gated, seed=1))) == 8


def test_attention_entropy_against_numpy() -> None:
    seen = trained(attentive)
    network = seen.network
    assert isinstance(network, ViT)
    expected = []
    with torch.no_grad():
        tokens = network.patches(View()(batch(seen.splits.validation)))
        first = network.class_token.expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], 1) + network.positions
        for block in network.blocks:
            rows = block.attention.weights(block.norm1(tokens))  # type: ignore[operator, union-attr]
            p = rows.double().numpy()
            assert p.shape == (32, 3, 5, 5)
            expected.append(-(p * np.log(p)).sum(-1).mean((0, 2)))
            tokens = block(tokens)
    found = probes.attention_entropy(seen)
    np.testing.assert_allclose(found["entropy"], expected, rtol=1e-5)
    assert found["uniform"] == pytest.approx(np.log(5))
    assert (found["entropy"] < found["uniform"]).all()


def test_a_row_that_takes_one_token_alone_has_no_entropy() -> None:
    rows = torch.zeros(1, 2, 4, 4)
    rows[0, 0, :, 1] = 1
    rows[0, 1] = 0.25
    found = probes._entropy(rows)
    np.testing.assert_allclose(found, [[0, np.log(4)]], rtol=1e-6)


def hooks(network: nn.Module) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks)
        for module in network.modules()
    )


def state(network: nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in network.state_dict().items()}


@pytest.mark.parametrize(("probe", "build"), LOOKING)
def test_a_probe_leaves_the_network_as_it_found_it(
    probe: Probe, build: Callable[[], nn.Module]
) -> None:
    seen = trained(build)
    for parameter in seen.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before, random = state(seen.network), torch.get_rng_state()
    first, again = probe(seen), probe(seen)
    for name, value in seen.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    for parameter in seen.network.parameters():
        assert parameter.requires_grad and parameter.grad is not None
        assert torch.equal(parameter.grad, torch.ones_like(parameter))
    assert not any(module.training for module in seen.network.modules())
    assert hooks(seen.network) == 0
    assert torch.equal(torch.get_rng_state(), random)
    assert first
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name])
        assert np.isfinite(array).all()


def test_watching_ends_even_where_the_block_raises() -> None:
    network = gated()
    other = network[0].register_forward_hook(lambda *_: None)  # type: ignore[index]
    modules = dict(network.named_modules())
    with (
        pytest.raises(RuntimeError, match="planted"),
        probes.watch({"0": modules["0"], "1": modules["1"]}) as seen,
    ):
        network(torch.zeros(2, 1, 8, 8))
        assert hooks(network) == 3
        raise RuntimeError("planted")
    assert [len(parts) for parts in seen.values()] == [1, 1]
    assert hooks(network) == 1  # the one that was there stays
    other.remove()
    network(torch.zeros(2, 1, 8, 8))
    assert [len(parts) for parts in seen.values()] == [1, 1]


def test_watching_keeps_only_the_summary_and_no_graph() -> None:
    network = gated()
    modules = dict(network.named_modules())
    with probes.watch({"0": modules["0"]}, lambda maps: maps.mean()) as seen:
        network(torch.ones(2, 1, 8, 8))
    (kept,) = seen["0"]
    expected: Tensor = network[0](torch.ones(2, 1, 8, 8)).mean()  # type: ignore[index]
    assert kept.shape == () and not kept.requires_grad
    assert kept.item() == pytest.approx(expected.item())
