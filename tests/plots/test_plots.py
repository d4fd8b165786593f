"""Figures: what they show, what they say, and that they can be read."""

from __future__ import annotations

import base64
import io
import struct

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from crnn_lib import plots
from crnn_lib.alphabet import Alphabet
from crnn_lib.evaluation import evaluate_texts
from crnn_lib.handwriting import Glyphs, LineStyle, compose_lines, load_glyphs
from crnn_lib.models import CRNN, SlidingWindowRNN, frame_edges
from crnn_lib.plots.style import ACCENT, CURVES, DPI, WIDTH
from crnn_lib.training import History

TEXTS = ["55207", "18", "9074421", "0", "3141592653", "77"]
READINGS = ["55207", "13", "9074421", "", "3141592653", "7"]


@pytest.fixture(scope="module")
def glyphs():
    return load_glyphs("pen", "train", count=200)


@pytest.fixture(scope="module")
def lines(glyphs):
    generator = torch.Generator().manual_seed(0)
    return compose_lines(glyphs, len(TEXTS), LineStyle(), generator, texts=TEXTS)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return CRNN().eval()


@pytest.fixture(scope="module")
def report():
    truths = ["55207", "18", "907", "55207", "77", "18"]
    return evaluate_texts(["55201", "18", "901", "5520", "77", "13"], truths)


def history(steps=40, factor=1.0):
    step = list(range(10, 10 * steps + 1, 10))
    loss = [factor * 3.0 * 0.9**k for k in range(steps)]
    match = [k / steps for k in range(steps)]
    rate = [0.004] * steps
    return History(step, loss, match, rate, [0.0] * steps, [200], [0.5], [0.1])


def alignment_log_probs(text, alphabet, *, peak=0.95):
    """A lattice whose best path is given symbol by symbol."""
    classes = torch.tensor([alphabet.symbols.index(symbol) for symbol in text])
    rest = (1 - peak) / (alphabet.num_classes - 1)
    probs = torch.full((len(text), alphabet.num_classes), rest)
    probs[torch.arange(len(text)), classes] = peak
    return probs.log()


@pytest.fixture(scope="module")
def figures(glyphs, lines, model, report):
    image = lines.images[0, :, :, : lines.widths[0]]
    log_probs = alignment_log_probs("-55--5--22---0---7-", Alphabet())
    return {
        "trellis": plots.plot_trellis("552", ["55-52"], ["5-552", "55-52"], forbidden=0),
        "panels": plots.plot_panels({"p": log_probs.exp(), "log p": log_probs}, image=image),
        "lines": plots.plot_lines(lines),
        "lines read": plots.plot_lines(lines, readings=READINGS, spans=False),
        "one line": plots.plot_lines(lines.select([3]), readings=["12345678901234567890"]),
        "glyphs": plots.plot_glyphs(glyphs),
        "receptive field": plots.plot_receptive_field(model, image),
        "window": plots.plot_receptive_field(SlidingWindowRNN(), image, (3,)),
        "history": plots.plot_history(history()),
        "histories": plots.plot_history({"CRNN": history(), "window": history(25, 0.5)}),
        "posteriors": plots.plot_posteriors(image, log_probs),
        "errors": plots.plot_errors_by_length({"CRNN": report, "window": report}),
        "confusions": plots.plot_confusions(report),
        "no confusions": plots.plot_confusions(evaluate_texts(["1"], ["1"])),
    }


def texts_of(figure):
    found = figure.findobj(matplotlib.text.Text)
    return [text for text in found if text.get_text().strip() and text.get_visible()]


# ------------------------------------------------------------------ all figures


