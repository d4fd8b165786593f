"""What a model says of lines, kept for several decoders."""

from __future__ import annotations

import torch

from crnn_lib import best_path
from crnn_lib.evaluation import lattices_of, read_lines
from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.models import load_model


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
