"""The downloader against a real server on this machine, which can be told to misbehave."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from crnn_lib.handwriting import (
    DownloadError,
    available_sources,
    download_emnist,
    download_mnist,
    downloads,
    fetch_file,
    load_glyphs,
)
from crnn_lib.handwriting._idx import emnist_files, mnist_files, read_idx

ROOT = Path(__file__).resolve().parents[2]
WEB_PAGE = b"<!DOCTYPE html><html>Please log in.</html>"


# --- the material --------------------------------------------------------------------------------


def idx(values: np.ndarray) -> bytes:
    """An idx file of unsigned bytes."""
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return head + values.astype(np.uint8).tobytes()


def split_of(count: int, seed: int) -> tuple[bytes, bytes]:
    """Image and label file with noise, which does not compress."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 28, 28))
    return idx(images), idx(np.arange(count) % 10)


def make_archive() -> bytes:
    """An archive built like EMNIST's, with two of its parts, and a little of a third."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as members:
        members.writestr("../../escaped", b"no path in the archive may decide where a byte goes")
        members.writestr("gzip/../../emnist-digits-test-images-idx3-ubyte.gz", b"nor this one")
        for seed, (part, split) in enumerate(
            (part, split) for part in ("digits", "balanced") for split in ("train", "test")
        ):
            for name, content in zip(emnist_files(part, split), split_of(600, seed), strict=True):
                members.writestr(f"gzip/{name}.gz", gzip.compress(content, 1, mtime=0))
        letters = idx(np.eye(28)[None].repeat(26, 0)), idx(np.arange(26) + 1)
        for name, content in zip(emnist_files("letters", "test"), letters, strict=True):
            members.writestr(f"gzip/{name}.gz", gzip.compress(content, 1, mtime=0))
        rows = (f"{i + 1} {65 + i} {97 + i}\r\n" for i in range(26))
        members.writestr("gzip/emnist-letters-mapping.txt", "".join(rows))
        digits = "".join(f"{i} {48 + i}\r\n" for i in range(10))
        members.writestr("gzip/emnist-digits-mapping.txt", digits)
        members.writestr("gzip/emnist-balanced-mapping.txt", digits + "10 65\r\n")
    return buffer.getvalue()


ARCHIVE = make_archive()


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


MD5 = md5_of(ARCHIVE)
HALF = len(ARCHIVE) // 2


@dataclass
class Server:
    """What the server has, how it shall behave, and what it was asked."""

    files: dict[str, bytes]
    url: str = ""
    ranges: bool = True
    wrong_range: bool = False  # 206, but from another byte than was asked for
    says_length: bool = True
    cuts: list[int] = field(default_factory=list)  # bytes to send of the next answers, then hang up
    stalls: list[int] = field(default_factory=list)  # bytes to send of the next answers, then wait
    statuses: list[int] = field(default_factory=list)  # of the next answers, instead of the file
    pause: float = 0.0  # seconds before the body
    login: bool = False  # a network that answers everything with its login page
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # name, Range
    released: threading.Event = field(default_factory=threading.Event)

    def asked(self, name: str) -> list[str | None]:
        """The Range of each request for one file."""
        return [asked for path, asked in self.requests if path == name]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server: Server = self.server.state
        name, asked = self.path.rsplit("/", 1)[-1], self.headers.get("Range")
        server.requests.append((name, asked))
        status = server.statuses.pop(0) if server.statuses else 200
        if status != 200 or name not in server.files:
            return self.send_error(404 if status == 200 else status)
        content, start = WEB_PAGE if server.login else server.files[name], 0
        if server.login:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
        elif asked and server.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            start -= start > 0 and server.wrong_range
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        if server.says_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        time.sleep(server.pause)
        try:
            if server.cuts:
                self.wfile.write(body[: server.cuts.pop(0)])
            elif server.stalls:
                self.wfile.write(body[: server.stalls.pop(0)])
                server.released.wait(20)
            else:
                self.wfile.write(body)
        except OSError:  # the client has gone
            pass


@pytest.fixture
def server():
    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    url = f"http://127.0.0.1:{http.server_port}"
    http.state = Server({"gzip.zip": ARCHIVE}, url=url)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield http.state
    http.state.released.set()
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def dead_url() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/gzip.zip"


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(downloads, "_PAUSE", 0.001)


def get(server: Server, folder: Path, **options) -> Path:
    options = {"progress": False, "timeout": 5, **options}
    return fetch_file([f"{server.url}/gzip.zip"], folder / "gzip.zip", MD5, **options)


def emnist(server: Server, root: Path, *args, **options) -> Path:
    options = {"progress": False, "timeout": 5, "md5": MD5, **options}
    return download_emnist(root, *args, urls=[f"{server.url}/gzip.zip"], **options)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != ".download.lock"}


# --- one file ------------------------------------------------------------------------------------


def test_a_file_arrives_whole_and_alone(server, tmp_path, capsys):
    assert get(server, tmp_path, progress=True).read_bytes() == ARCHIVE
    assert names(tmp_path) == {"gzip.zip"}
    assert "gzip.zip: 100%" in capsys.readouterr().err


def test_a_server_that_does_not_say_the_length(server, tmp_path):
    server.says_length = False
    assert get(server, tmp_path).read_bytes() == ARCHIVE


def test_a_cut_connection_is_resumed_where_it_broke(server, tmp_path):
    server.cuts = [HALF, 1000]
    assert get(server, tmp_path).read_bytes() == ARCHIVE
    assert server.asked("gzip.zip") == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_a_stalled_connection_is_resumed(server, tmp_path):
    server.stalls = [HALF]
    assert get(server, tmp_path, timeout=0.3).read_bytes() == ARCHIVE
    assert server.asked("gzip.zip") == [None, f"bytes={HALF}-"]


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.cuts, server.statuses = [HALF], [200, 503, 200]
    assert get(server, tmp_path).read_bytes() == ARCHIVE
    assert len(server.requests) == 3


def test_a_server_without_range_starts_over(server, tmp_path):
    server.cuts, server.ranges = [HALF], False
    assert get(server, tmp_path).read_bytes() == ARCHIVE
    assert len(server.requests) == 2


def test_a_server_that_answers_another_range_starts_over(server, tmp_path):
    server.cuts, server.wrong_range = [HALF], True
    assert get(server, tmp_path).read_bytes() == ARCHIVE
    assert server.asked("gzip.zip") == [None, f"bytes={HALF}-", None]


def test_a_server_that_always_breaks_is_given_up_and_the_next_call_resumes(server, tmp_path):
    server.cuts = [100] * 50
    with pytest.raises(DownloadError, match=r"the connection ended after \d+ of") as caught:
        get(server, tmp_path)
    kept = (tmp_path / "gzip.zip.part").stat().st_size
    assert f"{kept} bytes" in str(caught.value) and 0 < kept < 1000
    assert names(tmp_path) == {"gzip.zip.part"}
    server.cuts, server.requests = [], []
    assert get(server, tmp_path).read_bytes() == ARCHIVE
    assert server.asked("gzip.zip") == [f"bytes={kept}-"]


@pytest.mark.parametrize("kept", [ARCHIVE, ARCHIVE + b"more", b"x" * HALF, ARCHIVE[:1]])
def test_whatever_part_is_there_the_result_is_right(server, tmp_path, kept):
    (tmp_path / "gzip.zip.part").write_bytes(kept)
    assert get(server, tmp_path).read_bytes() == ARCHIVE
    assert names(tmp_path) == {"gzip.zip"}


def test_a_wrong_file_is_named_and_thrown_away(server, tmp_path):
    server.files["gzip.zip"] = WEB_PAGE
    with pytest.raises(DownloadError) as caught:
        get(server, tmp_path)
    message = str(caught.value)
    assert md5_of(WEB_PAGE) in message and MD5 in message and "web page" in message
    assert names(tmp_path) == set() and len(server.requests) == 1


def test_a_login_page_does_not_replace_what_has_arrived(server, tmp_path):
    (tmp_path / "gzip.zip.part").write_bytes(ARCHIVE[:HALF])
    server.login = True
    with pytest.raises(DownloadError, match="web page"):
        get(server, tmp_path)
    server.login = False
    assert get(server, tmp_path).read_bytes() == ARCHIVE
    assert server.asked("gzip.zip") == [f"bytes={HALF}-"] * 2


def test_the_next_mirror_is_asked(server, dead_url, tmp_path):
    server.files["wrong.zip"] = WEB_PAGE
    urls = [f"{server.url}/{name}" for name in ("missing.zip", "wrong.zip", "gzip.zip")]
    path = fetch_file([dead_url, *urls], tmp_path / "gzip.zip", MD5, progress=False)
    assert path.read_bytes() == ARCHIVE
    assert [name for name, _ in server.requests] == ["missing.zip", "wrong.zip", "gzip.zip"]


def test_every_failure_is_told(server, dead_url, tmp_path):
    urls = [dead_url, f"{server.url}/missing.zip"]
    with pytest.raises(DownloadError) as caught:
        fetch_file(urls, tmp_path / "gzip.zip", MD5, advice="draw them yourself", progress=False)
    message = str(caught.value)
    assert dead_url in message and "refused" in message.lower()
    assert "HTTP 404" in message and message.endswith("draw them yourself.")


# --- the disk ------------------------------------------------------------------------------------


def test_no_byte_is_written_where_the_file_cannot_fit(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=HALF)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(
        OSError, match=f"needs {len(ARCHIVE)} bytes more, and {HALF} were"
    ) as caught:
        get(server, tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == set()


LIMITED = """
import resource, sys
from crnn_lib.handwriting.downloads import fetch_file
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
try:
    fetch_file([sys.argv[1]], sys.argv[2], sys.argv[3], progress=False)
