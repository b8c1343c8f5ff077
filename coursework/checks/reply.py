"""What all checks share: what they take, what they say, their registry."""

from __future__ import annotations

import functools
import math
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Concatenate, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Reply:
    """Whether an answer is right, None if it was none, and why."""

    right: bool | None
    why: str

    def _repr_markdown_(self) -> str:
        words = {True: "Right.", False: "Not yet.", None: "No answer yet."}
        return f"**{words[self.right]}** {self.why}"


CHECKS: dict[str, Callable[..., Reply]] = {}


def check(
    asks: str, takes: Callable[[Any], T]
) -> Callable[
    [Callable[Concatenate[T, P], Reply]],
    Callable[Concatenate[object, P], Reply],
]:
    """Register a check; say ``asks`` for no answer or one of another kind.

    ``takes`` converts an answer, and raises TypeError saying what is wrong
    with it.
    """

    def register(
        decide: Callable[Concatenate[T, P], Reply],
    ) -> Callable[Concatenate[object, P], Reply]:
        @functools.wraps(decide)
        def checked(
            answer: object, /, *args: P.args, **options: P.kwargs
        ) -> Reply:
            if answer is None:
                return Reply(None, f"Give {asks} in place of `None`.")
            try:
                given = takes(answer)
            except TypeError as error:
                shown = reprlib.repr(answer).replace("`", "'")
                return Reply(None, f"`{shown}` {error}: give {asks}.")
            return decide(given, *args, **options)

        CHECKS[decide.__name__] = checked
        return checked

    return register


def number(answer: Any) -> float:
    """Take a finite number."""
    if isinstance(answer, bool) or not isinstance(answer, Real):
        raise TypeError("is no number")
    if not math.isfinite(answer):
        raise TypeError("is not finite")
    return float(answer)


def whole(answer: Any) -> int:
    """Take a whole number."""
    if isinstance(answer, bool) or not isinstance(answer, Integral):
        raise TypeError("is no whole number")
    return int(answer)


def one_of(*names: str) -> Callable[[Any], str]:
    """Take one of several names."""

    def take(answer: Any) -> str:
        if not isinstance(answer, str) or answer not in names:
            raise TypeError(f"is none of {', '.join(names)}")
        return answer

    return take


def some_of(*names: str) -> Callable[[Any], frozenset[str]]:
    """Take a collection of some of several names."""

    def take(answer: Any) -> frozenset[str]:
        if isinstance(answer, str) or not isinstance(answer, Iterable):
            raise TypeError("is no collection of names")
        return frozenset(map(one_of(*names), answer))

    return take


def function(answer: Any) -> Callable[..., Any]:
    """Take anything that can be called."""
    if not callable(answer):
        raise TypeError("is no function")
    called: Callable[..., Any] = answer
    return called


def near(
    answer: float, truth: float, why: str, tolerance: float = 0.01
) -> Reply:
    """Compare with a number computed, within a share of its size."""
    if math.isclose(answer, truth, rel_tol=tolerance, abs_tol=1e-12):
        return Reply(True, why)
    size = "large" if answer > truth else "small"
    return Reply(False, f"{answer:g} is too {size}. {why}")


def same(answer: object, truth: object, why: str) -> Reply:
    """Compare with what was found, and say why it is so."""
    return Reply(answer == truth, why)
