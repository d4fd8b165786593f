"""What is listed, and what is kept of what has been read."""

import os
import shutil
import subprocess
import sys
import types

import pytest

from crnn_lib.archive import SCHEMA, _parts, list_files, read_rows, reading
from crnn_lib.archive._parts import forget_errors, remove_unfinished, write_part
from crnn_lib.archive._sources import identity, listed_and_skipped

pa = pytest.importorskip("pyarrow", reason="the extra archive is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the extra archive is not installed")


def rows_for(*names: str) -> list[dict]:
    return [{**dict.fromkeys(SCHEMA), "file": n, "line": 1, "text": n[-1]} for n in names]


def files_done(folder: str) -> set[str]:
    return _parts.files_done(folder)[0]


def parts_of(folder: str) -> list[str]:
    return [path for path, _ in _parts._parts(folder)]


def touch(*paths) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_folders_are_listed_with_their_subfolders(tmp_path):
    touch(tmp_path / "b" / "2.png", tmp_path / "a" / "10.JPG", tmp_path / "a" / "notes.txt")
    assert list_files(tmp_path) == [f"{tmp_path}/a/10.JPG", f"{tmp_path}/b/2.png"]
    assert list_files([tmp_path / "b", tmp_path]) == [f"{tmp_path}/b/2.png", f"{tmp_path}/a/10.JPG"]


def test_files_of_a_folder_are_in_natural_order(tmp_path):
    touch(*(tmp_path / "a" / f"{n}.png" for n in (1, 2, 10)), tmp_path / "a b" / "1.png")
    found = [os.path.relpath(file, tmp_path) for file in list_files(tmp_path)]
    assert found == ["a/1.png", "a/2.png", "a/10.png", "a b/1.png"]


def test_what_no_package_opens_and_what_is_no_image_is_left_out_and_said(tmp_path, monkeypatch):
    names = ["1.png", "form.PDF", "phone.heic", "notes.txt", ".2.png", ".trash/3.png"]
    touch(*(tmp_path / name for name in names))
    (tmp_path / "again").symlink_to(tmp_path)  # a link that leads back
    pages = [str(tmp_path / name) for name in names]
    packages = {"pypdfium2": None}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: packages.get(name, True))
    found, skipped = listed_and_skipped(tmp_path)
    assert found == [pages[0], pages[2]] == list_files(tmp_path)
    assert skipped == {
        pages[1]: "PDF files need one more package: pip install pypdfium2",
        pages[3]: "no image by its name",
    }
    packages.clear()
    assert list_files(tmp_path) == pages[:3]
    packages["pillow_heif"] = None
    (tmp_path / "1.png").unlink()
    (tmp_path / "form.PDF").unlink()
    with pytest.raises(ValueError, match="no image file in .* left out: no image by its name"):
        list_files(tmp_path)


