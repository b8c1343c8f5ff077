"""Which networks can be asked for by name, and which options each has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

from coursework import chain, identity
from coursework.data.sets import CLASSES
from coursework.launch.options import Options
from coursework.models import sources
from coursework.models.alexnet import AlexNet, R2AlexNet
from coursework.models.attention import MakeAttention, SqueezeExcite
from coursework.models.attention.branch import GATES
from coursework.models.attention.cbam import CBAM
from coursework.models.attention.coordinate import CoordinateAttention
from coursework.models.attention.eca import ECA
from coursework.models.attention.large_kernel import LargeKernelAttention
from coursework.models.attention.triplet import TripletAttention
from coursework.models.densenet import DenseNet, R2DenseNet
from coursework.models.lenet import LeNet, LeNet1998
from coursework.models.residual import SKIPS, Skip
from coursework.models.resnet import DEPTHS, ResNet, r2_resnet
from coursework.models.transfer import STRATEGIES, transfer
from coursework.models.van import VAN
from coursework.models.vgg import VGG, r1_vgg
from coursework.models.vit import R1ViT, vit_mnist
from coursework.recipe import at_least, named

Network = Callable[[], nn.Module]
# The options that only some networks have, with a value off the default.
OTHERS: Mapping[str, Any] = {
    "residual": "none",
    "batch_norm": False,
    "growth_rate": 1,
    "ratio": 1,
    "depth": 34,
    "att_type": "eca",
    "activation": "relu",
    "gate": "tanh",
    "pool": "2",
    "kernel_size": 3,
    "reduction": 8,
    "strategy": "head",
    "source": "torchvision",
    "pretrained": True,
    "layer_decay": 0.5,
    "last": 2,
}


@dataclass(frozen=True)
class Model:
    """A network to choose, and the pictures that it takes.

    ``build`` binds the options that the network has; it is called with the
    side of the pictures, which is ``side`` unless another one is asked for.
    """

    build: Callable[[Options, int], Network]
    side: int = 224
    channels: int = 1


def skip(options: Options) -> Skip:
    """Check the name of a join; ValueError lists those there are."""
    return named({name: name for name in SKIPS}, options.residual, "residual")


def resnet(
    depth: int, options: Options, side: int, *, gated: bool = False
) -> Network:
    """Bind a standard ResNet, or if ``gated`` an SE-ResNet."""
    gates = partial(SqueezeExcite, ratio=options.ratio)
    return partial(
        ResNet,
        depth,
        channels=1,
        classes=10,
        attention=gates if gated else None,
        batch_norm=options.batch_norm,
        skip=skip(options),
    )


def report_resnet(
    depth: int, options: Options, side: int, *, gated: bool = False
) -> Network:
    """Bind report R2's ResNet, or if ``gated`` its SE-ResNet."""
    return partial(
        r2_resnet,
        depth,
        batch_norm=options.batch_norm,
        skip=skip(options),
        se_ratio=options.ratio if gated else None,
    )


alexnet = partial(AlexNet, channels=1, classes=10)
densenet = partial(DenseNet, channels=1, classes=10)

