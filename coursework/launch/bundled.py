"""Run the coursework from an unpacked bundle; nothing is installed.

``python run run 01 --profile full --budget 9`` is ``coursework run 01 …``;
``python run notebooks/01_numpy_mlp.py`` executes a notebook as a plain script.
All that is written stays in this folder; no network is asked for.  A bundle
carries this file as ``run``: it needs Python's own library alone.
"""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

COMMAND = "from coursework.cli import main; main()"


def main() -> None:
    """Unpack the wheels once, then become the command or the notebook."""
    home = Path(__file__).resolve().parent
    search = [str(home), str(unpacked(home)), os.environ.get("PYTHONPATH", "")]
    given = {"PYTHONPATH": os.pathsep.join(filter(None, search))}
    given["COURSEWORK_OFFLINE"] = "1"
    folders = {
        "COURSEWORK_DATA": "data",
        "COURSEWORK_RUNS": "runs",
        "IPYTHONDIR": ".home/ipython",
        "JUPYTER_CONFIG_DIR": ".home/jupyter",
        "JUPYTER_DATA_DIR": ".home/jupyter",
        "JUPYTER_RUNTIME_DIR": ".home/runtime",
        "MPLCONFIGDIR": ".home/matplotlib",
    }
    for name, folder in folders.items():
        (home / folder).mkdir(parents=True, exist_ok=True)
        given[name] = str(home / folder)
    words = sys.argv[1:]
    script = words and words[0].endswith(".py")
    start = words if script else ["-c", COMMAND, *(words or ["--help"])]
    os.execve(sys.executable, [sys.executable, *start], os.environ | given)


def unpacked(home: Path) -> Path:
    """Unpack the wheels into a folder that then is there whole."""
    site = home / "site"
    if not site.exists():
        part = Path(tempfile.mkdtemp(dir=home, prefix=".site-"))
        for wheel in sorted((home / "wheels").glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(part)
        part.rename(site)
    return site


if __name__ == "__main__":
    main()
