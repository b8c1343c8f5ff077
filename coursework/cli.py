"""The command ``coursework``; nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg

from coursework.launch.options import Options

if TYPE_CHECKING:
    from coursework.launch.notebooks import Notebook

Profile = Literal["smoke", "quick", "standard", "full"]
Practicals = Positional[tuple[str, ...]]
Settings = Annotated[
    tuple[str, ...],
    arg(name="set", metavar="KEY=VALUE", help="notebook parameters to set"),
]


def run(
    practicals: Practicals = (),
    *,
    profile: Profile = "quick",
    jobs: int | None = None,
    budget: float | None = None,
    settings: Settings = (),
    stale: bool = False,
    stand_in: bool = False,
) -> int:
    """Train what is missing and execute the notebooks.

    Args:
        practicals: Names or numbers, e.g. 01_numpy_mlp or 01; default all.
        profile: How large: seconds, a first look, a night, the reports' own.
        jobs: Runs side by side; default one a core.
        budget: Minutes after which no run is started any more.
        settings: Notebook parameters, e.g. --set dataset=digits.
        stale: Train again what was made by other code than today's.
        stand_in: Take the named stand-in for data that can't be reached.
    """
    from coursework.launch import batch, notebooks  # noqa: PLC0415

    if stale:
        os.environ["COURSEWORK_STALE"] = "1"
    chosen = notebooks.select(practicals)
    parameters = _parameters(chosen, settings, stand_in)
    done = batch.run(
        chosen, parameters, profile=profile, jobs=jobs, budget=budget
    )
    for execution in sorted(done.done, key=lambda e: e.name):
        page = batch.page_path(profile, execution.name)
        print(f"{execution.name}: {execution.status}, {page}")
    for name, error in done.failed.items():
        print(f"{name}: FAILED\n{error}", file=sys.stderr)
    if done.left:
        print(
            f"out of time: {len(done.left)} runs are left; the same command "
            "goes on with them",
            file=sys.stderr,
        )
    took = ", ".join(f"{k} {v:.0f} s" for k, v in done.seconds.items())
    print(f"{done.trained} runs trained; {took}")
    return done.status


def report(profile: Profile = "quick", stand_in: bool = False) -> int:
    """Fetch data, run all notebooks and build the local report.

    Args:
        profile: How large the runs are.
        stand_in: Take the named stand-in for data that can't be reached.
    """
    from coursework.data import sets  # noqa: PLC0415
    from coursework.launch import notebooks  # noqa: PLC0415
    from coursework.launch.report import build_report  # noqa: PLC0415

    times = {}
    started = time.perf_counter()
    if not stand_in:
        sets.fetch(_wanted_sets(notebooks.select(())))
    times["data"] = time.perf_counter() - started
    started = time.perf_counter()
    status = run(profile=profile, stand_in=stand_in)
    times["runs and notebooks"] = time.perf_counter() - started
    if status:
        return status
    started = time.perf_counter()
    index = build_report(profile)
    times["book"] = time.perf_counter() - started
    for stage, seconds in times.items():
        print(f"{stage:20s}{seconds:8.1f} s")
    print(f"The report: {index}")
    return 0


def list_() -> int:
    """List the practicals, what may be set in them, and their evidence."""
    from coursework import records  # noqa: PLC0415
    from coursework.launch import notebooks  # noqa: PLC0415

    for name, notebook in notebooks.notebooks().items():
        settings = ", ".join(
            f"{key}={value!r}" for key, value in notebook.parameters.items()
        )
        print(f"{name}: {settings}")
    for grid, profiles in records.grids().items():
        for profile in profiles:
            number = len(records.evidence(grid, profile))
            print(f"evidence {grid}: {profile}, {number} runs")
    return 0


def data(
    action: Positional[Literal["fetch", "verify", "import"]],
    sets: Positional[tuple[str, ...]] = (),
) -> int:
    """Fetch data sets, verify those that are there, or import a folder.

    Args:
        action: What to do.
        sets: Names of data sets; default all small ones. For import: the
            name and the path of the folder to take it from.
    """
    from coursework.data import sets as known  # noqa: PLC0415

    if action == "fetch":
        known.fetch(sets)
        known.prepare(sets)
        return 0
    if action == "import":
        print(known.put_in(sets))
        return 0
    found = known.verify(sets)
    for name, file, ok, message in found:
        print(f"{'ok' if ok else 'FAULT':6}{name} {file} {message}".rstrip())
    return int(not all(finding.ok for finding in found))


def record(
    practicals: Practicals = (),
    profile: Literal["standard", "full"] = "standard",
    settings: Settings = (),
) -> int:
    """Promote this machine's complete runs to committed evidence.

    Args:
        practicals: Names or numbers; default all.
        profile: Which runs.
        settings: Notebook parameters the runs were made with.
    """
    from coursework.launch import batch, notebooks  # noqa: PLC0415

    chosen = notebooks.select(practicals)
    parameters = _parameters(chosen, settings, stand_in=False)
    for line in batch.promote(chosen, parameters, profile):
        print(line)
    return 0


def train(options: Annotated[Options, arg(name="")]) -> int:
    """Train one network of a practical, apart from all grids and evidence.

    A killed training goes on when the same command is given again. With
    --task, do a whole ablation instead.
    """
    from coursework.launch import adhoc  # noqa: PLC0415

    try:
        if options.task is not None:
            return adhoc.ablation(options)
        done = adhoc.train(options)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on", file=sys.stderr)
        return 130
    for line in adhoc.summary(done):
        print(line)
    return 0


def verify(
    practicals: Practicals = (), declared: bool = False, rerun: int = 0
) -> int:
    """Check data files, evidence and this machine's runs by their hashes.

    Args:
        practicals: Whose evidence, by name or number; default all.
        declared: Also ask the notebooks whether a declared run is missing.
        rerun: Train so many cheap runs again and compare their scores.
    """
    from itertools import chain  # noqa: PLC0415

    from coursework import verify as look  # noqa: PLC0415
    from coursework.launch import notebooks  # noqa: PLC0415

    chosen = notebooks.select(practicals)
    found = chain(
        look.data(),
        look.evidence(chosen),
        look.runs(),
        look.declared(chosen) if declared else (),
        look.rerun(chosen, rerun),
    )
    faults = 0
    for finding in found:
        print(finding, flush=True)
        faults += finding.mark == "FAULT"
    print(f"{faults} faults")
    return int(faults > 0)


def doctor() -> int:
    """Look this machine over and say what to do about each fault."""
    from coursework.launch import doctor as look  # noqa: PLC0415

    findings = look.findings()
    for finding in findings:
        print(finding)
    return int(any(finding.fault for finding in findings))


def main() -> None:
    """Run the command line; an error is one message and exit status 2."""
    commands: dict[str, Any] = {
        "run": run,
        "report": report,
        "list": list_,
        "data": data,
        "record": record,
        "train": train,
        "verify": verify,
        "doctor": doctor,
    }
    try:
        sys.exit(
            tyro.extras.subcommand_cli_from_dict(
                commands,
                prog="coursework",
                description="Run, record and publish the coursework.",
            )
        )
    except (ValueError, LookupError, OSError, RuntimeError) as error:
        if os.environ.get("COURSEWORK_DEBUG"):
            raise
        message = error.strerror if isinstance(error, OSError) else None
        print(
            f"coursework: {message or error}\n"
            "(COURSEWORK_DEBUG=1 shows where this was raised)",
            file=sys.stderr,
        )
        sys.exit(2)


def _parameters(
    chosen: list[Notebook], settings: tuple[str, ...], stand_in: bool
) -> dict[str, Any]:
    """Say for each notebook which of its parameters are set to what.

    A setting goes to the notebooks that have it; ValueError if none has.
    """
    from coursework.data import sets  # noqa: PLC0415
    from coursework.recipe import named  # noqa: PLC0415

    given = _parse(settings)
    if "dataset" in given:
        sets.loader(given["dataset"])
    known = dict.fromkeys(key for book in chosen for key in book.parameters)
    for key in given:
        named(known, key, f"parameter of {', '.join(b.name for b in chosen)}")
    if stand_in:
        swaps = {
            b.name: {"dataset": sets.small_stand_in(b.parameters["dataset"])}
            for b in chosen
            if "dataset" in b.parameters
        }
    else:
        swaps = {}
    return {
        book.name: {k: v for k, v in given.items() if k in book.parameters}
        | swaps.get(book.name, {})
        for book in chosen
    }


def _parse(settings: tuple[str, ...]) -> dict[str, Any]:
    import yaml  # noqa: PLC0415

    given = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or key == "profile":
            raise ValueError(
                f"--set {setting!r}: accepted is KEY=VALUE, with a parameter "
                "of the notebook other than profile (that is --profile)"
            )
        try:
            given[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ValueError(
                f"--set {setting!r}: {value!r} is not a value; accepted are "
                "numbers, words, true, false and [lists]"
            ) from error
    return given


def _wanted_sets(chosen: list[Notebook]) -> dict[str, None]:
    names = (notebook.parameters.get("dataset") for notebook in chosen)
    return dict.fromkeys(name for name in names if name)
