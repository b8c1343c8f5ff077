"""Probes against scikit-learn and the modules' own methods; no trace left."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

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
from coursework.models.resnet import ResNet
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


def residual() -> nn.Module:
    return ResNet(18, channels=1, classes=4, width=8, stem="cifar")


LOOKING: list[tuple[Probe, Callable[[], nn.Module]]] = [
    (probes.errors, gated),
    (probes.gates, gated),
    (probes.gate_swaps, gated),
    (probes.train_mode, gated),
    (probes.attention_entropy, attentive),
    (probes.flow, residual),
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


class Replaced(nn.Module):
    """Scale maps by given gates (C,) or by those of a block, reordered."""

    def __init__(self, block: nn.Module, gates: Tensor | None) -> None:
        super().__init__()
        self.block, self.gates = block, gates

    def forward(self, maps: Tensor) -> Tensor:
        gates = self.gates
        if gates is None:
            own = self.block.weights(maps)  # type: ignore[operator]
            order = torch.randperm(
                own.shape[1], generator=torch.Generator().manual_seed(0)
            )
            gates = own[:, order]
        return maps * gates.expand(len(maps), -1)[:, :, None, None]


def test_swapped_gates_against_networks_built_with_them() -> None:
    seen = trained(gated)
    many = replace(seen.splits, validation=pictures(train=240).train)
    seen = replace(seen, splits=many)
    layers = list(seen.network.children())
    with torch.no_grad():  # so that gates differ between pictures
        for block in (layers[1], layers[6]):
            for weights in block.parameters():
                weights.mul_(5)
    split = seen.splits.validation
    maps, blocks = View()(batch(split)), (1, 6)
    means = {}
    with torch.no_grad():
        for number, layer in enumerate(layers):
            if number in blocks:
                means[number] = layer.weights(maps).mean(0)  # type: ignore[operator]
            maps = layer(maps)

    def score(chosen: tuple[int, ...], swap: str) -> float:
        changed = list(layers)
        for n in chosen:
            gates = {
                "mean": means[n],
                "ones": torch.ones_like(means[n]),
                "permuted": None,
            }
            changed[n] = Replaced(layers[n], gates[swap])
        outputs = replace(seen, network=nn.Sequential(*changed)).outputs(split)
        return float((outputs.argmax(1) == split.targets).mean())

    found = probes.gate_swaps(seen)
    assert found["accuracy"] == pytest.approx(score((), "mean"))
    expected = [score(blocks, swap) for swap in probes.SWAPS]
    np.testing.assert_allclose(found["all"], expected)
    assert len({float(found["accuracy"]), *found["all"]}) > 1
    each = [[score((n,), swap) for swap in probes.SWAPS] for n in blocks]
    np.testing.assert_allclose(found["each"], each)


def test_training_mode_takes_statistics_from_its_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def normed() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 4))

    monkeypatch.setattr(probes, "BATCH", 8)
    seen = trained(normed)
    split = seen.splits.validation
    inputs = View()(batch(split)).flatten(1).double().numpy()
    scale, move, w, b = (
        p.detach().double().numpy() for p in seen.network.parameters()
    )
    shares = []
    orders = (
        np.random.default_rng(0).permutation(len(split)),
        np.argsort(split.targets, kind="stable"),
    )
    for order in orders:
        right = []
        for start in range(0, len(split), 8):
            rows = order[start : start + 8]
            x = inputs[rows]
            x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * scale + move
            right += list((x @ w.T + b).argmax(1) == split.targets[rows])
        shares.append(np.mean(right))
    found = probes.train_mode(seen)["accuracy"]
    outputs = seen.outputs(split)
    assert found[0] == (outputs.argmax(1) == split.targets).mean()
    np.testing.assert_allclose(found[1:], shares)
    assert shares[0] > shares[1]  # a batch of one class looks like any other


def test_flow_against_gradients_that_torch_retains() -> None:
    seen = trained(residual)
    inputs, targets = training.to_tensors(seen.splits.train, CPU)
    inputs, targets = inputs[: probes.BATCH], targets[: probes.BATCH]
    network = copy.deepcopy(seen.network).train()
    assert isinstance(network, ResNet)
    maps = stem = network.stem(View()(inputs))
    kept = []
    for stage in network.stages:
        for unit in stage:  # type: ignore[attr-defined]
            maps = unit(maps)
            maps.retain_grad()
            kept.append(maps)
    loss = cross_entropy(network.head(maps), targets)
    torch.autograd.backward(loss)
    found = probes.flow(seen)

    def size(values: Tensor) -> float:
        return float(np.sqrt(np.mean(values.detach().double().numpy() ** 2)))

    assert found["loss"] == pytest.approx(loss.item())
    assert found["stem"] == pytest.approx(size(stem))
    assert found["side"] == stem.shape[-1] == 8
    signals = [size(out) for out in kept]
    gradients = [size(out.grad) for out in kept if out.grad is not None]
    np.testing.assert_allclose(found["signal"], signals, rtol=1e-5)
    np.testing.assert_allclose(found["gradient"], gradients, rtol=1e-4)
    assert len(signals) == len(gradients) == 8


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
