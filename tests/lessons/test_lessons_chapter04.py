"""What notebook 04 says about its recorded lines and runs, beyond what its cells print."""

from __future__ import annotations

import importlib.util
import json

import pytest
import torch
from conftest import ROOT

from crnn_lib import Alphabet, forward_backward
from crnn_lib.ctc import alignments
from crnn_lib.widgets import LatticeExplorer


@pytest.fixture(scope="module")
def recorder():
    """data/make_best_alignment.py, which is a script and belongs to no package."""
    path = ROOT / "data" / "make_best_alignment.py"
    spec = importlib.util.spec_from_file_location("make_best_alignment", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_loss_of_the_best_alignment_is_that_of_the_best_of_all(recorder):
    generator = torch.Generator().manual_seed(0)
    log_probs = torch.randn(2, 6, 4, generator=generator).double().log_softmax(-1)
    targets, lengths = torch.tensor([[1, 1, 2], [3, 0, 0]]), torch.tensor([3, 1])
    frames = torch.tensor([6, 4])
    losses = recorder.best_alignment_loss(log_probs, targets, frames, lengths)
    for n, label in enumerate(([1, 1, 2], [3])):
        every = alignments(label, int(frames[n]))
        best = max(log_probs[n, range(len(a)), a].sum().item() for a in every)
        assert losses[n].item() == pytest.approx(-best)


def test_the_recorded_runs_say_what_the_notebook_says(recorder):
    record = json.loads(recorder.FILE.read_text(encoding="utf-8"))
    assert record["steps"] == [50, 100, 150, 200, 250, 300, 350, 400]
    assert record["test_lines"] == recorder.TEST_LINES == 500
    assert [len(record[kind]) for kind in ("sum", "best")] == [len(recorder.SEEDS)] * 2
    slow, fast = (sorted(run[-1] for run in record[kind]) for kind in ("best", "sum"))
    assert slow[-1] < fast[0]


def test_nudged_spikes_stand_on_their_ink_but_for_the_2():
    early, label = LatticeExplorer.early(), Alphabet().encode("55207")
    ink = (early.image.amax(0) > 0.1).int().tolist()  # per pixel column
    starts = [x for x, column in enumerate(ink) if column and not ink[x - 1]]
    ends = [x + 1 for x, column in enumerate(ink) if column and not ink[x + 1]]
    assert len(starts) == len(ends) == 5  # no two digits touch
    logits = early.log_probs.double()
    for _ in range(20):
        lattice = logits.log_softmax(-1)
        logits = logits - (lattice.exp() - forward_backward(lattice, label).occupancy.exp())
    place = {}  # class -> frames in which it is said
    for t, c in enumerate(logits.argmax(-1).tolist()):
        place.setdefault(c, []).append(t)

    def over(frame, digit):
        return starts[digit] <= early.edges[frame] and early.edges[frame + 1] <= ends[digit]

    (one, other), (seven,) = place[6], place[8]
    assert over(one, 0) and over(other, 1) and over(seven, 4)
    assert all(over(t, 3) for t in place[1])
    assert all(over(t, 3) for t in place[3])  # the 2, on the ink of the 0
