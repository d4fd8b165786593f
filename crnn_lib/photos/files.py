"""From whatever holds an image to its pixels: files, Pillow images, arrays and tensors.

An image is shrunk to :data:`WORK_PIXELS` on its way, because a network reads 32 rows of it. What
is damaged, too large or no image is refused with one sentence that says why.

Pillow opens the usual kinds. Photos of iPhones (HEIC) need the package pillow-heif, pages of PDF
files pypdfium2; where one is missing, the refusal says how to install it. Of a PDF file or a TIFF
file of several pages each is an image, and ``form.pdf#page=2`` names one.
"""

from __future__ import annotations

import importlib.util
import io
import math
import os
import re
import warnings
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

#: What is opened, by Pillow's names.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
PDF = ".pdf"
#: What the name of an image ends with, or of a file of which each page is one.
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp"),
    *(".pbm", ".pgm", ".ppm", ".heic", ".heif", PDF),
)
TIFF = (".tif", ".tiff")
PAGE = re.compile(r"(.+)#page=(\d+)", re.DOTALL)  # as links name a page
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
NEEDED = {  # what opens a kind of file beside Pillow
    "HEIC": ("pillow_heif", "pip install pillow-heif"),
    "PDF": ("pypdfium2", "pip install pypdfium2"),
}
MISSING = "{} files need one more package: {}"
NO_IMAGE = "no image by its name"
DOTS_PER_INCH = 200  # of a PDF's page; paper of that resolution has 2,300 rows
MAX_PIXELS = 64_000_000  # a phone's 50-megapixel photo passes; decoding more takes gigabytes
WORK_PIXELS = 4_000_000  # what has more is shrunk first
LUMA = (0.2125, 0.7154, 0.0721)  # how bright red, green and blue look: ITU-R BT.709
SUBFILE = 254  # of a TIFF's tags, the one that says what an image in it is
NO_PAGE = 1 | 4  # a smaller copy of another, or a mask
ORIENTATION = 0x0112  # of EXIF's tags, the one that says how the camera was held
FAINT = 0.5  # luma is used unless it has less than this share of the best channel's contrast


class ImageError(ValueError):
    """A file or an array that is no readable image of a line; the message says why."""


def to_grey(image) -> np.ndarray:
    """Brightness of each pixel, from 0 (black) to 1 (white).

    Brightness is luma. Where ink and paper are colours of about equal luma, such as red on green,
    it is the colour channel that shows most contrast.

    Parameters
    ----------
    image : path, PIL.Image.Image, ndarray or Tensor
        A path names a PNG, JPEG, GIF, BMP, TIFF, WebP, PPM or HEIC file, or a page of a PDF or
        TIFF file: ``form.pdf`` if it has one, else ``form.pdf#page=2``. Arrays are (H, W) or
        (H, W, 1 to 4): integers from 0 to 255 or to 65535, booleans, or floats in [0, 1]. Tensors
        may also be (1 to 4, H, W). Light drawn on transparency is laid on black, all else on
        white. A photo that was taken sideways is turned as its EXIF entry says.

    Returns
    -------
    ndarray, (H, W), float32 in [0, 1]
        Of more than 4 million pixels, as many: 8000 x 6000 become 2309 x 1732.

    Raises
    ------
    ImageError
        If the file or array is no image, is damaged, or is too large.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> to_grey(np.array([[0, 255]], np.uint8)).tolist()
    [[0.0, 1.0]]
    """
    return grey_and_size(image)[0]


