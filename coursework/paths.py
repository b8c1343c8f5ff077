"""Where things lie: the project's folders and this machine's caches."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def runs() -> Path:
    """Folder of this machine's runs (``COURSEWORK_RUNS`` moves it)."""
    return Path(os.environ.get("COURSEWORK_RUNS", PROJECT / "runs"))


def results() -> Path:
    """Folder of the committed evidence (``COURSEWORK_RESULTS`` moves it)."""
    return Path(os.environ.get("COURSEWORK_RESULTS", PROJECT / "results"))


def data() -> Path:
    """Folder of fetched data sets, shared by all clones of the project.

    ``COURSEWORK_DATA``, else ``coursework`` in the user's cache folder.
    """
    cache = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(os.environ.get("COURSEWORK_DATA", Path(cache) / "coursework"))


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: temporary name, sync, rename.

    Raises OSError, naming the file and what to do, on a full disk or a
    folder that can't be written; what lay at ``path`` before is then intact.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror} while writing {path} ({len(content)} bytes); "
            "nothing was changed there. Free some space or choose another "
            "folder with COURSEWORK_RUNS or COURSEWORK_DATA",
        ) from error