NAMES = ["lines", "lines read", "one line", "glyphs", "receptive field", "window", "history"]
NAMES += ["trellis", "panels", "histories", "posteriors", "errors", "confusions", "no confusions"]


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_can_be_read(figures, name):
    figure = figures[name]
    assert isinstance(figure, Figure)
    data = plots.to_png(figure)
    width, height = struct.unpack(">II", data[16:24])
    assert width <= WIDTH * DPI and height <= 10 * DPI
    grey = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    assert np.ptp(grey) > 180  # on a printer without colours, too
    for text in texts_of(figure):
        assert text.get_fontsize() >= 8, text
    seen = [t for axes in figure.axes for t in axes.texts]
    for text in [t for t in seen if t.get_text().strip()]:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_says_what_it_shows_in_one_line(figures, name):
    words = figures[name].get_label()
    assert words.endswith(".") and "\n" not in words and 10 < len(words) < 300
    assert words[0].isupper() or words[0].isdigit()


def test_curves_differ_in_their_dashes():
    assert len({dashes for _, dashes in CURVES}) == len(CURVES)


def test_same_figure_same_bytes(lines):
    first, second = (plots.to_png(plots.plot_lines(lines)) for _ in range(2))
    assert first == second
    assert b"Software" not in first


def test_the_users_settings_neither_matter_nor_change(lines):
    plain = plots.to_png(plots.plot_history(history()))
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "lines.linewidth": 9}):
        before = dict(matplotlib.rcParams)
        assert plots.to_png(plots.plot_history(history())) == plain
        assert dict(matplotlib.rcParams) == before


def test_figures_stay_out_of_pyplot(figures):
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []


# ------------------------------------------------------------------ show


def test_show_prints_the_words(lines, capsys):
    figure = plots.plot_lines(lines)
    plots.show(figure)
    plots.show(figure, "Six lines.")
    assert capsys.readouterr().out == f"{figure.get_label()}\nSix lines.\n"


def test_show_displays_a_png_with_its_words_in_a_notebook(lines):
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    try:
        with capture_output() as captured:
            plots.show(plots.plot_lines(lines), "Six lines.")
    finally:
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()
    assert captured.stdout == "Six lines.\n"
    (output,) = captured.outputs
    assert output.data["text/plain"] == "<Figure>"
    image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    shown = output.metadata["image/png"]
    assert shown["alt"] == "Six lines." and shown["width"] <= 96 * WIDTH
    assert image.width == pytest.approx(shown["width"] * DPI / 96, abs=2)  # sharper than shown


# ------------------------------------------------------------------ lines


def test_lines_bear_their_texts(lines):
    figure = plots.plot_lines(lines)
    shown = [text.get_text() for text in texts_of(figure)]
    assert [text for text in shown if len(text) > 1] == [text for text in TEXTS if len(text) > 1]
    assert sorted(text for text in shown if len(text) == 1) == sorted("".join(TEXTS) + "0")
    assert figure.get_label() == (
        "6 lines: 55207, 18, 9074421, 0, 3141592653, 77. A bracket marks the ink of each character."
    )


def test_wrong_readings_are_marked_by_more_than_colour(lines):
    figure = plots.plot_lines(lines, readings=READINGS)
    shown = [text.get_text() for text in texts_of(figure)]
    assert shown.count("\u2713") == 3
    assert shown.count("\u2717 read") == 3
    assert "nothing" in shown  # an empty reading is named
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert len(bars) == 3
    assert figure.get_label().endswith("Read right: 3 of 6.")


def test_brackets_of_long_characters_bear_whole_names_or_none():
    alphabet, generator = Alphabet(("12", "0", "7")), torch.Generator().manual_seed(0)
    glyphs, style = load_glyphs("pen", "test", count=100), LineStyle()
    batch = compose_lines(glyphs, 2, style, generator, texts=["1207", "012"], alphabet=alphabet)
    shown = [text.get_text() for text in texts_of(plots.plot_lines(batch, alphabet=alphabet))]
    assert shown == ["1207", "12", "0", "7", "012", "0", "12"]
    figure = plots.plot_lines(batch)
    assert [text.get_text() for text in texts_of(figure) if text.get_text()] == ["1207", "012"]
    assert len(figure.axes[0].lines) == 5


