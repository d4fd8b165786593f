"""Make data/photos/form.pdf: the page to print, to write on, and to photograph.

python data/make_form.py

The same version of matplotlib writes the same bytes.
"""

from __future__ import annotations

import io
import os
from datetime import datetime, timezone
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from crnn_lib.lessons.classroom import draw_worksheet

FORM = Path(__file__).parent / "photos" / "form.pdf"
MADE = datetime(2024, 1, 1, tzinfo=timezone.utc)  # a date of its own would change the file


def to_pdf(figure: Figure) -> bytes:
    """A figure as a PDF file. The same figure gives the same bytes."""
    file = io.BytesIO()
    about = {"CreationDate": MADE, "Creator": None, "Producer": None, "Title": "Digits to write"}
    with matplotlib.rc_context({"pdf.fonttype": 3, "pdf.compression": 6}):
        figure.savefig(file, format="pdf", metadata=about)
    return file.getvalue()


def main() -> None:
    FORM.parent.mkdir(parents=True, exist_ok=True)
    content = to_pdf(draw_worksheet())
    FORM.write_bytes(content)
    print(f"Wrote {os.path.relpath(FORM)}, {len(content)} bytes.")


if __name__ == "__main__":
    main()