except OSError as error:
    sys.exit(f"{error.errno} {error}")
"""


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files by setrlimit")
def test_a_disk_that_fills_up_keeps_what_has_arrived(server, tmp_path):
    """The kernel refuses to write on at half of the file, as it does on a full disk."""
    path = tmp_path / "gzip.zip"
    result = run(LIMITED, f"{server.url}/gzip.zip", path, MD5, HALF)
    assert result.returncode == 1, result.stderr
    assert result.stderr.startswith(f"{errno.ENOSPC} ") and "No room for" in result.stderr
    assert names(tmp_path) == {"gzip.zip.part"}
    assert (tmp_path / "gzip.zip.part").read_bytes() == ARCHIVE[:HALF]
    assert get(server, tmp_path).read_bytes() == ARCHIVE
    assert server.asked("gzip.zip") == [None, f"bytes={HALF}-"]


def test_no_room_to_unpack(server, tmp_path, monkeypatch):
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    get(server, raw)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    with monkeypatch.context() as context:
        context.setattr(shutil, "disk_usage", lambda path: usage)
        with pytest.raises(OSError, match=f"needs {16 + 600 * 784} bytes more"):
            emnist(server, tmp_path, "digits", ["test"])
    assert names(raw) == {"gzip.zip"}  # whole, and ready for another try
    emnist(server, tmp_path, "digits", ["test"])
    assert len(server.requests) == 1


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="CRNN_DATA"):
        emnist(server, tmp_path / "file")


# --- processes that die, and processes that meet -------------------------------------------------


def start(code: str, *arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, *arguments) -> subprocess.CompletedProcess:
    process = start(code, *arguments)
    _, stderr = process.communicate(timeout=500)
    return subprocess.CompletedProcess(process.args, process.returncode, None, stderr)


DOWNLOAD = """
import sys
from crnn_lib.handwriting.downloads import download_emnist
download_emnist(sys.argv[2], "digits", ["test"], urls=[sys.argv[1]], md5=sys.argv[3])
"""


def test_a_process_killed_while_it_downloads(server, tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    server.stalls = [HALF]
    with start(DOWNLOAD, f"{server.url}/gzip.zip", tmp_path, MD5) as process:
        part, until = raw / "gzip.zip.part", time.monotonic() + 500
        while not (part.exists() and part.stat().st_size > HALF // 2):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.02)
        process.kill()
    assert process.returncode != 0
    assert names(raw) == {"gzip.zip.part"}
    kept = part.stat().st_size
    assert part.read_bytes() == ARCHIVE[:kept]
    emnist(server, tmp_path, "digits", ["test"])
    assert (raw / "gzip.zip").read_bytes() == ARCHIVE
    assert server.asked("gzip.zip") == [None, f"bytes={kept}-"]


KILLED_BEFORE_NAMING = """
import os, signal, sys
from crnn_lib.handwriting import downloads
def die(source, target):
    if "images" in str(target):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(source, target)
