"""An archive on all cores against one process, while its workers are killed, and its memory.

    python benchmarks/archive.py                 20,000 photos (some fifteen minutes)
    python benchmarks/archive.py --photos 5000

The photos are crops of amounts, each a JPEG file; behind the many names stand a few hundred files.
One process reads a tenth of them before, and a tenth after: the machine may be faster or slower by
then, and what lies between is held against the mean of both.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch
from PIL import Image
from table import markdown_table

from crnn_lib import Reader, load_glyphs
from crnn_lib.archive import read_archive, read_rows
from crnn_lib.training import photo_sample

SEED, PHOTOS, FILES, HURT = 5501, 20_000, 400, 5  # a fifth of the photos is read while workers die
KILLS, PARTS = 3, 16
ALONE = 10  # one process reads a tenth, twice
MEMORY_EVERY = 10.0  # seconds: to ask costs the processes that are asked
SPARED = 8.0  # seconds from one kill to the next

PROGRAM = """\
import sys
from crnn_lib.archive import read_archive
read_archive(sys.argv[1], sys.argv[2], progress=False, files_per_part=int(sys.argv[3]))
"""


def write_photos(folder: Path, count: int) -> None:
    """Photographed amounts behind ``count`` names."""
    photos = photo_sample(load_glyphs("pen", split="test", count=4000), FILES, SEED)
    (folder / "files").mkdir(parents=True)
    (folder / "scans").mkdir()
    files = []
    for n, (image, width) in enumerate(zip(photos.images, photos.widths.tolist(), strict=True)):
        grey = (255 * (1 - image[0, :, :width])).byte().numpy()
        files.append(folder / "files" / f"{n:03d}.jpg")
        large = Image.fromarray(grey).resize((2 * width, 2 * grey.shape[0]))
        large.save(files[-1], quality=85)
    for n in range(count):
        os.symlink(files[n % FILES], folder / "scans" / f"{n:06d}.jpg")


def read_alone(reader: Reader, scans: Path, count: int, known: dict[str, list[str]]) -> float:
    """Seconds that one process takes for so many photos; what they say goes into ``known``."""
    some = sorted(scans.iterdir())[:count]
    started = time.perf_counter()
    for row in reader.read_many(some):
        texts = [reading.text or "" for reading in row.readings]
        known[Path(row.path).resolve().name] = texts or [""]
    return time.perf_counter() - started


def said(scans: Path, known: dict[str, list[str]]) -> list[tuple]:
    """What :func:`texts` must find of some scans."""
    return sorted((s.name, text) for s in scans.iterdir() for text in known[s.resolve().name])


def texts(out: Path) -> list[tuple]:
    return sorted((Path(row["file"]).name, row["text"] or "") for row in read_rows(out))


def start_ray() -> None:
    import ray

    ray.init(include_dashboard=False, logging_level="error", log_to_driver=False)


def ray_processes() -> dict[int, bytes]:
    """Processes of this machine in which Ray runs something, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if command.startswith(b"ray::"):
                found[int(entry.name)] = command
    return found


class Memory:
    """The resident memory of this process and of Ray's workers together, sampled."""

    def __init__(self) -> None:
        self.megabytes: list[float] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self.over.wait(MEMORY_EVERY):
            total = 0
            for number in (os.getpid(), *ray_processes()):
                try:
                    text = Path(f"/proc/{number}/smaps_rollup").read_text(encoding="utf8")
                except OSError:
                    continue  # it has ended
                total += sum(int(line.split()[1]) for line in text.splitlines() if "Pss:" in line)
            self.megabytes.append(total / 1024)

    def __enter__(self) -> Memory:
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()


def kill_readers(times: int) -> list[int]:
    """Kill a process that reads, after some seconds another; the list of those killed grows."""
    killed: list[int] = []

    def kill() -> None:
        while len(killed) < times:
            time.sleep(SPARED)
            for number, command in ray_processes().items():
                if b"_ReadLines" in command and number not in killed:
                    os.kill(number, signal.SIGKILL)
                    killed.append(number)
                    break

    threading.Thread(target=kill, daemon=True).start()
    return killed


def restarted(scans: Path, out: Path, times: int, files_per_part: int) -> int:
    """Start a reading and kill it, driver and all, so many times; how many parts were there."""
    before = 0
    for _ in range(times):
        run = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(scans), str(out), str(files_per_part)],
            start_new_session=True,
        )
        while len(list(out.glob("*.parquet"))) <= before:
            if run.poll() is not None:
                raise RuntimeError("all was read before it could be killed: take more photos")
            time.sleep(0.1)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        before = len(list(out.glob("*.parquet")))
    return before


def run(photos: int = PHOTOS) -> str:
    torch.set_num_threads(1)
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        write_photos(here, photos)
        scans = here / "scans"
        reader = Reader.pretrained()
        known: dict[str, list[str]] = {}  # of the files behind the names, what they say
        few = max(photos // ALONE, FILES)
        before = read_alone(reader, scans, few, known)

        started = time.perf_counter()
        start_ray()
        start = time.perf_counter() - started
        with Memory() as memory:
            started = time.perf_counter()
            read_archive(scans, here / "whole", progress=False)
            many = time.perf_counter() - started
        import ray

        ray.shutdown()
        after = read_alone(reader, scans, few, known)
        one = photos / few * (before + after) / 2
        same = texts(here / "whole") == said(scans, known)
        start_ray()

        hurt, part = here / "hurt", max(photos // HURT // PARTS, 1)
        hurt.mkdir()
        for scan in sorted(scans.iterdir())[: photos // HURT]:
            os.symlink(scan.resolve(), hurt / scan.name)
        wanted = said(hurt, known)
        dead = kill_readers(KILLS)
        read_archive(hurt, here / "killed", progress=False, files_per_part=part)
        unhurt = texts(here / "killed") == wanted
        ray.shutdown()
        parts = restarted(hurt, here / "restarted", 2, part)
        start_ray()
        report = read_archive(hurt, here / "restarted", progress=False)
        ray.shutdown()
        again = texts(here / "restarted") == wanted
    fifth = len(memory.megabytes) // 5
    early, late = max(memory.megabytes[: 2 * fifth]), max(memory.megabytes[-fifth:])
    rows = [
        (
            f"one process, s ({few:,} in {before:.0f} s before, in {after:.0f} s after)",
            f"{one:.0f}",
        ),
        (f"read_archive, {cores} cores, s", f"{many:.0f}"),
        ("times as fast", f"{one / many:.2f}"),
        ("starting Ray, s", f"{start:.0f}"),
        ("the same rows", say(same)),
        (f"{len(dead)} workers killed, {photos // HURT:,} photos: the same rows", say(unhurt)),
        ("driver killed twice, the same photos: the same rows", say(again)),
        ("of these photos, read before the last start", f"{report.done_before:,} ({parts} parts)"),
        ("largest memory in the first two fifths, MB", f"{early:.0f}"),
        ("in the last fifth, MB", f"{late:.0f}"),
    ]
    return f"""## An archive on all cores

{photos:,} crops of amounts, JPEG (seed {SEED}); memory is that of the driver and of Ray's workers.

{markdown_table(("what", "measured"), rows)}
"""


def say(holds: bool) -> str:
    return "yes" if holds else "**no**"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=PHOTOS, metavar="N")
    print(run(parser.parse_args().photos))
