"""Archives while workers die: the rows are those of a reading in which none did."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import ROOT

from crnn_lib.archive import read_archive, read_rows
from crnn_lib.archive._ray import start_ray
from crnn_lib.photos import Reader
from slow.trials import CASES

ray = pytest.importorskip("ray", reason="the extra archive is not installed")
pytest.importorskip("pyarrow", reason="the extra archive is not installed")

pytestmark = pytest.mark.skipif(CASES < 1000, reason="make test-slow kills readers of archives")
COPIES = 30  # of each of ten photos
OPTIONS = {"files_per_task": 8, "files_per_part": 32, "progress": False}


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Three hundred names, behind which stand ten photos."""
    folder = tmp_path_factory.mktemp("scans")
    for photo in sorted((ROOT / "data" / "photos").glob("*.[jp][pn]g")):
        for copy in range(COPIES):
            os.symlink(photo, folder / f"{copy:03d}-{photo.name}")
    return folder


@pytest.fixture(scope="module")
def expected(scans):
    """What one process reads, without Ray."""
    rows = [(r.path, n.text) for r in Reader.pretrained().read_many([scans]) for n in r.readings]
    return sorted(rows, key=str)


def texts(out) -> list[tuple]:
    return sorted(((row["file"], row["text"]) for row in read_rows(out)), key=str)


def workers() -> list[int]:
    """Processes of this machine in which Ray runs an actor that reads."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if command.startswith(b"ray::") and b"MapWorker" in command:
                found.append(int(entry.name))
    return found


def test_a_killed_worker_costs_no_row(scans, expected, tmp_path):
    out, killed = tmp_path / "texts", []

    def kill() -> None:
        while not any(out.glob("*.parquet")):
            time.sleep(0.1)
        while not killed:
            for worker in workers()[:1]:
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)
            time.sleep(0.05)

    start_ray(num_cpus=2, include_dashboard=False)
    try:
        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        report = read_archive(scans, out, readers=2, **OPTIONS)
    finally:
        ray.shutdown()
    assert killed, "all was read before a worker could be killed: raise COPIES"
    assert texts(out) == expected
    assert report.rows == len(expected)


def test_a_killed_driver_goes_on_where_it_stopped(scans, expected, tmp_path):
    """Killed twice in the middle; the third call reads the rest, and nothing is there twice."""
    out = tmp_path / "texts"
    program = (
        "import sys\n"
        "from crnn_lib.archive import read_archive\n"
        "read_archive(sys.argv[1], sys.argv[2], readers=2, files_per_task=8, "
        "files_per_part=32, progress=False)\n"
    )
    before = 0
    for _ in range(2):
        run = subprocess.Popen(
            [sys.executable, "-c", program, str(scans), str(out)], start_new_session=True
        )
        while len(list(out.glob("*.parquet"))) < before + 2:
            assert run.poll() is None, "it ended before it could be killed"
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        before = len(list(out.glob("*.parquet")))
        assert 0 < len(texts(out)) < len(expected)
    start_ray(num_cpus=2, include_dashboard=False)
    try:
        report = read_archive(scans, out, readers=2, **OPTIONS)
    finally:
        ray.shutdown()
    assert report.done_before > 0
    assert texts(out) == expected
