"""``coursework train``: what each option does, errors, and a lookup apart."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import tyro

from coursework import (
    chain,
    cli,
    experiment,
    identity,
    paths,
    records,
    training,
)
from coursework.experiment import Run
from coursework.launch import adhoc, batch, choices, pool
from coursework.launch.choices import MODELS
from coursework.launch.notebooks import Execution
from coursework.launch.options import Options
from coursework.launch.pool import Report
from coursework.models.attention.branch import BETWEEN
from coursework.models.residual import SKIPS
from coursework.models.transfer import STRATEGIES
from coursework.records import ADHOC, Record
from coursework.trial import Epoch
from tests import trials
from tests.test_cli import HEAVY
from tests.trials import notes, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

LENET = "train mnist-zoo --model lenet --dataset digits --train 64 --epochs 2"


@pytest.fixture
def no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if a run is begun, which is what reads the data."""

    def begun(*_: object, **__: object) -> Record:
        raise AssertionError("a run was begun")

    monkeypatch.setattr(experiment, "execute", begun)


def command(
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, list[str]]:
    """Run a command line in this process: exit status and what it said."""
    monkeypatch.setattr(sys, "argv", ["coursework", *line.split()])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as caught:
        cli.main()
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return int(caught.value.code or 0), (said.out + said.err).splitlines()


def asked(model: str = "lenet", **changes: Any) -> Options:
    return Options(**{"practical": "mnist-zoo", "model": model} | changes)


def triplet(model: str = "resnet18", **changes: Any) -> Options:
    return asked(model, practical="triplet", **changes)


def network(cell: Run) -> Any:
    return cell.trial.keywords["model"]


def count(cell: Run) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in network(cell)().parameters())


def outputs(cell: Run) -> torch.Tensor:
    """Run a cell's network, always from the same weights, on one picture."""
    torch.manual_seed(0)
    built = network(cell)().eval()
    generator = torch.Generator().manual_seed(1)
    view = cell.trial.keywords["view"]
    shape = (1, view.channels, view.side, view.side)
    with torch.no_grad():
        logits: torch.Tensor = built(torch.randn(shape, generator=generator))
    return logits


TRIPLET = {"att_type": "triplet"}
ATTENTIVE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *(({}, {"att_type": name}) for name in choices.ATTENTION if name != "none"),
    *((TRIPLET, {"activation": name}) for name in BETWEEN if name != "none"),
    (TRIPLET, {"gate": "tanh"}),
    (TRIPLET, {"gate": "softmax"}),
    *((TRIPLET, {"pool": pool}) for pool in ("1", "2", "3", "avg,l2-mean")),
    (TRIPLET, {"kernel_size": 3}),
    ({"att_type": "cbam"}, {"kernel_size": 3}),
    *(
        ({"att_type": name}, {"reduction": 8})
        for name in ("se", "cbam", "ca", "triplet-ca")
    ),
]
SIDED = ("lenet", "lenet1998", "vit", "r1-vit")  # the side is theirs
NETWORK: list[tuple[str, dict[str, Any]]] = [
    *(("resnet18", {"residual": skip}) for skip in SKIPS if skip != "add"),
    ("se-resnet18", {"residual": "reverse-subtract"}),
    ("r2-resnet18", {"residual": "multiply"}),
    ("r2-se-resnet18", {"residual": "none"}),
    ("resnet18", {"batch_norm": False}),
    ("r2-resnet18", {"batch_norm": False}),
    ("densenet", {"growth_rate": 16}),
    ("densenet121", {"growth_rate": 16}),
    ("se-alexnet", {"ratio": 8}),
    ("r2-se-alexnet", {"ratio": 8}),
    ("se-resnet18", {"ratio": 8}),
    ("r2-se-resnet34", {"ratio": 2}),
    *((model, {"side": 32}) for model in SIDED),
]
# report R3's settings among them
TUNED: list[dict[str, Any]] = [
    *({"strategy": name} for name in STRATEGIES if "attention" not in name),
    {"source": "torchvision"},
    {"layer_decay": 0.5},
    {"last": 2},
    {"pretrained": True},
    {"model": "resnet18"},
    {"side": 448},
    {"dataset": "cub200"},
    {"fold": 0, "folds": 3},
]
TRAINING: list[dict[str, Any]] = [
    {"epochs": 11},
    {"lr": 0.01},
    {"batch_size": 64},
    {"batch_size": None},
    {"optimiser": "sgd"},
    {"momentum": 0.9},
    {"weight_decay": 1e-4},
    {"early_stop": 50},
    {"fold": 0},
    {"schedule": "cosine"},
    {"precision": "float32"},
    {"train": 100},
    {"side": 32},
    {"dataset": "digits"},
    {"test": True},
]