replace, os.replace = os.replace, die
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_process_killed_while_it_unpacks(server, tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    code = KILLED_BEFORE_NAMING + DOWNLOAD
    result = run(code, f"{server.url}/gzip.zip", tmp_path, MD5)
    assert result.returncode == -signal.SIGKILL, result.stderr
    images, labels = emnist_files("digits", "test")
    assert names(raw) == {"gzip.zip", f"{images}.part"}
    with pytest.raises(FileNotFoundError):
        load_glyphs("emnist", "test", root=tmp_path)
    emnist(server, tmp_path, "digits", ["test"])
    assert names(raw) == {"gzip.zip", images, labels, "emnist-digits-mapping.txt"}
    assert (raw / images).read_bytes() == split_of(600, 1)[0]
    assert len(server.requests) == 1


def test_two_processes_at_once_fetch_once(server, tmp_path):
    server.pause = 1.0  # long enough for both to have started
    address = f"{server.url}/gzip.zip"
    both = [start(DOWNLOAD, address, tmp_path, MD5) for _ in range(2)]
    errors = [process.communicate(timeout=500)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert len(server.requests) == 1
    assert sum("Another process is fetching" in error for error in errors) == 1
    assert len(load_glyphs("emnist", "test", root=tmp_path)) == 600


# --- EMNIST --------------------------------------------------------------------------------------


def test_only_the_wanted_split_is_unpacked(server, tmp_path):
    raw = emnist(server, tmp_path, "digits", ["test"])
    images, labels = emnist_files("digits", "test")
    assert names(raw) == {"gzip.zip", images, labels, "emnist-digits-mapping.txt"}
    assert (raw / images).read_bytes() == split_of(600, 1)[0]
    assert (raw / labels).read_bytes() == split_of(600, 1)[1]
    everything = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert everything == names(raw) | {".download.lock"}  # nothing went elsewhere


def test_the_second_call_needs_no_network(server, dead_url, tmp_path):
    emnist(server, tmp_path, "digits", ["test"], keep_archive=False)
    assert not (tmp_path / "EMNIST" / "raw" / "gzip.zip").exists()
    download_emnist(tmp_path, "digits", ["test"], urls=[dead_url], md5=MD5)
    assert len(server.requests) == 1


def test_the_kept_archive_serves_the_other_splits(server, tmp_path):
    emnist(server, tmp_path, "digits", ["test"])
    emnist(server, tmp_path, "balanced", ["train", "test"])
    assert len(server.requests) == 1
    glyphs = load_glyphs("emnist-balanced", "train", root=tmp_path)
    assert glyphs.characters == "0123456789A"  # from the mapping file
    emnist(server, tmp_path, "letters", ["test"])
    letters = load_glyphs("emnist-letters", "test", root=tmp_path)
    assert letters.characters == "abcdefghijklmnopqrstuvwxyz" and len(server.requests) == 1
    assert letters.labels.tolist() == list(range(26))


def test_an_archive_put_there_by_hand_is_used(server, tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "gzip.zip").write_bytes(ARCHIVE)
    emnist(server, tmp_path)
    assert server.requests == [] and len(load_glyphs("emnist", "train", root=tmp_path)) == 600


def test_a_wrong_archive_put_there_by_hand_is_moved_aside(server, tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "gzip.zip").write_bytes(WEB_PAGE)
    with pytest.raises(DownloadError, match=f"{md5_of(WEB_PAGE)}, expected {MD5}.*web page"):
        emnist(server, tmp_path)
    assert names(raw) == {"gzip.zip.wrong"} and server.requests == []
    emnist(server, tmp_path)
    assert len(server.requests) == 1


def test_a_file_cut_off_by_someone_else_is_replaced(server, tmp_path):
    raw = emnist(server, tmp_path)
    images = raw / emnist_files("digits", "train")[0]
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(ValueError, match="damaged"):
        load_glyphs("emnist", "train", root=tmp_path)
    emnist(server, tmp_path)
    assert images.read_bytes() == split_of(600, 0)[0]


def test_an_archive_without_the_wanted_part(server, tmp_path):
    with pytest.raises(DownloadError, match="gzip/emnist-byclass-train-images"):
        emnist(server, tmp_path, "byclass")


def test_without_network_one_sentence_says_what_to_do(dead_url, tmp_path):
    with pytest.raises(DownloadError) as caught:
        download_emnist(tmp_path, "digits", urls=[dead_url], md5=MD5, progress=False)
    message = str(caught.value)
    for hint in ("refused", '"mnist" (11 MB)', '"pen"', str(tmp_path / "EMNIST/raw/gzip.zip")):
        assert hint in message
    assert "\n" not in message and message.count(". ") == 0


# --- MNIST, and load_glyphs ----------------------------------------------------------------------


@pytest.fixture
def mnist(server):
    """Put MNIST on the server; give what download_mnist needs to know of it."""
    resources = []
    for seed, split in enumerate(("train", "test")):
        for name, content in zip(mnist_files(split), split_of(50, seed), strict=True):
            server.files[f"{name}.gz"] = gzip.compress(content, mtime=0)
            resources.append((f"{name}.gz", md5_of(server.files[f"{name}.gz"])))
    return {"mirrors": [f"{server.url}/mnist/"], "resources": resources, "progress": False}


def test_mnist_of_one_split(server, mnist, tmp_path):
    server.cuts = [1000]
    raw = download_mnist(tmp_path, ["test"], **mnist)
    assert names(raw) == set(mnist_files("test"))
    assert (raw / mnist_files("test")[0]).read_bytes() == split_of(50, 1)[0]
    assert [name[:4] for name, _ in server.requests] == ["t10k"] * 3
    download_mnist(tmp_path, ["test"], **mnist)
    assert len(server.requests) == 3


def test_mnist_falls_through_the_mirrors(server, mnist, dead_url, tmp_path):
    mnist["mirrors"].insert(0, dead_url.rsplit("/", 1)[0])
    download_mnist(tmp_path, **mnist)
    assert len(load_glyphs("mnist", "train", root=tmp_path)) == 50


def test_mnist_without_network(mnist, dead_url, tmp_path):
    mnist["mirrors"] = [dead_url.rsplit("/", 1)[0]]
    with pytest.raises(DownloadError, match='"pen"') as caught:
        download_mnist(tmp_path, **mnist)
    assert str(tmp_path / "MNIST" / "raw") in str(caught.value)


def test_a_damaged_gzip_file_of_mnist_is_fetched_anew(server, mnist, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(WEB_PAGE)
    download_mnist(tmp_path, ["train"], keep_archive=True, **mnist)
    assert len(load_glyphs("mnist", "train", root=tmp_path)) == 50
    assert (raw / "train-images-idx3-ubyte.gz").read_bytes() in server.files.values()


def test_load_glyphs_downloads_from_where_torchvision_says(server, mnist, tmp_path, monkeypatch):
    from torchvision import datasets

    monkeypatch.setattr(datasets.EMNIST, "url", f"{server.url}/gzip.zip")
    monkeypatch.setattr(datasets.EMNIST, "md5", MD5)
    monkeypatch.setattr(datasets.MNIST, "mirrors", mnist["mirrors"])
    monkeypatch.setattr(datasets.MNIST, "resources", mnist["resources"])

    glyphs = load_glyphs("emnist", "test", root=tmp_path, download=True)
    stored = read_idx(tmp_path / "EMNIST" / "raw" / emnist_files("digits", "test")[0])
    assert np.array_equal(glyphs.images.numpy(), stored.swapaxes(1, 2))
    assert len(load_glyphs("mnist", "train", root=tmp_path, download=True, count=7)) == 7
    found = {(s.source, s.split): s.count for s in available_sources(tmp_path) if s.found}
    assert found.pop(("pen", "train")) and found.pop(("pen", "test"))
    assert found == {("emnist", "test"): 600, ("mnist", "train"): 50}
    # torchvision finds and reads the same files.
    assert len(datasets.EMNIST(tmp_path, split="digits", train=False)) == 600
