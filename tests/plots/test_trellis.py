"""Alignments as ways through the trellis, and panels of what is said of each frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.patches import Circle

from crnn_lib import Alphabet
from crnn_lib.ctc import alignments, states_of
from crnn_lib.plots import plot_panels, plot_posteriors, plot_trellis


def flat(frames=6, classes=11):
    return torch.full((frames, classes), 1.0 / classes)


@pytest.mark.parametrize("label", [[1], [1, 1], [1, 2, 2], []])
def test_an_alignment_names_the_class_of_each_of_its_states(label):
    states = [0, *(c for character in label for c in (character, 0))]
    found = [states_of(alignment) for alignment in alignments(label, 6)]
    for way, alignment in zip(found, alignments(label, 6), strict=True):
        assert [states[s] for s in way] == list(alignment)
        assert way[0] <= 1 and way[-1] >= len(states) - 2
        assert all(0 <= step <= 2 for step in np.diff(way))
    assert len({*map(tuple, found)}) == len(found)


def test_ways_go_down_the_trellis_and_their_meeting_is_ringed():
    figure = plot_trellis("55207", ["--5-5207", "5-55-207"])
    (axes,) = figure.axes
    first, _, second, _ = (line.get_xydata() for line in axes.lines if len(line.get_xydata()) == 8)
    assert (np.diff(first[:, 0]) > 0).all() and (np.diff(first[:, 1]) >= 0).all()
    (ring,) = [patch for patch in axes.patches if isinstance(patch, Circle)]
    met = int(np.argmin(np.abs(first - ring.center).sum(1)))
    assert met == 5 and np.allclose(first[met:, 0], second[met:, 0])
    assert "meet in frame 5, state 5 (2), and go on as one" in figure.get_label()


def test_the_forbidden_skip_is_said_and_drawn_only_between_equals():
    words = plot_trellis("55207", ["55-52207"], forbidden=0).get_label()
    assert words.endswith("In red: the skip from one 5 to the next 5, which is forbidden.")
    assert "forbidden" not in plot_trellis("520", ["5-20"], forbidden=0).get_label()


@pytest.mark.parametrize(
    "panels, told",
    [
        ([["5-5207"], ["55207-"]], "collapses to '5207'"),
        ([["5-5207", "5-55207"]], "7 frames"),
        ([[]], "1 to 3 alignments"),
        ([], "1 to 3 alignments"),
        ([["5-5207", ["5", "-", "5", "2", "0", "-"]]], "'5-520-' has 6 frames and collapses to"),
    ],
)
def test_alignments_of_another_text_or_length_are_refused(panels, told):
    with pytest.raises(ValueError, match=told):
        plot_trellis("55207", *panels)


TOKENS = Alphabet(("th", "e", "cat", "c"), blank=2)


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def test_states_of_long_characters_are_whole_characters():
    """With an alphabet, or cut already; by itself a text is one code point after the other."""
    figures = [
        plot_trellis("theecat", ["-the-ecat", "th-e-ecat"], forbidden=2, alphabet=TOKENS),
        plot_trellis(
            ["th", "e", "e", "cat"],
            [["-", "th", "e", "-", "e", "cat"], ("th", "-", "e", "-", "e", "cat")],
            forbidden=2,
        ),
    ]
    for figure in figures:
        names = texts_of(figure.axes[0])
        assert names[:9] == ["-", "th", "-", "e", "-", "e", "-", "cat", "-"]
        assert names[15:27] == ["-", "th", "e", "-", "e", "cat", "th", "-", "e", "-", "e", "cat"]
        words = figure.get_label()
        assert words.startswith(
            "The 9 states of th e e cat, from top to bottom, and 6 frames. - th "
        )
        assert "from one e to the next e" in words
        figure.draw_without_rendering()
        left = figure.axes[0].get_window_extent().x0
        assert min(text.get_window_extent().x0 for text in figure.axes[0].texts) >= left
    letters = plot_trellis("the", ["-th-e"])
    assert texts_of(letters.axes[0])[:7] == ["-", "t", "-", "h", "-", "e", "-"]
    assert letters.get_label().startswith("The 7 states of the, from")
    with pytest.raises(
        ValueError, match="'- th - e' has 4 frames and collapses to 'th e'.*of 't h'"
    ):
        plot_trellis(["t", "h"], ["-th-e"], alphabet=TOKENS)


def test_an_alignment_alone_is_no_panel():
    with pytest.raises(TypeError, match=r"list of alignments, such as \['5-5207'\]; got a str"):
        plot_trellis("55207", "5-5207")
    with pytest.raises(TypeError, match="alphabet is an Alphabet"):
        plot_trellis("55207", ["5-5207"], alphabet="0123456789")


@pytest.mark.parametrize("characters", [None, "thecat", ("th", "cat")])
def test_panels_name_long_characters(characters):
    numbers = torch.full((6, 5), 0.2)
    figure = plot_panels({"p": numbers}, characters=characters, alphabet=TOKENS)
    named = {None: list(TOKENS.characters), "thecat": ["th", "e", "cat"]}
    wanted = named.get(characters, ["th", "cat"])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["blank", *wanted]
    long = Alphabet(("e", "international"))
    figure = plot_panels({"p": numbers[:, :3]}, alphabet=long)
    figure.draw_without_rendering()
    assert all(t.get_window_extent().x0 >= 0 for t in figure.axes[0].get_yticklabels())
    figure = plot_posteriors(torch.zeros(9, 40), flat(classes=3).log(), alphabet=long)
    figure.draw_without_rendering()
    heat = next(a for a in figure.axes if "international" in str(a.get_yticklabels()))
    assert all(t.get_window_extent().x0 >= 0 for t in heat.get_yticklabels())


def test_a_frame_without_a_next_one_has_no_skip():
    with pytest.raises(ValueError, match="a frame from 0 to 4; got 5"):
        plot_trellis("55207", ["5-5207"], forbidden=5)


@pytest.mark.parametrize("blank", [0, 10])
def test_panels_show_the_rows_asked_for_and_the_blank_above(blank):
    alphabet = Alphabet(blank=blank)
    numbers = flat()
    numbers[2, alphabet.encode("7")[0]] = 0.9
    figure = plot_panels({"p": numbers}, characters="57", alphabet=alphabet)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["blank", "5", "7"]
    assert axes.yaxis_inverted()  # the first of them is the highest
    drawn = axes.collections[0].get_array().reshape(2, 6)
    assert np.unravel_index(drawn.argmax(), drawn.shape) == (1, 2)


def test_a_panel_with_negative_numbers_points_up_where_a_step_raises():
    difference = torch.zeros(4, 11)
    difference[1, 6], difference[2, 3] = -0.5, 0.25
    (axes,) = plot_panels({"p - gamma": difference}, characters="52").axes
    assert axes.get_title(loc="left").endswith("(▲ will rise, ▼ will fall)")
    up, down = axes.collections[:2]
    assert up.get_offsets().tolist() == [[1.5, 1.5]] and down.get_offsets().tolist() == [[2.5, 2.5]]
    assert up.get_sizes()[0] == pytest.approx(2 * down.get_sizes()[0])
    assert up.get_paths()[0].vertices[:, 1].max() != down.get_paths()[0].vertices[:, 1].max()


@pytest.mark.parametrize(
    "given, told",
    [
        ({}, "one shape"),
        ({"p": flat(), "q": flat(7)}, "one shape"),
        ({"p": torch.zeros(11)}, "one shape"),
        ({"p": flat(classes=5)}, "are 11 classes; the panels have 5"),
    ],
)
def test_panels_that_do_not_fit_are_refused(given, told):
    with pytest.raises(ValueError, match=told):
        plot_panels(given)
