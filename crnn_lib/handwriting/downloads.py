"""Fetching the glyph archives: checked, resumable, and never half there.

Three rules keep a slow network or a pulled plug from doing harm. What arrives is written to a
``.part`` file, which the next call resumes. A file gets its real name only once it is whole and its
md5 is right. A lock lets one process at a time write to a folder. The files lie where torchvision
puts them, so that each can use what the other has fetched.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import itertools
import math
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from crnn_lib.handwriting._idx import emnist_files, find_idx, idx_shape, mnist_files, read_header

# torchvision before 0.18 still names an address that now answers with a web page.
EMNIST_MIRROR = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"

_BLOCK = 1 << 18  # bytes read at once, and the least that counts as progress between two failures
_ATTEMPTS = 5  # failures in a row, without progress, before a server is given up
_PAUSE = 0.5  # seconds before the second attempt; doubles with each failure
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class DownloadError(OSError):
    """A file could not be fetched; the message says why and what to do instead."""


class _Broken(Exception):
    """One request failed; ``again`` says whether asking the same server again can help."""

    def __init__(self, reason: object, *, again: bool) -> None:
        super().__init__(str(reason))
        self.again = again


# --- one file over a network that may break ------------------------------------------------------


def fetch_file(
    urls: Sequence[str],
    path: str | Path,
    md5: str,
    *,
    advice: str = "check the network and call again",
    timeout: float = 30.0,
    progress: bool = True,
) -> Path:
    """Fetch a file from the first of several mirrors that has it.

    Parameters
    ----------
    urls : sequence of str
        Mirrors of the same file, tried in order.
    path : str or Path
        Where the file shall lie. It appears there only when it is whole and right. Until then it
        grows in ``<path>.part``, which a later call resumes (HTTP ``Range``) or, if the server
        cannot do that, begins anew.
    md5 : str
        Checksum of the file in hexadecimal digits.
    advice : str
        Ends the error message: what to do if no mirror has the file.
    timeout : float
        Seconds without a single byte after which a connection counts as broken.
    progress : bool
        Show a progress bar.

    Raises
    ------
    DownloadError
        If every mirror failed: unreachable, an HTTP error, or a file with another checksum.
    OSError
        With errno ``ENOSPC``, if the disk is full. What has arrived is kept.
    """
    path, problems = Path(path), []
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for url in urls:
        for attempt in (1, 2):
            try:
                one_piece = _fill(url, part, timeout, progress)
            except _Broken as error:
                problems.append(f"{url}: {error}")
                break
            if (got := _md5(part)) == md5:
                os.replace(part, path)
                return path
            looks = _looks_like(part)
            part.unlink()
            # Pieces of two versions of a file fit no checksum: one try from the start is due.
            if one_piece or attempt == 2:
                problems.append(f"{url}: sent a wrong file, md5 {got} instead of {md5}{looks}")
                break
    kept = _size(part)
    resume = f" The next call resumes {part}, which has {kept} bytes." if kept else ""
    raise DownloadError(f"Could not fetch {path.name} ({'; '.join(problems)}): {advice}.{resume}")


def _fill(url: str, part: Path, timeout: float, progress: bool) -> bool:
    """Complete ``part`` with as many requests as it takes; tell whether one was enough."""
    from tqdm.auto import tqdm

    at_first = best = _size(part)
    failures, one_piece, name = 0, at_first == 0, part.name.removesuffix(".part")
    with tqdm(desc=name, unit="B", unit_scale=True, disable=not progress) as bar:
        while True:
            try:
                _request(url, part, timeout, bar)
                return one_piece
            except _Broken as error:
                size, one_piece = _size(part), False
                failures = 0 if size >= best + _BLOCK else failures + 1
                best = max(best, size)
                # Where this call has got nothing at all, waiting would only delay the advice.
                if not error.again or size == best == at_first or failures >= _ATTEMPTS:
                    raise
                bar.set_postfix_str(f"{error}; trying again")
                time.sleep(_PAUSE * 2**failures)


def _request(url: str, part: Path, timeout: float, bar) -> None:
    """Ask once for what ``part`` lacks and append what comes."""
    start = _size(part)
    headers = {"User-Agent": "crnn_lib", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urlopen(Request(url, headers=headers), timeout=timeout)
    except HTTPError as error:
        with error:
            if error.code == 416 and start:  # nothing left to send, or less than we hold
                if error.headers.get("Content-Range", "").strip() == f"bytes */{start}":
                    return
                part.unlink()
                raise _Broken("the kept part does not fit", again=True) from None
            again = error.code == 429 or error.code >= 500
            raise _Broken(f"HTTP {error.code} {error.reason}", again=again) from None
    except (OSError, HTTPException) as error:
        raise _Broken(getattr(error, "reason", error), again=True) from None

    with response:
        if response.status != 206:  # the server does not know Range and sends everything
            if start and response.headers.get_content_type() == "text/html":
                # A login page must not replace what has arrived.
                raise _Broken("sent a web page; does this network ask for a login?", again=False)
            start = 0
        length = response.headers.get("Content-Length", "")
        coming = int(length) if length.isdigit() else 0  # 0: the server does not say
        bar.total, bar.n = (start + coming if coming else None), start
        bar.refresh()
        with _room_for(part, coming), open(part, "ab" if start else "wb") as file:
            while block := _read(response):
                file.write(block)
                bar.update(len(block))
            file.flush()
            os.fsync(file.fileno())
    if _size(part) < start + coming:
        ended = f"the connection ended after {_size(part)} of {start + coming} bytes"
        raise _Broken(ended, again=True)


def _read(response) -> bytes:
    # read1 hands over what has come; read would hold up to a block back when a connection stalls.
    try:
        return response.read1(_BLOCK)
    except (OSError, HTTPException) as error:
        raise _Broken(error, again=True) from None


def download_emnist(
    root: str | Path,
    dataset: str = "digits",
    splits: Sequence[str] = ("train", "test"),
    *,
    urls: Sequence[str] | None = None,
    md5: str | None = None,
    keep_archive: bool = True,
    timeout: float = 30.0,
    progress: bool = True,
) -> Path:
    """Fetch EMNIST's archive (562 MB) and unpack only the wanted splits of one of its parts.

    An archive that lies at ``ROOT/EMNIST/raw/gzip.zip`` already, put there by hand or by
    torchvision, is used instead of the network. Files that are there already are left alone.

    Parameters
    ----------
    root : str or Path
        Root of the data; the files go to ``ROOT/EMNIST/raw``.
    dataset : str
        ``"digits"``, ``"mnist"``, ``"balanced"`` or another part of EMNIST.
    splits : sequence of str
        ``"train"``, ``"test"`` or both.
    urls, md5
        Mirrors and checksum of the archive; torchvision's by default.
    keep_archive : bool
        Keep the archive for other splits; if False it is deleted after unpacking.
    timeout, progress
        As in :func:`fetch_file`.
    """
    raw = Path(root) / "EMNIST" / "raw"
    wanted = [name for split in splits for name in emnist_files(dataset, split)]
    if all(find_idx(raw, name) for name in wanted):
        return raw  # and touch neither the network nor the lock
    if urls is None or md5 is None:
        from torchvision.datasets import EMNIST

        urls = urls or list(dict.fromkeys([EMNIST.url, EMNIST_MIRROR]))
        md5 = md5 or EMNIST.md5
    with _lock(raw, progress):
        missing = [name for name in wanted if not find_idx(raw, name)]
        if not missing:  # another process has fetched them while this one waited
            return raw
        archive = raw / "gzip.zip"
        if archive.exists():
            _require_md5(archive, md5)
        else:
            advice = (
                'use source "mnist" (11 MB) or "pen" (nothing to download), or put the archive '
                f"by hand at {archive} and call again with download=True"
            )
            fetch_file(urls, archive, md5, advice=advice, timeout=timeout, progress=progress)
        with zipfile.ZipFile(archive) as members:
            # Members are asked for by name and written to names of ours: no path in the archive,
            # however odd, decides where a byte goes.
            try:
                for name in missing:
                    with members.open(f"gzip/{name}.gz") as compressed:
                        _unpack(compressed, raw / name)
                mapping = f"emnist-{dataset}-mapping.txt"
                text = members.read(f"gzip/{mapping}")
            except KeyError as error:
                raise DownloadError(f"{archive}: {error.args[0]}.") from None
            _write(raw / mapping, [text], len(text))
        if not keep_archive:
            archive.unlink()
    return raw


def download_mnist(
    root: str | Path,
    splits: Sequence[str] = ("train", "test"),
    *,
    mirrors: Sequence[str] | None = None,
    resources: Sequence[tuple[str, str]] | None = None,
    keep_archive: bool = False,
    timeout: float = 30.0,
    progress: bool = True,
) -> Path:
    """Fetch MNIST (11 MB for both splits) to ``ROOT/MNIST/raw``.

    Parameters
    ----------
    mirrors : sequence of str, optional
        Base addresses; torchvision's by default.
    resources : sequence of (str, str), optional
        File names and their md5; torchvision's by default.
    root, splits, keep_archive, timeout, progress
        As in :func:`download_emnist`; the archives here are the gzip files.
    """
    raw = Path(root) / "MNIST" / "raw"
    wanted = [name for split in splits for name in mnist_files(split)]
    if all(find_idx(raw, name) for name in wanted):
        return raw
    if mirrors is None or resources is None:
        from torchvision.datasets import MNIST

        mirrors, resources = mirrors or MNIST.mirrors, resources or MNIST.resources
    md5_of = dict(resources)
    with _lock(raw, progress):
        for name in wanted:
            if find_idx(raw, name):
                continue
            archive = raw / f"{name}.gz"
            archive.unlink(missing_ok=True)  # find_idx has just found it unreadable
            advice = f'use source "pen" (nothing to download), or put the files by hand into {raw}'
            urls = [f"{mirror.rstrip('/')}/{archive.name}" for mirror in mirrors]
            md5 = md5_of[archive.name]
            fetch_file(urls, archive, md5, advice=advice, timeout=timeout, progress=progress)
            with open(archive, "rb") as compressed:
                _unpack(compressed, raw / name)
            if not keep_archive:
                archive.unlink()
    return raw


def _unpack(compressed: IO[bytes], target: Path) -> None:
    """Write the idx file in a gzip stream to ``target``."""
    with gzip.open(compressed) as source:
        shape, head = read_header(source)
        size = len(head) + math.prod(shape)
        _write(target, itertools.chain([head], iter(lambda: source.read(_BLOCK), b"")), size)
    idx_shape(target)


# --- writing safely ------------------------------------------------------------------------------


def _write(target: Path, blocks: Iterable[bytes], size: int) -> None:
    """Write a file whole or not at all."""
    part = target.with_name(target.name + ".part")
    try:
        with _room_for(part, size), open(part, "wb") as file:
            file.writelines(blocks)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:  # unpacking again is cheap, so nothing is kept; Ctrl-C counts too
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _lock(folder: Path, progress: bool) -> Iterator[None]:
    """Let one process at a time write to ``folder``; a killed one frees the lock by dying."""
    from filelock import FileLock, Timeout  # torch depends on it, so it is always there

    lock = FileLock(str(folder / ".download.lock"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if progress:
                print(f"Another process is fetching {folder}; waiting.", file=sys.stderr)
            lock.acquire(poll_interval=0.2)
    except OSError as error:
        raise type(error)(
            f"Cannot write to {folder} ({error.strerror}): pass root= or set CRNN_DATA to a folder "
            "you can write to."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _room_for(path: Path, needed: int) -> Iterator[None]:
    """Check that ``needed`` more bytes fit on the disk of ``path``; explain it if they do not."""
    free = shutil.disk_usage(path.parent).free
    try:
        if free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(
            errno.ENOSPC,
            f"No room for {path}: it needs {needed} bytes more, and {free} were free. Free some "
            "space, or set CRNN_DATA to a larger disk, and call again",
        ) from error


def _require_md5(archive: Path, md5: str) -> None:
    if (got := _md5(archive)) == md5:
        return
    looks, aside = _looks_like(archive), archive.with_name(archive.name + ".wrong")
    os.replace(archive, aside)
    raise DownloadError(
        f"{archive} has md5 {got}, expected {md5}{looks}. It was moved to {aside}: put the right "
        "file in its place, or call again to fetch it."
    )


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _looks_like(path: Path) -> str:
    # Where a network wants a login first, every address answers with its web page.
    with open(path, "rb") as file:
        page = file.read(512).lstrip().lower().startswith((b"<!doctype html", b"<html"))
    return " (it is a web page; does this network ask for a login?)" if page else ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
