"""``--decoder``, ``--beam-width`` and ``--constraint`` of the commands that read."""

from __future__ import annotations

import argparse

import pytest
import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.cli.arguments import main
from crnn_lib.cli.read import chosen_decoder
from crnn_lib.decoders import best_path, exact_search, prefix_beam_search


def options(decoder=None, constraint=None, beam_width=None):
    return argparse.Namespace(decoder=decoder, constraint=constraint, beam_width=beam_width)


LATTICES = (
    torch.randn(20, 15, 11, generator=torch.Generator().manual_seed(0)).mul(2).log_softmax(-1)
)


@pytest.mark.parametrize(
    "asked, decoder",
    [
        ({}, best_path),
        ({"decoder": "best-path"}, best_path),
        ({"decoder": "beam"}, prefix_beam_search),
        ({"decoder": "exact"}, exact_search),
    ],
)
def test_each_name_means_its_decoder(asked, decoder):
    chosen = chosen_decoder(options(**asked), Alphabet())
    assert chosen(LATTICES, alphabet=Alphabet()) == decoder(LATTICES)


def test_the_beams_width_is_heeded():
    narrow = chosen_decoder(options(beam_width=1), Alphabet())(LATTICES, alphabet=Alphabet())
    assert narrow == prefix_beam_search(LATTICES, beam_width=1)
    assert narrow != prefix_beam_search(LATTICES)


@pytest.mark.parametrize("decoder", [None, "beam", "exact"])
def test_a_constraint_is_kept(decoder):
    chosen = chosen_decoder(options(decoder, "length:4+pattern:55*"), Alphabet())
    for hypothesis in chosen(LATTICES, alphabet=Alphabet()):
        assert len(hypothesis.text) == 4 and hypothesis.text.startswith("55")


@pytest.mark.parametrize(
    "asked, message",
    [
        ({"decoder": "best-path", "constraint": "luhn"}, "cannot keep to a constraint"),
        ({"decoder": "exact", "beam_width": 5}, "exact has no beam"),
        ({"constraint": "lhun"}, "lhun"),
    ],
)
def test_what_does_not_go_together_is_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        chosen_decoder(options(**asked), Alphabet())


def test_evaluate_keeps_to_the_constraint(capsys, monkeypatch):
    monkeypatch.delenv("CRNN_DATA", raising=False)
    common = ["evaluate", "--glyphs", "pen", "--count", "30", "--length", "5"]
    assert main([*common, "--constraint", "length:5", "--decoder", "exact"]) == 0
    assert "exact match" in capsys.readouterr().out.lower()
    assert main([*common, "--constraint", "length:5", "--decoder", "best-path"]) == 1
    said = capsys.readouterr()
    assert "use --decoder beam or exact" in said.err and not said.out
