"""What ``crnn glyphs`` does: list, fetch and show the sources of glyphs."""

from __future__ import annotations

import argparse
from pathlib import Path

from crnn_lib.cli._targets import check_target
from crnn_lib.cli.arguments import PROG
from crnn_lib.handwriting import Glyphs, available_sources, data_root, fonts, load_glyphs


def glyphs_list(options: argparse.Namespace) -> int:
    """Show which sources of glyphs are on this disk."""
    print(f"{'source':16} {'split':6} {'glyphs':>8}  where")
    for status in available_sources():
        where = status.path if status.found else f"not here: glyphs download {status.source}"
        where = "drawn when asked for" if status.path is None else where
        count = f"{status.count:,}" if status.found else "-"
        print(f"{status.source:16} {status.split:6} {count:>8}  {where}")
    for split, number in fonts.count_fonts().items():
        where = str(data_root() / "fonts") if number else "not here: glyphs download fonts"
        print(f"{'fonts':16} {split:6} {f'{number} fonts' if number else '-':>8}  {where}")
    print(
        f"\nData are kept in {data_root()}; the environment variable CRNN_DATA names another place."
    )
    return 0


def glyphs_download(options: argparse.Namespace) -> int:
    """Fetch the glyphs of a source, or the fonts that words and pages are drawn with."""
    if options.source == "fonts":
        if options.split:
            raise ValueError("--split is for glyphs: fonts are fetched all together; leave it out.")
        folder = fonts.download_fonts()
        counts = fonts.count_fonts()
        print(f"fonts: {counts['train']} to train with, {counts['test']} held out, in {folder}")
        return 0
    for split in [options.split] if options.split else ["train", "test"]:
        glyphs = load_glyphs(options.source, split, download=True)
        print(f"{options.source} {split}: {len(glyphs):,} glyphs in {data_root()}")
    return 0


def glyphs_preview(options: argparse.Namespace) -> int:
    """Draw a grid of glyphs as a PNG file."""
    from crnn_lib.plots import plot_glyphs, to_png

    check_target("-o", options.out, picture=True)
    if Path(options.out).suffix.lower() != ".png":
        raise ValueError(f"-o {options.out}: the name must end in .png.")
    figure = plot_glyphs(glyphs_on_disk(options.source, options.split), options.count)
    Path(options.out).write_bytes(to_png(figure))
    print(f"Wrote {options.out}: {figure.get_label()}")
    return 0


def glyphs_on_disk(source: str, split: str) -> Glyphs:
    """The glyphs of a source; if they are not here, an error that says how to fetch them."""
    try:
        return load_glyphs(source, split)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the {split} glyphs of {source} are not in {data_root()}. Fetch them "
            f"({'11' if source == 'mnist' else '562'} MB) with: {PROG} glyphs download {source}. "
            "The source pen needs no download."
        ) from None
