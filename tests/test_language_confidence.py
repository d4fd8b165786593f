from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_confidence import all_labels, lattice
from test_language import automata

from crnn_lib.alphabet import Alphabet
from crnn_lib.constraints import fixed_length, lexicon, luhn, pattern
from crnn_lib.ctc import forward_backward
from crnn_lib.language_confidence import language_log_probs

ALPHABETS = [Alphabet("abc"), Alphabet("abc", blank=3)]


@settings(deadline=None, max_examples=40)
@given(
    automata(),
    st.sampled_from(ALPHABETS),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, -0.7]),
)
def test_the_sum_is_the_one_over_all_strings(automaton, alphabet, seed, weight, bonus):
    """Also where the language knows fewer characters, here two of three, than the network."""
    log_probs = lattice(4, 4, seed)
    expected = 0.0
    for label, probability in all_labels(log_probs, alphabet.blank).items():
        score = automaton.score(alphabet.decode(label))
        if score > -math.inf:
            expected += probability * math.exp(weight * score + bonus * len(label))
    found = language_log_probs(
        log_probs,
        language=automaton,
        alphabet=alphabet,
        language_weight=weight,
        length_bonus=bonus,
    )
    assert found.exp().item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_all_strings_together_are_certain(alphabet):
    log_probs = torch.stack([lattice(30, 4, seed) for seed in range(3)])
    anything = pattern("abc", "*")
    found = language_log_probs(log_probs, language=anything, alphabet=alphabet)
    assert torch.allclose(found, torch.zeros(3, dtype=torch.float64), atol=1e-9)
    by_length = [
        language_log_probs(log_probs, language=fixed_length("abc", n), alphabet=alphabet)
        for n in range(31)
    ]
    total = torch.stack(by_length).logsumexp(0)
    assert torch.allclose(total, torch.zeros(3, dtype=torch.float64), atol=1e-9)


def test_padding_does_not_matter():
    alphabet, language = Alphabet("abc"), fixed_length("abc", 2)
    log_probs = torch.stack([lattice(6, 4, seed) for seed in range(3)])
    lengths = [6, 2, 4]
    padded = torch.cat([log_probs, torch.full_like(log_probs, math.nan)], 1)
    for n, length in enumerate(lengths):
        padded[n, length:] = math.nan
    found = language_log_probs(padded, lengths, language=language, alphabet=alphabet)
    for n, length in enumerate(lengths):
        alone = language_log_probs(log_probs[n, :length], language=language, alphabet=alphabet)
        assert found[n].item() == pytest.approx(alone.item(), abs=1e-12)


def test_one_word_has_its_own_probability_and_none_has_none():
    log_probs = lattice(9, 11, seed=1)
    found = language_log_probs(log_probs, language=lexicon("0123456789", ["55207"]))
    own = forward_backward(log_probs, Alphabet().encode("55207")).log_prob
    assert found.item() == pytest.approx(own)
    too_long = fixed_length("0123456789", 10)
    assert language_log_probs(log_probs, language=too_long).item() == -math.inf


def test_shares_of_a_language_sum_to_one():
    log_probs = lattice(7, 11, seed=5, sharpness=3.0)
    language = luhn("0123456789", 2)
    total = language_log_probs(log_probs, language=language).item()
    words = [word for word in (f"{n:02}" for n in range(100)) if language.accepts(word)]
    own = [forward_backward(log_probs, Alphabet().encode(word)).log_prob for word in words]
    assert math.fsum(math.exp(log_prob - total) for log_prob in own) == pytest.approx(1)


def test_long_lines_and_far_off_languages_stay_finite():
    log_probs = lattice(400, 11, seed=3, sharpness=8.0)
    found = language_log_probs(log_probs, language=lexicon("0123456789", ["5"]))
    assert -math.inf < found.item() < -700  # below what a float can hold as a probability