@pytest.mark.parametrize(("model", "change"), NETWORK)
def test_an_option_changes_the_network(
    model: str, change: dict[str, Any]
) -> None:
    small = {} if model in ("r2-se-alexnet", *SIDED) else {"side": 64}
    one, other = (adhoc.cell(asked(model, **small, **c)) for c in ({}, change))
    assert one.key != other.key
    assert identity.key(network(one)) != identity.key(network(other))
    if "residual" not in change:
        assert count(one) != count(other)
    assert not torch.equal(outputs(one), outputs(other))


@pytest.mark.parametrize(("before", "change"), ATTENTIVE)
def test_an_option_changes_the_attention(
    before: dict[str, Any], change: dict[str, Any]
) -> None:
    one, other = (
        adhoc.cell(triplet(**before | c, dataset="digits"))
        for c in ({}, change)
    )
    assert identity.key(network(one)) != identity.key(network(other))
    assert not torch.equal(outputs(one), outputs(other))


def test_the_reports_spelling_of_a_depth() -> None:
    plain = adhoc.cell(triplet("resnet50", dataset="cifar100"))
    told = adhoc.cell(triplet("resnet", depth=50, dataset="cifar100"))
    assert told.key == plain.key
    assert count(told) == 23_705_252
    ours = triplet("resnet", depth=50, dataset="cifar100", **TRIPLET)
    assert count(adhoc.cell(ours)) == 23_705_252 + 4_800
    assert count(adhoc.cell(triplet("van", dataset="cifar100"))) == (
        4_105_800 - 900 * 257
    )


def test_pictures_are_those_of_the_data_set() -> None:
    outputs = {
        name: network(adhoc.cell(triplet(dataset=name))).keywords["classes"]
        for name in choices.PRACTICALS["triplet"].datasets
    }
    assert outputs == chain.OUTPUTS
    default = adhoc.cell(triplet())
    assert default.key == adhoc.cell(triplet(dataset="objects")).key


@pytest.mark.parametrize("change", TUNED)
def test_an_option_changes_what_is_tuned(change: dict[str, Any]) -> None:
    plain: dict[str, Any] = {"practical": "fine-grained", "model": "resnet34"}
    plain["strategy"] = "last-stage" if "last" in change else "gradual"
    if change == {"strategy": "gradual"}:
        plain["strategy"] = "all"
    one, other = (adhoc.cell(asked(**plain | c)) for c in ({}, change))
    assert one.key != other.key


def test_a_stage_trains_what_report_r3_counted() -> None:
    """And miscounted: its fourth layer and the head, on torchvision's."""
    settings = {"source": "torchvision", "strategy": "last-stage"}
    run = adhoc.cell(
        asked(
            "resnet50",
            practical="fine-grained",
            dataset="cub200",
            **settings,
        )
    )
    with torch.device("meta"):
        built = network(run)()
    trained = sum(p.numel() for p in built.parameters() if p.requires_grad)
    assert trained == 14_964_736 + 409_800


@pytest.mark.parametrize("change", TRAINING)
def test_an_option_changes_the_training(change: dict[str, Any]) -> None:
    one, other = adhoc.cell(asked()), adhoc.cell(asked(**change))
    assert one.key != other.key and one.seed == other.seed


def test_every_option_was_seen_to_change_something() -> None:
    seen = {name for _, change in NETWORK for name in change}
    seen |= {name for change in TRAINING for name in change}
    seen |= {name for _, change in ATTENTIVE for name in change}
    seen |= {name for change in TUNED for name in change}
    every = {field.name for field in dataclasses.fields(Options)}
    # these have tests of their own
    elsewhere = {"depth", "log", "task", "profile", "resume"}
    assert every - seen == {"practical", "seed"} | elsewhere
    one, other = adhoc.cell(asked()), adhoc.cell(asked(seed=3))
    assert (one.key, other.seed) == (other.key, 3) and one.name != other.name
    keys = {
        identity.key(choices.bind(entry, asked())) for entry in MODELS.values()
    }
    assert len(keys) == len(MODELS)


