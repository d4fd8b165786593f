"""Single forms of the pen's books, drawn as a copybook would: to see that each one is itself."""

from __future__ import annotations

import torch

from crnn_lib.handwriting.pen.forms import (
    SAMPLES,
    Book,
    _book_forms,
    _has_letters,
    _names_of,
    form_tables,
)
from crnn_lib.handwriting.pen.strokes import LINE_MIDDLE, _ink, _place_points, _settle_points


def draw_form(character: int | str, name: str, book: Book = "school") -> torch.Tensor:
    """One form of a digit, letter or mark, (28, 28) uint8: no slant, no shaking, no accidents."""
    assert name in _book_forms(book)[character], name
    row = torch.tensor([_names_of(book).index((character, name))])
    table = form_tables(book)
    curve = (table.basis[row] @ table.points[row])[:, :SAMPLES]  # (1, P, 2)
    size, radius, softness = torch.tensor([[17.0], [1.4], [1.4]], dtype=torch.float32)  # (1,) each
    still = torch.zeros_like(curve[:, 0])
    radii = radius.expand(1, SAMPLES)
    if book == "school":
        curve = _place_points(curve, size, still)
    elif _has_letters(book):
        curve = curve - torch.tensor([0.5, LINE_MIDDLE])
        curve = _settle_points(curve, 0.94 * size, still, radius)
        radii = (radii**2 + table.dots[row]).sqrt()
    else:
        curve = _settle_points(curve - 0.5, size, still, radius)
    return _ink(curve, table.joined[row], radii, radius, softness)[0]
