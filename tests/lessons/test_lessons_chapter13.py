"""Notebook 13: its cases, the tests that tests are tested with, and the chart."""

from __future__ import annotations

import inspect
import itertools
import json
import math
import re

import matplotlib.colors
import pytest
import torch
from conftest import ROOT
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyBboxPatch
from torch.nn import functional as F

from crnn_lib.ctc import collapse, label_probability_brute_force
from crnn_lib.lessons.chapter13 import exercises as chapter13
from crnn_lib.lessons.chapter13 import flowchart
from crnn_lib.lessons.chapter13 import mutants as mutants13
from crnn_lib.lessons.chapter13 import specimens as wild
from crnn_lib.lessons.chapter13.cases import CASES
from crnn_lib.lessons.engine import examine

EXERCISES = {exercise.id: exercise for exercise in chapter13.EXERCISES}
NOTEBOOK = ROOT / "notebooks" / "13_bugs_in_the_wild.ipynb"


def verdict(id, answer):
    return examine(EXERCISES[id], answer)


# ------------------------------------------------------------------ the cases


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.symptom)
def test_each_cases_test_fails_on_the_bug_and_passes_on_the_cure(case):
    assert not case.passes(case.specimen)
    assert case.passes(case.cure)
    assert case.cover_ups and not any(case.passes(function) for function in case.cover_ups)


@pytest.fixture(scope="module")
def prose():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


@pytest.mark.parametrize("number", range(1, len(CASES) + 1))
def test_notebook_shows_each_case_with_its_test_and_its_source(number, prose):
    case = CASES[number - 1]
    chapter = prose.split(f"## Case {number}: {case.symptom}\n")
    assert len(chapter) == 2, "one heading, with the symptom in it"
    text = re.split(r"\n## ", chapter[1])[0]
    assert f"```python\n{inspect.getsource(case.test).rstrip()}\n```" in text
    assert "**Predict" in text and "**Diagnosis.**" in text and "**Mend:**" in text
    assert f"| {number} | {case.symptom} | " in prose, "the table of sources names it"


def test_source_in_the_prose_is_the_specimens(prose):
    assert f"```python\n{inspect.getsource(wild.share_right).rstrip()}\n```" in prose


def test_a_source_is_printed_whole(capsys):
    wild.show_source(wild.encode)
    assert capsys.readouterr().out == inspect.getsource(wild.encode).rstrip() + "\n"


def test_learning_forgets_nothing_of_the_global_generator():
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    losses, label = wild.learn(wild.line_loss, [6, 6, 3, 1, 8])
    assert torch.equal(torch.rand(2), wanted)
    assert len(losses) == 201 and losses[0] < -10 and label == [6, 6, 3, 1, 8]


# ------------------------------------------------------------------ what tests are tested with


def loss_batches():
    """Small batches with all there is, the blank at both ends."""
    chance = torch.Generator().manual_seed(1)
    for blank in (0, 2):
        one, two = (c for c in range(3) if c != blank)
        targets = torch.tensor([[one, one, two], [two, one, one], [one, two, two], [one, one, two]])
        T, L = torch.tensor([4, 3, 4, 2]), torch.tensor([2, 1, 3, 2])
        log_probs = torch.randn(4, 5, 3, generator=chance).log_softmax(-1)
        yield log_probs, targets, T, L, blank


def by_listing(log_probs, targets, T, L, blank):
    rows = zip(log_probs, targets.tolist(), T.tolist(), L.tolist(), strict=True)
    found = [label_probability_brute_force(x[:t], y[:n], blank=blank) for x, y, t, n in rows]
    return torch.tensor([-math.log(p) if p else math.inf for p in found])


@pytest.mark.parametrize("variant", mutants13.LOSSES, ids=lambda v: v.name)
def test_right_losses_are_right(variant):
    loss_of = mutants13.wrap_loss(variant.make())
    for batch in loss_batches():
        assert torch.allclose(loss_of(*batch), by_listing(*batch), rtol=1e-4)


