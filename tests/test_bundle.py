"""Bundle, a bare machine, and the way home of its records."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sysconfig
import venv
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from coursework import paths, provenance, records
from coursework.experiment import execute
from coursework.launch import bundle
from coursework.launch.collect import collect
from tests import trials


def wheel(name: str, folder: Path) -> None:
    """Pack an installed package again as the wheel that it came from."""
    package = importlib.metadata.distribution(name)
    file = (
        folder / f"{name.replace('-', '_')}-{package.version}-py3-none-any.whl"
    )
    with zipfile.ZipFile(
        file, "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as archive:
        for path in package.files or ():
            if ".." not in path.parts and path.suffix != ".pyc":
                archive.write(str(path.locate()), str(path))


def bare(folder: Path) -> Path:
    """Make an environment that sees ``bundle.THERE`` and what those need."""
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    for name in bundle._closure(bundle.THERE):
        package = importlib.metadata.distribution(name)
        for top in {path.parts[0] for path in package.files or ()} - {".."}:
            target = site / top
            if not target.exists():
                target.symlink_to(str(package.locate_file(top)))
    return folder / "bin" / "python"


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Unpack a bundle without data sets into an empty folder."""
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "none"))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in bundle.needed():
        wheel(name, wheels)
    file = tmp_path / "bundle.zip"
    python = sysconfig.get_python_version()
    said = list(bundle.pack(file, "full", python, wheels))
    assert any("data set mnist" in line for line in said)
    work = tmp_path / "work"
    with zipfile.ZipFile(file) as archive:
        archive.extractall(work)
    return work


@pytest.mark.timeout(900)  # it takes a minute on an idle machine
def test_a_bare_machine_does_runs_and_they_come_home(
    packed: Path, tmp_path: Path
) -> None:
    python = bare(tmp_path / "bare")
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "COURSEWORK_DEVICE": "cpu",
    }

    def there(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, packed / "run", *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    lacking = [str(python), "-c", "import papermill"]
    assert subprocess.run(lacking, capture_output=True, check=False).returncode
    command = ["run", "01b", "--profile", "smoke", "--budget"]
    first = there(*command, "0")
    assert first.returncode == 75, first.stderr
    assert "runs are left" in first.stderr
    done = there(*command, "5")
    assert done.returncode == 0, done.stderr
    notebook = packed / "notebooks" / "01b_what_is_an_activation.py"
    source = notebook.read_text().replace(
        'profile = "quick"', 'profile = "smoke"', 1
    )
    notebook.write_text(source)
    script = there(str(notebook))
    assert script.returncode == 0, script.stderr
    gpu = there(str(packed / "benchmarks" / "gpu" / "__main__.py"))
    assert gpu.returncode == 2 and "none is here" in gpu.stderr
    assert not list(home.iterdir())  # nothing was written outside
    found = list(collect(packed))
    assert {each.what for each in found} == {"new"} and len(found) > 1
    assert {each.what for each in collect(packed)} == {"there"}
    made = packed / "runs" / f"{found[0].name}.json"
    ours = paths.runs() / made.name
    assert ours.read_bytes() == made.read_bytes()
    record = records.parse(ours.read_bytes(), ours)
    assert all(record.artefact(name) for name in record.artefacts)
    here = provenance.origin()  # there is no history of git in a bundle
    assert {name: record.environment[name] for name in here} == here


def test_what_is_not_whole_or_is_another_record_stays_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [trials.cell(seed=seed) for seed in range(5)]
    away = tmp_path / "away"
    monkeypatch.setenv("COURSEWORK_RUNS", str(away))
    for run in runs:
        execute(run)
    files = [away / f"{run.name}.json" for run in runs]
    changed = files[1].read_text().replace('"level": 0.5', '"level": 0.6')
    files[1].write_text(changed)
    fields = json.loads(files[2].read_text())
    del fields["sha256"]
    files[2].write_text(json.dumps(fields))
    (files[3].with_suffix("") / "note.txt").write_text("another")
    monkeypatch.setenv("COURSEWORK_RUNS", str(tmp_path / "runs"))
    execute(runs[4])
    ours = tmp_path / "runs" / files[4].name
    before = ours.read_bytes()
    theirs = records.parse(files[4].read_bytes(), files[4])
    other = replace(theirs, seconds=theirs.seconds + 1)
    files[4].write_text(other.to_json() + "\n")
    found = {each.name: each for each in collect(away)}
    states = [found[run.name].what for run in runs]
    assert states == ["new", *["REFUSED"] * 4]
    reasons = ("sha256", "no hash", "'note.txt'", "another record")
    for run, reason in zip(runs[1:], reasons, strict=True):
        assert reason in found[run.name].why
        assert (tmp_path / "runs" / f"{run.name}.json").exists() == (
            run is runs[4]
        )
    assert ours.read_bytes() == before


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no records"):
        list(collect(tmp_path))
