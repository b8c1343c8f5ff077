"""Finished runs as JSON, and tables of many of them; imports no torch.

``runs/`` is this machine's cache, one file a run.  ``results/<grid>/`` is
evidence: ``<profile>.jsonl`` with one line a run, artefacts beside it.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import io
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coursework import gpus, identity, paths, stats
from coursework.recipe import named

SCHEMA = 1
ARTEFACT_LIMIT = 100_000  # bytes; evidence is committed and stays small
NO_SHARES = ("nll", "brier", "gain", "frechet", "nearest", "classes")
KEY = re.compile(rb'"key": "([0-9a-f]+)"')
ADHOC = "adhoc"  # profile of `coursework train`: no grid finds such a run


class DamagedRecordError(ValueError):
    """A record that can't be read as one; the message names the file."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One finished run: what was asked, what came out, who made it.

    ``seconds`` is the time spent training.  Memory is the most that was used:
    the process's, and what tensors held on a GPU.  ``source`` is the digest of
    the code involved.  ``artefacts`` maps file names to SHA-256 digests.
    """

    grid: str
    variant: str
    profile: str
    seed: int
    key: str
    spec: identity.Spec
    source: str
    data: Mapping[str, Any]
    parameters: int
    multiply_adds: int
    scores: Mapping[str, float]
    history: Sequence[Mapping[str, Any]]
    seconds: float
    examples_per_second: float
    peak_memory_bytes: int
    environment: Mapping[str, Any]
    created: str
    predictions: str | None = None
    diverged: str | None = None
    artefacts: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    device_memory_bytes: int | None = None
    schema: int = SCHEMA

    @property
    def name(self) -> str:
        """Name of the run, unique over all grids."""
        return run_name(self.key, self.seed, self.profile)

    @property
    def share_of_peak(self) -> float | None:
        """Which share of the GPU's peak training used; None if unknown."""
        return gpus.share_of_peak(
            self.multiply_adds,
            self.examples_per_second,
            str(self.environment["device"]),
        )

    def to_json(self) -> str:
        """Write the record as one line; what is not finite becomes null.

        The line carries a hash of all the rest: a changed digit would else
        be another number.
        """
        fields = _finite(dataclasses.asdict(self))
        return _line({**fields, "sha256": _seal(fields)})

    def artefact(self, name: str) -> bytes:
        """Read an artefact of this run and verify its hash.

        Raises FileNotFoundError naming the run, the artefact and the remedy.
        """
        if name not in self.artefacts:
            known = ", ".join(self.artefacts) or "none"
            raise FileNotFoundError(
                f"run {self.name} ({self.variant!r}, seed {self.seed}) has no "
                f"artefact {name!r}; it has: {known}"
            )
        evidence = paths.results().glob(f"*/artefacts/{self.name}/{name}")
        for path in (paths.runs() / self.name / name, *evidence):
            if path.exists():
                content = path.read_bytes()
                if hashlib.sha256(content).hexdigest() == self.artefacts[name]:
                    return content
        raise FileNotFoundError(
            f"artefact {name!r} of run {self.name} is missing or damaged; "
            f"delete {paths.runs() / self.name}.json and run the notebook "
            "again"
        )

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read an ``.npz`` artefact; pickled objects are refused."""
        with np.load(io.BytesIO(self.artefact(name)), allow_pickle=False) as z:
            return {key: z[key] for key in z.files}

    def correct(self) -> NDArray[np.bool_]:
        """Tell for each test example whether the prediction was right."""
        if self.predictions is None:
            raise ValueError(f"run {self.name} stored no predictions")
        right: NDArray[np.bool_] = unpack(self.predictions) == 0
        return right


def pack(offsets: NDArray[np.uint8]) -> str:
    """Store one byte a test example as text."""
    return base64.b64encode(zlib.compress(offsets.tobytes(), 9)).decode()


def unpack(text: str) -> NDArray[np.uint8]:
    """Undo :func:`pack`."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)