def test_options_are_tried_off_their_defaults() -> None:
    assert set(choices.OTHERS) < {f.name for f in dataclasses.fields(Options)}
    for name, value in choices.OTHERS.items():
        assert value != getattr(Options, name)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_takes_its_own_pictures(model: str) -> None:
    random = torch.get_rng_state()
    cell = adhoc.cell(asked(model))
    assert torch.equal(torch.get_rng_state(), random)  # no weight was drawn
    view = cell.trial.keywords["view"]
    with torch.device("meta"), torch.no_grad():
        built = network(cell)()
        logits = built(torch.zeros(2, view.channels, view.side, view.side))
    assert logits.shape == (2, 10)
    assert identity.key(network(cell)) == identity.key(
        identity.build(identity.describe(network(cell)))
    )


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("lenet", 44_426),
        ("lenet1998", 61_706),
        ("r1-vgg", 23_423_242),
        ("vit", 139_018),
        ("r1-vit", 208_522),
        ("densenet", 359_490),
        ("r2-alexnet", 50_854_018),
        ("r2-resnet18", 11_702_530),
        ("r2-resnet34", 21_814_402),
        ("r2-resnet50", 57_390_658),
        ("r2-resnet101", 115_428_930),
        ("r2-se-resnet18", 11_791_610),  # ratio 16
        ("r2-se-resnet34", 21_975_598),
        # torchvision's, for one channel of pictures and ten classes
        ("resnet18", 11_689_512 - 2 * 64 * 49 - 990 * 513),
        ("vgg11", 132_863_336 - 2 * 64 * 9 - 990 * 4097),
        ("alexnet", 61_100_840 - 2 * 64 * 121 - 990 * 4097),
        ("densenet121", 7_978_856 - 2 * 64 * 49 - 990 * 1025),
    ],
)
def test_a_name_stands_for_the_network_it_says(
    model: str, parameters: int
) -> None:
    assert count(adhoc.cell(asked(model))) == parameters


