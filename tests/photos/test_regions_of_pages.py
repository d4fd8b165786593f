"""Composed pages and regions agree: from the true maps of a page come the lines that are on it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from drawn_maps import common

from crnn_lib.handwriting.pages import PageStyle, compose_pages
from crnn_lib.models import MAPS
from crnn_lib.photos import ImageError, page_lines, regions_of

LAYOUTS = ("notes", "form", "exam", "boxes", "scattered", "sums", "lined")
STYLE = PageStyle(height=(16.0, 60.0), layouts=dict.fromkeys(LAYOUTS, 1.0))


def found_in(maps, rows, kind="number"):
    """Lines of a kind that are wholly on the page, and how well a region covers each of them."""
    regions = [r for r in regions_of(dict(zip(MAPS, maps.numpy(), strict=True))) if r.kind == kind]
    lines = [line for line in rows if line.kind == kind and line.visible > 0.95]
    shares = []
    for line in lines:
        best = max((common(line.corners, r.corners()) for r in regions), default=0.0)
        shares.append(best)
    return lines, regions, shares


@pytest.mark.parametrize("turned", [0.0, 1.0])
def test_true_maps_give_back_the_numbers(turned):
    style = replace(STYLE, turned=turned)
    pages = compose_pages(20, style, torch.Generator().manual_seed(15), (320, 320))
    written, found, said, upright = 0, 0, 0, 0
    for maps, rows in zip(pages.maps, pages.rows, strict=True):
        lines, regions, shares = found_in(maps, rows)
        cut = sum(line.kind == "number" and line.visible <= 0.95 for line in rows)
        written += len(lines)
        found += sum(share >= 0.5 for share in shares)
        said += max(len(regions) - cut, 0)
        for line in lines:
            best = max(regions, key=lambda r: common(line.corners, r.corners()), default=None)
            if best is not None and common(line.corners, best.corners()) >= 0.5:
                along, true = (c[1] - c[0] for c in (best.corners(), line.corners))
                upright += along @ true > 0.9 * np.hypot(*along) * np.hypot(*true)
    assert written > 60
    assert found >= 0.95 * written
    assert said <= 1.05 * written
    assert upright >= 0.98 * found


def test_who_looks_for_numbers_among_words_is_told_what_reads_words(monkeypatch):
    word, look = SimpleNamespace(kind="word"), SimpleNamespace(maps={"number": np.zeros((9, 9))})
    monkeypatch.setattr(page_lines, "find_on_grey", lambda grey, detector: ([word], [look]))
    with pytest.raises(ImageError, match="nothing but words was found on it; crnn-words reads"):
        page_lines.cut_lines(np.ones((400, 400), np.float32), None, {"number": (32, (0.6,))})
