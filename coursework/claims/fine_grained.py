"""Practical 6: what report R3 says of transfer learning, without a number.

Margins: a point of accuracy is the smallest difference worth talking about;
sizes and times are compared by their logarithms, so a factor is a difference.
"""

from __future__ import annotations

import math
from functools import partial

from coursework.claims import Claim
from coursework.claims.rules import Above, Every, Gain, Within

POINT = 0.01
NATS = 0.1  # of overfitting: a large part of what is left of the loss
TWICE, NEARLY_TWICE, TENTH = math.log(2), math.log(1.8), math.log(1.1)
PRACTICAL = "06_fine_grained_transfer"
NETWORKS = "06e_cnn_against_vit"
RESOURCES = "06f_resources"

remark = partial(Claim, source="R3", reported="a remark, no numbers", runs=None)

CLAIMS = (
    remark(
        id=43,
        practical=RESOURCES,
        statement="Mixed precision halves memory and speeds training without "
        "losing accuracy.",
        rule=Every(
            (
                Above(
                    "fine-resources",
                    "float32",
                    "bfloat16",
                    NEARLY_TWICE,
                    measure="log bytes kept",
                ),
                Above(
                    "fine-resources",
                    "float32",
                    "bfloat16",
                    TENTH,
                    measure="log seconds",
                ),
                Above("fine-resources", "bfloat16", "float32", -POINT),
            )
        ),
        how="In float32 a step keeps at least 1.8 times the bytes for its "
        "backward pass and takes at least 1.1 times as long as with products "
        "in bfloat16, which loses less than a point of accuracy.",
    ),
    remark(
        id=44,
        practical=RESOURCES,
        statement="Smaller batches generalise worse and need more updates.",
        rule=Above("fine-resources", "batch of 128", "batch of 8"),
        how="With the same number of epochs and rates in proportion to the "
        "root of the batch, accuracy with batches of 128 exceeds that with "
        "batches of 8.  That the same epochs are more updates needs no test.",
    ),
    remark(
        id=45,
        practical=RESOURCES,
        statement="Too large a batch hardly reaches a good result.",
        rule=Above("fine-resources", "bfloat16", "the whole set", 2 * POINT),
        how="Batches of 32 beat one batch of the whole set by more than two "
        "points, at the same number of epochs.",
    ),
    remark(
        id=46,
        practical=PRACTICAL,
        statement="Freezing saves memory and guards against overfitting.",
        rule=Every(
            (
                Above(
                    "fine-strategies",
                    "all",
                    "head",
                    TWICE,
                    measure="log bytes kept",
                ),
                Above(
                    "fine-strategies",
                    "all",
                    "head",
                    NATS,
                    measure="overfitting",
                ),
            )
        ),
        how="Tuning everything keeps more than twice the bytes for a step's "
        "backward pass than tuning the head, and its validation loss ends "
        "further above its training loss, by more than a tenth of a nat.",
    ),
    Claim(
        id=47,
        source="R3",
        practical=NETWORKS,
        statement="ResNet-50 with its last stage and head trained does well; "
        "ViT-B/16 with one block trained does worse, for too little of it is "
        "trained.",
        reported="one run each, no accuracy given",
        runs=1,
        rule=Every(
            (
                Above(
                    "digits-strategies",
                    "convnet, last stage",
                    "ViT, one block",
                    POINT,
                ),
                Above(
                    "digits-strategies",
                    "ViT, three blocks",
                    "ViT, one block",
                    POINT,
                ),
            )
        ),
        how="Decided on small networks that learnt five digits and are tuned "
        "to the other five, for ImageNet's ViT can't be had everywhere: the "
        "convnet with its last stage tuned beats the ViT with one block tuned, "
        "and so does the ViT with three, by more than a point each.",
    ),
    Claim(
        id=48,
        source="R3",
        practical=PRACTICAL,
        statement="Pictures resized to 256 and cropped to 224 do better than "
        "larger ones.",
        reported="one run each, no accuracy given",
        runs=1,
        rule=Above("fine-sizes", "224 px", "448 px", POINT),
        how="Linear layers on frozen features of pictures of 224 pixels beat "
        "those on features of 448 pixels by more than a point.",
    ),
    remark(
        id=49,
        practical=PRACTICAL,
        statement="Features extracted once do as well as the frozen network in "
        "the loop.",
        rule=Within("fine-strategies", "features once", "head", POINT / 2),
        how="Accuracies of the same head trained both ways differ by less than "
        "half a point.",
    ),
    remark(
        id=50,
        practical=NETWORKS,
        statement="Early layers are general and late ones specific to the "
        "task, so the late ones are those to train.",
        rule=Above(
            "digits-strategies",
            "convnet, last stage",
            "convnet, first stage",
            POINT,
        ),
        how="A convnet that learnt five digits, tuned to the other five: last "
        "stage and head beat first stage and head by more than a point.",
    ),
    remark(
        id=51,
        practical=NETWORKS,
        statement="In a ViT, tuning attention and freezing the MLPs loses "
        "nothing and saves memory.",
        rule=Every(
            (
                Above(
                    "digits-strategies", "ViT, attention", "ViT, all", -POINT
                ),
                Above(
                    "digits-strategies",
                    "ViT, all",
                    "ViT, attention",
                    TENTH,
                    measure="log bytes kept",
                ),
            )
        ),
        how="A ViT that learnt five digits, tuned to the other five: attention "
        "and head alone lose less than a point, and keep fewer bytes for the "
        "backward pass, by a factor above 1.1.",
    ),
    remark(
        id=52,
        practical=NETWORKS,
        statement="ViT lacks locality and translation equivariance, so it "
        "needs more data than a ResNet of its size.",
        rule=Gain(
            "digits-data",
            ("convnet, 16 a class", "ViT, 16 a class"),
            ("convnet, 1024 a class", "ViT, 1024 a class"),
            POINT,
        ),
        how="From scratch on digits, a convnet of the same size leads a ViT by "
        "more than a point more with 16 pictures a class than with 1024.",
    ),
    remark(
        id=53,
        practical=NETWORKS,
        statement="Another image size hurts a ViT through its position "
        "embedding, the more the further it is from the first.",
        rule=Every(
            (
                Above(
                    "digits-sizes",
                    "ViT",
                    "ViT without positions",
                    POINT,
                    measure="fall one step away",
                ),
                Above("digits-sizes", "ViT", POINT, measure="further fall"),
            )
        ),
        how="One step away from the size trained on, a ViT loses more than a "
        "point more than one without position embeddings; and two steps away "
        "more than a point more than one step away.",
    ),
    remark(
        id=61,
        practical=PRACTICAL,
        statement="Many zeros in the training accuracy at the start mean that "
        "something is wrong.",
        rule=Above(
            "fine-strategies", "head", 0.5, measure="batches with a hit"
        ),
        how="Nothing is wrong with the arm that trains a head.  If most of its "
        "first batches of 16 hold a right answer, many zeros are a sign of "
        "trouble; if most hold none, they are what chance gives.",
    ),
)