# A plain name is the standard form, "r1-" and "r2-" what a report trained.
# "densenet" is report R2's as well, whose blocks its option was made for.
MODELS: Mapping[str, Model] = {
    "lenet": Model(lambda o, side: partial(LeNet, side=side), 28),
    "lenet1998": Model(lambda o, side: partial(LeNet1998, side=side), 28),
    "alexnet": Model(lambda o, side: alexnet),
    "se-alexnet": Model(
        lambda o, side: partial(
            alexnet, attention=partial(SqueezeExcite, ratio=o.ratio)
        )
    ),
    "vgg11": Model(lambda o, side: partial(VGG, channels=1, classes=10)),
    **{f"resnet{d}": Model(partial(resnet, d)) for d in DEPTHS},
    **{f"se-resnet{d}": Model(partial(resnet, d, gated=True)) for d in DEPTHS},
    "densenet": Model(
        lambda o, side: partial(R2DenseNet, growth=o.growth_rate), channels=3
    ),
    "densenet121": Model(
        lambda o, side: partial(densenet, growth=o.growth_rate)
    ),
    "vit": Model(lambda o, side: partial(vit_mnist, image_size=side), 28),
    "r1-vgg": Model(lambda o, side: r1_vgg, 28),
    "r1-vit": Model(
        lambda o, side: partial(R1ViT, image_size=side, patch_size=side // 4),
        28,
    ),
    "r2-alexnet": Model(lambda o, side: R2AlexNet, channels=3),
    "r2-se-alexnet": Model(
        lambda o, side: partial(R2AlexNet, se_ratio=o.ratio), channels=3
    ),
    **{
        f"r2-resnet{d}": Model(partial(report_resnet, d), channels=3)
        for d in DEPTHS
    },
    **{
        f"r2-se-resnet{d}": Model(
            partial(report_resnet, d, gated=True), channels=3
        )
        for d in DEPTHS
    },
}


def coordinate(options: Options) -> partial[CoordinateAttention]:
    """Bind coordinate attention."""
    return partial(CoordinateAttention, reduction=options.reduction)


def triplet(options: Options, **branches: Any) -> MakeAttention:
    """Bind triplet attention, with other gates in some branches."""
    return partial(
        TripletAttention,
        pools=chain.pools(options.pool),
        activation=options.activation,
        gate=named({name: name for name in GATES}, options.gate, "gate"),
        kernel=options.kernel_size,
        **branches,
    )


ATTENTION: Mapping[str, Callable[[Options], MakeAttention | None]] = {
    "none": lambda o: None,
    "se": lambda o: partial(SqueezeExcite, ratio=o.reduction),
    "eca": lambda o: ECA,
    "cbam": lambda o: partial(CBAM, ratio=o.reduction, kernel=o.kernel_size),
    "ca": coordinate,
    "triplet": triplet,
    "triplet-ca": lambda o: triplet(o, hw=coordinate(o)),
    "triplet-lka": lambda o: triplet(o, hw=LargeKernelAttention),
}


def attentive(depth: int | None, options: Options, side: int) -> Network:
    """Bind a ResNet for small pictures; ``depth`` None is the option's."""
    make = named(ATTENTION, options.att_type, "att-type")
    return partial(
        ResNet,
        options.depth if depth is None else depth,
        classes=chain.OUTPUTS[dataset(options)],
        stem="cifar",
        attention=make(options),
    )


# "resnet" with --depth is report R0's spelling.
TRIPLET: Mapping[str, Model] = {
    **{
        f"resnet{d}": Model(partial(attentive, d), side=32, channels=3)
        for d in DEPTHS
    },
    "resnet": Model(partial(attentive, None), side=32, channels=3),
    "van": Model(
        lambda o, side: partial(VAN, classes=chain.OUTPUTS[dataset(o)]),
        side=32,
        channels=3,
    ),
}


def tuned(name: str, options: Options, side: int) -> Network:
    """Bind a backbone of which a part is tuned; ValueError lists the parts."""
    source = {kind: kind for kind in sources.SOURCES}
    strategy = {kind: kind for kind in STRATEGIES}
    return partial(
        transfer,
        backbone=partial(
            sources.build,
            name,
            source=named(source, options.source, "source"),
            pretrained=options.pretrained,
        ),
        classes=CLASSES[dataset(options)],
        strategy=named(strategy, options.strategy, "strategy"),
        layer_decay=options.layer_decay,
        last=options.last,
    )


# Any other name of timm's or torchvision's is built in a notebook.
BACKBONES: Mapping[str, Model] = {
    name: Model(partial(tuned, name), side=side, channels=3)
    for name, side in {
        "lite0": 224,
        **{f"resnet{depth}": 224 for depth in (18, 34, 50, 101, 152)},
        "vit_base_patch16_224": 224,  # timm's name
        "vit_b_16": 224,  # torchvision's, and ours
        "convnet": 64,
        "ntsnet": 448,
    }.items()
}


@dataclass(frozen=True)
class Practical:
    """The networks of a practical, and the data sets that they take.

    The first data set is the one that no option names.
    """

    models: Mapping[str, Model]
    datasets: Sequence[str]


PRACTICALS: Mapping[str, Practical] = {
    "mnist-zoo": Practical(MODELS, ("mnist", "digits")),
    "triplet": Practical(
        TRIPLET,
        ("objects", "cifar100", "cifar10", "cifar10-jpeg", "digits"),
    ),
    "fine-grained": Practical(BACKBONES, tuple(CLASSES)),
}


def dataset(options: Options) -> str:
    """Name the data set; ValueError for one that a practical does not take."""
    practical = named(PRACTICALS, options.practical, "practical")
    accepted = {name: name for name in practical.datasets}
    wanted = options.dataset or practical.datasets[0]
    return named(accepted, wanted, f"data set of {options.practical}")


def choose(options: Options) -> Model:
    """Look a model up.

    Raises ValueError, naming what is accepted, for an unknown practical,
    model or data set, and for an option that the model does not have.
    """
    practical = named(PRACTICALS, options.practical, "practical")
    model = named(practical.models, options.model, "model")
    dataset(options)
    at_least("growth_rate", options.growth_rate, 1)
    for name in OTHERS:
        given = getattr(options, name)
        if given != getattr(Options, name) and not has(model, name, options):
            flag = name.replace("_", "-")
            told = f"no-{flag}" if given is False else f"{flag} {given}"
            users = [
                other
                for other, entry in practical.models.items()
                if has(entry, name, options)
            ]
            kinds = [
                kind
                for kind in ATTENTION
                if has(
                    practical.models["resnet18"],
                    name,
                    replace(options, att_type=kind),
                )
            ]
            instead = ""
            if users:
                instead = f" or take one of: {', '.join(users)}"
            elif kinds:
                instead = f" or give a ResNet an --att-type of {kinds}"
            raise ValueError(
                f"{options.model} has no use for --{told}"
                f"{_beside(options)}; leave it out{instead}"
            )
    return model


def _beside(options: Options) -> str:
    """Name what else decides whether an option has a use."""
    attention = options.att_type != Options.att_type
    return f" with --att-type {options.att_type}" if attention else ""


def has(model: Model, name: str, options: Options) -> bool:
    """Tell whether a model would be another one with an option changed."""
    keys = {
        identity.key(bind(model, replace(options, **{name: value})))
        for value in (getattr(Options, name), OTHERS[name])
    }
    return len(keys) > 1


def bind(model: Model, options: Options) -> Network:
    """Bind the options that a model has."""
    return model.build(options, side_of(model, options))


def side_of(model: Model, options: Options) -> int:
    """Return the side of the pictures that a model is to see."""
    return model.side if options.side is None else options.side
