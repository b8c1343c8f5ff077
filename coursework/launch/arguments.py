"""What is wrong with a command's options, all of it at once.

tyro, which reads the command line, stops at the first fault.  Here each
option is looked at by itself; imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from tyro.conf import Positional

from coursework.names import nearest

NUMBERS: Mapping[Any, str] = {int: "a whole number", float: "a number"}
(POSITIONAL,) = Positional[str].__metadata__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Flag:
    """An option: the argument it sets, and how its value is read."""

    argument: str
    kind: Any


@dataclass(frozen=True)
class Given:
    """What an option was given, or what is wrong about it."""

    argument: str = ""
    value: Any = None
    fault: str = ""


def flags(target: Any) -> dict[str, Flag]:
    """Name the options of a function or dataclass, negations included."""
    found = {}
    for name, hint in get_type_hints(target, include_extras=True).items():
        kind, *notes = get_args(hint) if _is_noted(hint) else [hint]
        if name == "return" or POSITIONAL in notes:
            continue
        own = [getattr(note, "name", None) for note in notes]
        flag = "--" + next(filter(None, own), name).replace("_", "-")
        others = [getattr(note, "aliases", None) or () for note in notes]
        negations = [f"--no-{flag[2:]}"] * (kind is bool)
        for each in [flag, *negations, *(o for some in others for o in some)]:
            found[each] = Flag(name, kind)
    return found


def given(target: Any, words: Sequence[str]) -> list[Given]:
    """Read the options among a command's words, each by itself."""
    known, found = flags(target), list[Given]()
    places = [at for at, word in enumerate(words) if word.startswith("--")]
    for at, end in pairwise([*places, len(words)]):
        name, equals, value = words[at].partition("=")
        values = [value] if equals else list(words[at + 1 : end])
        name = name.replace("_", "-")
        if name in known:
            found.append(_read(name, known[name], values))
        elif name != "--help":
            fault = f"unknown option {name!r}{nearest(name, known)}"
            found.append(Given(fault=fault))
    return found


def listed(faults: Sequence[str]) -> str:
    """Lay faults out, one as it is and several as a list."""
    if len(faults) == 1:
        return faults[0]
    return f"{len(faults)} faults:\n  - " + "\n  - ".join(faults)


def _read(name: str, flag: Flag, values: list[str]) -> Given:
    """Read an option's value as its type asks."""
    if flag.kind is bool:
        return Given(flag.argument, not name.startswith("--no-"))
    if get_origin(flag.kind) is tuple:
        return Given(flag.argument, tuple(values))
    if not values:
        return Given(fault=f"{name} lacks its value")
    try:
        return Given(flag.argument, _value(flag.kind, values[0]))
    except ValueError as fault:
        return Given(fault=f"{name} is {values[0]!r}; {fault}")


def _value(kind: Any, text: str) -> Any:
    """Make a value of a type; ValueError says what is accepted."""
    if get_origin(kind) in (Union, UnionType):
        if text == "None":
            return None
        kind = next(k for k in get_args(kind) if k is not NoneType)
    if get_origin(kind) is Literal:
        accepted = get_args(kind)
        if text not in accepted:
            names = ", ".join(map(repr, accepted))
            raise ValueError(f"accepted: {names}{nearest(text, accepted)}")
    if kind in NUMBERS:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"accepted: {NUMBERS[kind]}") from None
    return text


def _is_noted(hint: Any) -> bool:
    return get_origin(hint) is Annotated
