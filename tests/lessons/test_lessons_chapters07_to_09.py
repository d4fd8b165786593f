"""What the checks of 07 to 09 say of answers beyond the known mistakes, and what figures show."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
from crnn_lib.language import luhn, read_arpa, word_language
from crnn_lib.lessons import chapter07, chapter08, chapter09, yours
from crnn_lib.lessons.chapter08 import draw_orders, save_arpa
from crnn_lib.lessons.chapter08 import mistakes as chapter08_mistakes
from crnn_lib.lessons.engine import examine, kernel

EXERCISE = {e.id: e for c in "789" for e in kernel.chapter_exercises(c)}


def said(id, answer):
    return examine(EXERCISE[id], answer).text


# ------------------------------------------------------------------ sentences of their own


def naive_scores(order):
    """0 * -inf, sorted in one of the ways that a learner sorts."""

    def rerank(candidates, weight, bonus):
        def score(c):
            return c[1] + weight * c[2] + bonus * len(c[0])

        if order == "sorted":
            return [c[0] for c in sorted(candidates, key=score, reverse=True)]
        if order == "negated":
            return [c[0] for c in sorted(candidates, key=lambda c: -score(c))]
        pairs = sorted(((score(c), c[0]) for c in candidates), reverse=True)
        return [text for _, text in pairs]

    return rerank


@pytest.mark.parametrize("order", ["sorted", "negated", "pairs"])
def test_nan_is_named_and_not_cured(order):
    text = said("8.1", naive_scores(order))
    assert "0 * -inf is nan" in text and "if language ==" not in text


def test_a_row_of_no_pairs_is_named():
    def bigram_table(texts, characters):
        counts = torch.zeros(len(characters), len(characters))
        for text in texts:
            for a, b in zip(text, text[1:], strict=False):
                counts[characters.index(a), characters.index(b)] += 1
        return counts / counts.sum(1, keepdim=True)

    assert "0 / 0" in said("8.5", bigram_table)


def test_a_list_of_spans_is_answered_with_lists():
    text = said("9.2", lambda alignment: [(6, 1, 3)])
    assert "[(6, 1, 3)]" in text and "tensor" not in text and "shape" not in text
    assert "(class, start, end)" in said("9.2", lambda alignment: [6, 1, 3])
    assert "(class, start, end)" in said("9.2", lambda alignment: [(6, 1)])
    assert "return" in said("9.2", lambda alignment: None)


def test_spans_as_lists_or_a_tensor_are_right():
    as_lists = lambda alignment: [list(span) for span in chapter09.spans_of(alignment)]  # noqa: E731
    as_rows = lambda alignment: torch.tensor(chapter09.spans_of(alignment))  # noqa: E731
    assert examine(EXERCISE["9.2"], as_lists).status == "correct"
    assert examine(EXERCISE["9.2"], as_rows).status == "correct"


@pytest.mark.parametrize(
    "gives, sentence",
    [
        (None, "return"),
        ([], "a dictionary"),
        ({1: 0.5}, "as a tuple"),
        ({(1,): (0.25, 0.25)}, "two numbers for a label"),
    ],
)
def test_what_is_no_beam_is_named(gives, sentence):
    assert sentence in said("7.3", lambda probs, beam_width: gives)


def test_a_beam_of_tensors_in_any_order_with_noughts_is_right():
    def beam_search(probs, beam_width):
        found = chapter07.beam_search(probs, beam_width)
        return {label: torch.tensor(p) for label, p in reversed(found.items())} | {(9, 9): 0}

    assert examine(EXERCISE["7.3"], beam_search).status == "correct"


@pytest.mark.parametrize(
    "id, answer, sentence",
    [
        (
            "7.3",
            lambda probs, beam_width: {
                label: math.log(p)
                for label, p in chapter07.beam_search(probs, beam_width).items()
                if p
            },
            "these are logarithms",
        ),
        (
            "7.3",
            lambda probs, beam_width: {
                label: p / sum(chapter07.beam_search(probs, beam_width).values())
                for label, p in chapter07.beam_search(probs, beam_width).items()
            },
            "not to be stretched to 1",
        ),
        (
            "7.4",
            lambda probs, prefix: math.log(chapter07.begins_with(probs, prefix) or 1.0),
            "this is a logarithm",
        ),
        (
            "9.1",
            lambda log_probs, states: [c for c in chapter09.best_alignment(log_probs, states) if c],
            "one class for each frame",
        ),
        ("9.1", lambda log_probs, states: [0] * len(log_probs), "it collapses to another text"),
    ],
)
def test_other_answers_get_a_sentence_too(id, answer, sentence):
    assert sentence in said(id, answer)


def asking(question):
    """A beam with a rule that asks step or accepts something else."""

    def beam_with_rule(probs, beam_width, first, step, accepts):
        beam = {(): (1.0, 0.0, first)}
        for frame in probs.tolist():
            grown = {}

            def add(prefix, at_blank, at_char, state, grown=grown):
                before = grown.get(prefix, (0.0, 0.0))
                grown[prefix] = (before[0] + at_blank, before[1] + at_char, state)

            for prefix, (at_blank, at_char, state) in beam.items():
                after = step(state, 0) if question == "the blank" else state
                if after is not None:
                    add(prefix, (at_blank + at_char) * frame[0], 0.0, after)
                if prefix:
                    add(prefix, 0.0, at_char * frame[prefix[-1]], state)
                for c in range(1, len(frame)):
                    after = step(state, c - (question == "the class before"))
                    if after is not None:
                        new = at_blank if prefix[-1:] == (c,) else at_blank + at_char
                        add((*prefix, c), 0.0, new * frame[c], after)
            best = sorted(grown, key=lambda prefix: -sum(grown[prefix][:2]))[:beam_width]
            beam = {prefix: grown[prefix] for prefix in best}
        return {
            prefix: row[0] + row[1]
            for prefix, row in beam.items()
            if accepts(prefix if question == "a prefix" else row[2])
        }

    return beam_with_rule


@pytest.mark.parametrize(
    "question, sentence",
    [
        ("the blank", "step was asked about class 0"),
        ("the class before", "step was asked about the class before the one meant"),
        ("a prefix", "accepts was asked about a prefix"),
    ],
)
def test_what_the_rule_was_wrongly_asked_is_named(question, sentence):
    assert examine(EXERCISE["8.4"], asking("nothing else")).status == "correct"
    text = said("8.4", asking(question))
    assert sentence in text and "step = the function" in text


def test_a_beam_that_stops_at_the_first_forbidden_class_is_found_out():
    text = said("8.4", chapter08_mistakes.stopped_growing)
    assert "says nothing of the classes after it" in text


def test_a_function_is_shown_by_its_name():
    text = said("8.4", lambda probs, beam_width, first, step, accepts: {(1,): 2.0})
    assert "step = the function even_sum" in text and "accepts = the function is_0" in text


# ------------------------------------------------------------------ going on with an exercise


def test_yours_is_the_learners_once_it_is_correct(capsys):
    wrong = lambda probs, prefix: 0.0  # noqa: E731
    assert yours("7.4", wrong) is chapter07.begins_with
    right = lambda probs, prefix: chapter07.begins_with(probs, prefix)  # noqa: E731
    assert yours("7.4", right) is right
    first, second = capsys.readouterr().out.splitlines()
    assert "until yours is correct" in first and second == "From here on, begins_with is yours."
    with pytest.raises(ValueError, match=r"no exercise '7\.9'"):
        yours("7.9", wrong)


def test_the_two_exercises_of_09_are_forced_alignment():
    from crnn_lib.ctc import forced_alignment

    noise = torch.randn(12, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    log_probs, label = (2 * noise).log_softmax(-1), [1, 1, 3]
    states = [0, 1, 0, 1, 0, 3, 0]
    spans = chapter09.spans_of(chapter09.best_alignment(log_probs, states))
    found = forced_alignment(log_probs, label)
    assert spans == [(span.label, span.start, span.end) for span in found]


def test_beginnings_prove_the_best_label_of_the_lesson():
    three = torch.tensor([[0.3, 0.5, 0.2], [0.35, 0.25, 0.4]])
    begins = [chapter07.begins_with(three, prefix) for prefix in ([1], [2], [1, 2])]
    assert begins == pytest.approx([0.575, 0.32, 0.2])


# ------------------------------------------------------------------ figures of 08


def luhn_step(state, character):
    total, doubled = state
    digit = int(character)
    return (total + (2 * digit - 9 * (digit > 4) if doubled else digit)) % 10, not doubled


def test_the_drawn_automaton_has_twenty_states_and_eleven_arrows():
    axes = chapter08.plot_luhn(luhn_step).axes[0]
    assert len(axes.lines) == 20 and len(axes.patches) == 11
    order = [text.get_text() for text in axes.texts if text.get_text() in "0123456789"]
    assert order.count("7") == 3  # two states, and the digit 7 on an arrow


def test_ways_stay_apart_after_a_wrong_digit():
    figure = chapter08.plot_ways(luhn_step, ["552026", "552076", "522026"])
    right, late, early = (list(line.get_ydata()) for line in figure.axes[0].lines)
    assert right == [0] * 7 and late[:5] == [0] * 5 and set(late[5:]) == {1}
    assert set(early[2:]) == {7}
    assert "552076 ends 1 apart" in figure.get_label()


def test_differing_digits_are_boxed():
    pen, chance = load_glyphs("pen", "test"), torch.Generator().manual_seed(8)
    lines = compose_lines(pen, 2, LineStyle(), chance, texts=["55207", "31"])
    seen, ruled = ["55201", "31"], ["55207", "41"]
    figure = chapter08.plot_corrections(lines, seen, ruled, names=["beam", "with the rule"])
    assert len(figure.axes[0].patches) == 2 and "differ in 2 digits" in figure.get_label()
    bold = [t.get_text() for t in figure.axes[0].texts if t.get_fontweight() == "bold"]
    assert sorted(bold) == ["1", "3", "4", "7"]


def test_a_slip_is_one_other_digit():
    card = luhn("0123456789", 16)
    number = "4111111111111111"
    for slip in chapter08.with_a_slip([number] * 50, torch.Generator().manual_seed(0)):
        assert sum(a != b for a, b in zip(slip, number, strict=True)) == 1
        assert not card.accepts(slip)


def test_a_rule_that_allows_nothing_leaves_nothing():
    probs = torch.full((3, 3), 1 / 3, dtype=torch.float64)
    nothing = chapter08.beam_with_rule(probs, 5, 0, lambda state, c: None, lambda state: False)
    assert nothing == {}
    free = chapter08.beam_with_rule(probs, 100, 0, lambda state, c: 0, lambda state: True)
    assert math.isclose(sum(free.values()), 1.0)


def test_orders_become_a_model_of_words():
    orders = draw_orders(300, torch.Generator().manual_seed(5))
    assert orders == draw_orders(300, torch.Generator().manual_seed(5))
    path = save_arpa(orders)
    model = read_arpa(path)
    places = range(len(model.characters))
    for before in ("", "two", "two brass", "two brass bells", "bells two"):
        state = model.start
        for word in before.split():
            state, _ = model.step(state, model.characters.index(word))
        follows = [model.step(state, place)[1] for place in places]
        ends = model.final_weights(np.array([state])).tolist()
        # all words, the unknown one, and the end
        assert sum(map(math.exp, [*follows, *ends])) == pytest.approx(1, abs=1e-4)
    language = word_language(None, path)
    assert language.score("two brass bells") > language.score("two brass belts") + 2