@pytest.mark.parametrize("variant", mutants13.WRONG_LOSSES, ids=lambda v: v.name)
def test_wrong_losses_are_wrong(variant):
    loss_of, wrong = mutants13.wrap_loss(variant.make()), 0
    long = torch.zeros(1, 2000, 3).log_softmax(-1)
    cases = [(batch, by_listing(*batch)) for batch in loss_batches()]
    exact = F.ctc_loss(long.transpose(0, 1), torch.tensor([[1]]), (2000,), (1,), reduction="sum")
    cases.append(((long, torch.tensor([[1]]), torch.tensor([2000]), torch.tensor([1]), 0), exact))
    for batch, right in cases:
        try:
            wrong += not torch.allclose(loss_of(*batch), right, rtol=1e-3)
        except (RuntimeError, IndexError):
            assert "lines for frames" in variant.name
            wrong += 1
    assert 0 < wrong
    assert wrong < len(cases) or "lines for frames" in variant.name, "right now and then"


def readings():
    """(log_probs, frame_lengths, blank) and what it says, over all short paths."""
    for blank in (0, 3):
        paths = torch.tensor([*itertools.product(range(4), repeat=4)])
        lengths = torch.arange(len(paths)) % 4 + 1
        labels = [collapse(p[:n], blank=blank) for p, n in zip(paths, lengths, strict=True)]
        yield (F.one_hot(paths, 4).float().log_softmax(-1), lengths, blank), labels


@pytest.mark.parametrize("variant", mutants13.READERS, ids=lambda v: v.name)
def test_right_readers_are_right(variant):
    read = mutants13.wrap_reader(variant.make())
    assert all(read(*batch) == labels for batch, labels in readings())


@pytest.mark.parametrize("variant", mutants13.WRONG_READERS, ids=lambda v: v.name)
def test_wrong_readers_are_wrong(variant):
    read = mutants13.wrap_reader(variant.make())
    assert not all(read(*batch) == labels for batch, labels in readings())
    clear = F.one_hot(torch.tensor([[1, 1, 2, 0]]), 5).float()  # wrong somewhere, not everywhere
    assert (
        read(clear, torch.tensor([4]), 0) == [[1, 2]]
        or "never merges" in variant.name
        or ("last class" in variant.name)
    )


def test_networks_stay_the_same_and_take_no_random_numbers():
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    mutants13.built.cache_clear()
    images, widths = torch.ones(2, 1, 32, 40), torch.tensor([40, 24])
    for variant in (*mutants13.NETWORKS, *mutants13.WRONG_NETWORKS):
        first, second = (variant.make()(images, widths)[0] for _ in range(2))
        assert torch.allclose(first, second, atol=1e-5), variant.name
    assert torch.equal(torch.rand(2), wanted)


# ------------------------------------------------------------------ tests that learners write


def other_company_test(network):
    """Pad a line, exchange the lines, read twice; with assert."""
    images, widths = torch.rand(2, 1, 32, 60), torch.tensor([60, 36])
    images = images.round(decimals=2)
    together, T = network(images, widths)
    exchanged, other_T = network(images.flip(0), widths.flip(0))
    alone, (own,) = network(images[1:, :, :, :36], widths[1:])
    assert T.tolist() == other_T.flip(0).tolist() and own == T[1]
    for log_probs in (together[1], exchanged[0]):
        torch.testing.assert_close(log_probs[:own], alone[0], rtol=0, atol=1e-4)


