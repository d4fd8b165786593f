"""Archives, read by a real Ray on this machine."""

import importlib.util
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

from crnn_lib.archive import SCHEMA, ArchiveReport, read_archive, read_rows
from crnn_lib.archive._parts import write_part
from crnn_lib.archive._ray import start_ray
from crnn_lib.cli.arguments import main
from crnn_lib.photos import Reader

# found, not imported: every worker of pytest-xdist collects this file, and Ray takes seconds
NEEDED = ("ray", "pyarrow")
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NEEDED)), reason="the extra archive is not installed"
)


@pytest.fixture
def scans(tmp_path):
    """Three photos in two folders, and two files that are none."""
    for folder, name in (("0", "18.png"), ("0", "55207.png"), ("1", "1000000.png")):
        (tmp_path / "scans" / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "data" / "photos" / name, tmp_path / "scans" / folder)
    (tmp_path / "scans" / "0" / "broken.png").write_bytes(b"no image")
    (tmp_path / "scans" / "1" / "empty.jpg").write_bytes(b"")
    return tmp_path / "scans"


def texts(out) -> list[tuple]:
    rows = ((r["file"], r["line"], r["text"], r["kind"], r["error"]) for r in read_rows(out))
    return sorted(rows, key=str)


@pytest.fixture
def cluster(monkeypatch):
    """A real Ray, started once; make test-slow starts others."""
    import ray

    monkeypatch.setattr("crnn_lib.archive._ray.ATTEMPTS", 3)
    try:
        start_ray(num_cpus=2, include_dashboard=False)
    except Exception as error:  # Ray raises a bare one
        if "timed out during startup" in str(error):
            pytest.skip("Ray gives itself 15 seconds to start, and this machine is too busy")
        raise
    yield
    ray.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_an_archive_is_read_as_its_files_are(cluster, scans, tmp_path, capsys):
    """Read once. What was lost or killed is read again by make test-slow."""
    out, sure = tmp_path / "texts", {"refuse_below": 0.98}
    if importlib.util.find_spec("pypdfium2"):  # it was missing, as an earlier call found
        lacking = "PDF files need one more package: pip install pypdfium2"
        earlier = {**dict.fromkeys(SCHEMA), "file": str(scans / "0" / "18.png"), "error": lacking}
        out.mkdir()
        write_part([earlier], str(out))
    small = {"files_per_task": 2, "files_per_part": 2, "readers": 1, "progress": False}
    report = read_archive(scans, out, options=sure, **small)
    expected = []
    for row in Reader.pretrained(**sure).read_many([scans / "0", scans / "1"]):
        lines = enumerate(row.readings, 1)
        expected += [(row.path, n, r.text, r.kind, None) for n, r in lines]
        if row.error:
            expected.append((row.path, None, None, None, row.error))
    assert {text is None for _, line, text, *_ in expected if line} == {True, False}
    assert texts(out) == sorted(expected, key=str)
    assert (report.files, report.errors, report.done_before) == (5, 2, 0)
    assert report.rows == len(expected)
    assert report.parts == len(list(out.glob("*.parquet"))) > 1

    # what is done is not done again
    assert read_archive(scans, out, options=sure) == ArchiveReport(0, 0, 0, 0, 5)
    command = ["read", str(scans), "--engine", "ray", "--out", str(out)]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("0 files read")
    assert texts(out) == sorted(expected, key=str)


def test_the_command_hands_its_options_on(scans, tmp_path, capsys, monkeypatch):
    asked = []

    def read(*args, **options):
        asked.append((args, options))
        return ArchiveReport(5, 1, 6, 1, 0)

    monkeypatch.setattr("crnn_lib.archive.read_archive", read)
    command = ["read", str(scans), "--engine", "ray", "--refuse-below", "0.9", "--out", "texts"]
    assert main(command) == 1
    assert capsys.readouterr().out.startswith("5 files read, 1 of them with an error, 6 rows in 1")
    (((sources, out), options),) = asked
    assert (sources, out) == ([str(scans)], "texts")
    assert options["options"]["refuse_below"] == 0.9
    assert main([*command, "--json"]) == 1
    assert "--json is for reading without it" in capsys.readouterr().err


def test_what_is_wrong_is_said_before_anything_runs(scans, tmp_path):
    with pytest.raises(ValueError, match="refuse_below is a probability"):
        read_archive(scans, tmp_path / "out", options={"refuse_below": 7})
    with pytest.raises(FileNotFoundError, match="no file or folder .*nowhere"):
        read_archive(tmp_path / "nowhere", tmp_path / "out")
    for many in (0, 2.5, "8"):
        with pytest.raises(ValueError, match=f"files_per_task is a whole .* 1; got .?{many}"):
            read_archive(scans, tmp_path / "out", files_per_task=many)
    for readers in (0, (2, 1), (1, 2, 3), "two", 1.5, True):
        with pytest.raises(ValueError, match="readers is a number of actors, or from .*; got"):
            read_archive(scans, tmp_path / "out", readers=readers)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        read_archive(scans, tmp_path / "file")


def test_an_error_is_forgotten_before_its_file_is_read_again(scans, tmp_path, monkeypatch):
    """A run that is killed then finds the file unread, and none has two rows."""
    out = tmp_path / "texts"
    out.mkdir()
    names = [str(scans / "0" / "18.png"), str(scans / "0" / "55207.png")]
    errors = ["lacking", None]
    write_part(
        [
            {**dict.fromkeys(SCHEMA), "file": n, "error": e}
            for n, e in zip(names, errors, strict=True)
        ],
        str(out),
    )

    def stop() -> None:
        raise RuntimeError("stopped here")

    monkeypatch.setattr("crnn_lib.archive.reading.start_ray", stop)
    for lacks, asked, left in (
        ("other", "0", names),
        ("lacking", "1", names),
        ("lacking", "0", names[1:]),
    ):
        monkeypatch.setattr("crnn_lib.archive._parts.is_mended", lacks.__eq__)
        with pytest.raises(RuntimeError, match="stopped here"):
            read_archive(scans / asked, out)
        assert [row["file"] for row in read_rows(out)] == left


def test_what_a_failed_start_left_behind_is_ended(monkeypatch):
    """Ray gives up twice and leaves processes; only its giving up is forced here."""
    import ray

    left, attempts, others = [], [], []

    def give_up(**options) -> None:
        attempts.append(options)
        if len(attempts) < 3:
            sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
            left.append(subprocess.Popen([*sleeper, "/lib/ray/dashboard.py"]))
            others.append(subprocess.Popen([*sleeper, "arrays"]))  # somebody else's
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", give_up)
    start_ray(num_cpus=2)
    assert len(attempts) == 3 and attempts[0]["num_cpus"] == 2
    assert [process.wait(timeout=500) for process in left] == [-signal.SIGKILL] * 2
    assert [process.poll() for process in others] == [None] * 2
    for process in others:
        process.kill()
        process.wait()
