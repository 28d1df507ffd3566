"""Downloads from a real web server on this machine, which ends connections, changes files and sends wrong headers."""

import gzip
import hashlib
import io
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from elq.commands import run
from elq.errors import ElqError
from elq.released.download import SETS, SUMS, Patience, download
from tests.test_full_disk import file_limit, refused, unprivileged

pytestmark = pytest.mark.usefixtures("quiet")
HASTE = Patience(timeout=5.0, pauses=(0.0, 0.0, 0.001))
BODY = bytes(range(251)) * 800  # 200,800 bytes; no two shifts of it are alike
FILE, DATA = "elq/elq_large_params.txt", "elq/EL4QA_data.tar.gz"
NAME, FOLDER = "elq_large_params.txt", "elq-wiki-large"


@dataclass
class Site:
    """The files and the faults of the server. ``log`` has its requests: path, Range, If-Range, code, bytes sent."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"first"'})
    cuts: list[int] = field(default_factory=list)  # the next answers break off after so many bytes
    codes: dict[str, int] = field(default_factory=dict)  # the answer to a path
    location: str = ""
    knows_range: bool = True
    knows_if_range: bool = True
    tells_size: bool = True  # in a 416
    cuts_sums: bool = False  # it is the checksums' answers that break off
    after_cut: dict[str, object] = field(default_factory=dict)  # attributes that change when an answer breaks off
    promised: int | None = None  # Content-Length
    whole: int | None = None  # the size in Content-Range
    pause: float = 0.0  # seconds between blocks of 4,096 bytes
    log: list[list] = field(default_factory=list)

    def asked(self, path: str = FILE) -> list[tuple[str | None, int, int]]:
        """(Range, code, bytes sent) of each request for a file."""
        return [(ranged, code, sent) for name, ranged, _, code, sent in self.log if name == f"/{path}"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_):
        pass

    def do_GET(self):
        site, body, ranged = self.site, self.site.files.get(self.path[1:]), self.headers["Range"]
        start, code = 0, site.codes.get(self.path[1:], 404 if body is None else 200)
        validators = (site.headers.get("ETag"), site.headers.get("Last-Modified"))
        if code == 200 and ranged and site.knows_range and (not site.knows_if_range or self.headers["If-Range"] in validators):
            start, code = int(re.fullmatch(r"bytes=(\d+)-", ranged)[1]), 206
            code = 416 if start >= len(body) else 206
        rest = body[start:] if code in (200, 206) else b"sorry"
        self.entry = [self.path, ranged, self.headers["If-Range"], code, 0]
        site.log.append(self.entry)
        self.send_response(code)
        self.send_header("Content-Length", str(len(rest) if site.promised is None else site.promised))
        if code == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{site.whole or len(body)}")
        if code == 416 and ranged and site.tells_size:
            self.send_header("Content-Range", f"bytes */{len(body)}")
        for name, value in [("Location", site.location)] if 300 <= code < 400 else site.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.send_body(rest, code)

    def send_body(self, rest, code):
        site = self.site
        cut = site.cuts.pop(0) if site.cuts and code in (200, 206) and (SUMS in self.path) == site.cuts_sums else None
        try:
            for at in range(0, len(rest[:cut]), 4096):
                block = rest[:cut][at : at + 4096]
                self.entry[-1] += len(block)  # first, so that it is told by the time the client has it
                self.wfile.write(block)
                time.sleep(site.pause)
        except OSError:  # the client was killed
            self.close_connection = True
        if cut is not None:
            self.close_connection = True
            for name, value in site.after_cut.items():
                setattr(site, name, value)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Site(files={FILE: BODY})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": made}))
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(site, output, name=FOLDER, **options):
    options = {"only": [NAME], **options} if name == FOLDER else options
    return download(name, output, mirror=site.url, patience=HASTE, **options)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def hidden(folder: Path) -> list[str]:
    """The hidden files that are left over from unfinished work."""
    return sorted(path.name for path in folder.rglob(".*") if not path.name.endswith(".lock"))


def fails(site, output, *said, **options):
    """The download ends in one sentence with these words, and no file appears."""
    with pytest.raises(ElqError) as caught:
        fetch(site, output, **options)
    told = str(caught.value)
    assert "\n" not in told
    assert all(text in told for text in said), told
    assert not (output / NAME).exists()
    return told


def test_a_set_lands_in_one_folder_with_its_checksums(site, tmp_path):
    site.files = {file: file.encode() * 9 for file in SETS["elq-webqsp-large"]}
    made = fetch(site, tmp_path, "elq-webqsp-large")
    for file, (path, digest) in zip(SETS["elq-webqsp-large"], made.items(), strict=True):
        assert path == tmp_path / Path(file).name
        assert path.read_bytes() == site.files[file]
        assert digest == sha256(site.files[file])
    done = subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.count(": OK") == 7
    lines = (tmp_path / SUMS).read_text().splitlines()
    assert lines == sorted(lines, key=lambda line: line.split()[1])
    assert hidden(tmp_path) == []
    assert [path for path, *_ in site.log].count(f"/elq/{SUMS}") == 1  # once for a folder, not for a file


def test_a_second_run_asks_for_nothing(site, tmp_path, caplog):
    first = fetch(site, tmp_path)
    site.log.clear()
    with caplog.at_level(logging.INFO):
        assert fetch(site, tmp_path) == first
    assert site.log == []
    assert "up to date" in caplog.text


def test_a_finished_file_that_was_damaged_is_fetched_again(site, tmp_path):
    fetch(site, tmp_path)
    (tmp_path / NAME).write_bytes(BODY[:-1] + b"!")  # of the same size
    fetch(site, tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert len(site.asked()) == 2


def test_a_file_of_somebody_else_is_left_alone(site, tmp_path):
    (tmp_path / NAME).write_text("mine")
    with pytest.raises(ElqError, match="was not put there by `elq download`: move it away"):
        fetch(site, tmp_path)
    assert (tmp_path / NAME).read_text() == "mine"
    assert site.log == []


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"one"'},
        {"Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT"},
        {"ETag": 'W/"1"', "Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT"},
    ],
)
def test_a_broken_connection_is_gone_on_with(headers, site, tmp_path):
    site.headers, site.cuts = headers, [50_000, 1, 70_000]
    fetch(site, tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    expected = [(None, 200, 50_000), ("bytes=50000-", 206, 1), ("bytes=50001-", 206, 70_000), ("bytes=120001-", 206, 80_799)]
    assert site.asked() == expected
    names = {conditional for path, ranged, conditional, *_ in site.log if ranged}
    assert names == {headers.get("Last-Modified", headers.get("ETag"))}  # a weak ETag promises no bytes


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}])
def test_without_a_version_nothing_is_gone_on_with(headers, site, tmp_path):
    site.headers, site.cuts = headers, [50_000]
    fetch(site, tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert site.asked() == [(None, 200, 50_000), (None, 200, len(BODY))]


def test_a_connection_that_brings_nothing_more(site, tmp_path):
    site.cuts = [10_000, 5_000, 0, 0, 0, 0, 0]
    told = fails(
        site, tmp_path, "broke off after 15,000 of 200,800 bytes", "3 more tries brought nothing", "resumes from there"
    )
    assert site.url in told
    assert [sent for _, _, sent in site.asked()] == [10_000, 5_000, 0, 0, 0]  # 5,000 new bytes start the count anew
    site.cuts, site.log = [], []
    fetch(site, tmp_path)
    assert site.asked() == [("bytes=15000-", 206, 185_800)]
    assert (tmp_path / NAME).read_bytes() == BODY


def test_a_server_that_ignores_ranges_and_always_breaks_off(site, tmp_path):
    """Bytes of an earlier run do not count as progress."""
    site.knows_range, site.cuts = False, [9_000] * 50
    fails(site, tmp_path, "broke off after 9,000")
    assert len(site.asked()) == 4


def test_a_server_that_ignores_ranges_sends_from_zero(site, tmp_path):
    site.knows_range, site.cuts = False, [60_000]
    fetch(site, tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert site.asked() == [(None, 200, 60_000), ("bytes=60000-", 200, len(BODY))]


@pytest.mark.parametrize("knows_if_range", [True, False])
@pytest.mark.parametrize("other", [BODY[::-1], BODY[::-1][:70_000], BODY[::-1][:30_000]])
def test_a_file_that_changes_on_the_server_starts_from_zero(other, knows_if_range, site, tmp_path):
    """This holds too if the server sends a part of the new file, or has no byte after the part on this machine."""
    site.knows_if_range, site.cuts = knows_if_range, [50_000]
    site.after_cut = {"files": {FILE: other}, "headers": {"ETag": '"second"'}}
    fetch(site, tmp_path)
    assert (tmp_path / NAME).read_bytes() == other


def test_the_same_version_on_another_server_is_another_file(site, tmp_path):
    site.cuts = [50_000, 0, 0, 0, 0]
    fails(site, tmp_path)
    site.files[f"copy/{FILE}"] = BODY[::-1]
    download(FOLDER, tmp_path, mirror=f"{site.url}/copy", only=[NAME], patience=HASTE)
    assert (tmp_path / NAME).read_bytes() == BODY[::-1]


@pytest.mark.parametrize("tells_size", [True, False])
def test_a_partial_file_that_is_whole_already(tells_size, site, tmp_path):
    """The run was killed between the last byte and the rename: the server answers 416."""
    site.tells_size = tells_size
    site.cuts = [50_000, 0, 0, 0, 0]
    fails(site, tmp_path)
    (tmp_path / f".{NAME}.partial").write_bytes(BODY)
    site.cuts, site.log = [], []
    fetch(site, tmp_path)
    assert site.asked() == [("bytes=200800-", 416, 5)]
    assert (tmp_path / NAME).read_bytes() == BODY
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("tells_size", [True, False])
def test_a_partial_file_that_is_too_long(tells_size, site, tmp_path):
    site.tells_size = tells_size
    site.cuts = [50_000, 0, 0, 0, 0]
    fails(site, tmp_path)
    (tmp_path / f".{NAME}.partial").write_bytes(BODY + b"more")
    site.cuts = []
    fetch(site, tmp_path)
    assert (tmp_path / NAME).read_bytes() == BODY


@pytest.mark.parametrize("note", ["", "[]", '{"url": 1, "x": 2}', "\udcff"])
def test_a_damaged_note_starts_from_zero(note, site, tmp_path):
    site.cuts = [50_000, 0, 0, 0, 0]
    fails(site, tmp_path)
    (tmp_path / f".{NAME}.about").write_bytes(note.encode("utf-8", "surrogateescape"))
    site.cuts, site.log = [], []
    fetch(site, tmp_path)
    assert site.asked() == [(None, 200, len(BODY))]
    assert (tmp_path / NAME).read_bytes() == BODY


def test_more_bytes_than_promised(site, tmp_path):
    site.cuts, site.whole = [50_000], 60_000
    site.after_cut = {"files": {FILE: BODY}}
    site.headers = {"ETag": '"x"'}
    site.files[FILE] = BODY[:60_000]  # the first answer promises 60,000 bytes, and so does the second, which sends more
    fails(site, tmp_path, "sends more than the 60,000 bytes that it announced")
    assert (tmp_path / f".{NAME}.partial").stat().st_size == 0


def test_no_size_in_the_answer(site, tmp_path):
    site.promised = -1
    fails(site, tmp_path, "without a size in bytes")


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"ETag": f'"{hashlib.md5(BODY).hexdigest()}"'}, "size and md5"),
        ({"ETag": f'"{hashlib.md5(BODY).hexdigest().upper()}"'}, "size and md5"),
        ({"ETag": f'"{"0" * 32}-12"'}, "only its size was compared"),  # uploaded in parts: says nothing of the whole
        ({"ETag": f'W/"{"0" * 32}"'}, "only its size was compared"),
        ({}, "only its size was compared"),
    ],
)
def test_what_was_compared_is_said(headers, said, site, tmp_path, caplog):
    site.headers = headers
    with caplog.at_level(logging.INFO):
        fetch(site, tmp_path)
    assert said in caplog.text
    assert ("only" in said) == ("only" in caplog.text)
    assert "verified" not in caplog.text


def test_a_wrong_md5(site, tmp_path):
    site.headers = {"ETag": f'"{"0" * 32}"'}
    fails(site, tmp_path, FILE, hashlib.md5(BODY).hexdigest(), "0" * 32, "ETag", "or add --no-etag")
    assert not (tmp_path / SUMS).exists()


def test_an_etag_that_is_no_md5_costs_no_second_download(site, tmp_path, caplog):
    site.headers = {"ETag": f'"{"0" * 32}"'}
    fails(site, tmp_path, "ETag")
    site.log.clear()
    with caplog.at_level(logging.INFO):
        assert run("download", [FOLDER, "--only", NAME, "--output", str(tmp_path), "--mirror", site.url, "--no-etag"]) == 0
    assert [status for _, status, _ in site.asked()] == [416]
    assert "only its size was compared" in caplog.text
    assert (tmp_path / NAME).read_bytes() == BODY


def test_the_servers_sha256_counts_before_its_etag(site, tmp_path, caplog):
    site.headers = {"ETag": f'"{"0" * 32}"'}
    site.files[f"elq/{SUMS}"] = f"{sha256(BODY).upper()} *./{NAME}\n<p>other lines</p>\n".encode()
    with caplog.at_level(logging.INFO):
        fetch(site, tmp_path)
    assert "size and sha256" in caplog.text
    assert (tmp_path / NAME).read_bytes() == BODY


def test_half_a_list_of_checksums_is_none(site, tmp_path):
    site.files[f"elq/{SUMS}"] = f"{'2' * 64}  other.txt\n{'1' * 64}  {NAME}\n".encode()
    site.cuts, site.cuts_sums = [80], True
    fails(site, tmp_path, "1" * 64)
    assert [sent for _, _, sent in site.asked(f"elq/{SUMS}")] == [80, 163]


def test_a_wrong_sha256(site, tmp_path):
    site.headers = {"ETag": f'"{hashlib.md5(BODY).hexdigest()}"'}
    site.files[f"elq/{SUMS}"] = f"{'1' * 64}  {NAME}\n".encode()
    fails(site, tmp_path, FILE, sha256(BODY), "1" * 64, SUMS)
    assert not (tmp_path / f".{NAME}.partial").exists()
    del site.files[f"elq/{SUMS}"]
    fetch(site, tmp_path)
    assert site.asked()[-1] == (None, 200, len(BODY))


@pytest.mark.parametrize("path", [FILE, f"elq/{SUMS}"])
@pytest.mark.parametrize(("code", "tries"), [(401, 1), (416, 1), (500, 4), (503, 4), (408, 4), (429, 4)])
def test_http_errors(code, tries, path, site, tmp_path):
    """Codes of a busy server are tried again, also for the checksums, which are not skipped because of such a code."""
    site.codes = {path: code}
    told = fails(site, tmp_path, f"{site.url}/{path} answered {code}")
    assert ("more tries" in told) == (tries > 1)
    assert len(site.asked(path)) == tries


@pytest.mark.parametrize(("code", "said"), [(403, "Forbidden"), (404, "Not Found"), (410, "Gone"), (204, "without a size")])
def test_a_file_that_is_not_there(code, said, site, tmp_path):
    site.codes = {f"elq/{SUMS}": code}
    fetch(site, tmp_path / "first")  # no checksums is no error
    site.codes = {FILE: code}
    fails(site, tmp_path / "second", f"{site.url}/{FILE} answered {code}", said)
    assert len(site.asked()) == 2


def test_redirects(site, tmp_path):
    site.codes, site.location = {FILE: 302}, "file:///etc/passwd"
    fails(site, tmp_path, "file:///etc/passwd", "not allowed")
    site.location = "ftp://127.0.0.1/x"
    fails(site, tmp_path, "ftp://127.0.0.1/x", "only http and https")
    site.location = f"{site.url}/{FILE}"
    fails(site, tmp_path, "infinite loop")
    assert len(site.asked()) == 1 + 1 + 5
    site.location, site.files["there"] = f"{site.url}/there", BODY
    site.cuts = [10_000]
    fetch(site, tmp_path)
    assert site.asked("there") == [(None, 200, 10_000), ("bytes=10000-", 206, 190_800)]
    assert (tmp_path / NAME).read_bytes() == BODY


def test_nobody_answers(site, tmp_path):
    site.url = "http://nobody.invalid"
    fails(site, tmp_path, "http://nobody.invalid/elq/", "cannot be read", "3 more tries")
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections and says nothing
        site.url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        patience = Patience(timeout=0.1, pauses=(0.0,))
        with pytest.raises(ElqError, match=r"timed out\), and 1 more tries"):
            download(FOLDER, tmp_path, mirror=site.url, patience=patience)
    fails(site, tmp_path, "refused")


@pytest.mark.parametrize(
    "mirror",
    [
        "file:///etc/",
        "ftp://host/",
        "host/folder",
        "",
        "http://",
        "http://a:b/",
        "http://[/",
        "http://h/?a",
        "http://h/ü",
        "http://h/a b",
    ],
)
def test_mirrors_that_are_none(mirror, tmp_path, capsys):
    code = run("download", [FOLDER, "--output", str(tmp_path / "new"), "--mirror", mirror])
    refused(code, capsys.readouterr().err, repr(mirror), "--mirror", "http")
    assert not (tmp_path / "new").exists()


def test_a_host_name_that_is_none(site, tmp_path):
    site.url = "http://a..b"
    fails(site, tmp_path, "http://a..b", "--mirror")


def test_names_that_are_none(tmp_path, capsys):
    code = run("download", ["elq-wiki", "--output", str(tmp_path / "new")])
    refused(code, capsys.readouterr().err, "'elq-wiki'", *SETS)
    code = run("download", ["el4qa-data", "--only", "entity.jsonl", "--output", str(tmp_path / "new")])
    refused(code, capsys.readouterr().err, "'entity.jsonl'", "EL4QA_data.tar.gz")
    assert not (tmp_path / "new").exists()


def test_only_takes_names_and_paths(site, tmp_path):
    site.files = {f"copy/{file}": file.encode() for file in SETS[FOLDER]}
    options = [
        "--output",
        str(tmp_path),
        "--mirror",
        f"{site.url}/copy/",
        "--only",
        "entity.jsonl",
        "BLINK/all_entities_large.t7",
    ]
    assert run("download", [FOLDER, *options, "--only", NAME]) == 0
    assert {path.name for path in tmp_path.glob("[!.]*")} == {"entity.jsonl", "all_entities_large.t7", NAME, SUMS}


def test_the_default_folder_is_the_sets_name(site, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("download", [FOLDER, "--mirror", site.url, "--only", NAME]) == 0
    assert (tmp_path / FOLDER / NAME).read_bytes() == BODY


def test_no_room_on_the_disk(site, tmp_path):
    site.promised = 10**18
    fails(site, tmp_path, f"{10**18:,} more bytes", "free space")
    assert (tmp_path / f".{NAME}.partial").stat().st_size == 0


def test_a_disk_that_fills_up(site, tmp_path):
    with file_limit(100_000):
        fails(site, tmp_path, "could not be written (File too large)", "free space")
    fetch(site, tmp_path)
    assert site.asked()[-1] == ("bytes=100000-", 206, 100_800)
    assert (tmp_path / NAME).read_bytes() == BODY


def test_a_folder_that_cannot_be_written_to(site, tmp_path):
    (tmp_path / "theirs").mkdir(mode=0o555)
    done = unprivileged("download", FOLDER, "--mirror", site.url, "--output", str(tmp_path / "theirs" / "new"))
    refused(done.returncode, done.stderr, "theirs", "Permission denied")


def command(site, output):
    return [sys.executable, "-m", "elq", "download", FOLDER, "--only", NAME, "--mirror", site.url, "--output", str(output)]


def test_a_killed_process_is_gone_on_with(site, tmp_path):
    site.pause = 0.02
    partial = tmp_path / f".{NAME}.partial"
    process = subprocess.Popen(command(site, tmp_path), stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while not partial.is_file() or partial.stat().st_size < 40_000:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    had = partial.stat().st_size
    assert 40_000 <= had < len(BODY)
    assert partial.read_bytes() == BODY[:had]
    assert not (tmp_path / NAME).exists()
    site.pause = 0.0
    done = subprocess.run(command(site, tmp_path), capture_output=True, text=True, timeout=60, check=True)
    assert "Traceback" not in done.stderr
    assert site.asked()[-1] == (f"bytes={had}-", 206, len(BODY) - had)
    assert (tmp_path / NAME).read_bytes() == BODY
    assert hidden(tmp_path) == []


def test_two_processes_fetch_a_file_once(site, tmp_path):
    site.pause = 0.01
    processes = [subprocess.Popen(command(site, tmp_path), stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert site.asked() == [(None, 200, len(BODY))]
    assert sum("up to date" in text for text in told) == 1


def packed(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return gzip.compress(made.getvalue())


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


BOMB = tarfile.TarInfo("bomb")  # a header whose bytes no disk could hold
BOMB.size = 10**17
GOOD = (("data/train.jsonl", b"one\n"), ("data/deep/dev.jsonl", b"two\n"), link("data/latest", "train.jsonl"))


def test_an_archive_is_unpacked_once(site, tmp_path):
    site.files = {DATA: packed(*GOOD)}
    fetch(site, tmp_path, "el4qa-data")
    unpacked = tmp_path / "EL4QA_data"
    assert (unpacked / "data" / "deep" / "dev.jsonl").read_bytes() == b"two\n"
    assert (unpacked / "data" / "latest").read_bytes() == b"one\n"
    assert (tmp_path / "EL4QA_data.tar.gz").read_bytes() == site.files[DATA]
    (unpacked / "data" / "train.jsonl").write_bytes(b"mine\n")
    site.log.clear()
    fetch(site, tmp_path, "el4qa-data")
    assert site.log == []
    assert (unpacked / "data" / "train.jsonl").read_bytes() == b"mine\n"  # not unpacked again


def test_an_archive_that_brings_its_own_folder_is_not_nested(site, tmp_path):
    site.files = {DATA: packed(("EL4QA_data/a.txt", b"a"), ("EL4QA_data/EL4QA_data/b.txt", b"b"))}
    fetch(site, tmp_path, "el4qa-data")
    assert (tmp_path / "EL4QA_data" / "a.txt").read_bytes() == b"a"
    assert (tmp_path / "EL4QA_data" / "EL4QA_data" / "b.txt").read_bytes() == b"b"


def test_an_archive_that_is_fetched_anew_is_unpacked_anew(site, tmp_path):
    site.files = {DATA: packed(*GOOD)}
    fetch(site, tmp_path, "el4qa-data")
    (tmp_path / "EL4QA_data.tar.gz").unlink()
    (tmp_path / ".EL4QA_data.123.tmp").mkdir()  # of a run that was killed while it unpacked
    site.files = {DATA: packed(("new.txt", b"new"))}
    fetch(site, tmp_path, "el4qa-data")
    assert [path.name for path in (tmp_path / "EL4QA_data").glob("[!.]*")] == ["new.txt"]
    assert hidden(tmp_path) == [".elq-archive-sha256"]


def test_an_archive_can_stay_packed(site, tmp_path):
    site.files = {DATA: packed(*GOOD)}
    assert run("download", ["el4qa-data", "--output", str(tmp_path), "--mirror", site.url, "--no-extract"]) == 0
    assert not (tmp_path / "EL4QA_data").exists()
    assert run("download", ["el4qa-data", "--output", str(tmp_path), "--mirror", site.url]) == 0
    assert (tmp_path / "EL4QA_data" / "data").is_dir()
    assert len(site.asked(DATA)) == 1


def test_a_folder_of_somebody_else_is_left_alone(site, tmp_path):
    site.files = {DATA: packed(*GOOD)}
    (tmp_path / "EL4QA_data").mkdir()
    with pytest.raises(ElqError, match="EL4QA_data was not put there by `elq download`"):
        fetch(site, tmp_path, "el4qa-data")
    assert list((tmp_path / "EL4QA_data").iterdir()) == []


@pytest.mark.parametrize(
    ("said", "members"),
    [
        ("'/tmp/elq-escaped'", [("/tmp/elq-escaped", b"x")]),
        ("'../escaped'", [("../escaped", b"x")]),
        ("'data/../../escaped'", [("data/../../escaped", b"x")]),
        ("'/etc/passwd'", [link("out", "/etc/passwd")]),
        ("'../escaped'", [link("out", "../escaped")]),
        ("'..'", [link("data/out", ".."), ("data/out/../escaped", b"x")]),
        ("'../data/train.jsonl'", [link("data/in", "../data/train.jsonl")]),  # chains of such have fooled tarfile's filter
        ("'../escaped'", [link("out", "../escaped", tarfile.LNKTYPE)]),
        ("'/etc/passwd'", [link("out", "/etc/passwd", tarfile.LNKTYPE)]),
        ("'pipe'", [link("pipe", "", tarfile.FIFOTYPE)]),
        ("'disk'", [link("disk", "", tarfile.BLKTYPE)]),
        (f"needs {10**17:,} more bytes", [BOMB]),
    ],
)
def test_archives_that_lead_out(said, members, site, tmp_path):
    body = packed(*GOOD, *members) if members[0] is not BOMB else gzip.compress(BOMB.tobuf(format=tarfile.GNU_FORMAT))
    site.files = {DATA: body}
    output = tmp_path / "inner" / "output"
    with pytest.raises(ElqError) as caught:
        fetch(site, output, "el4qa-data")
    assert "\n" not in str(caught.value)
    assert "EL4QA_data.tar.gz" in str(caught.value)
    assert said in str(caught.value)
    assert sorted(path.name for path in output.glob("[!.]*")) == ["EL4QA_data.tar.gz", SUMS]
    assert hidden(output) == []
    assert [path.name for path in tmp_path.rglob("*escaped*")] == []
    assert not Path("/tmp/elq-escaped").exists()


@pytest.mark.parametrize("what", ["no gzip", "no tar", "cut", "end cut", "flipped", "checksum", "middle"])
def test_damaged_archives(what, site, tmp_path):
    noise = hashlib.shake_256(b"noise").digest(20_000)
    body = packed(("a", noise), ("b", noise))
    damaged = {
        "no gzip": b"<html>sorry</html>",
        "no tar": gzip.compress(noise),
        "cut": body[:-30_000],
        "end cut": body[:-4],
        "flipped": body[:9_000] + bytes([body[9_000] ^ 1]) + body[9_001:],
        "checksum": body[:-6] + bytes([body[-6] ^ 1]) + body[-5:],  # all members are well; only the end tells
        "middle": gzip.compress(gzip.decompress(body)[:20_992] + noise),  # the second member's header is none
    }
    site.files = {DATA: damaged[what]}
    with pytest.raises(ElqError, match=r"EL4QA_data.tar.gz cannot be extracted .*: remove the archive"):
        fetch(site, tmp_path, "el4qa-data")
    assert not (tmp_path / "EL4QA_data").exists()
    assert hidden(tmp_path) == []


def test_without_a_terminal_the_log_says_what_is_fetched(site, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "ELQ_NO_PROGRESS"}
    done = subprocess.run(command(site, tmp_path), env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "200,800 of 200,800 bytes" in done.stderr
    assert (tmp_path / NAME).read_bytes() == BODY


def test_the_command_loads_no_training_library():
    code = "import elq.commands.download, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "numpy", "lightning", "hydra", "transformers", "rich"}