def test_a_bracket_stands_under_its_ink(lines):
    line = lines.select([2])
    figure = plots.plot_lines(line)
    (image,) = figure.axes[0].images
    left, right, bottom, _ = image.get_extent()
    scale = (right - left) / int(line.widths[0])
    brackets = figure.axes[0].lines
    assert len(brackets) == len(line.texts[0])
    for bracket, (start, end) in zip(brackets, line.spans[0].tolist(), strict=True):
        x, y = bracket.get_data()
        assert x.min() == pytest.approx(left + scale * start)
        assert x.max() == pytest.approx(left + scale * end)
        assert y.min() > bottom  # the axis points down


def test_lines_are_drawn_dark_on_light(lines):
    image = Image.open(io.BytesIO(plots.to_png(plots.plot_lines(lines.select([0]))))).convert("L")
    pixels = np.asarray(image)
    assert pixels.min() < 50 and np.median(pixels) > 230


def test_lines_need_lines_and_as_many_readings(lines):
    with pytest.raises(ValueError, match="no lines"):
        plots.plot_lines(lines.select([]))
    with pytest.raises(ValueError, match="6 expected, got 1"):
        plots.plot_lines(lines, readings=["55207"])
    with pytest.raises(ValueError, match="6 expected, got '55207'"):
        plots.plot_lines(lines, readings="55207")


# ------------------------------------------------------------------ glyphs


def test_glyph_grid_has_a_row_for_each_digit(glyphs):
    figure = plots.plot_glyphs(glyphs, 100)
    assert len(figure.axes[0].images) == 100
    assert [text.get_text() for text in texts_of(figure)] == list("0123456789")
    tops = [image.get_extent()[3] for image in figure.axes[0].images]
    assert len(set(tops)) == 10
    first_seven = figure.axes[0].images[70].get_array()
    assert np.allclose(first_seven, glyphs.of("7").images[0].numpy() / 255)


def test_glyph_grid_copes_with_many_or_missing_characters():
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    images = torch.randint(256, (72, 28, 28), dtype=torch.uint8)
    many = Glyphs(images, torch.arange(72) % 35, "pen", "train", letters)
    figure = plots.plot_glyphs(many, 72)
    assert len(figure.axes[0].images) == 70  # two of each, and no Z
    assert [text.get_text() for text in texts_of(figure)] == list(letters)


# ------------------------------------------------------------------ receptive fields


def test_receptive_field_marks_the_models_columns(lines, model):
    image = lines.images[0, :, :, : lines.widths[0]]
    figure = plots.plot_receptive_field(model, image, (4, 9))
    (strip,) = figure.axes[0].images
    left, right, *_ = strip.get_extent()
    scale = (right - left) / image.shape[-1]
    bands = figure.axes[0].patches
    for band, frame in zip(bands, (4, 9), strict=True):
        start, end = model.receptive_field(frame)
        assert band.get_x() == pytest.approx(left + scale * start)
        assert band.get_width() == pytest.approx(scale * (end - start))
    start, end = model.receptive_field(4)
    assert f"sees {end - start} of" in figure.get_label()


def test_receptive_field_refuses_a_frame_beyond_the_line(lines, model):
    for frames in [(1000,), (-1,), ()]:
        with pytest.raises(ValueError, match="some of this line's frames, 0 to"):
            plots.plot_receptive_field(model, lines.images[0], frames)
    with pytest.raises(ValueError, match="one line"):
        plots.plot_receptive_field(model, lines.images, (1,))


# ------------------------------------------------------------------ posteriors