def other_loss_test(loss_of):
    """Known values by hand, and laws; no oracle."""
    for blank, a, b in ((0, 1, 2), (2, 0, 1)):
        flat = torch.zeros(3, 3, 3).log_softmax(-1)
        targets = torch.tensor([[a, b, a], [a, a, b], [b, a, a]])
        T, L = torch.tensor([3, 2, 3]), torch.tensor([1, 2, 2])
        by_hand = torch.tensor([27 / 6, math.inf, 27 / 5]).log()
        if not torch.allclose(loss_of(flat, targets, T, L, blank), by_hand, atol=1e-4):
            return False
        T, L = torch.tensor([3, 3, 1]), torch.tensor([3, 2, 1])
        by_hand = torch.tensor([27.0, 27.0, 3.0]).log()
        uneven = torch.cat([flat, flat], 1)[:, :4]
        if not torch.allclose(loss_of(uneven, targets, T, L, blank), by_hand, atol=1e-4):
            return False
        probs = torch.zeros(1, 2, 3)
        probs[..., blank], probs[..., a] = 0.6, 0.4
        two = torch.tensor([2]), torch.tensor([1])
        loss = loss_of(probs.log(), torch.tensor([[a]]), *two, blank)
        if not torch.allclose(loss, torch.tensor([-math.log(0.64)])):
            return False
        long = torch.zeros(1, 1500, 3).log_softmax(-1)
        lengths = torch.tensor([1500]), torch.tensor([1])
        if not torch.isfinite(loss_of(long, targets[:1], *lengths, blank)).all():
            return False
    return True


def test_another_way_to_test_is_accepted():
    assert len(mutants13.WRONG_LOSSES) == 9  # as the notebook says
    assert verdict("13.5", other_company_test).status == "correct"
    assert verdict("13.2", other_loss_test).status == "correct", verdict(
        "13.2", other_loss_test
    ).text


def test_flat_lines_cannot_tell_which_class_is_the_blank():
    def loss_test(loss_of):
        flat = torch.zeros(1, 3, 3).log_softmax(-1)
        one = torch.tensor([3]), torch.tensor([1])
        loss = loss_of(flat, torch.tensor([[1]]), *one, 2)
        return torch.allclose(loss, torch.tensor([math.log(27 / 6)]))

    assert "lets through one that takes class 0 for the blank" in verdict("13.2", loss_test).text


@pytest.mark.parametrize("id", ["13.2", "13.3", "13.5"])
def test_tests_that_do_not_look_are_no_tests(id):
    assert "the test fails on one that is right" in verdict(id, lambda function: False).text
    assert verdict(id, lambda function: True).status == "not yet"
    text = verdict(id, lambda function: None).text
    assert "return True or False, or let assert decide" in text
    text = verdict(id, lambda function: function.nothing).text
    assert "raises AttributeError" in text


@pytest.mark.parametrize("id", ["13.2", "13.3", "13.5"])
def test_a_test_that_counts_its_calls_is_found_out(id):
    right = {"13.2": 3, "13.3": 3, "13.5": 3}[id]
    calls = itertools.count()
    text = verdict(id, lambda function: next(calls) < 2 * right).text
    assert "the same implementation must get the same verdict each time" in text


@pytest.mark.parametrize("id", ["13.2", "13.3", "13.5"])
def test_implementations_look_alike(id):
    seen = set()

    def spy(function):
        seen.add((function.__name__, str(inspect.signature(function))))
        return True

    verdict(id, spy)
    assert len(seen) == 1


def test_survivors_are_counted_and_the_first_is_explained():
    text = verdict("13.3", lambda read: bool(read(torch.eye(4)[None], torch.tensor([4]), 0))).text
    assert text == (
        "your test lets through one that merges again what has been collapsed: it goes wrong "
        "only where a blank parts two equal characters.\n  Of 8 wrong ones, 0 fail."
    )


def test_an_error_of_the_learner_is_not_a_kill():
    def loss_test(loss_of):
        return loss_of(torch.zeros(1, 3, 3).log_softmax(-1)) > 0

    assert "raises TypeError" in verdict("13.2", loss_test).text


