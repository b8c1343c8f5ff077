"""Odd clocks and folders, notebooks that fail, secrets and markup."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from coursework import experiment, paths, records
from coursework.launch import batch, notebooks, pages
from coursework.launch.notebooks import Execution, Notebook
from tests import trials
from tests.faults import damage
from tests.faults.scene import cell, essence

SECRET = 'canary-4711 "quoted"'
MARKUP = "<img src=x onerror=alert(1)>"
ODD = ("ein Ordner mit Ä", "目录", "x" * 200, "100 % sicher & 'zitiert'")


@pytest.mark.parametrize("name", ODD)
def test_a_run_may_lie_in_an_odd_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.setenv("COURSEWORK_OFFLINE", "0")  # the source is here
    wanted = essence(experiment.execute(cell()))
    for variable in ("RUNS", "RESULTS", "DATA"):
        place = tmp_path / name / variable / name
        monkeypatch.setenv(f"COURSEWORK_{variable}", str(place))
    assert damage.interrupted().exists()
    record = experiment.execute(cell())
    assert essence(record) == wanted
    assert records.promote([record]).is_relative_to(tmp_path / name)
    assert records.evidence("faults", "smoke") == [record]
    assert damage.fetched().read_bytes() == damage.CONTENT


def test_the_clock_may_jump_back(
    monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    wanted = essence(experiment.execute(cell()))
    for file in paths.runs().glob("*.json"):
        file.unlink()
    now = iter(range(10**9, 0, -86_400))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    record = experiment.execute(cell())
    assert essence(record) == wanted
    assert record.seconds > 0
    assert all(epoch["seconds"] >= 0 for epoch in record.history)


def test_runs_of_the_same_second_are_kept_apart() -> None:
    made = [
        experiment.execute(trials.cell(seed=seed, level=level))
        for seed in range(3)
        for level in (0.1, 0.2)
    ]
    assert len({record.name for record in made}) == 6
    assert len(list(paths.runs().glob("*.json"))) == 6


def test_nothing_is_written_into_the_project(one_thread: None) -> None:
    watching, seen = True, list[str]()

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if not watching or event != "open" or not isinstance(details[0], str):
            return
        if details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.append(details[0])

    sys.addaudithook(watch)  # can't be taken away
    experiment.execute(cell())
    records.promote([experiment.execute(trials.cell())])
    watching = False
    assert seen
    inside = [p for p in seen if Path(p).is_relative_to(paths.PROJECT)]
    assert [p for p in inside if "__pycache__" not in p] == []


class Inline:
    """Does in this process what is submitted."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*given))
        except Exception as error:
            future.set_exception(error)
        return future


def test_a_notebook_that_breaks_off_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def execute(book: Notebook, *_: object) -> Execution:
        if book.name == "01_breaks":
            raise RuntimeError("planted")
        status = {"00_good": "complete", "02_fails": "failed"}
        error = "cell 3 failed" if book.name == "02_fails" else ""
        return Execution(book.name, status[book.name], error=error)  # type: ignore[arg-type]

    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.setattr(batch, "ProcessPoolExecutor", Inline)
    monkeypatch.setattr(batch, "execute", execute)
    names = ("00_good", "01_breaks", "02_fails")
    books = [Notebook(tmp_path / f"{name}.py") for name in names]
    done = batch.run(books, {name: {} for name in names}, profile="smoke")
    assert [e.name for e in done.done] == ["00_good"]
    assert done.failed == {
        "01_breaks": "RuntimeError: planted",
        "02_fails": "cell 3 failed",
    }
    assert done.status == 1


def told(*arguments: Any) -> str:
    """Stand for papermill: leave a page that says what it should not."""
    home = Path.home() / "somewhere/module.py"
    said = f"{os.environ['HF_TOKEN']} {home}:7: UserWarning"
    output = {"output_type": "stream", "name": "stderr", "text": said}
    cell: dict[str, Any] = {"cell_type": "code", "source": "work()"}
    cell |= {"metadata": {}}
    cell |= {"execution_count": 1, "outputs": [output], "id": "a"}
    if "fails" in str(arguments[-1]):
        cell["outputs"] = [
            {"output_type": "error", "ename": "E", "traceback": [said]}
        ]
    node = {"cells": [cell], "metadata": {}, "nbformat": 4}
    arguments[-1].write_text(json.dumps(node))
    return ""


@pytest.mark.parametrize("name", ["00_good", "00_fails"])
def test_a_page_and_a_log_give_nothing_away(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.setattr(notebooks, "_papermill", told)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("PUBLIC_NAME", "UserWarning")
    source = tmp_path / f"{name}.py"
    source.write_text('# %% tags=["parameters"]\nprofile = "quick"\n')
    book, page = Notebook(source), tmp_path / "page.ipynb"
    seen = notebooks.execute(book, {"profile": "quick"}, "view", page)
    assert page.exists() == (seen.status == "complete")
    assert notebooks.is_fresh(page, book, {"profile": "quick"}) == page.exists()
    left = "".join(
        path.read_text()
        for path in tmp_path.rglob("*")
        if path.is_file() and path != source
    )
    for text in (left, seen.error):
        assert "canary" not in text and str(Path.home()) + "/" not in text
        assert socket.gethostname() not in text
    assert "~/somewhere/module.py:7: UserWarning" in left


def test_the_evidence_page_shows_names_as_text() -> None:
    trials.evidence(MARKUP, {MARKUP: [0.5, 0.6]})
    page = MarkdownIt().render(pages.evidence_page())
    shown = BeautifulSoup(page, "html.parser")
    assert not shown.find_all("img")
    titles = [title.get_text() for title in shown.find_all("h2")]
    assert titles == [MARKUP]
    assert MARKUP in [cell.get_text() for cell in shown.find_all("td")]