@pytest.mark.parametrize("blank", [0, 10])
def test_posteriors_stand_under_their_columns(lines, blank):
    alphabet = Alphabet(blank=blank)
    model = CRNN(alphabet=alphabet).eval()
    image = lines.images[0, :, :, : lines.widths[0]]
    frames = int(model.frame_lengths(lines.widths[:1]))
    path = "-5-5-2-0-7".ljust(frames, "-")
    log_probs = alignment_log_probs(path, alphabet)
    figure = plots.plot_posteriors(image, log_probs, model=model)
    strip, heat, apart, _ = figure.axes
    for axes in (heat, apart):  # same scale, same place: column under column
        assert axes.get_xlim() == strip.get_xlim()
        assert axes.get_position().x0 == pytest.approx(strip.get_position().x0)
        assert axes.get_position().x1 == pytest.approx(strip.get_position().x1)
    assert list(strip.images[0].get_extent()[:2]) == [0, image.shape[-1]]
    mesh, edges = heat.collections[0], frame_edges(model, frames)
    assert np.allclose(mesh.get_coordinates()[0, :, 0], edges)
    digits = [c for c in range(11) if c != blank]
    shown = np.asarray(mesh.get_array()).reshape(10, frames)
    assert np.allclose(shown, log_probs.exp().T[digits])
    blanks = np.asarray(apart.collections[0].get_array()).ravel()
    assert np.allclose(blanks, log_probs.exp()[:, blank])
    assert [label.get_text() for label in heat.get_yticklabels()] == list("0123456789")
    assert apart.get_position().y0 > heat.get_position().y1  # the blank above


def test_posteriors_mark_the_best_path_and_label_its_runs(figures):
    figure = figures["posteriors"]
    _, heat, apart, _ = figure.axes
    dots = next(line for line in heat.lines if line.get_marker() == "o")
    assert dots.get_ydata().tolist() == [5, 5, 5, 2, 2, 0, 7]
    assert dots.get_color() == ACCENT
    assert len(apart.lines[0].get_xdata()) == 12
    assert [text.get_text() for text in apart.texts] == list("55207")
    assert figure.get_label() == (
        "19 frames, 12 of them blank on the best path (dots). Its 5 runs read 55207."
    )


def test_posteriors_keep_the_lines_proportions(lines):
    for n in (1, 4):  # a short and a long one
        image = lines.images[n, 0, :, : lines.widths[n]]
        figure = plots.plot_posteriors(image, alignment_log_probs("-1--8-", Alphabet()))
        box = figure.axes[0].get_window_extent()
        low, high = figure.axes[0].get_xlim()
        assert box.width / (high - low) == pytest.approx(box.height / len(image), rel=0.01)


def test_posteriors_of_an_all_blank_lattice(lines):
    figure = plots.plot_posteriors(lines.images[0], alignment_log_probs("----", Alphabet()))
    assert figure.get_label().endswith("Its 0 runs read nothing.")


def test_posteriors_refuse_a_batch(lines):
    with pytest.raises(ValueError, match=r"\(T, C\); got \(2, 8, 11\)"):
        plots.plot_posteriors(lines.images[0], torch.zeros(2, 8, 11))


# ------------------------------------------------------------------ charts


def test_history_draws_loss_match_and_learning_rate():
    one = history()
    figure = plots.plot_history(one)
    loss, match, rate = figure.axes
    assert loss.get_yscale() == "log"
    assert loss.lines[0].get_ydata().tolist() == one.loss
    assert match.lines[0].get_ydata().tolist() == one.exact_match
    assert rate.lines[0].get_ydata().tolist() == one.learning_rate
    circles = next(line for line in match.lines if line.get_marker() == "o")
    assert circles.get_xydata().tolist() == [[200, 0.5]]
    assert figure.get_label().startswith("In 400 steps the loss goes from 3 to ")


def test_smoothed_curve_keeps_a_straight_line_and_calms_noise():
    figure = plots.plot_history(history(100))
    raw, smooth = figure.axes[1].lines[:2]
    assert np.allclose(raw.get_ydata(), smooth.get_ydata())  # it is straight
    noisy = history(100)
    noisy.exact_match[50] = 0.0
    raw, smooth = plots.plot_history(noisy).axes[1].lines[:2]
    assert raw.get_ydata()[50] == 0.0 < 0.4 < smooth.get_ydata()[50]


