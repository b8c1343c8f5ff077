"""What holds of every input: identity, records, batches, splits, downloads."""

from __future__ import annotations

import hashlib
import io
import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coursework import identity, records
from coursework.data import sources
from coursework.data.sources import File, Mirror, keep
from coursework.data.splits import batches, stratified
from tests import trials
from tests.trials import Setting, source_of, tiny

FIXED = settings(
    derandomize=True, database=None, deadline=None, max_examples=60
)
finite = st.floats(-1e9, 1e9)
scores = st.dictionaries(st.text(max_size=5), st.floats(), max_size=4)
arguments = st.fixed_dictionaries(
    {},
    optional={
        "level": finite,
        "epochs": st.integers(1, 9),
        "act": st.text(max_size=5),
        "setting": st.builds(
            Setting,
            rate=finite,
            sizes=st.lists(st.integers(), max_size=3).map(tuple),
        ),
        "data": st.integers().map(lambda size: partial(source_of, size=size)),
    },
)
DEFAULTS: dict[str, Any] = {
    "level": 0.5,
    "epochs": 2,
    "act": "work",
    "setting": Setting(),
    "data": source_of,
}


@FIXED
@given(arguments, st.randoms(use_true_random=False))
def test_a_key_is_that_of_the_arguments_not_of_how_they_are_given(
    given: dict[str, Any], rng: random.Random
) -> None:
    order = list(given)
    rng.shuffle(order)
    one = partial(tiny, **given)
    shuffled = {name: given[name] for name in order}
    nested = partial(partial(tiny, **{**DEFAULTS, **shuffled}))
    for name in order:  # one at a time, the last value counts
        nested = partial(nested, **{name: given[name]})
    stored = json.loads(json.dumps(identity.describe(one)))
    for other in (partial(tiny, **shuffled), nested, identity.build(stored)):
        assert identity.key(other) == identity.key(one)
        assert identity.matches(stored, other)


@FIXED
@given(arguments, arguments)
def test_other_arguments_have_another_key(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    equal = [
        identity.describe(partial(tiny, **given)) for given in (one, other)
    ]
    keys = {identity.key(partial(tiny, **given)) for given in (one, other)}
    assert len(keys) == (1 if equal[0] == equal[1] else 2)


def gone(value: Any) -> Any:
    """Write what JSON has no number for as NaN."""
    if isinstance(value, dict):
        return {name: gone(item) for name, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN"
    return value


@FIXED
@given(st.text(), scores, scores, st.binary(max_size=40), st.text(max_size=9))
def test_a_record_is_read_as_it_was_written(
    variant: str,
    tested: dict[str, float],
    validated: dict[str, float],
    predictions: bytes,
    note: str,
) -> None:
    plain = trials.planted("a", 0, 0.5)
    epoch = {**plain.history[0], "validation": validated}
    packed = records.pack(np.frombuffer(predictions, np.uint8))
    record = replace(
        plain,
        variant=variant,
        scores=tested,
        history=[epoch],
        predictions=packed,
        notes={"note": note},
    )
    line = record.to_json()
    assert "\n" not in line
    found = records.parse(line, Path("runs/x.json"))
    assert found.to_json() == line and found.variant == variant
    assert found.notes == {"note": note}
    assert gone(dict(found.scores)) == gone(tested)
    assert gone(found.history[0]["validation"]) == gone(validated)
    assert records.unpack(packed).tobytes() == predictions


@FIXED
@given(
    st.integers(1, 300),
    st.none() | st.integers(1, 400),
    st.integers(0, 2**56),
    st.integers(1, 99),
)
def test_batches_are_a_permutation_and_repeat_themselves(
    examples: int, size: int | None, seed: int, epoch: int
) -> None:
    parts = list(batches(examples, size, seed, epoch))
    assert sorted(np.concatenate(parts)) == list(range(examples))
    full, *_, last = [*map(len, parts), len(parts[-1])]
    assert full == min(size or examples, examples) and last <= full
    assert all(len(part) == full for part in parts[:-1])
    again = batches(examples, size, seed, epoch)
    assert all(map(np.array_equal, parts, again))


@FIXED
@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=200),
    st.data(),
    st.integers(0, 2**32),
)
def test_a_stratified_split_is_disjoint_complete_and_in_proportion(
    labels: Sequence[int], data: st.DataObject, seed: int
) -> None:
    targets = np.array(labels)
    held_out = data.draw(st.integers(0, len(targets) - 1))
    kept, held = stratified(targets, held_out, seed)
    assert len(held) == held_out
    assert sorted([*kept, *held]) == list(range(len(targets)))
    for label in set(labels):
        exact = labels.count(label) * held_out / len(labels)
        assert abs((targets[held] == label).sum() - exact) < 1
    for one, two in zip(
        (kept, held), stratified(targets, held_out, seed), strict=True
    ):
        assert np.array_equal(one, two)


class Reply(io.BytesIO):
    """What a server answers, cut off after some bytes."""

    def __init__(self, body: bytes, start: int, most: int, ranges: bool):
        sent = body[start if ranges else 0 :]
        super().__init__(sent[:most])
        self.length, self.status = len(sent), 206 if ranges and start else 200

    def peek(self, size: int) -> bytes:
        return self.getvalue()[:size]


@FIXED
@given(
    st.binary(min_size=1, max_size=400),
    st.integers(0, 300),
    st.lists(st.integers(1, 90), max_size=8),
    st.booleans(),
)
def test_a_transfer_cut_off_anywhere_ends_with_the_file_or_none(
    body: bytes, before: int, cuts: list[int], ranges: bool
) -> None:
    if body.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return
    file = File("thing", hashlib.sha256(body).hexdigest(), len(body))
    left, asked = list(cuts), []

    def answer(request: Any, timeout: float) -> Reply:
        start = int((request.get_header("Range") or "=0-")[6:-1] or 0)
        asked.append(start)
        most = left.pop(0) if left else len(body)
        return Reply(body, start, most, ranges)

    with (
        TemporaryDirectory() as place,
        patch.object(sources, "urlopen", answer),
    ):
        folder = Path(place)
        (folder / "thing.part").write_bytes(body[: min(before, len(body) - 1)])
        try:
            Mirror("http://localhost/{}").bring([file], folder)
        except sources.Refused:
            assert not ranges  # then it starts anew, and may not get on
            assert not (folder / "thing").exists()
        else:
            assert (folder / "thing").read_bytes() == body
        assert {p.name for p in folder.iterdir()} <= {"thing", "thing.part"}


@FIXED
@given(st.binary(max_size=99), st.binary(max_size=99))
def test_only_the_file_gets_its_name(body: bytes, sent: bytes) -> None:
    file = File("thing", hashlib.sha256(body).hexdigest(), len(body))
    with TemporaryDirectory() as place:
        try:
            keep(io.BytesIO(sent).read, file, Path(place))
        except sources.Refused:
            assert sent != body and not list(Path(place).iterdir())
        else:
            assert sent == body
