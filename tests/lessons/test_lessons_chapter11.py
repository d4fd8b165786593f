"""What notebook 11 and its checks promise, beyond what test_lessons.py asks of every chapter."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from conftest import ROOT

from crnn_lib import Alphabet
from crnn_lib.handwriting import lines_of_words, pen
from crnn_lib.lessons.chapter11 import exercises as chapter11
from crnn_lib.lessons.chapter11 import flipped, told_runs
from crnn_lib.lessons.engine import examine
from crnn_lib.models import BackboneRNN, BackboneRNNConfig, ResNet18
from crnn_lib.models.resnet import STAGES

EXERCISES = {exercise.id: exercise for exercise in chapter11.EXERCISES}


def test_the_learners_cut_is_the_librarys():
    network = copy.deepcopy(chapter11.photo_network())
    library = BackboneRNN(BackboneRNNConfig("resnet18", stages=5)).eval()
    library.stem["conv"], library.stem["norm"] = network.conv1, network.bn1
    for stage, name in zip(library.stages, STAGES[1:], strict=True):
        for ours, theirs in zip(stage, getattr(network, name), strict=True):
            strides = ours.conv1.stride
            ours.load_state_dict(theirs.state_dict())
            assert ours.conv1.stride == strides
    images = torch.rand(2, 1, 32, 40)
    mean, deviation = (
        torch.tensor(v).view(1, 3, 1, 1) for v in (ResNet18.MEAN, ResNet18.DEVIATION)
    )
    with torch.no_grad():
        wanted, _ = library.features(images)
        found = chapter11.columns_of(chapter11.keep_width(network), (images - mean) / deviation)
    assert torch.allclose(found[:, :, 0].transpose(1, 2), wanted, atol=1e-4)


def test_a_cut_may_be_written_over_all_modules():
    def keep_width(network):
        for name, layer in network.named_modules():
            if name.startswith("layer") and getattr(layer, "stride", 1) == (2, 2):
                layer.stride = (2, 1)
        return network

    assert examine(EXERCISES["11.1"], keep_width).status == "correct"


@pytest.mark.parametrize("other", [torch.nn.Linear(2, 2), None, "network"])
def test_a_cut_returns_the_network(other):
    verdict = examine(EXERCISES["11.1"], lambda network: other)
    assert verdict.status == "not yet" and "AttributeError" not in verdict.text


def test_freezing_may_be_written_by_parameters():
    def freeze(stages, count):
        for stage in stages[:count]:
            for parameter in stage.parameters():
                parameter.requires_grad = False
            stage.eval()
        for stage in stages[count:]:
            for parameter in stage.parameters():
                parameter.requires_grad = True
            stage.train()

    assert examine(EXERCISES["11.5"], freeze).status == "correct"


def test_the_library_freezes_as_the_learner_does():
    model = BackboneRNN()
    stages = [model.stem, *model.stages]
    for count in (0, 2, 5):
        model.freeze(count)
        model.train()
        seen = [(s.training, next(s.parameters()).requires_grad) for s in stages]
        chapter11.freeze(stages, count)
        assert [(s.training, next(s.parameters()).requires_grad) for s in stages] == seen


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2)])
def test_a_flip_stays_within_the_width_of_its_line(axes):
    written = pen.draw_words(["pod", "sunflower"], torch.Generator().manual_seed(0))
    lines = lines_of_words(written, Alphabet("deflnoprsuw"), height=32)
    seen = flipped(lines, axes)
    for n, width in enumerate(lines.widths.tolist()):
        assert torch.equal(seen.images[n, :, :, :width], lines.images[n, :, :, :width].flip(axes))
        assert not seen.images[n, :, :, width:].any()
    assert seen.texts == lines.texts and not torch.equal(seen.images, lines.images)
    assert torch.equal(flipped(seen, axes).images, lines.images)


def record_of(*runs, alone=()):
    """As data/make_pretraining.py writes it: words, start, seed, CER in fonts, CER of people."""

    def told(words, start, seed, fonts, people, hands="both"):
        found = {"words": words, "start": start, "seed": seed, "hands": hands}
        for kind, cer in (("fonts", fonts), ("people", people)):
            found[kind] = {"cer": cer, "cer_interval": [cer - 0.012, cer + 0.013]}
        return found

    return {
        "test_words": 1000,
        "runs": [told(*run) for run in runs],
        "one_source": [told(*run) for run in alone],
    }


def test_one_run_is_told_with_its_interval_and_seeds_with_their_range():
    runs = [(50, "random", 0, 0.9, 0.8), (5000, "imagenet", 0, 0.3, 0.5)]
    runs += [(5000, "imagenet", 1, 0.4, 0.3), (5000, "imagenet", 2, 0.35, 0.4)]
    alone = [(5000, "imagenet", 0, 0.6, 0.2, "pen")]
    lines = [line.split() for line in told_runs(record_of(*runs, alone=alone)).splitlines()]
    assert lines[2:4] == [
        "50 random 1 90.0 (88.8 to 91.3) 80.0 (78.8 to 81.3)".split(),
        "5,000 imagenet 3 35.0 (30.0 to 40.0) 40.0 (30.0 to 50.0)".split(),
    ]
    assert lines[5:] == [
        "imagenet, 5,000 words, by who wrote them".split(),
        "pen 1 60.0 (58.8 to 61.3) 20.0 (18.8 to 21.3)".split(),
        "pen and fonts 3 35.0 (30.0 to 40.0) 40.0 (30.0 to 50.0)".split(),
    ]
    assert "by who wrote them" not in told_runs(record_of(*runs))


STARTS = ("random", "imagenet", "imagenet frozen")


def test_the_notebook_says_of_the_recorded_runs_what_they_show():
    record = json.loads((ROOT / "data" / "runs" / "pretraining.json").read_text())
    runs = {(run["words"], run["seed"], run["start"]): run for run in record["runs"]}
    assert {(words, 0) for words in (50, 500, 5000, 50_000)} <= {key[:2] for key in runs}
    for words, seed in {key[:2] for key in runs}:
        blind, sees, kept = (runs[words, seed, start] for start in STARTS)
        assert blind["steps"] == sees["steps"] < kept["steps"], (
            "a frozen step is cheaper, so there are more"
        )
        low = [rate > 0.8 for _, rate in blind["curve"]]
        assert sum(low) > len(low) / 2, "random weights spend most of the time on the plateau"
        for kind in ("fonts", "people"):
            assert sees[kind]["cer_interval"][1] < blind[kind]["cer_interval"][0]
            if words >= 5000:
                assert kept[kind]["cer_interval"][0] < sees[kind]["cer_interval"][1], "no worse"
            others = [runs[words, seed, s] for s in (*STARTS, "crnn") if (words, seed, s) in runs]
            if digits := runs.get((words, seed, "crnn-digits")):
                assert digits[kind]["cer"] < min(run[kind]["cer"] for run in others)
    few = [run for run in record["runs"] if run["words"] == 50]
    assert all(run["loss"] < 0.01 and run["fonts"]["exact"] < 20 for run in few)
    many = {start: [runs[5000, n, start]["fonts"]["cer"] for n in range(3)] for start in STARTS}
    assert 2 * max(many["imagenet"]) < min(many["random"]) + 0.01, "half as many mistakes"
    alone = {(run["hands"], run["seed"]): run for run in record["one_source"]}
    for seed in {key[1] for key in alone}:
        pen, fonts = alone["pen", seed], alone["fonts", seed]
        assert pen["people"]["cer_interval"][1] < fonts["people"]["cer_interval"][0]
        assert fonts["fonts"]["cer"] < fonts["people"]["cer"] - 0.05
        gained, lost = (
            fonts["people"]["cer"] - pen["people"]["cer"],
            pen["fonts"]["cer"] - fonts["fonts"]["cer"],
        )
        assert 2 * lost < gained