def test_one_odd_name_does_not_stop_the_others(tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff.png"
    with open(odd, "wb"):
        touch(tmp_path / "two\nlines.png")
    found, skipped = listed_and_skipped(tmp_path)
    assert found == [f"{tmp_path}/two\nlines.png"]
    assert skipped == {os.fsdecode(odd): "its name is no text"}


def test_the_same_file_is_the_same_file(tmp_path, monkeypatch):
    """However its folder was called when it was read, and wherever the next call comes from."""
    touch(tmp_path / "scans" / "1.png")
    (tmp_path / "link").symlink_to("scans")
    monkeypatch.chdir(tmp_path)
    ways = [
        "scans",
        "./scans",
        "scans/",
        str(tmp_path / "scans"),
        "link",
        f"file://{tmp_path}/scans",
    ]
    assert len(list_files(ways)) == 1
    assert list_files("./scans") == ["scans/1.png"]
    for k, way in enumerate(ways):
        texts = str(tmp_path / f"texts{k}")
        os.mkdir(texts)
        write_part(rows_for(*list_files(way)), texts)
        for place, other in [(".", way) for way in ways] + [("scans", "."), ("scans", "../link")]:
            monkeypatch.chdir(tmp_path / place)
            assert {identity(file) for file in list_files(other)} <= files_done(texts), (way, other)
            monkeypatch.chdir(tmp_path)


def test_an_archive_is_resumed_where_it_was_moved_with_its_scans(tmp_path, monkeypatch):
    for place in ("here", "there"):
        touch(tmp_path / place / "scans" / "1.png")
    write_part(rows_for("scans/1.png"), str(tmp_path / "here"), str(tmp_path / "here"))
    monkeypatch.chdir(tmp_path / "there")  # another file of that name: both are there
    assert files_done(str(tmp_path / "here")).isdisjoint(map(identity, list_files("scans")))
    before = os.listdir(tmp_path / "here")
    write_part(rows_for("scans/1.png"), str(tmp_path / "here"))
    assert len(os.listdir(tmp_path / "here")) == len(before) + 1  # beside the other's rows
    shutil.rmtree(tmp_path / "there")
    (tmp_path / "here").rename(tmp_path / "there")
    monkeypatch.chdir(tmp_path / "there")
    assert files_done(".") == set(map(identity, list_files("scans")))


def test_parts_of_earlier_versions_are_resumed(tmp_path, monkeypatch):
    """They do not say from where their files are seen."""
    touch(tmp_path / "scans" / "1.png")
    monkeypatch.chdir(tmp_path)
    part = write_part(rows_for("scans/1.png"), ".")
    pq.write_table(pq.read_table(part).replace_schema_metadata(None), part)
    for way in ("scans", "./scans", tmp_path):
        assert set(map(identity, list_files(way))) <= files_done(".")


def test_a_page_that_was_listed_alone_is_not_its_file(tmp_path):
    write_part(rows_for("/a.pdf#page=2", "/b.pdf#page=1", "/b.pdf#page=2"), str(tmp_path))
    assert files_done(str(tmp_path)) == {
        f"/{n}" for n in ("a.pdf#page=2", "b.pdf", "b.pdf#page=1", "b.pdf#page=2")
    }


def test_an_address_is_listed_as_an_address(tmp_path):
    touch(tmp_path / "1.png")
    assert list_files(f"file://{tmp_path}") == [f"file://{tmp_path}/1.png"]


def test_a_table_names_files(tmp_path):
    pq.write_table(pa.table({"file": ["x.png", None, "s3://y/z.jpg"]}), tmp_path / "list.parquet")
    assert list_files(tmp_path / "list.parquet") == ["x.png", "s3://y/z.jpg"]
    pq.write_table(pa.table({"name": ["x.png"]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="needs a column named file; its columns are name"):
        list_files(tmp_path / "other.parquet")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder .*nowhere"):
        list_files(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no image file in"):
        list_files(tmp_path)


def test_a_list_that_is_none_is_named(tmp_path):
    (tmp_path / "list.parquet").write_bytes(b"no table")
    with pytest.raises(ValueError, match="list.parquet is no Parquet file that lists files"):
        list_files(tmp_path / "list.parquet")
    pq.write_table(pa.table({"file": [1, 2]}), tmp_path / "list.parquet")
    with pytest.raises(ValueError, match="list.parquet lists no files: its column file holds 1"):
        list_files(tmp_path / "list.parquet")


def test_rows_of_a_folder_that_is_not_there_are_not_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder .*typo"):
        next(read_rows(tmp_path / "typo"))
    assert list(read_rows(tmp_path)) == []  # nothing has been read yet


def test_all_pages_of_a_file_are_in_one_part(tmp_path, monkeypatch):
    """What is done is known by the file: a part with some of its pages would cost the others."""
    pages = {"a.png": [""], "b.pdf": [f"#page={n}" for n in range(1, 6)], "c.png": [""]}
    monkeypatch.setattr(
        reading, "_reader", lambda job: types.SimpleNamespace(read_lines=lambda lines: [])
    )
    monkeypatch.setattr(
        reading, "_find", lambda reader, file: [(page, [], "torn") for page in pages[file]]
    )
    job = reading._Job("weights", {})
    found = job.find(pa.table({"name": list(pages), "file": list(pages)}))
    rows = reading._ReadLines(job)(found)
    done, counts = set(), {"files": 0, "errors": 0, "rows": 0}
    for start in range(len(rows)):  # as if a batch were as small as can be
        report = reading._write(rows.slice(start, 1), folder=str(tmp_path), seen_from="/scans")
        done = {name for name in files_done(str(tmp_path)) if "#" not in name}
        read = {row["file"] for row in read_rows(tmp_path)}
        assert {os.path.abspath(name) for name in read} == {
            name + page for name in done for page in pages[os.path.basename(name)]
        }
        for name in counts:
            counts[name] += report[name][0].as_py()
    assert done == {os.path.abspath(name) for name in pages} and counts == {
        "files": 3,
        "errors": 3,
        "rows": 7,
    }


def test_few_files_are_shared_out_among_all_readers():
    """A task holds many files where there are many: each costs Ray some time."""
    for files, readers, size in ((1, 2, 1), (9, 1, 2), (800, 2, 50), (20_000, 2, 64)):
        assert reading._task_size(files, readers, 64) == size
    assert reading._task_size(20_000, 2, 16) == 16


def test_parts_give_back_their_rows(tmp_path):
    box = [0.0, 0.1, 5.0, 0.1, 5.0, 7.25, 0.0, 7.25]
    rows = [{**rows_for("ä/1")[0], "box": box, "confidence": 0.25}, *rows_for("2")]
    write_part(rows, str(tmp_path))
    assert list(read_rows(tmp_path)) == rows
    assert files_done(str(tmp_path)) == {os.path.abspath("ä/1"), os.path.abspath("2")}


def test_the_same_files_make_the_same_part(tmp_path):
    first = write_part(rows_for("1", "2"), str(tmp_path))
    assert write_part(rows_for("2", "1"), str(tmp_path)) == first  # a task that ran again
    write_part(rows_for("3"), str(tmp_path))
    assert sorted(row["file"] for row in read_rows(tmp_path)) == ["1", "2", "3"]


@pytest.mark.parametrize("kept", [0, 3, 0.5, 0.99])
def test_a_broken_part_is_moved_aside(tmp_path, kept):
    good, bad = (write_part(rows_for(name), str(tmp_path)) for name in ("1", "2"))
    content = open(bad, "rb").read()
    with open(bad, "wb") as file:
        file.write(content[: int(kept * len(content)) if kept < 1 else kept])
    with pytest.warns(UserWarning, match="is broken .* its files are read again"):
        assert parts_of(str(tmp_path)) == [good]
    assert files_done(str(tmp_path)) == {os.path.abspath("1")}
    assert os.path.exists(bad + ".broken")  # nothing is lost


def test_a_part_that_cannot_be_read_at_present_is_not_broken(tmp_path):
    folder = tmp_path / "part-1.parquet"
    folder.mkdir()
    with pytest.raises(OSError, match="part-1.parquet cannot be read"):
        parts_of(str(tmp_path))
    assert folder.exists()


@pytest.mark.parametrize("error", [MemoryError, NotImplementedError])
def test_what_this_machine_cannot_do_is_no_fault_of_a_part(error, tmp_path, monkeypatch):
    part = write_part(rows_for("1"), str(tmp_path))

    def fails(*_, **__):
        raise error("codec")

    monkeypatch.setattr(pq, "ParquetFile", fails)
    with pytest.raises((MemoryError, ValueError), match="codec"):
        parts_of(str(tmp_path))
    assert os.path.exists(part)


def test_a_table_of_others_is_named_and_left_alone(tmp_path):
    pq.write_table(pa.table({"file": ["1"], "text": ["2"]}), tmp_path / "part-0.parquet")
    with pytest.raises(ValueError, match="part-0.parquet is no part of an archive: .* column line"):
        files_done(str(tmp_path))
    assert os.listdir(tmp_path) == ["part-0.parquet"]


def test_a_broken_part_that_cannot_be_moved_is_said(tmp_path):
    (tmp_path / "part-1.parquet").write_bytes(b"")
    touch(tmp_path / "part-1.parquet.broken" / "in the way")
    with pytest.raises(OSError, match="part-1.parquet is broken .* and cannot be moved aside"):
        parts_of(str(tmp_path))


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    """The kernel refuses more than 100 bytes a file, as a full disk does."""
    program = (
        "import resource, signal, sys\n"
        "from crnn_lib.archive import SCHEMA\n"
        "from crnn_lib.archive._parts import write_part\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: write_part([{**dict.fromkeys(SCHEMA), 'file': '1'}], sys.argv[1])\n"
        "except OSError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "could not be written" in run.stdout
    assert os.listdir(tmp_path) == []


def test_what_a_package_was_missing_for_is_tried_again_and_not_there_twice(tmp_path, monkeypatch):
    packages = {"pypdfium2": None, "pillow_heif": None}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: packages.get(name, True))
    missing = "{} files need one more package: pip install {}"
    reasons = {
        "/1.png": None,
        "/2.png": "the file is empty",
        "/a.pdf": missing.format("PDF", "pypdfium2"),
        "/b.pdf": missing.format("PDF", "pypdfium2"),
        "/c.heic": missing.format("HEIC", "pillow-heif"),
    }
    rows = [{**row, "error": reasons[row["file"]]} for row in rows_for(*reasons)]
    out = str(tmp_path)
    part = write_part(rows[:4], out)
    alone = write_part(rows[4:], out)
    assert _parts.files_done(out) == (set(reasons), set())
    packages.pop("pypdfium2")
    assert _parts.files_done(out) == ({"/1.png", "/2.png", "/c.heic"}, {"/a.pdf", "/b.pdf"})
    forget_errors(out, {"/1.png", "/a.pdf", "/c.heic"})  # what of them is to be read now
    assert sorted(row["file"] for row in read_rows(out)) == [
        "/1.png",
        "/2.png",
        "/b.pdf",
        "/c.heic",
    ]
    assert parts_of(out) == sorted([part, alone])
    place = pq.read_schema(part).metadata[_parts.SEEN_FROM]
    assert place == os.fsencode(os.getcwd())
    packages.clear()
    forget_errors(out, set(reasons))
    assert parts_of(out) == [part]  # of the other nothing is left
    assert list(read_rows(out)) == rows[:2]


def test_an_error_that_cannot_be_taken_out_stops_the_run(tmp_path, monkeypatch):
    """Else its file would have two rows."""
    error = "PDF files need one more package: pip install pypdfium2"
    part = write_part(
        [{**row, "error": error} for row in rows_for("/a.pdf")] + rows_for("/b"), str(tmp_path)
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: True)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="could not be written: .*No space left"):
        forget_errors(str(tmp_path), {"/a.pdf"})
    assert os.listdir(tmp_path) == [os.path.basename(part)]
    assert len(list(read_rows(tmp_path))) == 2


def test_what_a_killed_writer_left_is_removed(tmp_path):
    part = write_part(rows_for("1"), str(tmp_path))
    touch(tmp_path / ".part-0.parquet.77")
    remove_unfinished(str(tmp_path))
    assert os.listdir(tmp_path) == [os.path.basename(part)]
