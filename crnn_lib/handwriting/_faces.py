"""Faces of print that matplotlib brings, and so every machine has."""

from __future__ import annotations

import functools
from pathlib import Path

import matplotlib
from PIL import ImageFont


def file_of_face(name: str) -> Path:
    """The file of one of matplotlib's faces, such as ``"DejaVuSans"``."""
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"


@functools.lru_cache(maxsize=128)
def load_face(name: str, size: int) -> ImageFont.FreeTypeFont:
    """One of matplotlib's faces in a size, in pixels."""
    return ImageFont.truetype(str(file_of_face(name)), size)
