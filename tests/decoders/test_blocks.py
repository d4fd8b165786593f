"""What the searches share: probabilities from logarithms, and blocks of lines."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from crnn_lib.decoders import _blocks
from crnn_lib.decoders._blocks import Decoded, in_blocks
from crnn_lib.decoders._compiled.jit import plain
from crnn_lib.decoders._compiled.scores import read_line

pytest.importorskip("numba")


def test_probabilities_are_right_to_the_last_digits_compiled_or_not():
    random = np.random.default_rng(1)
    edges = [0.0, -0.0, -1e-300, -707.99, -708.0, -745.0, -math.inf, math.nan]
    log_p = np.concatenate([-(10 ** random.uniform(-9, 2.85, 1003)), edges]).reshape(-1, 3)
    p, peak = np.empty(log_p.shape), np.empty(len(log_p))
    read_line(log_p, 0, 0.999, 1.001, 1.0, p, peak)
    with np.errstate(all="ignore"):
        expected = np.where(log_p > -708.0, np.exp(log_p), np.where(log_p <= -708.0, 0.0, log_p))
        assert (np.abs(p - expected) <= 3 * np.spacing(expected))[~np.isnan(log_p)].all()
        assert (np.isnan(p) == np.isnan(log_p)).all()
        numbers = ~np.isnan(log_p).any(1)  # Python refuses to make an integer of NaN
        again = np.empty((numbers.sum(), 3))
        plain(read_line)(log_p[numbers], 0, 0.999, 1.001, 1.0, again, peak)
    assert again.tobytes() == p[numbers].tobytes()


@pytest.mark.parametrize("n_best", [None, 1, 1000, 10**9])
def test_a_block_has_no_more_lines_than_its_results_have_room(n_best):
    log_probs, lengths = torch.zeros(500, 30, 11), torch.full((500,), 30)
    sizes = []

    def decode(block, lengths):
        sizes.append(len(block))
        none = np.zeros(len(block), np.int32)
        return Decoded(none, none, np.ones(len(block), np.bool_), [])

    in_blocks(decode, log_probs, lengths, 1, n_best)
    most = max(sizes)
    assert sum(sizes) == 500
    assert most == 1 or most * 30 * max(11, n_best or 1) <= _blocks.BLOCK
