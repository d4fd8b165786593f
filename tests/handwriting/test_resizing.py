"""MNIST's digits, resized and placed as EMNIST's are."""

import pytest
import torch

from crnn_lib import load_glyphs
from crnn_lib.handwriting import SIZE, Glyphs, resize_as_emnist

INK = 32


def glyphs_of(images: torch.Tensor) -> Glyphs:
    labels = torch.arange(len(images)) % 10
    return Glyphs(images, labels, source="pen", split="train", writers=labels + 7)


def bars(*boxes: tuple[int, int, int, int]) -> Glyphs:
    """A glyph for each (top, bottom, left, right), all ink within."""
    images = torch.zeros(len(boxes), SIZE, SIZE, dtype=torch.uint8)
    for image, (top, bottom, left, right) in zip(images, boxes, strict=True):
        image[top:bottom, left:right] = 255
    return glyphs_of(images)


def boxes_of(images: torch.Tensor, ink: int = 127) -> torch.Tensor:
    """(M, 4): first and one past the last row and column of the ink."""
    found = []
    for image in images:
        rows, columns = ((image > ink).any(axis).nonzero()[:, 0] for axis in (1, 0))
        found.append([rows[0], rows[-1] + 1, columns[0], columns[-1] + 1])
    return torch.tensor(found).float()


@pytest.mark.parametrize(
    "box",
    [
        (0, 10, 0, 5),
        (18, 28, 20, 28),
        (3, 7, 2, 22),
        (4, 24, 4, 24),
        (0, 28, 0, 28),
        (13, 15, 9, 15),
    ],
)
def test_the_longer_side_fills_24_pixels_in_the_middle_and_the_other_keeps_its_proportion(box):
    top, bottom, left, right = box
    height, width = bottom - top, right - left
    scale = 24 / max(height, width)
    (found,) = boxes_of(resize_as_emnist(bars(box)).images)
    wanted = torch.tensor(
        [14 - scale * height / 2, 14 + scale * height / 2]
        + [14 - scale * width / 2, 14 + scale * width / 2]
    )
    assert (found - wanted).abs().max() <= 0.51, (found, wanted)


def test_glyphs_keep_their_order_their_labels_and_their_writers():
    before = bars((0, 10, 0, 5), (3, 7, 2, 22), (13, 15, 9, 15))
    after = resize_as_emnist(before)
    assert torch.equal(after.labels, before.labels)
    assert torch.equal(after.writers, before.writers)
    assert (after.source, after.split) == (before.source, before.split)
    assert after.images.dtype == torch.uint8 and after.images.shape == before.images.shape
    alone = torch.cat([resize_as_emnist(before.subset([k])).images for k in range(3)])
    assert torch.equal(after.images, alone)


def test_the_default_dtype_does_no_harm():
    glyphs = bars((0, 10, 0, 5), (3, 7, 2, 22))
    expected = resize_as_emnist(glyphs).images
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(resize_as_emnist(glyphs).images, expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_has_no_ink_stays_and_no_glyphs_are_no_glyphs():
    faint = torch.full((1, SIZE, SIZE), INK, dtype=torch.uint8)
    blank = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
    images = torch.cat([faint, blank])
    assert torch.equal(resize_as_emnist(glyphs_of(images)).images, images)
    assert len(resize_as_emnist(glyphs_of(images[:0]))) == 0


def test_what_was_resized_stays_as_it_is():
    once = resize_as_emnist(load_glyphs("pen", "test", count=200))
    twice = resize_as_emnist(once)
    assert (boxes_of(once.images) - boxes_of(twice.images)).abs().mean() < 0.3


def test_mnist_comes_to_fill_its_frame_as_emnist_does_and_emnist_changes_little():
    try:
        mnist, emnist = (load_glyphs(name, "test") for name in ("mnist", "emnist-mnist"))
    except FileNotFoundError:
        pytest.skip("MNIST's and EMNIST's test digits are not on this disk")

    def longer_side(glyphs: Glyphs) -> float:
        top, bottom, left, right = boxes_of(glyphs.images, INK).unbind(1)
        return torch.maximum(bottom - top, right - left).mean().item()

    assert longer_side(mnist) == pytest.approx(20.0, abs=0.2)
    assert longer_side(emnist) == pytest.approx(23.6, abs=0.2)
    assert longer_side(resize_as_emnist(mnist)) == pytest.approx(24.0, abs=0.4)
    assert longer_side(resize_as_emnist(emnist)) == pytest.approx(longer_side(emnist), abs=0.8)
