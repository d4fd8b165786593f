"""The same seed gives the same lines under any default dtype of torch."""

from __future__ import annotations

import pytest
import torch

from crnn_lib.handwriting import (
    SILENT,
    LineStyle,
    compose_lines,
    load_glyphs,
    pen_people,
    random_amounts,
)
from crnn_lib.handwriting.paper import PaperStyle, photograph
from crnn_lib.photos import ink_of

STYLES = {"free": LineStyle(), "cells": LineStyle.article(), "by hand": LineStyle().varied()}


def everything() -> dict[str, torch.Tensor]:
    """Images from all that draws chance."""
    generator = torch.Generator().manual_seed(3)
    glyphs, people = load_glyphs("pen", count=50, generator=generator), pen_people(4, generator)
    made = {"glyphs": glyphs.images, "people": people.images}
    for name, style in STYLES.items():
        made[name] = compose_lines(glyphs, 3, style, generator).images
    texts = random_amounts(8, generator)
    amounts = compose_lines(people, 8, LineStyle.amounts(), generator, texts=texts, silent=SILENT)
    photos = photograph(amounts, PaperStyle.cheque(), generator)
    made |= {"amounts": amounts.images, "photos": photos.images}
    return made | {"ink": ink_of(photos.images, photos.widths)}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
def test_the_default_dtype_changes_no_line(dtype):
    expected = everything()
    torch.set_default_dtype(dtype)
    try:
        found = everything()
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)
    for name, images in expected.items():
        assert found[name].dtype == images.dtype, name
        assert torch.equal(found[name], images), name


def test_an_error_leaves_the_default_dtype_as_it_was():
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(ValueError, match="0 or more; got -1"):
            compose_lines(load_glyphs("pen", count=10), -1, LineStyle(), torch.Generator())
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
