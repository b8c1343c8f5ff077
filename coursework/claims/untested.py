"""Claims that no practical of this book has taken up: no rule, no verdict.

A practical that takes one up moves it into a module of its own, with a rule
that is committed before the evidence.
"""

from __future__ import annotations

from coursework.claims import Claim

CLAIMS = (
    Claim(
        id=60,
        source="R3",
        practical="",
        statement="Pictures that a conditional generator makes, with their "
        "labels, are useful augmentation.",
        reported="a remark, no numbers",
        runs=None,
        reason="Its practical, on generated pictures, is not part of this book "
        "yet; so it has no rule.",
    ),
)
