"""kill -9 at random moments of training, downloading and writing: nothing is lost or half-written.

50 kills each in ``make test-slow``, one in ``make test``. Processes are forked from one that has
imported everything, so that a kill falls into the work and not into the imports.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from crnn_lib.models import CRNN, CRNNConfig, load_model, save_model
from crnn_lib.training import read_run
from slow.figures import record
from slow.trials import CASES, MINUTES, start_method

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL"),
    pytest.mark.timeout(3600),
]

KILLS = max(CASES // 200, 1)


def begin(target, *arguments):
    process = start_method().Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def killed(process, after: float) -> bool:
    """Kill a process after so many seconds; whether it was still at work."""
    process.join(after)
    if not process.is_alive():
        assert process.exitcode == 0
        return False
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    return process.exitcode == -signal.SIGKILL


class Budget:
    """Moments to kill at: so many, or fewer where the time is up."""

    def __init__(self) -> None:
        self.kills, self.until = 0, time.monotonic() + 60 * MINUTES

    @property
    def left(self) -> bool:
        return self.kills < KILLS and time.monotonic() < self.until


def state_of(path: Path) -> tuple[int, int]:
    try:
        return path.stat().st_mtime_ns, path.stat().st_size
    except OSError:
        return 0, 0


def wait_for_changes(process, path: Path, times: int) -> None:
    """Until a file has changed so often: a moment within the work, however busy the machine is."""
    before = state_of(path)
    while times and process.is_alive():
        if state_of(path) != before:
            before, times = state_of(path), times - 1
        time.sleep(0.001)


def finished(process) -> None:
    process.join(600)
    assert process.exitcode == 0


# ------------------------------------------------------------------ training

STEPS = 12
COMMAND = [
    "train",
    "--glyphs",
    "pen",
    "--steps",
    str(STEPS),
    "--batch-size",
    "2",
    "--length",
    "1-2",
]
COMMAND += ["--network", "window", "--average", "0.9", "--seed", "3", "--threads", "1"]
COMMAND += ["--log-every", "1", "--checkpoint-every", "1", "--checkpoint", "run.ckpt"]
COMMAND += ["--out", "out.safetensors", "--history", "history.json"]


def train_here(folder: str, keep: bool = False) -> None:
    """``python -m crnn_lib train``, in a process of its own."""
    from crnn_lib.cli.arguments import main
    from crnn_lib.handwriting import glyphs
    from crnn_lib.training import runs

    sys.stdout = sys.stderr = open(os.devnull, "w")
    torch.set_num_threads(1)
    glyphs.PEN_COUNT["train"] = 40
    os.chdir(folder)
    os.environ["TQDM_DISABLE"] = "1"
    save = runs.Run.save
    if keep:  # every checkpoint of the run, to compare with

        def save_and_keep(self, path, step, config):
            save(self, path, step, config)
            Path(path).replace(f"kept{step}.ckpt")

        runs.Run.save = save_and_keep
    sys.exit(main(COMMAND))


def same(a, b) -> bool:
    """Whether two checkpoints hold the same, bit by bit, but for the clock."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        keys = a.keys() - {"seconds"}
        return keys == b.keys() - {"seconds"} and all(same(a[key], b[key]) for key in keys)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_killed_runs_end_as_if_nothing_had_happened(tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    finished(begin(train_here, str(whole), True))
    chance, budget, runs, resumed, litter, number = random.Random("training"), Budget(), 0, 0, 0, 0
    while budget.left or number:  # the last run is brought to its end as well
        folder = tmp_path / f"run{runs}"
        folder.mkdir(exist_ok=True)
        checkpoint, out = folder / "run.ckpt", folder / "out.safetensors"
        process = begin(train_here, str(folder))
        if budget.left and number < 12:
            wait_for_changes(process, checkpoint, chance.choice([0, 1, 2, 3, 5]))
            was_killed = killed(process, chance.uniform(0, 0.1))
        else:
            finished(process)
            was_killed = False
        if was_killed:
            budget.kills, number = budget.kills + 1, number + 1
            if checkpoint.exists():  # one of the states that a run goes through, and whole
                found = read_run(checkpoint)
                kept = read_run(whole / f"kept{found['step']}.ckpt")
                assert same(found, kept), f"step {found['step']} differs"
                resumed += 1
            if out.exists():
                assert out.read_bytes() == (whole / out.name).read_bytes()
        else:
            assert out.read_bytes() == (whole / out.name).read_bytes(), "other weights"
            runs, number = runs + 1, 0
            litter += len([*folder.glob(".*.partial")])
    assert resumed or budget.kills < 10
    figures = {"kills": budget.kills, "runs": runs, "resumed": resumed, "partial_files": litter}
    record("kills", "training", figures)


# ------------------------------------------------------------------ writing checkpoints

SIZES = (96, 160)


def model_of(number: int) -> CRNN:
    torch.manual_seed(number)
    return CRNN(CRNNConfig(channels=(8, 8), strides=((2, 2), (2, 2)), hidden=SIZES[number])).eval()


def write_here(path: str) -> None:
    """Two models in turn under one name, without a pause."""
    torch.set_num_threads(1)
    models = [model_of(0), model_of(1)]
    for _ in range(100_000):
        for number, model in enumerate(models):
            save_model(model, path, provenance={"number": number})


def test_a_killed_write_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "model.safetensors"
    contents = []
    for number in (0, 1):
        save_model(model_of(number), path, provenance={"number": number})
        contents.append(path.read_bytes())
    chance, budget, during, found = random.Random("writing"), Budget(), 0, [0, 0]
    while budget.left:
        process = begin(write_here, str(path))
        before = path.stat().st_mtime_ns
        while path.stat().st_mtime_ns == before:  # until it writes
            assert process.is_alive()
            time.sleep(0.001)
        assert killed(process, chance.uniform(0, 0.05))
        budget.kills += 1
        content = path.read_bytes()
        assert content in contents
        number = contents.index(content)
        assert load_model(path).config.hidden == SIZES[number]
        found[number] += 1
        for partial in tmp_path.glob(".*.partial"):  # hidden, and never taken for a checkpoint
            during += 1
            partial.unlink()
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
    figures = {"kills": budget.kills, "in_the_middle_of_a_write": during, "found": found}
    record("kills", "writing", figures)


# ------------------------------------------------------------------ downloads

BLOCK = 16_384  # bytes that the server sends at once
PAUSE = 0.004  # seconds between two blocks


class Throttled(BaseHTTPRequestHandler):
    """A server that sends one archive slowly, and knows Range."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        content, asked = self.server.content, self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.server.asked.append(start)
        if start >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        with contextlib.suppress(OSError):  # the client was killed
            for at in range(start, len(content), BLOCK):
                self.wfile.write(content[at : at + BLOCK])
                time.sleep(PAUSE)


@pytest.fixture
def server():
    from test_downloads import ARCHIVE

    http = ThreadingHTTPServer(("127.0.0.1", 0), Throttled)
    http.daemon_threads = True
    http.content, http.asked = ARCHIVE, []
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


def download_here(url: str, folder: str, md5: str) -> None:
    from crnn_lib.handwriting import download_emnist

    download_emnist(folder, "digits", urls=[url], md5=md5, progress=False)


def test_a_killed_download_is_resumed_and_right(server, tmp_path):
    content, url = server.content, f"http://127.0.0.1:{server.server_port}/gzip.zip"
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    whole = tmp_path / "whole"
    finished(begin(download_here, url, str(whole), md5))
    expected = contents_of(whole)
    assert len(expected) == 6  # the archive, four files of glyphs, and what they mean
    chance, budget, downloads, resumed, number = random.Random("download"), Budget(), 0, 0, 0
    while budget.left or number:
        folder = tmp_path / f"data{downloads}"
        raw = folder / "EMNIST" / "raw"
        part = raw / "gzip.zip.part"
        kept = part.stat().st_size if part.exists() else 0
        server.asked.clear()
        process = begin(download_here, url, str(folder), md5)
        if budget.left and number < 12:
            wait_for_changes(process, part, chance.choice([0, 1, 2, 10, 40]))
            was_killed = killed(process, chance.uniform(0, 0.1))
        else:
            finished(process)
            was_killed = False
        if kept and server.asked:
            assert server.asked[0] == kept, "it did not go on where it stood"
            resumed += 1
        for name, found in contents_of(folder).items():  # under its own name a file is whole
            assert found == expected[name], name
        if part.exists():
            assert content.startswith(part.read_bytes())
        if was_killed:
            budget.kills, number = budget.kills + 1, number + 1
        else:
            assert contents_of(folder) == expected
            downloads, number = downloads + 1, 0
    figures = {
        "kills": budget.kills,
        "downloads": downloads,
        "resumed": resumed,
        "bytes": len(content),
    }
    record("kills", "downloading", figures)


def contents_of(folder: Path) -> dict[str, bytes]:
    """The files of a data folder by name, without locks and parts."""
    raw = folder / "EMNIST" / "raw"
    files = [path for path in raw.glob("*") if path.suffix != ".part"] if raw.exists() else []
    return {path.name: path.read_bytes() for path in files if not path.name.startswith(".")}
