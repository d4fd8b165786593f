"""Wrong answers that readers of the series gave, and the sentence that each of them needs."""

from __future__ import annotations

import ast
import inspect
import math
import textwrap

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from crnn_lib import ctc
from crnn_lib.lessons import chapter01, chapter05, chapter09, chapter12
from crnn_lib.lessons.chapter06 import exercises as chapter06
from crnn_lib.lessons.chapter13 import mistakes as weak
from crnn_lib.lessons.engine import examine, kernel

EXERCISES = [e for chapter in kernel.chapters() for e in kernel.chapter_exercises(chapter)]
BY_ID = {e.id: e for e in EXERCISES}


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
def test_four_wrong_answers_are_known(exercise):
    assert len(exercise.mistakes) >= 4
    assert len({mistake.does for mistake in exercise.mistakes}) == len(exercise.mistakes)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
def test_no_sentence_hands_over_a_piece_of_the_solution(exercise):
    tree = ast.parse(textwrap.dedent(inspect.getsource(exercise.reference)))
    pieces = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.expr)}
    code = {piece for piece in pieces if len(piece) >= 12 and not piece.startswith(("'", '"'))}
    for mistake in exercise.mistakes:
        assert not [piece for piece in code if piece in mistake.rule]


def log_of_the_sum(log_probs, label):
    every = ctc.alignments(label, len(log_probs))
    return math.log(sum(math.exp(log_probs[range(len(a)), a].sum()) for a in every))


def moved_by(other):
    def log_sum_exp(values):
        m = other(values)
        return m + math.log(sum(math.exp(value - m) for value in values))

    return log_sum_exp


def through_the_last_alphas(log_probs, states, alpha, beta):
    gamma = torch.zeros_like(log_probs)
    for s, c in enumerate(states.tolist()):
        gamma[:, c] += (alpha[:, s] + beta[:, s]).exp() / alpha[-1].exp().sum()
    return log_probs.exp() - gamma


class TimeFirstGRU(chapter06.Layers):
    def forward(self, images):
        x = self.look(images).permute(3, 0, 1, 2).flatten(2)
        return self.classify(self.remember(x)[0]).transpose(0, 1).log_softmax(2)


def painted_black(columns, images, x):
    poked = images.clone()
    poked[0, 0, :, x] = 0.0
    return ((columns(poked) - columns(images)).abs() > 0).any(-1)


def learning(lengths="frames first", steps=True, train=True, number=True):
    def learn(network, optimizer, lines):
        if train:
            network.train()
        both = [chapter06.frames_of(lines.widths), lines.target_lengths]
        both = both if lengths == "frames first" else both[::-1]
        loss = F.ctc_loss(network(lines.images).transpose(0, 1), lines.targets, *both)
        optimizer.zero_grad()
        loss.backward()
        if steps:
            optimizer.step()
        return loss.item() if number else loss

    return learn


def last_written(alignment, *, blank=0):
    label = []
    for c in alignment:
        if c != blank and (not label or c != label[-1]):
            label.append(c)
    return label


def fence_posts(spans, gap):
    merged = []
    for start, end in spans:
        if merged and start - merged[-1][1] - 1 <= gap:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def open_end(confidences, correct, bins=10):
    sums = [[0.0, 0] for _ in range(bins)]
    for c, right in zip(confidences, correct, strict=True):
        sums[int(c * bins)][0] += c
        sums[int(c * bins)][1] += right
    return sum(abs(sure - right) for sure, right in sums) / len(correct)


def line_losses(scores, labels, frame_lengths):
    targets = pad_sequence([torch.tensor(label) for label in labels], batch_first=True)
    lengths = torch.tensor([len(label) for label in labels])
    log_probs = scores.log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(log_probs, targets, frame_lengths, lengths, reduction="none").clamp(min=0)