@pytest.mark.parametrize("value", [torch.tensor(True), torch.tensor([[True]])])
def test_a_tensor_of_one_truth_is_a_verdict(value):
    def reader_test(read):
        return value & chapter13.reader_test(read)

    assert verdict("13.3", reader_test).status == "correct"


# ------------------------------------------------------------------ mending


def test_other_cures_of_log_add_are_accepted():
    def where_before_and_after(a, b):
        both = a.isinf() & b.isinf()
        sum_ = torch.logaddexp(a.masked_fill(both, 0.0), b.masked_fill(both, 0.0))
        return sum_.masked_fill(both, -math.inf)

    def by_stacking(a, b):
        return torch.stack([a.clamp(min=-1e30), b.clamp(min=-1e30)]).logsumexp(0)

    for answer in (where_before_and_after, by_stacking):
        assert verdict("13.4", answer).status == "correct", verdict("13.4", answer).text


def test_a_clamp_that_is_left_after_the_cure_does_no_harm():
    def line_losses(*arguments):
        return chapter13.line_losses(*arguments).clamp(min=0)

    assert verdict("13.1", line_losses).status == "correct"


def test_the_stub_of_13_1_is_wrong_in_more_than_one_way(prose):
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    (source,) = ("".join(c["source"]) for c in cells if "def line_losses" in "".join(c["source"]))
    body = source[source.index("def line_losses") : source.index("\n\n\ncheck(")]
    names = {"torch": torch, "nn": torch.nn, "F": F}
    exec(body.replace('    raise NotImplementedError("Exercise 13.1")\n', ""), names)
    assert verdict("13.1", names["line_losses"]).status == "not yet"


# ------------------------------------------------------------------ the chart


def test_the_chart_answers_what_people_ask():
    asked = {"negative", "all blanks", "missing double letters", "train 99, eval 10", "inf", "NaN"}
    assert len(flowchart.CHART) == 6
    assert all(any(words in symptom for symptom in flowchart.CHART) for words in asked)


def test_the_chart_sends_nobody_astray():
    for steps in flowchart.CHART.values():
        for step in steps:
            assert step.stop in ("yes", "no")
            for number in re.findall(r"cases? (\d+)(?: and (\d+))?", step.where):
                assert all(1 <= int(n) <= len(CASES) for n in number if n)
            for number in re.findall(r"notebook (\d\d)", step.where):
                assert list((ROOT / "notebooks").glob(f"{number}_*.ipynb"))


def test_all_of_the_chart_is_in_its_words():
    words = " ".join(flowchart.flowchart_in_words().split())
    for symptom, steps in flowchart.CHART.items():
        assert symptom.upper() in words
        for step in steps:
            assert step.question in words and step.cure in words
    assert all(len(line) <= 96 for line in flowchart.flowchart_in_words().splitlines())


def test_the_chart_is_readable_on_one_page_and_without_colour():
    figure = flowchart.plot_flowchart()
    width, height = figure.get_size_inches()
    assert width <= 8.3 and height <= 11
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (axes,) = figure.axes
    boxes = [p for p in axes.patches if isinstance(p, FancyBboxPatch)]
    assert len(boxes) == 6 * 7
    extents = [box.get_window_extent() for box in boxes]
    held = 0
    for text in axes.texts:
        if not text.get_text():
            continue
        assert text.get_size() >= 7.5
        own = text.get_window_extent()
        inside = [e for e in extents if e.contains(*own.min) or e.contains(*own.max)]
        held += bool(inside)
        assert all(e.contains(*own.min) and e.contains(*own.max) for e in inside), text.get_text()
    assert held == 6 * (1 + 3 * 3)
    for colour in {box.get_facecolor() for box in boxes}:
        assert matplotlib.colors.rgb_to_hsv(colour[:3])[1] < 0.2


def test_each_text_of_the_chart_has_its_own_room():
    figure = flowchart.plot_flowchart()
    FigureCanvasAgg(figure).draw()
    extents = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text()]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(extents, 2))
