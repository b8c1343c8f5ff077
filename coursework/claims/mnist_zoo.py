"""Practical 2: what reports R1 and R2 say of networks on MNIST.

Margins: ``HARDLY`` is half a point of test accuracy.  At the budgets of
`standard` runs of one network spread by a few tenths of a point, so less is
"hardly matters" here; ``CLEARLY`` is a whole point.
"""

from __future__ import annotations

import math

from coursework.claims import Claim
from coursework.claims.rules import Above, Beyond, Every, Within

HARDLY = 0.005
CLEARLY = 0.01
R2_OTHERS = (
    "AlexNet",
    "SE-AlexNet",
    "ResNet-18",
    "ResNet-34",
    "SE-ResNet-34",
    "DenseNet (R2)",
)

CLAIMS = (
    Claim(
        id=8,
        source="R1",
        practical="02_mnist_zoo",
        statement="On MNIST ResNet-18 beats LeNet and LeNet beats VGG.",
        reported="99.42, 99.17 and 98.57 % after 10 epochs",
        runs=1,
        rule=Every(
            (
                Above("zoo-r1", "ResNet-18", "LeNet"),
                Above("zoo-r1", "LeNet", "VGG (R1)"),
            )
        ),
        how="Test accuracy in R1's setting (Adam 0.001, batches of 64), made "
        "small in the profile standard.",
    ),
    Claim(
        id=9,
        source="R1",
        practical="02_mnist_zoo",
        statement="ViT stays below the convnets on MNIST.",
        reported="97.1 % after 50 epochs",
        runs=1,
        rule=Every(
            tuple(
                Above("zoo-r1", other, "ViT (R1)")
                for other in ("LeNet", "VGG (R1)", "ResNet-18")
            )
        ),
        how="Test accuracy of each convnet above that of R1's ViT, which has "
        "five times their epochs, as in the report.",
    ),
    Claim(
        id=10,
        source="R1",
        practical="02_mnist_zoo",
        statement="Leaving out the factor 1/sqrt(d) of attention changes "
        "neither speed of learning nor best accuracy.",
        reported="97.15 without, 97.14 % with it",
        runs=1,
        rule=Every(
            tuple(
                Within(
                    "vit-scale",
                    f"{form}, unscaled",
                    f"{form}, scaled",
                    margin,
                    measure,
                )
                for form in ("R1's form", "head 16", "head 64")
                for measure, margin in (
                    ("accuracy", HARDLY),
                    ("first accuracy", 2 * CLEARLY),
                )
            )
        ),
        how="For R1's network and for two right ones of depth 4, each at the "
        "rate that validation chose: final test accuracy within half a point "
        "and validation accuracy after one epoch within two points.",
    ),
    Claim(
        id=11,
        source="R1",
        practical="02_mnist_zoo",
        statement="A small ViT needs GELU, for ReLU leaves too few live units.",
        reported="no run",
        runs=None,
        rule=Above("vit-parts", "GELU, warm-up", "ReLU, warm-up", HARDLY),
        how="Test accuracy with GELU more than half a point above ReLU's, "
        "each at the rate that validation chose.",
    ),
    Claim(
        id=12,
        source="R1",
        practical="02_mnist_zoo",
        statement="ViT needs a warm-up.",
        reported="no run",
        runs=None,
        rule=Above("vit-parts", "GELU, warm-up", "GELU, no warm-up", HARDLY),
        how="Test accuracy with a warm-up of a fifth of the steps more than "
        "half a point above that with none, each at the rate that validation "
        "chose.",
    ),
    Claim(
        id=13,
        source="R1",
        practical="02_mnist_zoo",
        statement="ResNet-18 tends to overfit small data sets.",
        reported="no run",
        runs=None,
        rule=Every(
            (
                Above(
                    "small-data",
                    "ResNet-18",
                    "LeNet",
                    0.02,
                    measure="overfitting",
                ),
                Above("small-data", "LeNet", "ResNet-18"),
            )
        ),
        how="Trained on few digits, its validation loss exceeds its training "
        "loss by 0.02 nats more than LeNet's does, and its test accuracy is "
        "below LeNet's.",
    ),
    Claim(
        id=25,
        source="R2",
        practical="02_mnist_zoo",
        statement="SE-ResNet-18 is best on MNIST.",
        reported="99.13 %",
        runs=1,
        rule=Every(
            tuple(Above("zoo", "SE-ResNet-18", other) for other in R2_OTHERS)
        ),
        how="Test accuracy above that of each of R2's other networks.",
    ),
    Claim(
        id=26,
        source="R2",
        practical="02_mnist_zoo",
        statement="SE-ResNet and DenseNet beat plain ResNets of their depth.",
        reported="99.13 and 99.04 against 98.75 %",
        runs=1,
        rule=Every(
            (
                Above("zoo", "SE-ResNet-18", "ResNet-18"),
                Above("zoo", "SE-ResNet-34", "ResNet-34"),
                Above("zoo", "DenseNet (R2)", "ResNet-18"),
            )
        ),
        how="Test accuracy above that of the ResNet of the same depth; R2's "
        "DenseNet, of 12 weighted layers, beside ResNet-18.",
    ),
    Claim(
        id=35,
        source="R2",
        practical="02_mnist_zoo",
        statement="DenseNet gets its accuracy with few parameters because "
        "skip connections pass information.",
        reported="99.04 % with 0.36 million parameters",
        runs=1,
        rule=Above("densenet-growth", "growth 32", "growth 32, no skips"),
        how="Test accuracy above that of the same network without skips, "
        "which computes as many maps anew from more weights.",
    ),
    Claim(
        id=38,
        source="R2",
        practical="02_mnist_zoo",
        statement="The SE ratio matters.",
        reported="98.63 to 99.05 %; the flag had no effect",
        runs=5,
        rule=Beyond("se-ratio", "ratio 2", "ratio 32", HARDLY),
        how="Test accuracy with ratio 2 differs from that with ratio 32 by "
        "more than half a point.",
    ),
    Claim(
        id=39,
        source="R2",
        practical="02_mnist_zoo",
        statement="DenseNet's growth rate hardly changes accuracy.",
        reported="98.69 to 98.96 % from 16 to 256",
        runs=1,
        rule=Every(
            tuple(
                Within(
                    "densenet-growth", f"growth {growth}", "growth 32", HARDLY
                )
                for growth in (16, 64)
            )
        ),
        how="Test accuracy with 16 and with 64 within half a point of that "
        "with 32. (128 and 256 are in `full` alone.)",
    ),
    Claim(
        id=40,
        source="R2",
        practical="02_mnist_zoo",
        statement="Resizing pictures is a form of augmentation.",
        reported="no run",
        runs=None,
        rule=Above(
            "small-data",
            "ResNet-18",
            "ResNet-18, resized",
            0.02,
            measure="overfitting",
        ),
        how="Augmentation, here shifts, brings the validation loss nearer to "
        "the training loss; resized digits do so, too, if the gap falls by "
        "more than 0.02 nats.",
    ),
    Claim(
        id=41,
        source="R2",
        practical="02_mnist_zoo",
        statement="LeNet is clearly the worst, as the simplest.",
        reported="90.29 %",
        runs=1,
        rule=Every(
            (
                *(
                    Above("zoo", other, "LeNet (1998)", CLEARLY)
                    for other in (*R2_OTHERS, "SE-ResNet-18")
                ),
                *(
                    Above("zoo", other, "LeNet")
                    for other in (*R2_OTHERS, "SE-ResNet-18")
                ),
            )
        ),
        how="Each of R2's other networks more than a point above LeNet as R2 "
        "built it; and, as to the reason, also above LeNet with ReLU and max "
        "pooling, which is as simple.",
    ),
    Claim(
        id=42,
        source="R2",
        practical="02_mnist_zoo",
        statement="Multiply-adds tell how long training takes.",
        reported="no run",
        runs=None,
        rule=Every(
            tuple(
                Within(
                    "zoo",
                    other,
                    "ResNet-18",
                    math.log(2),
                    "log seconds per multiply-add",
                )
                for other in ("LeNet", "VGG-11", "DenseNet (R2)", "ViT")
            )
        ),
        how="Seconds of training per multiply-add of LeNet, VGG-11, DenseNet "
        "and ViT within a factor of two of ResNet-18's, on the same machine.",
    ),
)
