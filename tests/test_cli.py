"""The command line: errors that help, and imports that do nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coursework import cli, paths, records
from coursework.launch import batch
from coursework.launch.notebooks import Notebook, notebooks, select
from tests import trials

HEAVY = ("torch", "numpy", "pandas", "matplotlib", "scipy", "papermill")

# Everything opened for writing and every connection, as the interpreter
# itself reports them; then all modules of the package are imported.
IMPORTS = """
import importlib, os, pkgutil, sys
seen = []
def watch(event, details):
    if event == "open":
        path, mode, flags = details
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.append(str(path))
    elif event in ("socket.connect", "socket.getaddrinfo", "os.mkdir"):
        seen.append(f"{event} {details[0]}")
sys.addaudithook(watch)
import coursework
for module in pkgutil.walk_packages(coursework.__path__, "coursework."):
    importlib.import_module(module.name)
import matplotlib.pyplot
print("figures", matplotlib.pyplot.get_fignums())
print("\\n".join(seen))
"""


def coursework(
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, str]:
    """Run a command line in this process: exit status and what it said."""
    monkeypatch.setattr(sys, "argv", ["coursework", *line.split()])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as caught:
        cli.main()
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return int(caught.value.code or 0), " ".join((said.out + said.err).split())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run 99", ["practical '99'", "'00_seed_noise'", "'00'"]),
        ("record nothing", ["practical 'nothing'", "'00_seed_noise'"]),
        ("run --profile huge", ["'huge'", "'smoke'", "'full'"]),
        ("record --profile quick", ["'quick'", "'standard'", "'full'"]),
        ("run 00 --set rate=1", ["'rate'", "'profile'", "'dataset'"]),
        ("run 00 --set dataset", ["'dataset'", "KEY=VALUE"]),
        ("run 00 --set profile=full", ["'profile=full'", "--profile"]),
        ("run 00 --set dataset=[", ["'dataset=['"]),
        ("data fetch cifar1000", ["'cifar1000'", "'mnist'", "'digits'"]),
        ("data lose", ["'lose'", "'fetch'", "'verify'"]),
        ("rnu", ["rnu", "run"]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_accepted(
    line: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = coursework(line, monkeypatch, capsys)
    assert status == 2
    for word in words:
        assert word in said


def test_a_full_disk_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        paths.write(Path("/dev/null/file"), b"")

    monkeypatch.setattr(batch, "promote", full)
    status, said = coursework("record 00", monkeypatch, capsys)
    assert status == 2
    assert "/dev/null/file" in said and "COURSEWORK_RUNS" in said


@pytest.mark.parametrize("line", [["--help"], ["run", "--help"]])
def test_help_is_light(line: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['coursework', *{line}]\n"
        "from coursework.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        f"print('heavy', [m for m in {HEAVY} if m in sys.modules])\n"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert "usage: coursework" in said
    assert said.splitlines()[-1] == "heavy []"


def test_importing_the_package_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    said = subprocess.check_output(
        [sys.executable, "-c", IMPORTS], text=True, cwd=tmp_path
    ).splitlines()
    assert said[0] == "figures []"
    ours = (str(paths.PROJECT), str(tmp_path), "socket.")
    installed = str(Path(sys.prefix))
    touched = [
        line
        for line in said[1:]
        if line.removeprefix("os.mkdir ").startswith(ours)
        and installed not in line
    ]
    assert touched == []
    assert list(tmp_path.iterdir()) == []


def test_list_names_notebooks_and_evidence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trials.evidence("some-grid", {"a": [0.5, 0.6]})
    status, said = coursework("list", monkeypatch, capsys)
    assert status == 0
    assert all(name in said for name in notebooks())
    assert "dataset='mnist'" in said
    assert "some-grid: standard, 2 runs" in said


def test_practicals_are_picked_by_name_or_number() -> None:
    every = notebooks()
    assert [b.name for b in select(())] == list(every)
    assert select(("00",)) == select(("00_seed_noise",)) == select(())[:1]


def test_settings_reach_the_notebooks_that_have_them() -> None:
    chosen = select(())
    given = cli._parameters(chosen, ("dataset=digits",), stand_in=False)
    assert given == {
        b.name: {"dataset": "digits"} if "dataset" in b.parameters else {}
        for b in chosen
    }
    assert {} in given.values() and {"dataset": "digits"} in given.values()


def test_each_notebook_gets_a_stand_in_of_its_kind() -> None:
    swapped = cli._parameters(select(()), (), stand_in=True)
    assert swapped["02_mnist_zoo"] == {"dataset": "digits"}
    assert swapped["05_tiny_voc"] == {"dataset": "shapes"}
    assert swapped["01b_what_is_an_activation"] == {}


def test_what_can_be_set_is_read_from_the_source(tmp_path: Path) -> None:
    path = tmp_path / "00_tiny.py"
    cell = '# %% tags=["parameters"]\nprofile = "quick"\nsize: int\nrate = -1.5'
    path.write_text(cell)
    assert Notebook(path).parameters == {"profile": "quick", "rate": -1.5}
    path.write_text('# %%\nprofile = "quick"')
    with pytest.raises(ValueError, match=r"00_tiny\.py has no cell tagged"):
        _ = Notebook(path).parameters


@pytest.mark.parametrize(
    ("failed", "left", "status"),
    [({}, 0, 0), ({"a": "why"}, 0, 1), ({}, 1, 75), ({"a": "why"}, 1, 1)],
)
def test_exit_status(failed: dict[str, str], left: int, status: int) -> None:
    done = batch.Batch(failed=failed, left=[trials.cell()] * left)
    assert done.status == status


def test_verify_says_which_files_are_missing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))
    status, said = coursework("data verify mnist", monkeypatch, capsys)
    assert status == 1
    assert "train-images" in said
    status, _ = coursework("data verify digits", monkeypatch, capsys)
    assert status == 0
    assert not records.grids()
