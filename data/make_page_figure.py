"""Make data/page_read.png: a whole form as a phone sees it, and what was read where.

python data/make_page_figure.py

It shows data/pages/form-phone.jpg with the readings of the shipped weights, the right ones and the
wrong ones.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import torch
from PIL import Image, ImageChops

from crnn_lib import Reader
from crnn_lib.plots import plot_reading

DATA = Path(__file__).parent
COLOURS = 128
PHOTO = DATA / "pages" / "form-phone.jpg"


def main() -> None:
    torch.set_num_threads(1)
    readings = Reader.pretrained().read_page(PHOTO)
    figure = plot_reading(readings, PHOTO)
    path = DATA / "page_read.png"
    file = io.BytesIO()
    figure.savefig(file, dpi=110, metadata={"Software": None})
    whole = Image.open(file).convert("RGB")
    whole = whole.crop(ImageChops.invert(whole).getbbox())  # without the empty margins
    few = whole.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)  # a photo's grain in all its colours is four times as large
    print(f"Wrote {os.path.relpath(path)}: {', '.join(r.text or '-' for r in readings)}.")


if __name__ == "__main__":
    main()