def grey_and_size(image) -> tuple[np.ndarray, tuple[int, int]]:
    """:func:`to_grey`, and the image's width and height before it was shrunk."""
    colours, size = colours_and_size(image)  # (H, W, 3)
    grey = colours[..., 0]
    if bool((grey[..., None] != colours).any()):
        grey = colours @ np.array(LUMA, np.float32)  # (H, W)
        sample = colours[:: max(len(colours) // 256, 1), :: max(colours.shape[1] // 256, 1)]
        channels = np.concatenate([sample, sample @ np.array(LUMA, np.float32)[:, None]], 2)
        low, high = np.percentile(channels.reshape(-1, 4), (1, 99), axis=0)  # (4,), (4,)
        contrast = high - low
        best = int(contrast[:3].argmax())
        if contrast[3] < FAINT * contrast[best]:
            grey = colours[..., best]
    return np.ascontiguousarray(np.clip(grey, 0, 1), dtype=np.float32), size


def colours_and_size(image) -> tuple[np.ndarray, tuple[int, int]]:
    """The pixels of an image as colours, and its size before it was shrunk.

    Parameters
    ----------
    image : path, PIL.Image.Image, ndarray or Tensor
        As for :func:`to_grey`.

    Returns
    -------
    colours : ndarray, (H, W, 3), float32 in [0, 1]
    size : (int, int)
        Width and height.
    """
    if isinstance(image, (str, os.PathLike)):
        return _decode(image)
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        image = (image.float() if image.is_floating_point() else image).numpy()  # not bfloat16
    if isinstance(image, np.ndarray):
        image = _pillow(image)
    if not isinstance(image, Image.Image):
        of_file = isinstance(image, (bytes, bytearray)) or hasattr(image, "read")
        raise TypeError(
            f"An image is a path, a Pillow image, an array or a tensor; got {type(image).__name__}."
            + " PIL.Image.open opens a file, and with io.BytesIO(...) what it holds." * of_file
        )
    _require_size(image.size)
    try:
        image = ImageOps.exif_transpose(image)
        return _colours(image), image.size
    except OSError as error:  # Pillow decodes late: only now does it see the damage
        raise ImageError(f"the image is damaged or cut off ({error})") from None


def _decode(path: str | os.PathLike[str]) -> tuple[np.ndarray, tuple[int, int]]:
    if "\0" in os.fsdecode(path):  # of which open says no more than "embedded null byte"
        raise ImageError(f"{path!r} is no file's name")
    named, page = page_of(path)
    with open(named, "rb") as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images; the limit here is lower
        try:
            # decoders go back and forth in a file, which a pipe does not allow
            file: BinaryIO = opened if opened.seekable() else io.BytesIO(opened.read())
            start = file.read(12)
            file.seek(0)
            if start.startswith(b"%PDF-"):
                image = _pdf_page(file, named, page)
                return _colours(image), image.size
            formats: tuple[str, ...] = FORMATS
            if start[4:8] == b"ftyp" and start[8:] in HEIC_BRANDS:
                _needed("HEIC").register_heif_opener(thumbnails=False)
                formats = ("HEIF",)
            # Named formats only: Pillow hands some others to programs outside.
            image = Image.open(file, formats=formats)
            pages = _tiff_pages(image)
            index = _index_of(page, len(pages), named)
            if image.format == "TIFF":  # a HEIC file stands at its main image already
                image.seek(pages[index])
            width, height = image.size  # from the header: nothing has been decoded yet
            _require_size(image.size)
            if image.format == "JPEG":  # whose decoder can leave out the detail by itself
                image.draft(None, _work_size(image.size))
                image.load()
            else:
                image.load()  # Pillow turns a TIFF at once, all others in exif_transpose
                width, height = image.size
            if image.getexif().get(ORIENTATION, 1) >= 5:  # lies on its side
                width, height = height, width
            return _colours(ImageOps.exif_transpose(image)), (width, height)
        except ImageError:
            raise
        except Image.DecompressionBombError:
            raise ImageError(TOO_LARGE) from None
        except UnidentifiedImageError:
            if not start:
                raise ImageError("the file is empty") from None
            kinds = "PNG, JPEG, GIF, BMP, TIFF, WebP, PPM, HEIC or PDF"
            raise ImageError(f"it is not an image ({kinds})") from None
        except Exception as error:  # a decoder may stumble over damage in any way
            reason = " ".join(str(error).split())  # some decoders say it on several lines
            raise ImageError(f"the image is damaged or cut off ({reason})") from None


def page_of(path: str | os.PathLike[str]) -> tuple[str, int | None]:
    """A file and the page of it that a path names, counted from 1; None if it names none.

    >>> page_of("form.pdf#page=2"), page_of("photo.png")
    (('form.pdf', 2), ('photo.png', None))
    """
    path = os.fsdecode(path)
    found = PAGE.fullmatch(path)
    if found is None or os.path.exists(path):
        return path, None
    return found[1], int(found[2])


def pages_of(path: str | os.PathLike[str]) -> list[str]:
    """A path for each page of a PDF or TIFF file; the path itself if it has one or is another file.

    A file that cannot be opened is left as it is: :func:`to_grey` says what is wrong with it.
    """
    path = os.fsdecode(path)
    kind = os.path.splitext(path)[1].lower()
    if kind not in (PDF, *TIFF) or not os.path.isfile(path):  # a pipe can be read once only
        return [path]
    try:
        if kind == PDF:
            with _needed("PDF").PdfDocument(path) as document:
                count = len(document)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(path, formats=["TIFF"]) as image:
                    count = len(_tiff_pages(image))
    except Exception:  # a decoder may stumble over damage in any way
        return [path]
    return [path] if count < 2 else [f"{path}#page={n}" for n in range(1, count + 1)]


def files_of(path: str | os.PathLike[str]) -> list[str]:
    """The file itself, or all image files and PDF files of a folder, in :func:`natural_order`.

    Each page of a PDF or TIFF file is one of them; folders within and hidden files are left out,
    and so is what :func:`skipped_in` names.

    Raises
    ------
    ImageError
        If it is a folder without image files.
    """
    if not os.path.isdir(path):
        return pages_of(path)
    folder = os.fsdecode(path)
    names = [name for name in _visible(folder) if _is_image(name)]
    files = [page for name in names for page in pages_of(os.path.join(folder, name))]
    if not files:
        raise ImageError("it is a folder without image files")
    return files


def skipped_in(folder: str | os.PathLike[str]) -> dict[str, str]:
    """What :func:`files_of` leaves out of a folder, by name, and why.

    Files whose names say that they are no images, and folders within that hold images.
    """
    skipped = {}
    for name in _visible(folder, folders=True):
        place = os.path.join(os.fsdecode(folder), name)
        if not os.path.isdir(place):
            if not _is_image(name):
                skipped[name] = NO_IMAGE
        elif _holds_images(place):
            skipped[name] = "a folder in the folder; name it to read it"
    return skipped


def unreadable_by_name(name: str) -> str | None:
    """Why a file is not opened, as far as its name says: it is no image, or a package is missing.

    >>> unreadable_by_name("notes.txt"), unreadable_by_name("scan.png")
    ('no image by its name', None)
    """
    if not _is_image(name):
        return NO_IMAGE
    kind = {PDF: "PDF", ".heic": "HEIC", ".heif": "HEIC"}.get(os.path.splitext(name)[1].lower())
    if kind is None or importlib.util.find_spec(NEEDED[kind][0]):
        return None
    return MISSING.format(kind, NEEDED[kind][1])


def is_mended(reason: str) -> bool:
    """Whether a file could not be opened for want of a package, and that is installed by now.

    >>> is_mended("the file is empty")
    False
    """
    return any(
        reason == MISSING.format(kind, install) and importlib.util.find_spec(package) is not None
        for kind, (package, install) in NEEDED.items()
    )


def natural_order(path: str) -> tuple:
    """What files are sorted by: numbers in their names count as numbers, folder by folder.

    >>> sorted(["scan10.png", "scan2.png", "a b/1.png", "a/2.png"], key=natural_order)
    ['a/2.png', 'a b/1.png', 'scan2.png', 'scan10.png']
    """
    parts = [re.split(r"([0-9]+)", part) for part in path.split("/")]
    numbered = [[int(piece) if k % 2 else piece for k, piece in enumerate(part)] for part in parts]
    return numbered, path  # the path itself, for 1.png and 01.png


def _visible(folder: str | os.PathLike[str], *, folders: bool = False) -> list[str]:
    """Names of a folder's files that are not hidden, in order; of folders within too, if asked."""
    with os.scandir(os.fsdecode(folder)) as entries:
        names = [
            e.name for e in entries if not e.name.startswith(".") and (folders or not e.is_dir())
        ]
    return sorted(names, key=natural_order)


def _holds_images(folder: str) -> bool:
    try:
        return any(_is_image(name) for name in _visible(folder))
    except OSError:  # a folder that may not be looked into
        return True


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _tiff_pages(image: Image.Image) -> list[int]:
    """Which frames of a file are pages of their own: all of a TIFF that are no copy and no mask.

    What moves, such as a GIF, is one page.
    """
    if image.format != "TIFF":
        return [0]
    pages = []
    for frame in range(getattr(image, "n_frames", 1)):
        image.seek(frame)
        if not image.tag_v2.get(SUBFILE, 0) & NO_PAGE:  # type: ignore[attr-defined]
            pages.append(frame)
    return pages or [0]


def _index_of(page: int | None, count: int, path: str) -> int:
    """The place of a page among so many; which one is meant must be said if there are several."""
    if page is None and count > 1:
        raise ImageError(f"it has {count} pages; name one, as in {path}#page=1")
    page = 1 if page is None else page
    if not 1 <= page <= count:
        pages = "1 page" if count == 1 else f"{count} pages"
        raise ImageError(f"it has {pages}, and no page {page}")
    return page - 1


def _pdf_page(file: BinaryIO, path: str, page: int | None) -> Image.Image:
    with _needed("PDF").PdfDocument(file) as document:
        sheet = document[_index_of(page, len(document), path)]
        width, height = sheet.get_size()  # points, 72 to an inch
        points = max(width * height, 1.0)
        scale = min(DOTS_PER_INCH / 72, math.sqrt(WORK_PIXELS / points))
        return sheet.render(scale=scale, may_draw_forms=True).to_pil().convert("RGB")


def _needed(kind: str):
    """The package that opens a kind of file."""
    name, install = NEEDED[kind]
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImageError(MISSING.format(kind, install)) from None


TOO_LARGE = f"it is too large: more than {MAX_PIXELS // 10**6} million pixels. Crop or shrink it"


def _require_size(size: tuple[int, int]) -> None:
    if not size[0] * size[1]:
        raise ImageError(f"the image is empty: {size[0]} x {size[1]} pixels")
    if size[0] * size[1] > MAX_PIXELS:
        raise ImageError(TOO_LARGE)


def _work_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the same shape with no more than :data:`WORK_PIXELS`."""
    scale = math.sqrt(WORK_PIXELS / (size[0] * size[1]))
    return size if scale >= 1 else (max(int(scale * size[0]), 1), max(int(scale * size[1]), 1))


def _shrunk(image: Image.Image) -> Image.Image:
    """An image of the size to work with; its pixels are the means of those they cover."""
    size = _work_size(image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.BOX)


def _pillow(array: np.ndarray) -> Image.Image:
    """An array as a Pillow image of the same content."""
    given = f"got {array.dtype} {array.shape}"
    if array.ndim == 3 and array.shape[2] > 4 and array.shape[0] <= 4:
        array = np.moveaxis(array, 0, 2)  # channels first, as torch has them
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 2 <= array.shape[2] <= 4):
        raise ImageError(f"an array is (H, W) or (H, W, 1 to 4); {given}")
    if not array.size:
        raise ImageError(f"the array is empty; {given}")
    kind = array.dtype.kind
    if kind == "f":
        array = array.astype(np.float32)
        low, high = float(array.min()), float(array.max())
        if not (-0.01 <= low and high <= 1.01):  # NaN fails both
            raise ImageError(f"floats are in [0, 1]; got {low:g} to {high:g}")
        if array.ndim == 2:
            return Image.fromarray(array)
        array = np.round(255 * array.clip(0, 1))
    elif kind == "b":
        array = 255 * array.astype(np.uint8)
    elif kind not in "iu":
        raise ImageError(f"an array holds bytes, 16 bits or floats in [0, 1]; {given}")
    else:
        low, high = int(array.min()), int(array.max())
        if low < 0 or high >= 1 << 16:
            raise ImageError(f"integers are 0 to 255, or to 65535; {given} from {low} to {high}")
        if (low, high) == (0, 1):  # of 0 to 255 that would be black on black
            raise ImageError(f"integers 0 and 1 are a mask: give them as booleans; {given}")
        if high > 255 and array.ndim == 2:
            return Image.fromarray(np.ascontiguousarray(array, dtype=np.uint16))
        if high > 255:
            array = array.astype(np.int64) * 255 // _peak(high)
    return Image.fromarray(np.ascontiguousarray(array, dtype=np.uint8))


def _peak(highest: float) -> int:
    """White, as far as the highest value tells: that of 8 bits, or of 9, 10 to 16."""
    return max(2 ** math.ceil(math.log2(highest + 1)) - 1, 255)


def _has_transparency(image: Image.Image) -> bool:
    """Whether pixels of an image may be transparent; a palette may hold that by itself."""
    palette = image.mode == "P" and image.palette is not None and image.palette.mode.endswith("A")
    layered = image.mode in ("RGBA", "LA", "PA", "RGBa", "La")
    return layered or palette or "transparency" in image.info


def _colours(image: Image.Image) -> np.ndarray:
    if image.mode[0] in "IF":  # more than 8 bits per pixel: one channel, of unknown range
        values = np.nan_to_num(np.asarray(_shrunk(image.convert("F"))))
        peak = max(float(values.max()), 0.0)
        if peak > 1 or image.mode != "F":
            peak = _peak(peak)
        values = np.clip(values / max(peak, 1.0), 0, 1)
        return np.repeat(values[..., None], 3, axis=2)  # (H, W, 3)
    if _has_transparency(image):
        if image.mode == "La":  # from which Pillow knows no other way
            image = image.convert("LA")
        # premultiplied, so that shrinking does not mix in the colour of what is transparent
        layers = np.asarray(_shrunk(image.convert("RGBA").convert("RGBa"))) / 255
        colours, cover = layers[..., :3], layers[..., 3:]
        light = colours.sum() > 1.5 * cover.sum()
        # light ink on nothing is laid on black, all else on white
        ground = 0.0 if light and cover.mean() < 0.5 else 1.0
        return (colours + ground * (1 - cover)).astype(np.float32)
    return np.asarray(_shrunk(image.convert("RGB")), dtype=np.float32) / 255
