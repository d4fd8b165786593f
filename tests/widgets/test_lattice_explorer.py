"""The lattice explorer without a browser: JavaScript against Python, traits, stored lattices."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from conftest import ROOT
from test_widgets import modules, run_in_node

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import (
    alignments,
    count_alignments,
    ctc_loss,
    forward_backward,
    label_probability_brute_force,
    minimum_frames,
)
from crnn_lib.decoders import best_path
from crnn_lib.models import load_model
from crnn_lib.plots import to_png
from crnn_lib.widgets import LatticeExplorer
from crnn_lib.widgets.base import FOLDER
from crnn_lib.widgets.stills import plot_lattice

LINE = """
const line = (c) => ({ frames: c.T, classes: c.C,
    logProbs: Float64Array.from(c.logProbs, (p) => p ?? -Infinity) });
// JSON knows no infinities
const plain = (values) => Array.from(values, (v) => (v === -Infinity ? null : v));
"""


def random_case(generator, T: int, C: int, label_length: int, blank: int, zeros: bool = False):
    """A line and a label that fits it, as Python and as JSON have it."""
    log_probs = (2 * torch.randn(T, C, generator=generator, dtype=torch.float64)).log_softmax(1)
    if zeros:  # some posteriors are 0
        probs = log_probs.exp() * (torch.rand(T, C, generator=generator) > 0.3)
        probs[:, blank] += 1e-3
        log_probs = (probs / probs.sum(1, keepdim=True)).log()
    classes = [c for c in range(C) if c != blank]
    label: list[int] = []
    while len(label) < label_length:
        label.append(classes[int(torch.randint(len(classes), (1,), generator=generator))])
        if minimum_frames(label) > T:
            label.pop()
            break
    flat = [None if p == -math.inf else p for p in log_probs.flatten().tolist()]
    case = {"T": T, "C": C, "label": label, "blank": blank, "logProbs": flat}
    return log_probs, case


def random_cases(seed: int, longest: int, count: int = 40, **options) -> list:
    generator = torch.Generator().manual_seed(seed)
    found = []
    for k in range(count):
        T = int(torch.randint(1, longest + 1, (1,), generator=generator))
        C = int(torch.randint(2, 6, (1,), generator=generator))
        length = int(torch.randint(0, T + 1, (1,), generator=generator))
        blank = (0, C - 1, C // 2)[k % 3]
        found.append(random_case(generator, T, C, length, blank, **options))
    return found


def tensor(values: list, *shape: int) -> torch.Tensor:
    flat = [-math.inf if v is None else v for v in values]
    return torch.tensor(flat, dtype=torch.float64).reshape(shape)


# ------------------------------------------------------------------ JavaScript against Python


@pytest.mark.parametrize("zeros", [False, True])
def test_forward_backward_and_gradient(zeros):
    cases = random_cases(0, longest=24, zeros=zeros)
    assert any(minimum_frames(c["label"]) > len(c["label"]) for _, c in cases), "no repeats"
    expression = """(({ states, alpha, beta, stateOccupancy, occupancy, gradient, logProb }) => ({
        states, alpha: plain(alpha), beta: plain(beta), stateOccupancy: plain(stateOccupancy),
        occupancy: plain(occupancy), gradient: plain(gradient), logProb: plain([logProb])[0],
    }))(forwardBackward(line(c), c.label, c.blank))"""
    found = run_in_node(
        modules("forwardBackward", of="ctc.js") + LINE, expression, [c for _, c in cases]
    )
    impossible = 0
    for (log_probs, case), js in zip(cases, found, strict=True):
        lattice = forward_backward(log_probs, case["label"], blank=case["blank"])
        T, C, S = case["T"], case["C"], len(lattice.states)
        assert js["states"] == lattice.states.tolist()
        close = {"rtol": 1e-9, "atol": 1e-9}
        torch.testing.assert_close(tensor(js["alpha"], T, S), lattice.alpha, **close)
        torch.testing.assert_close(tensor(js["beta"], T, S), lattice.beta, **close)
        torch.testing.assert_close(
            tensor(js["stateOccupancy"], T, S), lattice.state_occupancy, **close
        )
        torch.testing.assert_close(tensor(js["occupancy"], T, C), lattice.occupancy, **close)
        assert js["logProb"] == pytest.approx(lattice.log_prob, rel=1e-9) or (
            js["logProb"] is None and lattice.log_prob == -math.inf
        )
        # the gradient is that of autograd, through a softmax
        logits = log_probs.clamp(min=-60.0).requires_grad_()
        targets = torch.tensor([case["label"]], dtype=torch.int64)  # (1, L)
        lengths = torch.tensor([T]), torch.tensor([len(case["label"])])
        loss = ctc_loss(
            logits.log_softmax(1)[None], targets, *lengths, blank=case["blank"], reduction="sum"
        )
        (gradient,) = torch.autograd.grad(loss, logits)
        if lattice.log_prob == -math.inf:
            impossible += 1
            gradient = torch.zeros_like(gradient)
        torch.testing.assert_close(tensor(js["gradient"], T, C), gradient, rtol=1e-6, atol=1e-8)
    assert (impossible > 0) == zeros


def test_brute_force_agrees_with_the_recursion_and_with_python():
    cases = random_cases(1, longest=8)
    expression = """(() => {
        const all = bruteForce(line(c), c.label, c.blank);
        return {
            paths: all.map(({ classes }) => classes),
            sum: all.reduce((sum, { logProb }) => sum + Math.exp(logProb), 0),
            recursion: Math.exp(forwardBackward(line(c), c.label, c.blank).logProb),
            count: countAlignments(c.label, c.T), least: minimumFrames(c.label),
        };
    })()"""
    logic = modules("bruteForce", "forwardBackward", of="ctc.js") + LINE
    logic += modules("countAlignments", "minimumFrames", of="counting.js")
    found = run_in_node(logic, expression, [c for _, c in cases])
    for (log_probs, case), js in zip(cases, found, strict=True):
        label, blank = case["label"], case["blank"]
        expected = alignments(label, case["T"], blank=blank)
        assert sorted(map(tuple, js["paths"])) == sorted(expected)
        assert len(js["paths"]) == js["count"] == count_alignments(label, case["T"])
        truth = label_probability_brute_force(log_probs, label, blank=blank)
        assert js["sum"] == pytest.approx(truth) == js["recursion"]
        assert js["least"] == minimum_frames(label)


def test_shares_of_the_steps_are_those_of_the_alignments():
    cases = [pair for pair in random_cases(2, longest=7, count=24) if pair[1]["T"] > 1]
    expression = """(() => {
        const data = line(c), lattice = forwardBackward(data, c.label, c.blank);
        const S = lattice.states.length, t = c.T >> 1, s = (t * 7) % S;
        return {
            all: bruteForce(data, c.label, c.blank).map(({ path, logProb }) => [path, logProb]),
            t, s, whole: flows(data, lattice), cell: flows(data, lattice, { t, s }),
        };
    })()"""
    logic = modules("bruteForce", "flows", "forwardBackward", of="ctc.js") + LINE
    found = run_in_node(logic, expression, [c for _, c in cases])
    seen = 0
    for (_, case), js in zip(cases, found, strict=True):
        through = [(path, p) for path, p in js["all"] if path[js["t"]] == js["s"]]
        for name, paths in (("whole", js["all"]), ("cell", through)):
            if not paths:
                # nothing passes: on either side of the cell, shares of what gets that far
                continue
            total = sum(math.exp(p) for _, p in paths)
            expected: dict[tuple, float] = {}
            for path, p in paths:
                for t in range(case["T"] - 1):
                    step = (t, path[t], path[t + 1])
                    expected[step] = expected.get(step, 0.0) + math.exp(p) / total
            given = {(f["t"], f["from"], f["to"]): f["share"] for f in js[name]}
            assert given == pytest.approx(expected)
            seen += name == "cell"
    assert seen >= 10


def test_changes_keep_each_frame_a_distribution():
    cases = random_cases(3, longest=12, count=20, zeros=True)
    expression = """(() => {
        const data = line(c), lattice = forwardBackward(data, c.label, c.blank);
        return {
            dragged: plain(withProbability(data, c.T - 1, 1, 0.25).logProbs),
            nudged: plain(nudged(data, lattice.gradient, 0.5).logProbs),
        };
    })()"""
    names = ("forwardBackward", "nudged", "withProbability")
    found = run_in_node(modules(*names, of="ctc.js") + LINE, expression, [c for _, c in cases])
    fell = []
    for (log_probs, case), js in zip(cases, found, strict=True):
        T, C, label, blank = case["T"], case["C"], case["label"], case["blank"]
        dragged = tensor(js["dragged"], T, C).exp()
        torch.testing.assert_close(dragged.sum(1), torch.ones(T, dtype=torch.float64))
        assert dragged[-1, 1] == pytest.approx(0.25)
        others = [c for c in range(C) if c != 1]
        before, after = log_probs[-1, others].exp(), dragged[-1, others]
        if before.sum() > 1e-9:  # the others share the rest as they did
            torch.testing.assert_close(after / after.sum(), before / before.sum())
        torch.testing.assert_close(dragged[:-1], log_probs[:-1].exp())

        nudged = tensor(js["nudged"], T, C)
        lattice = forward_backward(log_probs, label, blank=blank)
        if lattice.log_prob > -math.inf:
            step = log_probs - 0.5 * (log_probs.exp() - lattice.occupancy.exp())
            torch.testing.assert_close(nudged, step.log_softmax(1))
            fell.append(forward_backward(nudged, label, blank=blank).log_prob >= lattice.log_prob)
    assert len(fell) > 5 and all(fell), "a small step down the gradient lowers the loss"


def test_sentences_say_what_python_computes():
    explorer = LatticeExplorer.example()
    explorer.text = "aa"
    data = explorer.log_probs.double().flatten().tolist()
    case = {"T": 3, "C": 2, "label": [1, 1], "blank": 0, "logProbs": data}
    expression = """(() => {
        const data = line(c), words = wordsOf({ symbols: ["-", "a"], blank: 0 }, data,
            forwardBackward(data, c.label, c.blank));
        return [words.ofState("alpha", 3, 2, 3), words.ofState("alpha", 2, 2, 3),
            words.ofState("beta", 3, 0, 1), words.ofState("gamma", 3, 1, 2), words.ofClass(0, 1)];
    })()"""
    logic = modules("forwardBackward", of="ctc.js") + LINE
    logic += modules("wordsOf", of="lattice_words.js")
    ((alpha, hidden, beta, gamma, posterior),) = run_in_node(logic, expression, [case])
    assert alpha == (
        "Frame 2, “a”: α = p × (0 stay + 0.1 next) = 0.4 × 0.1 = 0.04. No skip: “a” follows “a”, "
        "and only the blank keeps them apart. At the end, the last α add up to P: 0.04 + 0 = 0.04."
    )
    assert hidden == "Frame 2, “a”: not computed yet. Step computes the frame after the last one."
    assert beta == (
        "Frame 0, “a”: β = 0.5 × 0 stay + 0.5 × 0.4 next = 0.2: p × β of each state that may "
        "follow. No skip: “a” follows “a”, and only the blank keeps them apart. "
        "100\u00a0% of the probability passes here."
    )
    assert gamma == (
        "Frame 1, blank: 100\u00a0% of the probability passes here. "
        "α × β = 0.1 × 0.4 = 0.04, of 0.04."
    )
    assert posterior == (
        "Frame 0: “a” has p = 0.2; 100\u00a0% of the label's probability uses it here. "
        "Gradient p − γ = −0.8: a nudge raises it."
    )


def test_numbers_are_said_for_people():
    values = [0, 1, 0.5, 0.97, 0.72, 1 / 3, 0.000179, 3.21e-9, 0.99999, 8.6]
    logic = modules("say", "sayLog", "percent", of="lattice_words.js")
    said = run_in_node(logic, "say(c)", values)
    assert said == [
        "0", "1", "0.5", "0.97", "0.72", "0.333", "0.000179", "3.2·10⁻⁹", "0.99999", "8.6"
    ]  # fmt: skip
    shares = [0, 1e-6, 0.0213, 0.38, 0.578, 0.9999, 1]
    assert run_in_node(logic, "percent(c)", shares) == [
        "0\u00a0%",
        "less than 0.01\u00a0%",
        "2.1\u00a0%",
        "38\u00a0%",
        "57.8\u00a0%",
        "more than 99.9\u00a0%",
        "100\u00a0%",
    ]  # fmt: skip; no line breaks before the sign
    logarithms = [math.log(0.72), -1000 * math.log(10) + math.log(2.5)]
    assert run_in_node(logic, "sayLog(c)", logarithms) == ["0.72", "2.5·10⁻¹⁰⁰⁰"]


# ------------------------------------------------------------------ Python


def test_the_example_by_hand():
    explorer = LatticeExplorer.example()
    # --a .16  -a- .24  -aa .16  a-- .06  aa- .06  aaa .04
    assert explorer.probability == pytest.approx(0.72)
    assert explorer.loss == pytest.approx(-math.log(0.72)) == -explorer.log_prob
    expected = torch.tensor([0.8, 0.2]) - torch.tensor([0.56, 0.16]) / 0.72
    torch.testing.assert_close(explorer.gradient[0].float(), expected, rtol=1e-5, atol=1e-6)
    assert repr(explorer) == "LatticeExplorer('a', 3 frames, 2 classes)"


@pytest.mark.parametrize("blank", [0, 3])
def test_what_goes_in_comes_out(blank):
    alphabet = Alphabet("abc", blank=blank)
    log_probs = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).log_softmax(1)
    image = torch.rand(1, 20, 36, generator=torch.Generator().manual_seed(1))
    explorer = LatticeExplorer(log_probs, "abba", image=image, alphabet=alphabet)
    assert torch.equal(explorer.log_probs, log_probs)
    assert explorer.alphabet == alphabet
    label = alphabet.encode("abba")
    truth = forward_backward(log_probs, label, blank=blank)
    assert explorer.log_prob == truth.log_prob
    assert torch.equal(explorer.trellis.occupancy, truth.occupancy)
    assert explorer.lines[0]["span"] == [0.0, 9.0]
    assert explorer.cell is None
    explorer.frame, explorer.row = 4, 3
    assert explorer.cell == (4, 3)


def test_python_changes_and_resets():
    explorer = LatticeExplorer.trained()
    first = explorer.log_probs
    explorer.text = "5520"
    explorer.log_probs = torch.full((len(first), 11), 1 / 11).log()
    assert explorer.loss > 5
    explorer.reset()
    assert explorer.text == "55207" and torch.equal(explorer.log_probs, first)
    explorer.choose("by hand")
    assert explorer.text == "a" and explorer.log_probs.shape == (3, 2)
    with pytest.raises(ValueError, match="no line 'late' here; there are by hand, early"):
        explorer.choose("late")


def test_arrays_lists_and_zeros():
    explorer = LatticeExplorer(np.log([[0.5, 0.5], [0.5, 0.5]]), "a", alphabet=Alphabet("a"))
    assert explorer.probability == pytest.approx(0.75)
    certain = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).log()
    explorer.log_probs = certain
    assert explorer.probability == 0.0 and explorer.loss == math.inf
    assert torch.equal(explorer.gradient, torch.zeros(2, 2, dtype=torch.float64))
    assert "Infinity" not in explorer.static_html().split("showStatic('")[1]


UNIFORM = torch.full((4, 11), 1 / 11).log()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([[0.0, 0.0]],), r"must be \(T, 11\) for the alphabet '0123456789'"),
        ((torch.zeros(0, 11),), r"must be \(T, 11\)"),
        ((torch.zeros(4, 11),), r"of frame 0 sum to 11, not to 1. Logits need a log_softmax"),
        ((UNIFORM.where(torch.arange(4)[:, None] < 2, math.nan), "1"), "of frame 2 sum to nan"),
        ((UNIFORM, "5x"), "'5x' has the character 'x'"),
        ((UNIFORM, "552"), None),
        ((UNIFORM, "5522"), r"'5522' needs 6 frames, 4 for its characters and 2 for blanks"),
        ((torch.full((300, 11), 1 / 11).log(), "1"), "Up to 256 frames"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    if message is None:
        LatticeExplorer(*arguments)
        return
    with pytest.raises(ValueError, match=message):
        LatticeExplorer(*arguments)


def test_other_faults_are_named():
    pieces = Alphabet(("th", "e", "cat"))
    with pytest.raises(ValueError, match="code point by code point"):
        LatticeExplorer(torch.zeros(3, 4).log_softmax(1), "the", alphabet=pieces)
    with pytest.raises(ValueError, match=r"\(H, W\) or \(1, H, W\); got \(2, 3, 4\)"):
        LatticeExplorer(UNIFORM, "1", image=torch.rand(2, 3, 4))
    with pytest.raises(ValueError, match="4 frames have 5 edges"):
        LatticeExplorer(UNIFORM, "1", image=torch.rand(3, 4), edges=[0, 1])
    with pytest.raises(ValueError, match="need log_probs to belong to"):
        LatticeExplorer(image=torch.rand(3, 4))
    explorer = LatticeExplorer(UNIFORM, "1")
    with pytest.raises(ValueError, match="'11111' needs 9 frames"):
        explorer.text = "11111"
    with pytest.raises(ValueError, match=r"of the shape \(4, 11\); got \(3, 11\)"):
        explorer.log_probs = UNIFORM[:3]


def test_pages_are_alike_and_small():
    html = LatticeExplorer.early().static_html()
    assert html == LatticeExplorer.early().static_html() != LatticeExplorer.trained().static_html()
    assert len(html) < 100_000
    assert (
        "http://" not in html.replace("http://www.w3.org/2000/svg", "") and "https://" not in html
    )


def test_the_image_and_its_frames_come_back():
    explorer = LatticeExplorer.early()
    with np.load(FOLDER.parent / "lattices.npz") as packed:
        np.testing.assert_allclose(explorer.edges, packed["early/edges"], atol=1e-4)
        whole = packed["early/image"]
    height, width = explorer.image.shape
    assert width == whole.shape[1] and height <= whole.shape[0]
    assert (255 * explorer.image).sum() == pytest.approx(whole.sum(), rel=1e-3)  # paper is cut off
    assert LatticeExplorer.example().image is LatticeExplorer.example().edges is None


# ------------------------------------------------------------------ the stored lattices


def test_the_package_has_the_lattices_of_data():
    with np.load(FOLDER.parent / "lattices.npz") as packed:
        stored = {
            f"{path.stem}/{key}": array
            for path in (ROOT / "data" / "lattices").glob("*.npz")
            for key, array in np.load(path).items()
        }
        assert stored.keys() == set(packed.files)
        for key in packed.files:
            np.testing.assert_array_equal(packed[key], stored[key])
    assert (FOLDER.parent / "lattices.npz").stat().st_size < 30_000


def test_lattices_are_what_their_names_say():
    early, confused, trained = (
        getattr(LatticeExplorer, name)() for name in ("early", "confused", "trained")
    )
    for explorer in (early, confused, trained):
        assert explorer.text == "55207" and 25 <= len(explorer.log_probs) <= 35
    blank = early.log_probs.exp()[:, 0]
    assert (early.log_probs.argmax(1) == 0).float().mean() > 0.85 and blank.mean() > 0.6
    assert early.loss > 5 and early.probability > 0
    assert 0.3 < confused.probability < 0.7
    assert trained.probability > 0.9
    assert best_path(trained.log_probs[None])[0].text == "55207"


@pytest.mark.parametrize("name", ["confused", "trained"])
def test_lattices_are_of_the_weights_that_ship(name):
    """If this fails, the weights have changed: run data/make_lattices.py."""
    model = load_model("crnn-digits")
    with np.load(ROOT / "data" / "lattices" / f"{name}.npz") as stored:
        image = torch.from_numpy(stored["image"]).float()[None, None] / 255
        with torch.inference_mode():
            log_probs, _ = model(image)
        # the image was stored in 256 greys
        expected = torch.from_numpy(stored["log_probs"]).exp()
    torch.testing.assert_close(log_probs[0].exp(), expected, rtol=0, atol=0.05)


# ------------------------------------------------------------------ the still figure


def test_figure_says_what_it_shows():
    explorer = LatticeExplorer.example()
    explorer.frame, explorer.row = 1, 1
    figure = plot_lattice(explorer)
    assert figure.get_label() == (
        "The trellis of a in 3 frames: 6 alignments add up to a probability of 0.72. "
        "69.4 % of it passes the ringed disc."
    )
    assert to_png(figure) == to_png(plot_lattice(explorer))
    numbers = [text.get_text() for text in figure.axes[0].texts if text.get_text().isdigit()]
    assert numbers == ["0", "1", "2"]
    explorer.text = "aa"
    explorer.row = -1
    assert "1 alignment adds up to a probability of 0.04." in plot_lattice(explorer).get_label()
    explorer.text = ""
    assert "the empty label in 3 frames: 1 alignment" in plot_lattice(explorer).get_label()


def test_figure_of_an_impossible_label_and_of_a_real_line():
    certain = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).log()
    figure = plot_lattice(LatticeExplorer(certain, "a", alphabet=Alphabet("a")))
    assert figure.get_label().endswith("3 alignments add up to a probability of 0.")
    to_png(figure)
    assert plot_lattice().get_label().startswith("The trellis of 55207 in ")
