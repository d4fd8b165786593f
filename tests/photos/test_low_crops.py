"""Low crops: one line, unless two numbers stand far apart on them."""

import numpy as np
import pytest
from drawn_faults import Sheet

from crnn_lib import Reader


@pytest.fixture(scope="module")
def reader():
    return Reader.pretrained()


@pytest.mark.parametrize(("gap", "lines"), [(0.8, 1), (3.5, 2)])
def test_two_numbers_far_apart_are_two_lines(reader, gap, lines):
    sheet = Sheet(np.random.default_rng(8), 1400, 90)
    *_, right, _ = sheet.write("2830694", 20, 45, 60)
    *_, right, _ = sheet.write("3856943", right + gap * 60, 45, 60)
    crop = np.asarray(sheet.image.crop((0, 0, right + 20, 90)))
    assert len(reader.find_lines(crop)) == lines