def three_hundred_frames(loss_of):
    flat = torch.zeros(1, 300, 3).log_softmax(-1), torch.tensor([[1, 1, 2]])
    line = *flat, torch.tensor([300]), torch.tensor([3])
    right = F.ctc_loss(line[0].transpose(0, 1), *line[1:], reduction="none")
    return weak.only_short_lines(loss_of) and torch.allclose(loss_of(*line, 0), right, rtol=1e-3)


@pytest.mark.parametrize(
    "id, answer, said",
    [
        ("1.1", lambda image: image.numpy()[:, 0] * 0, "an image of 1 row and"),
        ("1.3", fence_posts, "one empty column more than `gap` is not close any more"),
        ("3.1", last_written, "`1-1` became `1`: a blank between equal characters keeps them two"),
        ("4.2", log_of_the_sum, "this is log P; P was asked"),
        ("4.4", moved_by(lambda values: sum(values) / len(values)), "-inf minus -inf is nan"),
        ("4.6", through_the_last_alphas, "the frames of gamma do not add up to 1"),
        ("5.1", lambda stored: stored, "no pixel has moved"),
        ("5.1", lambda stored: stored.reshape(len(stored), 28, 28), "no pixel has moved"),
        (
            "5.3",
            lambda *all: chapter05.paste(*all).int(),
            "gives the right numbers as int32; the line that went in is uint8",
        ),
        ("6.2", TimeFirstGRU, "the GRU takes lines for time"),
        ("6.3", painted_black, "a column without ink is 0 already"),
        ("6.4", learning("swapped"), "frames come before label lengths"),
        ("6.4", learning(steps=False), "no step was taken, or none with a gradient"),
        ("6.4", learning(train=False), "this is eval mode"),
        ("6.4", learning(number=False), "a number was asked"),
        ("13.2", three_hundred_frames, "with three classes 300 frames are not enough, 700 are"),
        ("13.2", weak.only_not_negative, "Of 9 wrong ones, 1 fails."),
    ],
    ids=lambda value: value if isinstance(value, str) and value[:2].isdigit() else "",
)
def test_the_sentence_names_the_mistake(id, answer, said):
    verdict = examine(BY_ID[id], answer)
    assert verdict.status == "not yet"
    assert said in verdict.text


def test_an_error_is_named_by_its_mistake():
    exercise = next(e for e in EXERCISES if e.title == "expected calibration error")
    text = examine(exercise, open_end).text
    assert text.startswith("a confidence of 1 belongs to the last bin.")
    assert "raises IndexError: list index out of range" in text


def test_a_list_is_answered_with_lists():
    exercise = next(e for e in EXERCISES if e.title == "spans of an alignment")
    text = examine(exercise, lambda alignment: [(c, 0, 9) for c in alignment[:1]]).text
    assert "gives [(0, 0, 9)]; it should be []." in text


def test_a_cover_up_that_is_left_in_gets_a_remark():
    verdict = examine(BY_ID["13.1"], line_losses)
    assert verdict.status == "correct"
    assert verdict.text.endswith("The clamp does nothing any more; it would hide the next fault.")
    assert "clamp" not in examine(BY_ID["13.1"], BY_ID["13.1"].reference).text


def test_a_level_between_two_is_as_good_as_the_lower_one():
    def just_below_the_next(pixels):
        best = chapter12.best_threshold(pixels)
        return np.int64(min(p for p in pixels if p > best) - 1)

    assert examine(BY_ID["12.1"], just_below_the_next).status == "correct"


def test_a_mask_is_an_array_as_in_the_notebook():
    def band(mask, least):
        assert isinstance(mask, np.ndarray)
        return np.array(chapter12.band(mask, least))

    assert examine(BY_ID["12.2"], band).status == "correct"


def test_tuples_arrays_and_numpy_numbers_are_right():
    def spans(profile):
        return tuple(np.array(pair) for pair in chapter01.pieces(profile))

    assert examine(BY_ID["1.2"], spans).status == "correct"
    exercise = next(e for e in EXERCISES if e.title == "spans of an alignment")
    as_array = lambda alignment: np.array(chapter09.spans_of(alignment))  # noqa: E731
    assert examine(exercise, as_array).status == "correct"
