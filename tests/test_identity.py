"""What identifies a run: stable keys, new options, changed defaults."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import types
from functools import partial
from typing import Any

import pytest

from coursework import experiment, identity
from tests import trials
from tests.trials import Setting, source_of, tiny

FIRST = "def fit(*, rate=0.1, width=8, seed): return 0"
OPTION = "def fit(*, rate=0.1, width=8, momentum=0.0, seed): return 0"
DEFAULT = "def fit(*, rate=0.1, width=16, seed): return 0"
FEWER = "def fit(*, rate=0.1, seed): return 0"


def version(monkeypatch: pytest.MonkeyPatch, source: str) -> Any:
    """Put a version of a module in the place of the one before."""
    module = types.ModuleType("planted_module")
    exec(source, module.__dict__)
    monkeypatch.setitem(sys.modules, "planted_module", module)
    return module


def test_key_hashes_the_arguments_off_their_defaults() -> None:
    essence = {"args": {"level": 0.75}, "partial": "tests.trials:tiny"}
    digest = hashlib.sha256(json.dumps(essence, sort_keys=True).encode())
    variant = partial(tiny, level=0.75, epochs=2)
    assert identity.key(variant) == digest.hexdigest()[:16]


def test_key_is_the_same_in_two_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = (
        "from coursework import identity; from tests import trials; "
        "print(identity.key(trials.NESTED))"
    )
    keys = {identity.key(trials.NESTED)}
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        keys.add(
            subprocess.check_output(
                [sys.executable, "-c", code], text=True
            ).strip()
        )
    assert len(keys) == 1


def test_order_of_keywords_does_not_matter() -> None:
    one, two = partial(tiny, level=1, epochs=3), partial(tiny, epochs=3)
    assert identity.key(one) == identity.key(partial(two, level=1))


@pytest.mark.parametrize(
    "other",
    [
        partial(trials.NESTED, setting=Setting(rate=0.3)),
        partial(trials.NESTED, setting=Setting(rate=0.3, sizes=(1, 2))),
        partial(trials.NESTED, data=partial(source_of, size=21)),
        partial(trials.NESTED, data=source_of),
    ],
)
def test_nested_arguments_make_another_run(other: Any) -> None:
    assert identity.key(other) != identity.key(trials.NESTED)
    assert not identity.matches(identity.describe(trials.NESTED), other)


def test_nested_arguments_at_their_defaults_do_not() -> None:
    given = partial(
        tiny,
        setting=Setting(rate=0.1, sizes=(8, 4)),
        data=partial(source_of, size=10),
    )
    assert identity.key(given) == identity.key(tiny)
    assert identity.matches(identity.describe(given), tiny)


def test_an_option_added_at_its_default_keeps_old_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = partial(version(monkeypatch, FIRST).fit, rate=0.2)
    stored, key = identity.describe(old), identity.key(old)
    new = version(monkeypatch, OPTION).fit
    assert identity.key(partial(new, rate=0.2)) == key
    assert identity.matches(stored, partial(new, rate=0.2))
    assert not identity.matches(stored, partial(new, rate=0.2, momentum=0.9))
    assert identity.key(partial(new, rate=0.2, momentum=0.9)) != key


@pytest.mark.parametrize("source", [DEFAULT, FEWER])
def test_a_changed_default_or_a_lost_option_does_not_match(
    monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    old = partial(version(monkeypatch, FIRST).fit, rate=0.2)
    stored = identity.describe(old)
    new = partial(version(monkeypatch, source).fit, rate=0.2)
    assert not identity.matches(stored, new)


def test_a_changed_default_deep_inside_does_not_match(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = identity.describe(
        partial(tiny, data=version(monkeypatch, FIRST).fit)
    )
    new = partial(tiny, data=version(monkeypatch, DEFAULT).fit)
    assert not identity.matches(stored, new)


def test_a_variant_is_built_again_from_json() -> None:
    spec = json.loads(json.dumps(identity.describe(trials.NESTED)))
    built = identity.build(spec)
    assert identity.key(built) == identity.key(trials.NESTED)
    assert identity.matches(spec, built)
    assert built.keywords["setting"] == Setting(rate=0.3, sizes=(2, 1))
    assert built.keywords["data"]() == 20


def test_modules_of_a_spec() -> None:
    spec = identity.describe(
        partial(tiny, data=partial(json.loads, s="1"), setting=Setting())
    )
    assert identity.modules(spec) == {"tests.trials", "json"}


PROBED = "def fit(*, rate=0.1, probes=(), seed): return 0"


def test_probes_are_described_but_do_not_tell_runs_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = partial(version(monkeypatch, FEWER).fit, rate=0.2)
    before, key = identity.describe(old), identity.key(old)
    fit = version(monkeypatch, PROBED).fit
    plain, looked = (
        partial(fit, rate=0.2, probes=probes)
        for probes in ((), (trials.work, trials.pause))
    )
    spec = identity.describe(looked)
    names = [probe["partial"] for probe in spec["args"]["probes"]]
    assert names == ["tests.trials:work", "tests.trials:pause"]
    built = identity.build(spec)
    assert (
        identity.describe(built) == spec and len(built.keywords["probes"]) == 2
    )
    stored = identity.describe(plain)
    assert identity.key(looked) == identity.key(plain) == key
    assert identity.matches(stored, looked) and identity.matches(spec, plain)
    assert identity.matches(before, looked)
    other = partial(looked, rate=0.3)
    assert identity.key(other) != key and not identity.matches(spec, other)


def closure() -> Any:
    size = 3
    return lambda: size


def inner() -> Any:
    def named() -> int:
        return 3

    return named


def of_main() -> int:
    return 3


of_main.__module__ = "__main__"


def forgotten() -> int:
    return 3


forgotten.__qualname__ = "nowhere"


class Network:
    """An object where its class belongs."""

    def __call__(self) -> int:
        return 3


@pytest.mark.parametrize(
    "value",
    [
        lambda: 3,
        closure(),
        inner(),
        of_main,
        forgotten,
        Network(),
        Network().__call__,
        {"rate": 0.1},
        object(),
        b"bytes",
        float("nan"),
    ],
    ids=str,
)
def test_what_has_no_name_is_refused_where_it_is_declared(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "of_main", of_main, raising=False)
    with pytest.raises(ValueError) as caught:
        experiment.run(
            "my-grid",
            lambda _: {"fine": tiny, "my row": partial(tiny, data=value)},
            profile="smoke",
        )
    message = str(caught.value)
    assert "'my-grid'" in message and "'my row'" in message
    assert not trials.notes("start")


def test_a_misspelt_option_is_refused_where_it_is_declared() -> None:
    misspelt: dict[str, Any] = {"levle": 0.1}
    with pytest.raises(TypeError, match=r"'my-grid'.*'my row'.*'levle'"):
        experiment.run(
            "my-grid",
            lambda _: {"my row": partial(tiny, **misspelt)},
            profile="smoke",
        )