def parse(line: str | bytes, where: Path) -> Record:
    """Read a record; null becomes NaN again where a number belongs.

    Raises DamagedRecordError, naming the file and what to do.
    """
    try:
        fields = json.loads(line)
        sealed = fields.pop("sha256", None)  # older records have none
        whole = sealed in (None, _seal(fields))
        if fields["schema"] > SCHEMA:
            raise ValueError(
                f"schema {fields['schema']} is newer than this code's {SCHEMA}"
            )
        fields["scores"] = _numbers(fields["scores"])
        fields["history"] = [
            _numbers(epoch) | {"validation": _numbers(epoch["validation"])}
            for epoch in fields["history"]
        ]
        record = Record(**fields)
        if not whole:
            raise ValueError("its sha256 is not that of its content")
        return record
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedRecordError(
            f"{where} holds a damaged record ({error}). Delete that file to "
            "train the run again, or restore it with `git checkout` if it is "
            "evidence"
        ) from error


def _line(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, allow_nan=False)


def _seal(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(_line(fields).encode()).hexdigest()


def save(record: Record, artefacts: Mapping[str, bytes]) -> None:
    """Write a run into ``runs/``: artefacts first, the record last.

    The record's file is what makes a run finished, so a kill in between
    leaves a run that is simply done again.
    """
    for name, content in artefacts.items():
        if len(content) > ARTEFACT_LIMIT:
            raise ValueError(
                f"artefact {name!r} has {len(content)} bytes; at most "
                f"{ARTEFACT_LIMIT} are kept: store a summary"
            )
        paths.write(paths.runs() / record.name / name, content)
    line = record.to_json() + "\n"
    path = run_file(record.key, record.seed, record.profile)
    paths.write(path, line.encode())


def run_name(key: str, seed: int, profile: str) -> str:
    """Name a run by key and seed, for all profiles alike but ``ADHOC``."""
    return f"{key}-{seed}" + ("-adhoc" if profile == ADHOC else "")


def run_file(key: str, seed: int, profile: str = "") -> Path:
    """Return where this machine keeps a run."""
    return paths.runs() / f"{run_name(key, seed, profile)}.json"


def find(
    variant: Any, seed: int, *, evidence: bool = False, profile: str = ""
) -> Record | None:
    """Look a run up by key and compare its stored spec with today's.

    This machine's runs come first, then committed evidence, of whatever grid;
    with ``evidence`` the latter alone.  A run that lacks what a probe added
    since would have seen is not the one.  Ad hoc runs are found under the
    ``profile`` ``ADHOC`` alone, and nothing else is found under it.
    """
    key = identity.key(variant)
    asked = identity.artefacts(identity.describe(variant))
    found = []
    path = run_file(key, seed, profile)
    if not evidence and path.exists():
        found.append(parse(path.read_bytes(), path))
    if profile != ADHOC:
        lines = _evidence_lines(_stamp()).get(key, [])
        found += [r for r in starmap(_parsed, lines) if r.seed == seed]
    return next(
        (
            r
            for r in found
            if identity.matches(r.spec, variant) and asked <= set(r.artefacts)
        ),
        None,
    )


def evidence(grid: str, profile: str) -> list[Record]:
    """Read the committed records of a grid, in their stored order."""
    path = evidence_file(grid, profile)
    if not path.exists():
        return []
    return [parse(line, path) for line in path.read_bytes().splitlines()]


def evidence_file(grid: str, profile: str) -> Path:
    """Return where a grid's evidence of one profile is committed."""
    return paths.results() / grid / f"{profile}.jsonl"


def grids() -> dict[str, list[str]]:
    """List the grids with evidence and their profiles."""
    found: dict[str, list[str]] = {}
    for path in sorted(paths.results().glob("*/*.jsonl")):
        found.setdefault(path.parent.name, []).append(path.stem)
    return found


def promote(records: Sequence[Record]) -> Path:
    """Make a complete grid evidence: one sorted file, artefacts beside it.

    Raises ValueError for runs of the profile ``ADHOC``.
    """
    adhoc = [record.name for record in records if record.profile == ADHOC]
    if adhoc:
        raise ValueError(
            f"run {adhoc[0]} comes from `coursework train` and is no evidence; "
            "runs of a grid are: `coursework run PRACTICAL --profile standard`"
        )
    first = records[0]
    path = evidence_file(first.grid, first.profile)
    for record in records:
        for name in record.artefacts:
            target = path.parent / "artefacts" / record.name / name
            paths.write(target, record.artefact(name))
    ordered = sorted(records, key=lambda r: (r.variant, r.seed))
    lines = "".join(record.to_json() + "\n" for record in ordered)
    paths.write(path, lines.encode())
    return path


def table(
    records: Sequence[Record],
    score: str = "accuracy",
    baseline: str | None = None,
) -> pd.DataFrame:
    """Summarise each variant over its seeds, in declared order.

    Columns: mean, standard deviation, 95 % interval over seeds, n, interval
    from sampling the test set (accuracies only), runs that diverged, cost;
    with a baseline row also the paired difference to it, with its interval
    and the correlation over seeds (same seeds, so differences are paired).
    """
    rows = {}
    by_variant = grouped(records)
    base = named(by_variant, baseline, "baseline") if baseline else None
    for variant, runs in by_variant.items():
        values = scores(runs, score)
        interval = stats.t_interval(values)
        # Student's interval does not know that a share ends at 0 and at 1.
        least, most = (-math.inf, math.inf) if score in NO_SHARES else (0, 1)
        row: dict[str, Any] = {
            "mean": interval.mean,
            "sd": interval.sd,
            "low": max(interval.low, least),
            "high": min(interval.high, most),
            "n": interval.n,
        }
        if score == "accuracy":
            tested = runs[0].data["sizes"]["test"]
            row["test ±"] = stats.wilson_half_width(interval.mean, tested)
        if base is not None:
            row |= _difference(base, runs, score)
        row |= {
            "diverged": sum(run.diverged is not None for run in runs),
            "parameters": runs[0].parameters,
            "multiply-adds": runs[0].multiply_adds,
            "seconds": float(np.median([run.seconds for run in runs])),
        }
        rows[variant] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("variant")


def curves(records: Sequence[Record], score: str = "accuracy") -> pd.DataFrame:
    """Lay all learning curves out, one row an epoch of a run."""
    return pd.DataFrame(
        [
            {
                "variant": record.variant,
                "seed": record.seed,
                "epoch": epoch["epoch"],
                "learning rate": epoch["learning_rate"],
                "train loss": epoch["train_loss"],
                "validation loss": epoch["validation_loss"],
                score: epoch["validation"].get(score, math.nan),
            }
            for record in records
            for epoch in record.history
        ]
    )


def grouped(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Gather records by variant, both in the order they come."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.variant, []).append(record)
    return found


def scores(records: Iterable[Record], score: str = "accuracy") -> list[float]:
    """Collect one test score over runs."""
    return [record.scores[score] for record in records]


def main_score(record: Record) -> str:
    """Name the score that a run is judged by, and its variant chosen.

    Of networks that draw it is how often they draw the class asked for.
    """
    return next(
        name
        for name in ("mAP", "accuracy", "label accuracy")
        if name in record.scores
    )


def validation(record: Record, score: str = "accuracy") -> float:
    """Return a run's last validation score: what choices are made by."""
    return float(record.history[-1]["validation"][score])


def best(records: Sequence[Record], score: str = "accuracy") -> str:
    """Choose the variant with the highest mean validation score.

    Ties go to the one declared first; a mean that is NaN loses to any other.
    """
    means = {
        variant: np.mean([validation(run, score) for run in runs])
        for variant, runs in grouped(records).items()
    }
    return max(means, key=lambda v: np.nan_to_num(means[v], nan=-np.inf))


def tuned(records: Sequence[Record], score: str = "accuracy") -> list[Record]:
    """Keep, of arms labelled "name, rate r", each name's best rate.

    The best has the highest mean validation score.
    """
    arms = dict.fromkeys(r.variant.rpartition(", rate ")[0] for r in records)
    kept = {
        best(
            [r for r in records if r.variant.startswith(f"{arm}, rate ")], score
        )
        for arm in arms
    }
    return [record for record in records if record.variant in kept]


def rates(
    records: Sequence[Record], score: str = "accuracy"
) -> dict[str, float]:
    """Return each name's best rate, of arms labelled "name, rate r"."""
    pairs = (r.variant.rpartition(", rate ") for r in tuned(records, score))
    return {name: float(rate) for name, _, rate in pairs}


def rises(runs: Sequence[Record], after: int = 0) -> pd.DataFrame:
    """Set a run's largest rise of accuracy beside what came alive, and when.

    Looks at reports from step ``after`` on.  Reads the artefact
    ``watch.npz``; steps are those of its reports.
    """
    rows = []
    for run in runs:
        whole = run.arrays("watch.npz")
        kept = whole["epoch"] >= after
        watch = {name: values[kept] for name, values in whole.items()}
        steps = watch["epoch"]
        place, rise = _largest_rise(watch["accuracy"])
        woken = _awakenings(watch["alive"])
        rows.append(
            {
                "variant": run.variant,
                "seed": run.seed,
                "test accuracy (%)": 100 * run.scores["accuracy"],
                "largest rise (points)": 100 * rise,
                "between steps": f"{steps[place - 1]} and {steps[place]}",
                "came alive": ", ".join(
                    f"output {output} by step {steps[at]}"
                    for at, output in woken
                )
                or "–",
                "dead at the end": int((watch["alive"][-1] == 0).sum()),
            }
        )
    return pd.DataFrame(rows)


def _difference(
    base: Sequence[Record], runs: Sequence[Record], score: str
) -> dict[str, float]:
    if base[0].variant == runs[0].variant:
        return {"difference": 0.0}
    paired = stats.paired(*by_seed(runs, base, partial(_score, score)))
    return {
        "difference": paired.mean,
        "difference low": paired.low,
        "difference high": paired.high,
        "correlation": paired.correlation,
    }


def by_seed(
    runs: Sequence[Record],
    base: Sequence[Record],
    measure: Callable[[Record], float],
) -> tuple[list[float], list[float]]:
    """Measure two variants' runs, in the order of their shared seeds.

    Raises ValueError if their seeds differ: then nothing is paired.
    """
    ours, theirs = (
        {r.seed: measure(r) for r in group} for group in (runs, base)
    )
    if set(ours) != set(theirs):
        raise ValueError(
            f"{runs[0].variant!r} has seeds {sorted(ours)}, "
            f"{base[0].variant!r} has {sorted(theirs)}; paired differences "
            "need the same: run the grid again so that both are complete"
        )
    seeds = sorted(ours)
    return [ours[s] for s in seeds], [theirs[s] for s in seeds]


def _score(score: str, record: Record) -> float:
    return record.scores[score]


def _stamp() -> tuple[tuple[str, int, int], ...]:
    files = sorted(paths.results().glob("*/*.jsonl"))
    return tuple(
        (str(f), s.st_mtime_ns, s.st_size) for f in files for s in [f.stat()]
    )


@functools.lru_cache(maxsize=1)
def _evidence_lines(
    stamp: tuple[tuple[str, int, int], ...],
) -> dict[str, list[tuple[bytes, Path]]]:
    """Index all evidence by key; read again only when a file of it changed.

    Lines are parsed when they are asked for: each worker asks for one.
    """
    index: dict[str, list[tuple[bytes, Path]]] = {}
    for name, _, _ in stamp:
        path = Path(name)
        for line in path.read_bytes().splitlines():
            found = KEY.search(line)
            key = found[1].decode() if found else parse(line, path).key
            index.setdefault(key, []).append((line, path))
    return index


_parsed = functools.cache(parse)


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: math.nan if v is None else v for k, v in values.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def slug(text: str) -> str:
    """Turn a label into what a file name or an anchor may hold."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _largest_rise(curve: NDArray[np.floating[Any]]) -> tuple[int, float]:
    """Find where a curve (T,) rises most in one step: index after, rise."""
    rises = np.diff(curve)
    place = int(rises.argmax())
    return place + 1, float(rises[place])


def _awakenings(alive: NDArray[np.floating[Any]]) -> list[tuple[int, int]]:
    """List (index, output) where an output comes alive for good.

    ``alive`` (T, K) is the share of examples with a score above zero; an
    output that is zero for all, and never again after, woke up there.
    """
    found = []
    for output, shares in enumerate(alive.T):
        dead = np.flatnonzero(shares == 0)
        if len(dead) and dead[-1] + 1 < len(shares):
            found.append((int(dead[-1]) + 1, output))
    return sorted(found)
