"""Fetching fonts with the npm client, and loading what is on this disk."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from crnn_lib.handwriting._faces import file_of_face
from crnn_lib.handwriting.downloads import DownloadError, _lock
from crnn_lib.handwriting.glyphs import SPLITS, _require, data_root
from crnn_lib.handwriting.pen import LetterBook, add_stroke_fonts

_HERE = Path(__file__).parent
_SUFFIXES = (".woff", ".ttf", ".otf")
_ADVICE = (
    "Install Node.js, which brings npm, and check the network; or put fonts of your own (.ttf, "
    ".otf, .woff) into the folder {own}."
)
#: Fonts of the split "test": eight hands that no network is trained on, in all their styles (Caveat
#: Brush has Caveat's letters). The last two hands come from Debian (fonts-dkg-handwriting,
#: fonts-sjfonts) and are used where their files lie in the folder "own".
HELD_OUT = (
    "caveat",
    "caveat-brush",
    "indie-flower",
    "la-belle-aurore",
    "reenie-beanie",
    "the-girl-next-door",
    "zeyada",
    "dkg",
    "dkgit",
    "dkgbd",
    "dkgbi",
    "delphine",
)
#: Faces of print that matplotlib brings: they are always there, and belong to both splits.
MATPLOTLIB_FACES = tuple(
    "DejaVuSans DejaVuSans-Bold DejaVuSans-Oblique DejaVuSansMono DejaVuSansMono-Bold DejaVuSerif "
    "DejaVuSerif-Bold DejaVuSerif-Italic STIXGeneral STIXGeneralBol STIXGeneralItalic cmr10 cmb10 "
    "cmss10 cmti10 cmtt10".split()
)
#: Faces of print of the split "test".
PRINTED_HELD_OUT = (
    "anonymous-pro",
    "arvo",
    "caladea",
    "carlito",
    "cousine",
    "lora",
    "old-standard-tt",
    "pt-sans-narrow",
    "quicksand",
    "raleway",
    "share-tech",
    "silkscreen",
    "source-sans-3",
    "zilla-slab",
)


# The package of the single-stroke fonts, and the hash that its archive must have. What its program
# needs is not fetched with it, as `npm ci` would: only the fonts are read.
STROKE_PACKAGE = "hersheytext@2.0.0"
STROKE_INTEGRITY = (
    "sha512-t8UPIWKpPKffT7QcGG8AWXen4zVpfMdlO5uq3cE8aNQ"
    "GFxSEV/HoGAIFki6lioNi35WG73gaeW4VY3avxsJIrA=="
)
#: Its fonts that look written: name, and file. The slanted and the doubled ones are left out.
STROKE_FONTS = {
    "allure": "EMSAllure.svg",
    "elfin": "EMSElfin.svg",
    "felix": "EMSFelix.svg",
    "nixish": "EMSNixish.svg",
    "readability": "EMSReadability.svg",
    "tech": "EMSTech.svg",
    "sans": "HersheySans1.svg",
    "script": "HersheyScript1.svg",
}


@dataclass(frozen=True)
class Font:
    """A font, and what one must know of it to write like its hand.

    Attributes
    ----------
    name : str
        The file's name without what follows it, in small letters.
    path : Path
    characters : frozenset of str
        What it can write: those of Latin-1 that have a glyph with ink, and the space.
    joined : bool
        Whether its small letters are joined.
    capital, x_height : float
        Height of tall and of small letters, for a font size of 1.
    stroke : float
        Width of its strokes, for a font size of 1.
    """

    name: str
    path: Path
    characters: frozenset[str]
    joined: bool
    capital: float
    x_height: float
    stroke: float

    @property
    def split(self) -> str:
        """``"test"`` if it is held out, else ``"train"``."""
        return "test" if self.name in HELD_OUT else "train"

    @cached_property
    def _at_size(self):
        # One size is loaded once: to open a font takes longer than to write a word.
        return lru_cache(64)(lambda size: ImageFont.truetype(str(self.path), size))


def download_fonts(root: str | Path | None = None) -> Path:
    """Fetch the fonts that ``package.json`` names, as the lock file says (77 MB; 3 MB are kept).

    With the hands come faces of print, for :func:`printed_faces`, and the single-stroke fonts that
    :func:`load_letterbook` reads. The npm client asks the registry that it is set to. What is there
    already is not fetched again.

    Parameters
    ----------
    root : str or Path, optional
        Root of the data; :func:`crnn_lib.handwriting.data_root` by default.

    Returns
    -------
    Path
        ``ROOT/fonts``, which has a folder for each font with its file and its licence.

    Raises
    ------
    crnn_lib.handwriting.DownloadError
        If there is no npm, or it fails.
    """
    folder = _folder(root)
    lock = (_HERE / "package-lock.json").read_bytes()
    done = folder / "package-lock.json"  # written last
    if not (done.is_file() and done.read_bytes() == lock):
        with _lock(folder, progress=True), tempfile.TemporaryDirectory(dir=folder) as work:
            _fetch_fonts(folder, Path(work))
            done.write_bytes(lock)
    done = folder / "hersheytext" / "integrity"
    if not (done.is_file() and done.read_text() == STROKE_INTEGRITY):
        with _lock(folder, progress=True), tempfile.TemporaryDirectory(dir=folder) as work:
            _fetch_stroke_fonts(folder, Path(work))
            done.write_text(STROKE_INTEGRITY)
    return folder


def _npm(arguments: Sequence[str], folder: Path, work: Path) -> None:
    """Let npm do something in the folder ``work``."""
    advice = _ADVICE.format(own=folder / "own")
    npm = shutil.which("npm")
    if npm is None:
        raise DownloadError(f"Could not fetch the fonts: there is no npm. {advice}")
    command = [npm, *arguments, "--ignore-scripts", "--loglevel=error"]
    try:
        ran = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        raise DownloadError(f"npm did not answer within five minutes. {advice}") from None
    if ran.returncode:
        lines = [line for line in ran.stderr.splitlines() if "error" in line]
        why = lines[0] if lines else f"status {ran.returncode}"
        raise DownloadError(f"Could not fetch the fonts: npm failed ({why}). {advice}")


def _fetch_fonts(folder: Path, work: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_HERE / name, work)
    _npm(["ci", "--no-audit", "--no-fund"], folder, work)
    packages = json.loads((_HERE / "package.json").read_bytes())
    for package in packages["dependencies"]:
        name = package.rpartition("/")[2]
        printed = name in packages["printed"]
        source = work / "node_modules" / package
        target = (folder / "printed" if printed else folder) / name
        target.mkdir(exist_ok=True, parents=True)
        shutil.copy(source / "LICENSE", target)
        shutil.copy(source / "files" / f"{name}-latin-400-normal.woff", target / f"{name}.woff")


def _fetch_stroke_fonts(folder: Path, work: Path) -> None:
    _npm(["pack", STROKE_PACKAGE], folder, work)
    archive = work / (STROKE_PACKAGE.replace("@", "-") + ".tgz")
    digest = hashlib.sha512(archive.read_bytes()).digest()
    got = "sha512-" + base64.b64encode(digest).decode()
    if got != STROKE_INTEGRITY:
        raise DownloadError(
            f"npm brought another {STROKE_PACKAGE} than the one that is locked: its hash is {got}, "
            f"expected {STROKE_INTEGRITY}. Nothing of it is kept."
        )
    target = folder / "hersheytext"
    target.mkdir(exist_ok=True)
    with tarfile.open(archive) as members:
        files = [
            "package/LICENSE",
            *(f"package/svg_fonts/{file}" for file in STROKE_FONTS.values()),
        ]
        for name in files:
            content = members.extractfile(name)
            assert content is not None
            (target / Path(name).name).write_bytes(content.read())


def load_letterbook(root: str | Path | None = None) -> LetterBook:
    """The pen's letterbook, and beside its own forms those of the single-stroke fonts.

    Parameters
    ----------
    root : str or Path, optional
        As for :func:`download_fonts`, which fetches them.

    Returns
    -------
    LetterBook
        For :func:`crnn_lib.handwriting.pen.draw_words` and ``draw_letters``. Load it once: the pen
        works out its arrays anew for each.

    Raises
    ------
    FileNotFoundError
        If the fonts are not there.
    """
    folder = _folder(root) / "hersheytext"
    paths = {name: folder / file for name, file in STROKE_FONTS.items()}
    for path in paths.values():
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no {path}. Fetch it with: python -m crnn_lib glyphs download fonts. "
                "Without a book the pen writes its own forms."
            )
    return add_stroke_fonts(paths)


def load_fonts(split: str = "train", root: str | Path | None = None) -> list[Font]:
    """The fonts on this disk that belong to one split, by name.

    They are those that :func:`download_fonts` has fetched, and your own in ``ROOT/fonts/own``.

    Parameters
    ----------
    split : str
        ``"train"`` or ``"test"``: those of :data:`HELD_OUT`.
    root : str or Path, optional
        As for :func:`download_fonts`.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    _require(split, SPLITS, "split")
    paths = _files(split, root)
    if not paths:
        folder = _folder(root)
        raise FileNotFoundError(
            f"There are no fonts of the split {split!r} in {folder}. Fetch them with: python -m "
            f"crnn_lib glyphs download fonts. Or put fonts of your own (.ttf, .otf, .woff) into "
            f"{folder / 'own'}."
        )
    return [load_font(path) for path in paths]


