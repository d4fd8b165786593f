"""Archives, read by a real Ray on this machine."""

import shutil
import warnings

import pytest
from conftest import ROOT

from crnn_lib.archive import ArchiveReport, read_archive, read_rows
from crnn_lib.archive._ray import start_ray
from crnn_lib.cli.arguments import main
from crnn_lib.photos import Reader

ray = pytest.importorskip("ray", reason="the extra archive is not installed")
pytest.importorskip("pyarrow", reason="the extra archive is not installed")


@pytest.fixture(scope="module")
def cluster():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start_ray(num_cpus=2, include_dashboard=False)
        yield
        ray.shutdown()


@pytest.fixture
def scans(tmp_path):
    """Eight photos in two folders, and two files that are none."""
    for n, path in enumerate(sorted((ROOT / "data" / "photos").glob("*.png"))):
        folder = tmp_path / "scans" / str(n % 2)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    (tmp_path / "scans" / "0" / "broken.png").write_bytes(b"no image")
    (tmp_path / "scans" / "1" / "empty.jpg").write_bytes(b"")
    return tmp_path / "scans"


def texts(out) -> list[tuple]:
    rows = ((r["file"], r["line"], r["text"], r["kind"], r["error"]) for r in read_rows(out))
    return sorted(rows, key=str)


def read(scans, out, **options) -> ArchiveReport:
    return read_archive(
        scans, out, files_per_task=2, files_per_part=4, progress=False, readers=1, **options
    )


def test_an_archive_is_read_as_its_files_are(cluster, scans, tmp_path):
    out = tmp_path / "texts"
    report = read(scans, out)
    expected = []
    for row in Reader.pretrained().read_many([scans / "0", scans / "1"]):
        lines = enumerate(row.readings, 1)
        expected += [(row.path, n, r.text, r.kind, None) for n, r in lines]
        if row.error:
            expected.append((row.path, None, None, None, row.error))
    assert texts(out) == sorted(expected, key=str)
    assert report.files == len({file for file, *_ in expected})
    assert (report.errors, report.done_before) == (2, 0)
    assert report.parts == len(list(out.glob("*.parquet"))) > 1

    # what is done is not done again; a part that is lost is read again, and a new file is read
    assert read(scans, out) == ArchiveReport(0, 0, 0, 0, report.files)
    lost, *_ = sorted(out.glob("*.parquet"))
    gone = len({row["file"] for row in read_rows(out)})
    lost.unlink()
    gone -= len({row["file"] for row in read_rows(out)})
    shutil.copy(ROOT / "data" / "photos" / "55207.png", scans / "new.png")
    again = read(scans, out)
    assert (again.files, again.done_before) == (gone + 1, report.files - gone)
    expected.append((str(scans / "new.png"), 1, "55207", "number", None))
    assert texts(out) == sorted(expected, key=str)


def test_the_command_writes_an_archive(cluster, scans, tmp_path, capsys):
    """One photo is enough to see that the options arrive."""
    out, (photo, *_) = str(tmp_path / "texts"), sorted(scans.glob("*/1000000.png"))
    command = ["read", str(photo), "--engine", "ray", "--refuse-below", "0.999999", "--out", out]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("1 files read, 0 of them with an error, 1 rows in 1")
    assert [row["text"] for row in read_rows(out)] == [None]
    assert main([*command, "--json"]) == 1
    assert "--json is for reading without it" in capsys.readouterr().err


def test_what_is_wrong_is_said_before_anything_runs(scans, tmp_path):
    with pytest.raises(ValueError, match="refuse_below is a probability"):
        read_archive(scans, tmp_path / "out", options={"refuse_below": 7})
    with pytest.raises(FileNotFoundError, match="no file or folder .*nowhere"):
        read_archive(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ValueError, match="files_per_task and files_per_part are at least 1"):
        read_archive(scans, tmp_path / "out", files_per_task=0)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        read_archive(scans, tmp_path / "file")