def test_histories_are_named():
    figure = plots.plot_history({"CRNN": history(), "window": history(20)})
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["CRNN", "window"]
    assert figure.get_label().count("exact match ends at") == 2
    said = plots.plot_history({"crnn-digits": history()}).get_label()
    assert said.startswith("crnn-digits: in 400 steps the loss goes")


@pytest.mark.parametrize("none", [{}, History(), {"CRNN": History()}])
def test_history_needs_steps(none):
    with pytest.raises(ValueError, match="holds no step"):
        plots.plot_history(none)


def test_history_refuses_more_than_it_can_tell_apart():
    with pytest.raises(ValueError, match="Up to 4 histories"):
        plots.plot_history({str(k): history() for k in range(5)})


def runs_from(*starts, words=500, curve=((10, 1.0), (20, 0.5))):
    fonts = {"cer": 0.4, "cer_interval": [0.35, 0.5]}
    runs = [{"start": s, "words": words, "curve": curve, "fonts": fonts} for s in starts]
    return {"minutes": 2, "batch": 32, "runs": runs}


def test_pretraining_draws_each_run_and_its_interval():
    record = runs_from("random", "imagenet")
    record["runs"] += runs_from("random", words=50)["runs"]
    figure = plots.plot_pretraining(record)
    during, ended = figure.axes
    assert [line.get_xdata().tolist() for line in during.lines] == [[320, 640]] * 2
    assert during.lines[0].get_ydata().tolist() == [100, 50]
    bars = [bar.get_segments()[0][:, 1] for bar in ended.collections]
    assert np.allclose(bars, [[35, 50]] * 3)
    assert [text.get_text() for text in ended.get_xticklabels()] == ["50", "500"]
    assert figure.get_label() == (
        "CER after 2 minutes of a core each, by the words to learn from. random: 40 % of 50, 40 % "
        "of 500; imagenet: 40 % of 500."
    )


def test_pretraining_gives_the_mean_of_several_seeds_and_their_range():
    record = runs_from("random", "random", "random")
    for run, rate in zip(record["runs"], (0.4, 0.6, 0.44), strict=True):
        run["fonts"] = {"cer": rate, "cer_interval": [rate - 0.1, rate + 0.1]}
    figure = plots.plot_pretraining(record)
    assert "random: 48 % of 500." in figure.get_label()
    assert len(figure.axes[0].lines) == 3 and len(figure.legends[0].get_texts()) == 1
    (bar,) = figure.axes[1].collections
    assert np.allclose(bar.get_segments()[0][:, 1], [40, 60])


@pytest.mark.parametrize("starts", [(), "abcdef"])
def test_pretraining_refuses_what_it_cannot_draw(starts):
    with pytest.raises(ValueError, match=f"one to 5 starts.* got {len(starts)} starts"):
        plots.plot_pretraining(runs_from(*starts))


def test_errors_by_length_with_their_intervals(report):
    figure = plots.plot_errors_by_length(report)
    (axes,) = figure.axes
    (container,) = axes.containers
    line, _, (bars,) = container.lines
    assert line.get_xdata().tolist() == [2, 3, 5]
    assert np.allclose(line.get_ydata(), [100 / 3, 100, 100])
    low, high = bars.get_segments()[0][:, 1]
    assert (low, high) == (pytest.approx(6.15, abs=0.01), pytest.approx(79.23, abs=0.01))
    assert figure.get_label() == (
        "4 of 6 lines are read wrong, 33.3 % of those with 2 characters and 100.0 % of those "
        "with 5 characters."
    )


def test_confusions_with_their_counts(report):
    figure = plots.plot_confusions(report)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [2, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "7 read as 1",
        "8 read as 3",
    ]
    assert figure.get_label() == "Characters read as others: 7 as 1 (twice), 8 as 3 (once)."
    assert len(plots.plot_confusions(report, 1).axes[0].patches) == 1