def printed_faces(split: str = "train", root: str | Path | None = None) -> list[Path]:
    """Files of the faces of print: those that matplotlib brings, then those on this disk, by name.

    Parameters
    ----------
    split : str
        ``"train"`` or ``"test"``: of those on this disk, the ones in :data:`PRINTED_HELD_OUT`.
    root : str or Path, optional
        As for :func:`download_fonts`, which fetches them.

    Examples
    --------
    >>> printed_faces()[0].name
    'DejaVuSans.ttf'
    """
    _require(split, SPLITS, "split")
    found = [p for p in _folder(root).glob("printed/*/*") if p.suffix.lower() in _SUFFIXES]
    of_split = [p for p in found if (p.stem.lower() in PRINTED_HELD_OUT) == (split == "test")]
    return [file_of_face(name) for name in MATPLOTLIB_FACES] + sorted(of_split)


def count_fonts(root: str | Path | None = None) -> dict[str, int]:
    """How many fonts by hand of each split are on this disk; no font is opened."""
    return {split: len(_files(split, root)) for split in SPLITS}


def _folder(root: str | Path | None) -> Path:
    return (data_root() if root is None else Path(root).expanduser()) / "fonts"


def _files(split: str, root: str | Path | None) -> list[Path]:
    """Files of the fonts of one split."""
    found = [p for p in _folder(root).glob("*/*") if p.suffix.lower() in _SUFFIXES]
    of_split = [p for p in found if (p.stem.lower() in HELD_OUT) == (split == "test")]
    return sorted(of_split, key=lambda path: (path.stem.lower(), path))


