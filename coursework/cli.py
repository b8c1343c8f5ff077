"""The command ``coursework``; nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg

from coursework import devices, stopping
from coursework.launch import arguments, drawing
from coursework.launch.options import Options
from coursework.recipe import at_least

if TYPE_CHECKING:
    from coursework.launch.notebooks import Notebook

Profile = Literal["smoke", "quick", "standard", "full"]
Practicals = Positional[tuple[str, ...]]
Settings = Annotated[
    tuple[str, ...],
    arg(name="set", metavar="KEY=VALUE", help="notebook parameters to set"),
]
Launcher = Literal["local", "slurm", "shard"]
Cluster = Annotated[
    tuple[str, ...],
    arg(name="slurm", metavar="KEY=VALUE", help="options of sbatch"),
]


def run(
    practicals: Practicals = (),
    *,
    profile: Profile = "quick",
    jobs: int | None = None,
    budget: float | None = None,
    launcher: Launcher | None = None,
    shard: str | None = None,
    cluster: Cluster = (),
    per_run: Annotated[int | None, arg(name="devices")] = None,
    settings: Settings = (),
    stale: bool = False,
    stand_in: bool = False,
) -> int:
    """Train what is missing and execute the notebooks.

    Args:
        practicals: Names or numbers, e.g. 01_numpy_mlp or 01; default all.
        profile: How large: seconds, a first look, a night, the reports' own.
        jobs: Runs side by side; default one a GPU of several, or one a core.
        budget: Minutes for training, what decides a claim and is cheap first;
            the same command goes on. With slurm, minutes to wait for jobs.
        launcher: Who trains: a process a run, jobs of SLURM, or a part here.
        shard: Do part i of n alone, as i/n from 0/n on; leave out the others.
        cluster: Options of SLURM's sbatch, e.g. partition=gpu time=240.
        per_run: Devices that share a run, one run after the other.
        settings: Notebook parameters, e.g. --set dataset=digits.
        stale: Train again what was made by other code than today's.
        stand_in: Take the named stand-in for data that can't be reached.
    """
    from coursework.launch import batch, launchers, notebooks  # noqa: PLC0415

    devices.refuse_missing()
    at_least("jobs", 1 if jobs is None else jobs, 1)
    at_least("budget", budget or 0, 0)
    launch = launchers.chosen(launcher, shard, cluster)
    if per_run is not None:
        from coursework import distributed  # noqa: PLC0415

        launch = distributed.launcher(per_run)
    if stale:
        os.environ["COURSEWORK_STALE"] = "1"
    chosen = notebooks.select(practicals)
    parameters = _parameters(chosen, settings, stand_in)
    done = batch.run(
        chosen,
        parameters,
        profile=profile,
        jobs=jobs,
        budget=budget,
        launch=launch,
    )
    for execution in sorted(done.done, key=lambda e: e.name):
        page = batch.page_path(profile, execution.name)
        print(f"{execution.name}: {execution.status}, {page}")
    for name, error in done.failed.items():
        print(f"{name}: FAILED\n{error}", file=sys.stderr)
    if done.left:
        print(
            f"{len(done.left)} runs are left; the same command goes on with "
            "them",
            file=sys.stderr,
        )
    if done.elsewhere:
        print(f"{len(done.elsewhere)} runs belong to other parts")
    took = ", ".join(f"{k} {v:.0f} s" for k, v in done.seconds.items())
    print(f"{done.trained} runs trained; {took}")
    return done.status


def status(
    practicals: Practicals = (),
    *,
    profile: Profile = "quick",
    jobs: int | None = None,
    json: bool = False,
    resubmit: bool = False,
    launcher: Launcher | None = None,
    shard: str | None = None,
    cluster: Cluster = (),
    settings: Settings = (),
) -> int:
    """Say which runs are done, running, queued, failed or missing, and why.

    The exit status is 0 if all are done, else 75.

    Args:
        practicals: Names or numbers; default all.
        profile: Which runs.
        jobs: Runs side by side, for the time left; default one a core.
        json: Write it for programs.
        resubmit: Do what nobody is at, by the launcher of --launcher.
        launcher: As of `coursework run`.
        shard: As of `coursework run`.
        cluster: As of `coursework run`.
        settings: Notebook parameters of the runs.
    """
    from coursework.launch import launchers, notebooks  # noqa: PLC0415
    from coursework.launch import status as look  # noqa: PLC0415

    launch = launchers.chosen(launcher, shard, cluster)
    chosen = notebooks.select(practicals)
    parameters = _parameters(chosen, settings, stand_in=False)
    found = look.look(chosen, parameters, profile, jobs)
    if resubmit:
        for run, why in look.resubmit(found, launch, jobs).items():
            print(f"{run}: FAILED\n{why}", file=sys.stderr)
        found = look.look(chosen, parameters, profile, jobs)
    print(found.to_json() if json else found.text())
    return found.exit_status


def bundle(
    file: Positional[Path],
    profile: Profile = "full",
    python: str = "3.12",
    wheels: Path | None = None,
) -> int:
    """Pack all that a machine without network needs to do runs.

    Args:
        file: The zip archive to write.
        profile: Whose runs travel along, so that they are not done again.
        python: Version of Python there.
        wheels: Folder of wheels to take instead of fetching them.
    """
    from coursework.launch import bundle as packing  # noqa: PLC0415

    for line in packing.pack(file, profile, python, wheels):
        print(line)
    return 0


def collect(path: Positional[Path]) -> int:
    """Bring the records of another machine into this one's store.

    Args:
        path: A folder of runs, or an unpacked bundle with one in it.
    """
    from coursework.launch import collect as store  # noqa: PLC0415

    refused = 0
    for finding in store.collect(path):
        print(finding)
        refused += finding.what == "REFUSED"
    return int(refused > 0)


def report(profile: Profile = "quick", stand_in: bool = False) -> int:
    """Fetch data, run the book's notebooks and build the local report.

    Args:
        profile: How large the runs are.
        stand_in: Take the named stand-in for data that can't be reached.
    """
    from coursework.data import sets  # noqa: PLC0415
    from coursework.launch import notebooks, pages  # noqa: PLC0415
    from coursework.launch.report import build_report  # noqa: PLC0415

    devices.refuse_missing()
    shown = tuple(pages.in_toc())
    times = {}
    started = time.perf_counter()
    if not stand_in:
        sets.fetch(_wanted_sets(notebooks.select(shown)))
    times["data"] = time.perf_counter() - started
    started = time.perf_counter()
    status = run(shown, profile=profile, stand_in=stand_in)
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
    --task, do a whole ablation instead. For a network that draws pictures
    see `coursework train gan --help`.
    """
    devices.refuse_missing()
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
    """Run the command line; an error is one message and exit status 2.

    After SIGTERM or SIGUSR2 the status is 75, and the same command goes on.
    """
    commands: dict[str, Any] = {
        "run": run,
        "report": report,
        "list": list_,
        "data": data,
        "record": record,
        "train": train,
        "train gan": drawing.train,
        "generate": drawing.generate,
        "verify": verify,
        "doctor": doctor,
        "status": status,
        "bundle": bundle,
        "collect": collect,
    }
    words = sys.argv[1:]
    if words[:2] == ["train", "gan"]:  # it has options of its own
        words[:2] = ["train gan"]
    try:
        with stopping.obeyed():
            _refuse(commands, words)
            sys.exit(
                tyro.extras.subcommand_cli_from_dict(
                    commands,
                    prog="coursework",
                    description="Run, record and publish the coursework.",
                    args=words,
                )
            )
    except stopping.Stopped as stopped:
        print(f"coursework: {stopped}", file=sys.stderr)
        sys.exit(stopping.RESUMABLE)
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


def _refuse(commands: Mapping[str, Any], words: list[str]) -> None:
    """Raise ValueError with all that is wrong with a command's options."""
    if not words or words[0] not in commands or {"-h", "--help"} & {*words}:
        return
    train_asked = words[0] == "train"
    grouped = {"train": Options, "train gan": drawing.Drawer}
    target = grouped.get(words[0], commands[words[0]])
    given = arguments.given(target, words[1:])
    faults = [each.fault for each in given if each.fault]
    values = {each.argument: each.value for each in given if not each.fault}
    if train_asked and len(words) > 1 and not words[1].startswith("-"):
        from coursework.launch import refusals  # noqa: PLC0415

        faults += refusals.faults(Options(practical=words[1], **values))
    if faults:
        raise ValueError(arguments.listed(faults))


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
