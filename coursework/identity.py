"""What identifies a run: its trial and every argument, by name.

A *spec* is JSON.  A function, class or ``functools.partial`` becomes
``{"partial": "module:name", "args": {...}}``, a dataclass
``{"value": "module:name", "args": {...}}``; arguments left at their defaults
are written down too.  The *key* hashes only the arguments that differ from
their defaults, so an option added later leaves old keys as they were.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Spec = Any  # JSON: None, bool, number, string, list or dict
# Arguments that look at what was trained and change nothing of it: they are
# described, so that a worker has them, but do not tell runs apart.
LOOKING = frozenset({"probes", "watches"})


class NotImportableError(ValueError):
    """A value that another process could not find again by its name."""


class Bound(NamedTuple):
    """A named callable with its arguments, and those set by default."""

    kind: str
    name: str
    arguments: dict[str, Any]
    defaults: dict[str, Any]


def describe(value: Any) -> Spec:
    """Write a variant down as JSON, arguments at their defaults included.

    Raises NotImportableError for lambdas, closures, anything defined in
    ``__main__`` and objects that are neither plain values nor dataclasses.
    """
    bound = _bind(value)
    if bound:
        arguments = bound.arguments.items()
        return {
            bound.kind: bound.name,
            "args": {name: describe(argument) for name, argument in arguments},
        }
    return _plain(value, describe)


def essence(value: Any) -> Spec:
    """Describe a value by the arguments that differ from their defaults."""
    bound = _bind(value)
    if bound:
        return {
            bound.kind: bound.name,
            "args": {
                name: essence(argument)
                for name, argument in bound.arguments.items()
                if name not in LOOKING and not _at_default(name, bound)
            },
        }
    return _plain(value, essence)


def key(value: Any) -> str:
    """Hash the essence of a variant: 16 hexadecimal digits."""
    text = json.dumps(essence(value), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def matches(stored: Spec, value: Any) -> bool:
    """Tell whether a stored spec still says what the variant says today.

    Each stored argument must equal today's; each argument added since must
    stand at its default.  So a new option keeps old evidence valid, and a
    changed default does not pass unseen.
    """
    bound = _bind(value)
    if bound:
        if not isinstance(stored, dict) or stored.get(bound.kind) != bound.name:
            return False
        args = {k: v for k, v in stored["args"].items() if k not in LOOKING}
        return all(
            name in bound.arguments and matches(old, bound.arguments[name])
            for name, old in args.items()
        ) and all(
            name in args or name in LOOKING or _at_default(name, bound)
            for name in bound.arguments
        )
    return bool(stored == _plain(value, describe))


def build(spec: Spec) -> Any:
    """Make the variant again that a spec describes; lists become tuples."""
    if isinstance(spec, list):
        return tuple(map(build, spec))
    if not isinstance(spec, dict):
        return spec
    arguments = {name: build(value) for name, value in spec["args"].items()}
    if "value" in spec:
        return find(spec["value"])(**arguments)
    target = find(spec["partial"])
    return functools.partial(target, **arguments) if arguments else target


def find(name: str) -> Any:
    """Import the object that ``module:qualified.name`` stands for."""
    module, _, path = name.partition(":")
    return functools.reduce(
        getattr, path.split("."), importlib.import_module(module)
    )


def artefacts(spec: Spec) -> set[str]:
    """Name the files that a trial's probes and watches leave."""
    looks = [look for name in LOOKING for look in spec["args"].get(name, ())]
    return {f"{look['partial'].partition(':')[2]}.npz" for look in looks}


def united(spec: Spec, other: Spec) -> Spec:
    """Let one run of a trial be looked at as two specs of it ask."""
    args = dict(spec["args"])
    for name in LOOKING & set(args):
        more = other["args"].get(name, ())
        args[name] = [*args[name], *(m for m in more if m not in args[name])]
    return spec | {"args": args}


def modules(spec: Spec) -> set[str]:
    """Collect the modules that a spec names."""
    if isinstance(spec, list):
        return set().union(*map(modules, spec))
    if not isinstance(spec, dict):
        return set()
    name = spec.get("partial") or spec["value"]
    return modules(list(spec["args"].values())) | {name.partition(":")[0]}


def _at_default(name: str, bound: Bound) -> bool:
    if name not in bound.defaults:
        return False
    return bool(
        describe(bound.arguments[name]) == describe(bound.defaults[name])
    )


def _bind(value: Any) -> Bound | None:
    """Take a callable or dataclass apart; None for a plain value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if field.init
        }
        kind = "value"
        target: Any = type(value)
        arguments = inspect.signature(target).bind_partial(**given)
    elif isinstance(value, functools.partial):
        kind, target = "partial", value.func
        arguments = inspect.signature(target).bind_partial(
            *value.args, **value.keywords
        )
    elif callable(value):
        kind, target = "partial", value
        arguments = inspect.signature(target).bind_partial()
    else:
        return None
    defaults = {
        name: parameter.default
        for name, parameter in arguments.signature.parameters.items()
        if parameter.default is not parameter.empty
    }
    return Bound(kind, _name(target), defaults | arguments.arguments, defaults)


def _name(target: Any) -> str:
    module = getattr(target, "__module__", None)
    name = getattr(target, "__qualname__", None)
    try:
        found = module != "__main__" and find(f"{module}:{name}") is target
    except (AttributeError, ImportError):
        found = False
    if not found:
        raise NotImportableError(
            f"{target!r} can't be part of a grid, because another process "
            "could not import it; functions and classes of a module are "
            "accepted: put it in a module of the package and name it there"
        )
    return f"{module}:{name}"


def _plain(value: Any, inner: Any) -> Spec:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [inner(item) for item in value]
    if isinstance(value, Mapping):
        raise NotImportableError(
            f"{value!r} can't be part of a grid; use a dataclass or keyword "
            "arguments in place of a dict, so that defaults are known"
        )
    raise NotImportableError(
        f"{value!r} of type {type(value).__name__} can't be part of a grid; "
        "accepted: numbers, strings, None, tuples, dataclasses, functions "
        "and classes of a module, and partials of them"
    )