def load_font(path: str | Path) -> Font:
    """One font, from its file (.ttf, .otf or .woff).

    Raises
    ------
    OSError
        If there is no such file, or it is no font.
    """
    path = Path(path)
    return _load_font(path, path.stat().st_mtime_ns)


@lru_cache(256)
def _load_font(path: Path, changed: int) -> Font:
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(path, lazy=True, fontNumber=0) as table:
            mapped = table.getBestCmap() or {}
        font = ImageFont.truetype(str(path), _MEASURED)
    except (TTLibError, OSError, AssertionError, KeyError) as error:
        raise OSError(f"{path} is not a font that can be read ({error}).") from None
    latin = (chr(code) for code in range(0x21, 0x100) if code in mapped)
    characters = {c for c in latin if font.getmask(c).getbbox()}
    if not characters:
        raise OSError(f"{path} has no letters that Latin-1 has.")
    sample = "".join(c for c in "Hdlb" if c in characters) or min(characters)
    small = "".join(c for c in "xnue" if c in characters) or sample
    return Font(
        path.stem.lower(),
        path,
        frozenset(characters | {" "}),
        characters >= set("un") and _pieces(font, "unun") < 4,
        _height(font, sample) / _MEASURED,
        _height(font, small) / _MEASURED,
        _stroke(font, sample) / _MEASURED,
    )


_MEASURED = 96  # font size in pixels at which a font is measured


def _ink(font: ImageFont.FreeTypeFont, text: str) -> np.ndarray:
    left, top, right, bottom = (int(n) for n in font.getbbox(text))
    image = Image.new("L", (right - left + 4, bottom - top + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, font=font, fill=255)
    return np.asarray(image) > 127


def _height(font: ImageFont.FreeTypeFont, text: str) -> float:
    """Mean height of the characters' ink, in pixels."""
    boxes = [font.getbbox(character) for character in text]
    return float(np.mean([bottom - top for _, top, _, bottom in boxes]))


def _pieces(font: ImageFont.FreeTypeFont, text: str) -> int:
    from scipy.ndimage import label

    return label(_ink(font, text), np.ones((3, 3)))[1]


def _stroke(font: ImageFont.FreeTypeFont, text: str) -> float:
    """Width of the strokes in pixels: four times the mean distance from ink to its edge."""
    from scipy.ndimage import distance_transform_edt

    ink = _ink(font, text)
    return 4 * float(distance_transform_edt(ink)[ink].mean()) - 2