@pytest.mark.usefixtures("no_run")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("zoo --model lenet", ["practical 'zoo'", "'mnist-zoo'"]),
        ("mnist-zoo --model lenett", ["'lenett'", "'lenet'", "'densenet'"]),
        ("mnist-zoo", ["unknown model ''", "'lenet'"]),
        ("triplet --model alexnet", ["'alexnet'", "'resnet50'", "'van'"]),
        ("triplet --arch resnet --depth 19", ["depth is 19", "101"]),
        (
            "triplet --model resnet18 --depth 50",
            ["resnet18 has no use for --depth 50", "one of: resnet"],
        ),
        (
            "triplet --model van --att-type se",
            ["van has no use for --att-type se", "resnet18"],
        ),
        (
            "triplet --model resnet18 --att-type sea",
            ["unknown att-type 'sea'", "'triplet-lka'"],
        ),
        (
            "triplet --model resnet18 --gate tanh",
            [
                "no use for --gate tanh",
                "of ['triplet', 'triplet-ca', 'triplet-lka']",
            ],
        ),
        (
            "triplet --model resnet18 --att-type eca --reduction 8",
            ["no use for --reduction 8 with --att-type eca", "cbam"],
        ),
        (
            "triplet --model resnet18 --att-type triplet --reduction 8",
            ["no use for --reduction 8 with --att-type triplet"],
        ),
        (
            "triplet --model resnet18 --att-type triplet --gate sofmax",
            ["unknown gate 'sofmax'", "'softmax'"],
        ),
        (
            "triplet --model resnet18 --att-type triplet --activation glu",
            ["unknown activation 'glu'", "'gelu'", "'none'"],
        ),
        (
            "triplet --model resnet18 --att-type triplet --pool l3,max",
            ["unknown pool 'l3'", "'l2-mean'"],
        ),
        (
            "triplet --model resnet18 --att-type triplet --pool 4",
            ["pool set 4", "coursework run 07_triplet_ablations"],
        ),
        (
            "triplet --model resnet18 --att-type triplet --kernel-size 4",
            ["kernel is 4", "odd"],
        ),
        ("triplet --task pols", ["task 'pols'", "'pool'", "'baseline'"]),
        ("mnist-zoo --task pool", ["'mnist-zoo'", "'triplet'"]),
        ("triplet --task pool --dataset mnist", ["'mnist'", "'cifar100'"]),
        (
            "mnist-zoo --model lenet --ratio 8 --att-type se",
            ["lenet has no use for", "--att-type se"],
        ),
        ("mnist-zoo --model lenet --dataset moons", ["'moons'", "'digits'"]),
        (
            "mnist-zoo --model lenet --ratio 8",
            ["lenet has no use for --ratio 8", "se-resnet18", "se-alexnet"],
        ),
        (
            "mnist-zoo --model resnet18 --growth-rate 16",
            ["resnet18 has no use for --growth-rate 16", "one of: densenet"],
        ),
        (
            "mnist-zoo --model vgg11 --no-batch-norm",
            ["vgg11 has no use for --no-batch-norm", "resnet50"],
        ),
        (
            "mnist-zoo --model densenet --residual none",
            ["densenet has no use for --residual none", "resnet101"],
        ),
        ("mnist-zoo --model se-resnet18 --ratio 5", ["ratio is 5 with 64"]),
        ("mnist-zoo --model se-resnet18 --ratio 0", ["ratio is 0 with 64"]),
        (
            "mnist-zoo --model resnet18 --residual plus",
            ["unknown residual 'plus'", "'add', 'subtract'"],
        ),
        (
            "mnist-zoo --model lenet --residual plus",
            ["lenet has no use for --residual plus", "r2-resnet18"],
        ),
        ("mnist-zoo --model densenet --growth-rate 0", ["growth_rate is 0"]),
        ("mnist-zoo --model r2-alexnet --side 100", ["100 px", "--side"]),
        ("mnist-zoo --model resnet18 --side 0", ["0 px", "--side"]),
        ("mnist-zoo --model lenet --side 8", ["side is 8", "at least 16"]),
        ("mnist-zoo --model vit --side 30", ["image_size is 30"]),
        ("mnist-zoo --model lenet --epochs 0", ["epochs is 0"]),
        ("mnist-zoo --model lenet --lr -1", ["learning_rate is -1"]),
        ("mnist-zoo --model lenet --train 0", ["train is 0"]),
        ("mnist-zoo --model lenet --optimiser sdg", ["'sdg'", "adamw"]),
        (
            "fine-grained --backbone resnet50 --strategy tail",
            ["unknown strategy 'tail'", "'last-stage'"],
        ),
        (
            "fine-grained --backbone resnet50 --source zoo",
            ["unknown source 'zoo'", "'torchvision'"],
        ),
        (
            "fine-grained --backbone resnet50 --strategy attention",
            ["has no attention"],
        ),
        ("fine-grained --backbone resnet51", ["'resnet51'", "'lite0'"]),
        (
            "fine-grained --backbone lite0 --fold 5",
            ["unknown fold '5'", "'4'"],
        ),
        (
            "fine-grained --backbone lite0 --strategy last-stage --last 40",
            ["last is 40"],
        ),
        (
            "fine-grained --backbone lite0 --ratio 8",
            ["lite0 has no use for --ratio 8"],
        ),
        (
            "mnist-zoo --model lenet --pretrained",
            ["lenet has no use for --pretrained"],
        ),
    ],
)
def test_a_wrong_option_is_one_message_before_any_data(
    line: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = command(f"train {line}", monkeypatch, capsys)
    assert status == 2
    for word in words:
        assert word in " ".join(said)
    assert not paths.runs().exists()


def test_options_of_the_report_are_taken_by_a_network_without_them() -> None:
    """At their defaults, as in the report's own command line."""
    plain = adhoc.cell(asked("resnet18"))
    given = asked("resnet18", residual="add", growth_rate=32, ratio=16)
    assert adhoc.cell(given) == plain


def test_a_task_does_the_runs_of_its_stages_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a practical with two stages and another grid, the first stage's."""
    rounds, levels = [], {"low": 0.2, "high": 0.6}
    cells = [
        Run.of(grid, name, "smoke", seed, partial(tiny, level=level))
        for grid, more in (
            ("triplet-activation", 0.0),
            ("triplet-attention", 0.1),
        )
        for name, level in ((n, v + more) for n, v in levels.items())
        for seed in range(2)
    ]

    def plan(
        chosen: Any,
        parameters: Any,
        mode: Any,
        profile: str,
        jobs: int,
        **_: Any,
    ) -> list[Execution]:
        rounds.append((chosen[0].name, parameters, profile))
        missing = [c for c in cells if not records.find(c.trial, c.seed)]
        return [Execution(chosen[0].name, "planned", cells, missing)]

    def pool_run(missing: Any, *_: Any) -> Report:
        for run in missing:
            experiment.execute(run)
        return Report()

    monkeypatch.setattr(batch, "execute_all", plan)
    monkeypatch.setattr(pool, "run_all", pool_run)
    line = "train triplet --task activation --profile smoke --dataset digits"
    status, said = command(line, monkeypatch, capsys)
    assert status == 0 and len(rounds) == 2
    setting = {"profile": "smoke", "dataset": "digits"}
    name = chain.PRACTICAL
    assert rounds[0] == (name, {name: setting}, "smoke")
    assert {run.grid for run in stored()} == {"triplet-activation"}
    assert said[0].startswith("triplet-activation")
    assert [line.split()[0] for line in said[1:]] == ["low", "high"]
    assert said[1][-1] != "*" and said[2][-1] == "*"
    score = sum(r.scores["accuracy"] for r in stored() if r.variant == "high")
    assert f"{score / 2:.4f}" in said[2]


class Writer:
    """Stand for TensorBoard's writer: it keeps what it is given."""

    def __init__(self, folder: str) -> None:
        self.folder, self.seen, self.open = folder, list[Any](), True

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.seen.append((tag, value, step))

    def close(self) -> None:
        self.open = False


def imported(
    module: str, stands_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let something stand for a module; None: it is not installed."""
    monkeypatch.setitem(sys.modules, module, stands_for)


def test_epochs_go_to_tensorboard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Writer] = []

    def writer(folder: str) -> Writer:
        made.append(Writer(folder))
        return made[-1]

    fake = SimpleNamespace(SummaryWriter=writer)
    imported("torch.utils.tensorboard", fake, monkeypatch)
    status, _ = command(f"{LENET} --log tensorboard", monkeypatch, capsys)
    (record,) = stored()
    assert status == 0 and not made[0].open
    assert made[0].folder == str(paths.runs() / "logs" / record.name)
    losses = [
        (value, step)
        for tag, value, step in made[0].seen
        if tag == "train loss"
    ]
    assert losses == [(e["train_loss"], e["epoch"]) for e in record.history]
    assert ("validation accuracy" in {tag for tag, *_ in made[0].seen}) is True


def test_epochs_go_to_weights_and_biases_offline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []
    run = SimpleNamespace(
        log=lambda values, step: seen.append((values, step)),
        finish=lambda: seen.append("finished"),
    )

    def init(**options: Any) -> SimpleNamespace:
        seen.append(options)
        return run

    monkeypatch.delenv("WANDB_MODE", raising=False)
    imported("wandb", SimpleNamespace(init=init), monkeypatch)
    status, _ = command(f"{LENET} --log wandb", monkeypatch, capsys)
    (record,) = stored()
    assert status == 0 and seen[-1] == "finished"
    assert seen[0]["mode"] == "offline" and seen[0]["name"] == record.name
    assert [step for _, step in seen[1:-1]] == [1, 2]
    last = record.history[-1]["validation"]["accuracy"]
    assert seen[2][0]["validation accuracy"] == last


@pytest.mark.usefixtures("no_run")
@pytest.mark.parametrize(
    ("kind", "module"),
    [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")],
)
def test_a_missing_logger_is_named_with_what_installs_it(
    kind: str,
    module: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    imported(module, None, monkeypatch)
    status, said = command(f"{LENET} --log {kind}", monkeypatch, capsys)
    assert status == 2 and f"`pip install {kind}`" in " ".join(said)


def test_the_reports_flags_are_taken() -> None:
    """--evaluate, --arch and --sigmoid are other names of our options."""
    line = (
        "triplet --arch resnet --depth 50 --att-type triplet-ca --sigmoid tanh "
        "--activation gelu --pool 3 --evaluate --epochs 50"
    )
    told = tyro.cli(Options, args=line.split())
    assert told == triplet(
        "resnet",
        depth=50,
        att_type="triplet-ca",
        gate="tanh",
        activation="gelu",
        pool="3",
        test=True,
        epochs=50,
    )


def stored() -> list[Record]:
    files = sorted(paths.runs().glob("*.json"))
    return [records.parse(file.read_bytes(), file) for file in files]


def test_a_network_is_trained_once_and_its_test_set_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = command(LENET, monkeypatch, capsys)
    assert status == 0
    (record,) = stored()
    text = "\n".join(said)
    assert said[0] == "lenet, digits, seed 0"
    assert said[1].startswith("epoch 1/2: rate 0.001, train loss ")
    assert said[2].startswith("epoch 2/2: ")
    assert "44,426" in text and "281,640" in text and "stand-in" in text
    accuracy = records.validation(record)
    assert f"validation accuracy   {accuracy:.4f}" in said
    assert "test accuracy" not in text and "--test scores it" in text
    assert said[-1].endswith(str(next(paths.runs().glob("*.json"))))
    assert (record.grid, record.profile, record.variant) == (
        "adhoc",
        "adhoc",
        "lenet",
    )
    assert record.scores == {} and record.predictions is None
    assert record.data["stand_in"] and record.data["sizes"]["train"] == 64
    status, again = command(LENET, monkeypatch, capsys)
    assert status == 0
    assert not any(line.startswith("epoch") for line in again)
    assert f"finished on {record.created}" in again[1]
    assert again[2:] == said[3:] and stored() == [record]


def test_the_test_set_is_scored_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command(LENET, monkeypatch, capsys)
    status, said = command(f"{LENET} --test", monkeypatch, capsys)
    assert status == 0 and len(stored()) == 2
    (record,) = (r for r in stored() if r.scores)
    assert f"test accuracy         {record.scores['accuracy']:.4f}" in said
    assert not any("--test scores it" in line for line in said)
    assert record.correct().mean() == pytest.approx(record.scores["accuracy"])
    assert record.spec["args"]["test"] is True
    left = next(r for r in stored() if not r.scores)
    assert [e["train_loss"] for e in left.history] == [
        e["train_loss"] for e in record.history
    ]


@pytest.mark.parametrize(
    ("flag", "epochs"),
    [
        ("", [1, 2, 3, 3, 4]),
        (" --resume", [1, 2, 3, 3, 4]),
        (" --no-resume", [1, 2, 3, 1, 2, 3, 4]),
    ],
)
def test_a_killed_training_goes_on_unless_told_otherwise(
    flag: str,
    epochs: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    line = LENET.replace("--epochs 2", "--epochs 4")
    killed = True
    real = training.Training.epoch
    numbers = []

    def epoch(self: training.Training, *arguments: Any) -> Epoch:
        numbers.append(len(self.history) + 1)
        if killed and numbers[-1] == 3:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(training.Training, "epoch", epoch)
    status, said = command(line, monkeypatch, capsys)
    assert status == 130 and "the same command goes on" in said[-1]
    assert not stored()
    killed = False
    status, said = command(line + flag, monkeypatch, capsys)
    assert status == 0 and numbers == epochs
    (record,) = stored()
    assert [epoch["epoch"] for epoch in record.history] == [1, 2, 3, 4]
    assert not list(paths.runs().glob(".checkpoints/*.pt"))


def grid_cell(profile: str) -> Run:
    return Run.of("grid", "row", profile, 0, tiny)


def test_a_grid_and_a_training_by_hand_do_not_find_each_others_runs() -> None:
    by_hand = experiment.execute(grid_cell(ADHOC))
    assert records.find(tiny, 0) is None
    assert records.find(tiny, 0, profile=ADHOC) == by_hand
    once = dict.fromkeys(experiment.PROFILES, 1)
    (made,) = experiment.run(
        "grid", lambda _: {"row": tiny}, profile="standard", seeds=once
    )
    assert len(notes("start")) == 2 and made.profile == "standard"
    assert made.key == by_hand.key and made.name != by_hand.name
    assert records.find(tiny, 0, profile="standard") == made
    assert experiment.execute(grid_cell(ADHOC)) == by_hand
    assert made.artefact("note.txt") == by_hand.artefact("note.txt")
    folders = {path.parent for path in paths.runs().rglob("note.txt")}
    assert len(folders) == 2 and len(stored()) == 2


def test_evidence_is_not_shown_as_a_training_by_hand() -> None:
    made = experiment.execute(grid_cell("standard"))
    records.promote([made])
    records.run_file(made.key, 0).unlink()
    assert records.find(tiny, 0) == made
    assert records.find(tiny, 0, profile=ADHOC) is None
    assert experiment.execute(grid_cell(ADHOC)).profile == ADHOC
    assert len(notes("start")) == 2


def test_runs_by_hand_are_never_promoted() -> None:
    by_hand = experiment.execute(grid_cell(ADHOC))
    fair = trials.planted("row", 1, 0.5)
    with pytest.raises(ValueError, match=r"-0-adhoc comes from .* no ev"):
        records.promote([fair, by_hand])
    assert not paths.results().exists()


def test_help_is_light_and_names_every_option() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['coursework', 'train', '--help']\n"
        "from coursework.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        f"print('heavy', [m for m in {HEAVY} if m in sys.modules])\n"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.splitlines()[-1] == "heavy []"
    for field in dataclasses.fields(Options):
        if field.name != "practical":
            assert f"--{field.name.replace('_', '-')}" in said
