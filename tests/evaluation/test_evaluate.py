"""What a model says of lines, kept for several decoders."""

from __future__ import annotations

import numpy as np
import torch

from crnn_lib import best_path
from crnn_lib.alphabet import Alphabet
from crnn_lib.evaluation import evaluate, lattices_of, read_lines
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import CRNN, CRNNConfig, load_model


def test_lattices_are_those_of_each_line_alone():
    model, pen = load_model("crnn-digits"), load_glyphs("pen", "test")
    lines = compose_lines(pen, 7, LineStyle(), torch.Generator().manual_seed(0))
    log_probs, frame_lengths = lattices_of(model, lines, batch_size=3)
    assert log_probs.shape == (7, frame_lengths.max(), 11)
    for n in range(7):
        one = lines.select([n])
        with torch.inference_mode():
            alone, (frames,) = model(one.images, one.widths)
        assert frame_lengths[n] == frames
        torch.testing.assert_close(log_probs[n, :frames], alone[0, :frames], atol=1e-4, rtol=1e-4)
    read = [h.text for h in best_path(log_probs, frame_lengths)]
    assert read == [h.text for h in read_lines(model, lines)]


class Scripted(torch.nn.Module):
    """A network that says 1, slash, 1 of every line, whatever stands on it."""

    def __init__(self, characters: str) -> None:
        super().__init__()
        self.alphabet = Alphabet(characters)
        self.said = torch.nn.Parameter(torch.tensor(self.alphabet.encode("1/1")), False)

    def forward(self, images, widths):
        frames = torch.full((3, self.alphabet.num_classes), 0.01)
        frames[torch.arange(3), self.said] = 1.0
        log_probs = frames.log().log_softmax(-1)
        return log_probs.expand(len(images), -1, -1), torch.full((len(images),), 3)


def test_marks_that_no_text_has_count_as_blank_for_a_network_of_numbers():
    pen = load_glyphs("pen", "test")
    chance = torch.Generator().manual_seed(0)
    lines = compose_lines(pen, 2, LineStyle(), chance, texts=["11", "11"])
    model = Scripted("01/-")
    assert [h.text for h in read_lines(model, lines)] == ["11", "11"]
    assert evaluate(model, lines).exact_match == 1
    lines.texts[1] = "1/1"
    assert [h.text for h in read_lines(model, lines)] == ["1/1", "1/1"]
    assert evaluate(model, lines).exact_match == 0.5
    assert lattices_of(model, lines)[0].shape == (2, 3, 5)  # a lattice is left as it is
    lines.texts[1] = "11"
    assert [h.text for h in read_lines(Scripted("01/a"), lines)] == ["1/1", "1/1"]  # it reads words


def test_nothing_and_numbers_of_numpy_are_read():
    """torch stumbled over both."""
    model = CRNN(CRNNConfig(channels=(4, 4), strides=((4, 2), (4, 2)), hidden=8)).eval()
    generator = torch.Generator().manual_seed(0)
    lines = compose_lines(load_glyphs("pen", count=100), 3, LineStyle(), generator)
    log_probs, frame_lengths = lattices_of(model, lines.select([]))
    assert log_probs.shape == (0, 0, 11) and frame_lengths.tolist() == []
    assert read_lines(model, lines.select([])) == []
    texts = [h.text for h in read_lines(model, lines)]
    for batch_size in (np.int64(2), torch.tensor(1), 10**30):
        assert [h.text for h in read_lines(model, lines, batch_size=batch_size)] == texts
