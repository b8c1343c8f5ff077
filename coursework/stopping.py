"""Being asked to stop: SIGTERM and SIGUSR2 end training where it can go on.

Schedulers send them before they kill.  What trains looks here after each
step or epoch, and keeps its state where it is thrown Stopped; the command
then leaves with the status ``RESUMABLE``.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGUSR2)
RESUMABLE = os.EX_TEMPFAIL  # 75: the same command goes on

_asked = threading.Event()


class Stopped(Exception):
    """Somebody asked the process to stop; the same command goes on."""

    def __str__(self) -> str:
        return "stopped on request; the same command goes on"


def asked() -> bool:
    """Tell whether the process was asked to stop."""
    return _asked.is_set()


def check() -> None:
    """Raise Stopped if the process was asked to stop."""
    if asked():
        raise Stopped


@contextmanager
def noted() -> Iterator[None]:
    """Only note a request, and pass it on: the work ends by itself.

    A request is over once Stopped leaves the work.
    """
    with _handled(_note):
        try:
            yield
        except Stopped:
            _asked.clear()
            raise


@contextmanager
def obeyed() -> Iterator[None]:
    """Raise Stopped on a request, wherever the process is."""
    with _handled(_leave):
        yield


@contextmanager
def _handled(handler: Any) -> Iterator[None]:
    """Let a function answer the signals, where Python allows it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _note(*_: Any) -> None:
    _asked.set()
    _pass_on()


def _leave(*_: Any) -> None:
    _pass_on()
    raise Stopped


def _pass_on() -> None:
    for child in multiprocessing.active_children():
        child.terminate()
