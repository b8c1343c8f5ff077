"""Places that a run passes, and striking at one of them.

No clock is looked at: a first run counts the places, later ones are struck
at the n-th.  The product knows nothing of this.
"""

from __future__ import annotations

import errno
import io
import os
import pickle
import signal
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from coursework import paths, training

KINDS = {
    ".pt": "checkpoint",
    ".json": "record",
    ".npz": "artefact",
    ".ipynb": "page",
}


def die(place: str) -> None:
    """Kill this process as nothing can be caught."""
    os.kill(os.getpid(), signal.SIGKILL)


def fill(place: str) -> None:
    """Be out of space."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Points:
    """Counts the places a process passes; ``strike`` happens at one."""

    def __init__(
        self, at: int | None = None, strike: Callable[[str], None] = die
    ) -> None:
        self.at, self.strike = at, strike
        self.passed: list[str] = []
        self.inside = ""

    def __call__(self, place: str) -> None:
        """Pass a place."""
        self.passed.append(self.inside + place)
        if len(self.passed) - 1 == self.at:
            self.strike(place)

    def around(self, real: Callable[..., Any], name: str) -> Any:
        """Pass a place before and after each call of a function."""

        def call(*arguments: Any, **options: Any) -> Any:
            self(f"before {name}")
            result = real(*arguments, **options)
            self(f"after {name}")
            return result

        return call

    def opened(self, handle: int, mode: str) -> io.FileIO:
        """Open a file that is half written at one place."""
        points = self

        class Halting(io.FileIO):
            def write(self, content: Any) -> int:
                done = super().write(content[: len(content) // 2])
                points("half a write")
                return done + super().write(content[done:])

        return Halting(handle, mode)

    def write(self, path: Path, content: bytes) -> None:
        """Write as the product does, saying what is written."""
        self.inside = f"{KINDS.get(path.suffix, 'other')} · "
        try:
            REAL_WRITE(path, content)
        finally:
            self.inside = ""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put the places into this process."""
        step, rename = training.Training._update, Path.replace
        with ExitStack() as stack:
            for owner, name, new in (
                (training.Training, "_update", self.around(step, "a step")),
                (
                    training,
                    "predict",
                    self.around(training.predict, "an evaluation"),
                ),
                (paths, "write", self.write),
                (
                    tarfile.TarFile,
                    "extract",
                    self.around(tarfile.TarFile.extract, "a member"),
                ),
                (
                    tempfile,
                    "mkstemp",
                    self.around(tempfile.mkstemp, "a new file"),
                ),
                (os, "fdopen", self.opened),
                (os, "fsync", self.around(os.fsync, "a sync")),
                (Path, "replace", self.around(rename, "a rename")),
                (training, "CHECKPOINT_SECONDS", 0.0),
            ):
                stack.enter_context(patch.object(owner, name, new))
            yield


REAL_WRITE = paths.write


def apart(work: Callable[[], Any]) -> tuple[int, Any]:
    """Do work in a process of its own: its exit status and its result.

    The status is minus the signal that killed it, and 1 after an exception,
    whose text is then the result.
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        status, result = 1, None
        try:
            status, result = 0, work()
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        finally:
            with os.fdopen(theirs, "wb") as pipe:
                pickle.dump(result, pipe)
            os._exit(status)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        sent = pipe.read()
    _, ended = os.waitpid(child, 0)
    told = pickle.loads(sent) if sent else None  # noqa: S301 - our own child
    return os.waitstatus_to_exitcode(ended), told
