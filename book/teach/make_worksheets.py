"""Make the worksheets that are printed for a lesson, and their keys.

    python book/teach/make_worksheets.py            all, into book/teach/worksheets
    python book/teach/make_worksheets.py --png DIR  as images, to look at

Every answer on a key is computed with crnn_lib. The same version of matplotlib writes the same
bytes; each file carries a digest of its content, by which a test finds out that one is out of date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

import paper  # noqa: E402
import tasks_first  # noqa: E402
import tasks_last  # noqa: E402
import tasks_later  # noqa: E402

FOLDER = HERE / "worksheets"
SHEETS = {**tasks_first.SHEETS, **tasks_later.SHEETS, **tasks_last.SHEETS}


def sheets() -> list[paper.Sheet]:
    """All worksheets, in the order of the notebooks."""
    return [make() for _, make in sorted(SHEETS.items())]


def files_of(sheet: paper.Sheet) -> dict[str, bytes]:
    """Worksheet and key by the names of their files."""
    return {
        f"{sheet.name}.pdf": paper.to_pdf(sheet, key=False),
        f"{sheet.name}_key.pdf": paper.to_pdf(sheet, key=True),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the worksheets and their keys.")
    parser.add_argument("--png", type=Path, metavar="DIR", help="images there, no PDF files")
    parser.add_argument("names", nargs="*", help="only these, such as 03")
    options = parser.parse_args()
    chosen = [s for s in sheets() if not options.names or s.name[:2] in options.names]
    if options.png:
        options.png.mkdir(parents=True, exist_ok=True)
        for sheet in chosen:
            for key in (False, True):
                for number, figure in enumerate(paper.draw(sheet, key), 1):
                    figure.set_dpi(80)
                    name = f"{sheet.name[:2]}{'_key' * key}_{number}.png"
                    FigureCanvasAgg(figure).print_png(options.png / name)
        return
    FOLDER.mkdir(exist_ok=True)
    total = 0
    for sheet in chosen:
        for name, content in files_of(sheet).items():
            (FOLDER / name).write_bytes(content)
            total += len(content)
    print(f"Wrote {2 * len(chosen)} files, {total / 1000:.0f} kB.")


if __name__ == "__main__":
    main()
