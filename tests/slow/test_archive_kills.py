"""Archives while workers die or parts are lost: the rows are those of an undisturbed reading."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import ROOT

from crnn_lib.archive import ArchiveReport, read_archive, read_rows
from crnn_lib.archive._ray import start_ray
from crnn_lib.photos import Reader
from slow.trials import CASES

# found, not imported: every worker of pytest-xdist collects this file, and Ray takes seconds
NEEDED = ("ray", "pyarrow")
pytestmark = [
    pytest.mark.skipif(CASES < 1000, reason="make test-slow kills readers of archives"),
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, NEEDED)), reason="the extra archive is not installed"
    ),
]
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


@pytest.fixture
def cluster():
    import ray

    start_ray(num_cpus=2, include_dashboard=False)
    yield
    ray.shutdown()


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
            if command.startswith(b"ray::") and b"_ReadLines" in command:
                found.append(int(entry.name))
    return found


@pytest.mark.filterwarnings("ignore")
def test_a_lost_part_and_a_new_file_are_read_and_nothing_else(cluster, scans, expected, tmp_path):
    """Ten photos, one part lost and one photo more; of a killed run the same is left."""
    some = tmp_path / "scans"
    some.mkdir()
    for scan in sorted(scans.glob("000-*")):
        os.symlink(scan, some / scan.name)
    wanted = [(str(some / Path(f).name), text) for f, text in expected if Path(f).parent == scans]
    wanted = [(file, text) for file, text in wanted if os.path.exists(file)]
    small = {"files_per_task": 2, "files_per_part": 4, "readers": 1, "progress": False}
    out = tmp_path / "texts"
    report = read_archive(some, out, **small)
    assert texts(out) == wanted and report.files == len({file for file, _ in wanted}) == 10
    assert report.parts == len(list(out.glob("*.parquet"))) > 1
    assert read_archive(some, out, **small) == ArchiveReport(0, 0, 0, 0, report.files)
    lost, *_ = sorted(out.glob("*.parquet"))
    gone = len({row["file"] for row in read_rows(out)})
    lost.unlink()
    gone -= len({row["file"] for row in read_rows(out)})
    shutil.copy(ROOT / "data" / "photos" / "55207.png", some / "new.png")
    again = read_archive(some, out, **small)
    assert (again.files, again.done_before) == (gone + 1, report.files - gone) and gone
    assert texts(out) == sorted([*wanted, (str(some / "new.png"), "55207")], key=str)


def test_a_killed_worker_costs_no_row(cluster, scans, expected, tmp_path):
    out, killed = tmp_path / "texts", []

    def kill() -> None:
        while not any(out.glob("*.parquet")):
            time.sleep(0.1)
        while not killed:
            for worker in workers()[:1]:
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)
            time.sleep(0.05)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    report = read_archive(scans, out, readers=2, **OPTIONS)
    assert killed, "all was read before a worker could be killed: raise COPIES"
    assert texts(out) == expected
    assert report.rows == len(expected)


def test_a_killed_driver_goes_on_where_it_stopped(request, scans, expected, tmp_path):
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
    request.getfixturevalue("cluster")  # not earlier: each driver has a Ray of its own
    report = read_archive(scans, out, readers=2, **OPTIONS)
    assert report.done_before > 0
    assert texts(out) == expected
