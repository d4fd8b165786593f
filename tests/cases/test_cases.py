"""What users of other libraries ran into, played here: one test for each thread, the right answer.

The names are those of the threads. Most of it is tested at length where the code is; here each has
its shortest form.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from crnn_lib import (
    CRNN,
    Alphabet,
    LineStyle,
    best_path,
    compose_lines,
    ctc_loss,
    decode,
    exact_search,
    load_glyphs,
    load_model,
    prefix_beam_search,
    save_model,
    train,
)
from crnn_lib.decoders import PrefixBeam, fuse
from crnn_lib.handwriting.glyphs import SOURCES
from crnn_lib.language import (
    SparseAutomaton,
    hot_words,
    lexicon,
    never,
    only,
    read_arpa,
    sentences_of,
)
from crnn_lib.models import CRNNConfig
from crnn_lib.training import LineSet, TrainConfig, ctc_loss_of, labels_fit

DIGITS = "0123456789"


@pytest.fixture(scope="module")
def lines():
    generator = torch.Generator().manual_seed(0)
    glyphs = load_glyphs("pen", count=50)
    return compose_lines(glyphs, 6, LineStyle(length=(2, 4)), generator)


def small(alphabet: Alphabet | None = None) -> CRNN:
    torch.manual_seed(0)
    config = CRNNConfig(channels=(4, 4, 6, 6, 8, 8), hidden=8)
    return CRNN(config, alphabet or Alphabet())


def peaks(alphabet: Alphabet, text: list[str], frames: int = 3, sure: float = 6.0) -> torch.Tensor:
    """Log-probabilities of a line that says these characters: (T, C)."""
    logits = torch.zeros(frames * len(text), alphabet.num_classes, dtype=torch.float64)
    logits[:, alphabet.blank] = sure
    for i, character in enumerate(text):
        (label,) = alphabet.encode(character)
        logits[frames * i + 1, [alphabet.blank, label]] = torch.tensor([0.0, sure]).double()
    return logits.log_softmax(1)


# --- The loss -------------------------------------------------------------------------------------


def test_pytorch_70108_second_derivatives():
    """-log(1 - p0 p0'), from equal scores."""
    scores = torch.zeros(2, 2, dtype=torch.float64)

    def loss(x):
        return ctc_loss(x.log_softmax(-1)[None], [[1]], [2], [1], reduction="sum")

    row = torch.autograd.functional.hessian(loss, scores)[0, 0].flatten()
    assert row.tolist() == pytest.approx([1 / 36, -1 / 36, 4 / 36, -4 / 36])


def test_mmocr_1618_pytorch_18215_simplehtr_32_an_empty_label_is_learned(lines):
    lines = lines.select(torch.arange(3))
    lines.target_lengths[1] = 0
    losses, log_probs, frame_lengths = ctc_loss_of(small().eval(), lines)
    blanks = log_probs[1, : frame_lengths[1], 0].sum()
    assert losses[1].item() == pytest.approx(-blanks.item(), rel=1e-5)


def test_optax_1771_a_loss_is_not_below_zero():
    for gap in (8.0, 12.0, 16.0, 20.0):  # where 1 - p is below what single precision holds
        scores = torch.tensor([[0.0, gap], [gap, 0.0], [0.0, gap]])
        log_probs = scores.log_softmax(1)
        assert ctc_loss(log_probs[None], [[1, 1]], [3], [2], reduction="sum") >= 0
        (found,) = best_path(log_probs, alphabet=Alphabet("5"))
        assert found.text == "55" and found.log_prob <= 0


def test_pylaia_28_icefall_135_calamari_66_a_label_too_long_for_its_line(lines):
    model = small()
    widths = lines.widths.clone()
    widths[4] = 9  # a line of one frame or two
    short = dataclasses.replace(lines, widths=widths)
    with pytest.raises(ValueError, match=r"[Ll]ine 4") as told:  # before the first step
        train(model, LineSet(short, 2), TrainConfig(steps=1))
    assert repr(lines.texts[4]) in str(told.value)
    fitting = short.select(labels_fit(model, short))
    assert len(fitting) == len(lines) - 1
    train(model, LineSet(fitting, 2), TrainConfig(steps=1))


# --- Networks and training ------------------------------------------------------------------------


def test_espnet_4634_frozen_norms_stay_frozen(lines):
    model = small()
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert norms
    for norm in norms:
        norm.requires_grad_(False)
    before = [norm.running_mean.clone() for norm in norms]
    train(model, LineSet(lines, 3), TrainConfig(steps=2))
    assert all(torch.equal(n.running_mean, b) for n, b in zip(norms, before, strict=True))


def test_holmeyoung_31_warp_ctc_78_a_wrapped_network_is_trained(lines):
    history = train(nn.DataParallel(small()), LineSet(lines, 3), TrainConfig(steps=1, log_every=1))
    assert math.isfinite(history.loss[0])


def test_bgshih_86_lasagne_6_a_loss_of_ones_own_weighs_the_lines(lines):
    def doubled(model, batch):
        losses, log_probs, frame_lengths = ctc_loss_of(model, batch)
        return 2 * losses, log_probs, frame_lengths

    config = TrainConfig(steps=1, log_every=1)
    once = train(small(), LineSet(lines, 6), config).loss[0]
    assert train(small(), LineSet(lines, 6), config, loss=doubled).loss[0] == pytest.approx(
        2 * once, rel=1e-5
    )


def test_doctr_1012_kraken_195_clovaai_413_meijieru_23_trained_weights_take_a_new_alphabet(
    lines, tmp_path
):
    path = tmp_path / "digits.safetensors"
    model = small().eval()
    save_model(model, path, provenance={})
    more = load_model(str(path), alphabet=Alphabet(DIGITS + "abc")).eval()
    assert more.alphabet.characters == DIGITS + "abc"
    with torch.no_grad():
        old, _ = model(lines.images, lines.widths)
        new, _ = more(lines.images, lines.widths)
    # among the classes that there were, nothing has changed
    torch.testing.assert_close(new[..., :11].log_softmax(-1), old, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("form", ["double", "default dtype", "bfloat16"])
def test_networks_of_other_precision_read(lines, form):
    if form == "default dtype":
        torch.set_default_dtype(torch.float64)
    try:
        model = small().eval()
        model = model.double() if form == "double" else model
        model = model.bfloat16() if form == "bfloat16" else model
        log_probs, frame_lengths = model(lines.images, lines.widths)
    finally:
        torch.set_default_dtype(torch.float32)
    assert len(best_path(log_probs, frame_lengths)) == len(lines)


def test_twenty_thousand_characters_beyond_the_first_plane_are_kept(tmp_path):
    characters = "".join(chr(0x20000 + k) for k in range(20_000))
    path = tmp_path / "large.safetensors"
    save_model(small(Alphabet(characters)), path, provenance={})
    assert load_model(str(path)).alphabet.characters == characters


def test_pytorch_132385_68968_easyocr_196_openocr_60_an_exported_network_knows_widths(
    lines, tmp_path
):
    pytest.importorskip("onnx", reason="pip install onnx")
    runtime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
    from crnn_lib.models import export_onnx

    model = CRNN().eval()
    export_onnx(model, tmp_path / "model.onnx")
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    names = [given.name for given in session.get_inputs()]
    given = dict(zip(names, (lines.images.numpy(), lines.widths.numpy()), strict=True))
    outputs = session.run(None, given)
    log_probs, frame_lengths = model(lines.images, lines.widths)
    assert outputs[1].tolist() == frame_lengths.tolist() and len(set(outputs[1].tolist())) > 1
    for n, frames in enumerate(frame_lengths.tolist()):
        assert outputs[0][n, :frames] == pytest.approx(log_probs[n, :frames].numpy(force=True),
                                                      abs=1e-3)  # fmt: skip


def test_vision_1716_2630_all_splits_of_emnist_are_sources():
    splits = ("letters", "byclass", "bymerge", "balanced", "mnist")
    assert {"emnist", *(f"emnist-{split}" for split in splits)} <= {*SOURCES}  # emnist: its digits


# --- What goes into a decoder ---------------------------------------------------------------------


@pytest.mark.parametrize("decoder", ["best-path", "beam", "exact"])
@pytest.mark.parametrize("blank", [0, 2, 3])
def test_fast_ctc_decode_53_deepspeech_335_parlance_193_paddleocr_6362_long_tokens(decoder, blank):
    alphabet = Alphabet(("th", "e", "cat"), blank=blank)
    batch = torch.stack([peaks(alphabet, ["th", "e", "cat"]), peaks(alphabet, ["cat", "e", "th"])])
    found = decode(batch, alphabet=alphabet, kind="log_probs", decoder=decoder)
    assert [h.text for h in found] == ["thecat", "cateth"]
    assert [len(h.spans) for h in found] == [3, 3]


def test_paddleocr_6362_a_tamil_letter_is_one_character():
    alphabet = Alphabet(("நி", "ந", "லா"))
    (found,) = prefix_beam_search(peaks(alphabet, ["நி", "லா"]), alphabet=alphabet)
    assert found.text == "நிலா" and found.label == (1, 3)


def test_tensorflow_42151_paddlespeech_245_probabilities_are_no_logits():
    with pytest.raises(ValueError, match="kind='probs'"):
        decode(peaks(Alphabet(), ["5", "7"]).exp())


def test_fast_ctc_decode_23_logarithms_are_no_probabilities():
    with pytest.raises(ValueError, match="probabilities are below 0"):
        decode(peaks(Alphabet(), ["5", "7"]), kind="probs")


def test_tensorflow_22096_five_thousand_classes_in_bfloat16():
    alphabet = Alphabet("".join(chr(0x4E00 + k) for k in range(5000)))
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(1, 4, 5001, generator=generator, dtype=torch.float64)
    scores[0, [0, 2], [6, 9]] += 30.0
    log_probs = scores.log_softmax(2).to(torch.bfloat16)
    for search in (best_path, prefix_beam_search):
        (found,) = search(log_probs, alphabet=alphabet)
        assert found.label[0] == 6


# --- Languages ------------------------------------------------------------------------------------


def test_kenlm_302_audio_2882_an_arpa_file_is_read(tmp_path):
    path = tmp_path / "digits.arpa"
    path.write_text(
        "\\data\\\nngram 1=4\nngram 2=2\n\n\\1-grams:\n-99\t<s>\t-0.3\n-0.5\t</s>\n-0.6\t5\t-0.2\n"
        "-0.6\t7\n\n\\2-grams:\n-0.1\t<s> 7\n-0.2\t7 7\n\n\\end\\\n"
    )
    alphabet = Alphabet("57")
    line = peaks(alphabet, ["5", "7"], sure=2.0)
    for search in (prefix_beam_search, exact_search):
        (found,) = search(line, alphabet=alphabet, language=read_arpa(path))
        gain = {"57": -0.3 - 0.6 - 0.2 - 0.6 - 0.5, "7": -0.1 - 0.5, "77": -0.1 - 0.2 - 0.5,
                "5": -0.3 - 0.6 - 0.2 - 0.5}[found.text]  # fmt: skip
        assert found.score - found.log_prob == pytest.approx(gain * math.log(10))
        assert found.proven or search is prefix_beam_search


def test_pyctcdecode_18_56_hot_words():
    alphabet = Alphabet("adhln")
    line = (peaks(alphabet, list("land")).exp() + 0.8 * peaks(alphabet, list("hand")).exp()).log()
    line = line.log_softmax(1)
    (without,) = exact_search(line, alphabet=alphabet)
    (hot,) = exact_search(line, alphabet=alphabet, language=hot_words({"hand": 2.0}))
    assert (without.text, hot.text) == ("land", "hand") and hot.proven
    assert hot.score == pytest.approx(hot.log_prob + 2.0, abs=1e-12)
    assert hot.score > without.log_prob > hot.log_prob


def test_pyctcdecode_85_105_parlance_99_a_large_lexicon_is_made_ready_once_and_is_sparse():
    characters = "".join(chr(0x4E00 + k) for k in range(6624))
    random = np.random.default_rng(0)
    words = sorted({"".join(random.choice(list(characters[:3000]), 2)) for _ in range(2016)})
    language, alphabet = lexicon(characters, words), Alphabet(characters)
    assert isinstance(language, SparseAutomaton)
    logits = torch.full((4, alphabet.num_classes), -5.0, dtype=torch.float64)
    for i, c in enumerate(alphabet.encode(words[7])):
        logits[2 * i, 0], logits[2 * i + 1, c] = 5.0, 6.0
    (found,) = prefix_beam_search(logits.log_softmax(1), alphabet=alphabet, language=language)
    assert found.text == words[7]
    ready = fuse(language, alphabet)
    assert fuse(language, alphabet) is ready  # the next call has it
    arrays = [x for x in vars(ready).values() if isinstance(x, np.ndarray)]
    arrays += [x for x in ready.arcs if isinstance(x, np.ndarray)]
    assert sum(x.nbytes for x in arrays) < 2e6  # dense: 200 MB and more


def test_parlance_130_172_sentences_of_words():
    alphabet = Alphabet(" adhmny")
    language = sentences_of(["my", "hand", "and"])
    line = peaks(alphabet, list("my hanm"), sure=3.0)
    (found,) = exact_search(line, alphabet=alphabet, language=language)
    assert found.text == "my hand" and found.proven


def test_nemo_2321_pyctcdecode_42_times_and_confidence_of_words():
    alphabet = Alphabet(" adhmny")
    line = peaks(alphabet, list("my hand"))
    (found,) = prefix_beam_search(line, alphabet=alphabet, words=True)
    one, two = found.words
    assert (one.text, one.start, one.end) == ("my", 1, 5)
    assert (two.text, two.start, two.end) == ("hand", 10, 20)
    assert two.span(0.02) == pytest.approx((0.2, 0.4))  # in seconds, of 20 ms a frame
    assert 0.8 < one.confidence < 1 and 0.8 < two.confidence < 1


def test_easyocr_548_803_allow_and_block_lists_have_names():
    alphabet = Alphabet("0O1l")
    line = torch.zeros(2, 5, dtype=torch.float64)
    line[0, [1, 2]], line[1, [3, 4]] = torch.tensor([1.0, 1.5]).double(), 1.0
    line = line.log_softmax(1)
    for language in (only("01"), never("Ol")):
        (found,) = exact_search(line, alphabet=alphabet, language=language)
        assert set(found.text) <= set("01") and found.proven


# --- Long lines, and lines that come bit by bit ---------------------------------------------------


@pytest.mark.parametrize("cut", [1, 7, 10])
def test_audio_3574_parlance_156_pyctcdecode_66_a_line_comes_in_chunks(cut):
    alphabet = Alphabet("57")
    line = torch.cat([peaks(alphabet, list("55775"), sure=20.0), peaks(alphabet, ["7", "5"])])
    stream = PrefixBeam(alphabet, beam_width=10)
    settled = "".join(stream.feed(chunk).settled for chunk in line.split(cut))
    found = stream.finish()
    (whole,) = prefix_beam_search(line, alphabet=alphabet, beam_width=10)
    assert found == whole and whole.text == "5577575"  # no character is doubled at a border
    assert whole.text.startswith(settled) and len(settled) > 3


@pytest.mark.slow
def test_pytorch_27442_warp_ctc_162_ten_thousand_noisy_frames():
    """Each frame costs the same; by the old way the last assertion took half a minute."""
    generator = torch.Generator().manual_seed(0)
    line = torch.randn(10_000, 11, generator=generator, dtype=torch.float64).log_softmax(1)
    (found,) = prefix_beam_search(line)
    assert len(found.label) > 1000 and len(found.spans) == len(found.label)
    assert found.spans[-1].end <= 10_000
