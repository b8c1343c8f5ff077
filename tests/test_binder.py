"""Binder: what its build runs here, with an installer that only takes notes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jupyter_core import paths as jupyter
from jupyter_server.services.config import ConfigManager

ROOT = Path(__file__).parents[1]
NOTES = '#!/bin/sh\necho "$@" >> "$(dirname "$0")/notes"\n'


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Run Binder's last step for an environment without any library."""
    folder = tmp_path / "bin"
    folder.mkdir()
    python = folder / "python"
    python.write_text(NOTES)
    python.chmod(0o755)
    settings = Path(sys.executable).with_name("jupytext-config")
    (folder / settings.name).symlink_to(settings)
    subprocess.run(
        [".binder/postBuild"],
        cwd=ROOT,
        env={**os.environ, "NB_PYTHON_PREFIX": str(tmp_path)},
        check=True,
    )
    return tmp_path


def test_binder_installs_what_is_locked_and_opens_py_as_notebooks(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = (built / "bin/notes").read_text().splitlines()
    assert "--require-hashes -r requirements.lock" in notes[0]
    assert "-c constraints.txt" in notes[1] and notes[1].endswith("-e .[dev]")
    assert all(note.startswith("-m pip install ") for note in notes)
    # What JupyterLab does, started from that environment by nobody special:
    monkeypatch.setattr(jupyter, "ENV_CONFIG_PATH", [f"{built}/etc/jupyter"])
    monkeypatch.setattr(jupyter, "SYSTEM_CONFIG_PATH", [])
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", f"{built}/none")
    manager: Any = ConfigManager(config_dir_name="labconfig")
    found = manager.get("default_setting_overrides")
    viewers = found["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"]
    assert viewers == {"python": "Jupytext Notebook"}


def test_binder_has_the_python_of_conda() -> None:
    known = yaml.safe_load((ROOT / "environment.yml").read_text())
    (python,) = [d for d in known["dependencies"] if "python=" in str(d)]
    runtime = (ROOT / ".binder/runtime.txt").read_text()
    assert runtime == python.replace("=", "-") + "\n"
