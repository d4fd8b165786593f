"""What stands in an explorer's place where no script runs: a picture of it, and its words."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from browser.gallery import GALLERY
from PIL import Image

WITHOUT = {"pad", "machine", "crnn-quiz"}  # paper to write on, and a question in words


class Sights(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict] = []

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))


@pytest.mark.parametrize("name", sorted(set(GALLERY) - WITHOUT))
def test_what_a_notebook_keeps_has_a_picture_beside_the_page(name):
    explorer = GALLERY[name]()
    data, metadata = explorer._repr_mimebundle_()
    picture = base64.b64decode(data["image/png"])
    assert metadata["image/png"]["alt"] == explorer.words
    sights = Sights()
    sights.feed(data["text/html"].partition("<script")[0])  # what is left where no script runs
    (image,) = sights.images
    assert base64.b64decode(image["src"].partition(",")[2]) == picture
    assert image["alt"] == explorer.words
    drawn = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
    assert drawn.shape[1] > 250 and np.ptp(drawn) > 150 and len(np.unique(drawn)) > 8
    assert len(picture) < 90_000, "it travels in every copy of the notebook"
