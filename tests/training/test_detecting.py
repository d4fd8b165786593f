"""How the detector learns: its stream, its loss, and a run that goes on where it was cut off."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from crnn_lib.handwriting import load_glyphs
from crnn_lib.handwriting.pages import PageStyle, compose_pages
from crnn_lib.models import CRNN, MAPS, Detector, DetectorConfig
from crnn_lib.training import (
    PageStream,
    TrainConfig,
    detection_loss,
    map_scores,
    train_detector,
)

SMALL = DetectorConfig(channels=(4, 6, 8, 8, 8), deep=8, fine=6)
STREAM = PageStream(PageStyle.plain(), batch_size=2, size=(96, 96), seed=0)
NUMBER = MAPS.index("number")


@pytest.fixture(scope="module")
def truth():
    style = PageStyle(layouts={"notes": 1.0, "text": 1.0, "form": 1.0}, edges=1.0)
    return compose_pages(8, style, torch.Generator().manual_seed(6), (128, 128))


def faultless(maps):
    """What a detector would say that knows it all."""
    said = maps.clone()
    said[:, :6] = 20 * (2 * maps[:, :6] - 1)
    return said


def new_detector(seed=0):
    torch.manual_seed(seed)
    return Detector(SMALL)


def test_a_batch_depends_on_seed_and_step_alone():
    images = STREAM.batch(2).images
    assert torch.equal(images, dataclasses.replace(STREAM).batch(2).images)
    assert not torch.equal(images, STREAM.batch(3).images)


def test_each_page_comes_twice_the_second_time_changed():
    batch = STREAM.batch(0)
    assert len(batch) == STREAM.batch_size == 2
    assert not torch.equal(batch.images[0], batch.images[1])
    texts = [[line.text for line in rows] for rows in batch.rows]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "fault",
    [
        *({"batch_size": size} for size in (3, 0, 2.0, "2", None)),
        *({"size": size} for size in ((96, 128), 96, (96,), None)),
    ],
)
def test_a_stream_that_makes_no_sense_is_refused(fault):
    with pytest.raises(ValueError, match="even number of square pages"):
        dataclasses.replace(STREAM, **fault)


def test_what_is_no_detector_and_what_are_no_pages_is_named():
    """A network that reads was told that its lines are too high."""
    for detector, pages in ((CRNN(), STREAM), (new_detector(), "pages"), ("page-detector", STREAM)):
        with pytest.raises(TypeError, match="A Detector learns from a PageStream; got "):
            train_detector(detector, pages)


def test_true_maps_have_no_loss_and_every_fault_has_some(truth):
    true = truth.maps
    best = float(detection_loss(faultless(true), true))
    assert best < 0.05
    for n in range(len(MAPS)):
        said = faultless(true)
        said[:, n] = -said[:, n] if n < 6 else said[:, n] + 0.5
        assert float(detection_loss(said, true)) > best + 0.05, MAPS[n]


def test_direction_and_height_are_asked_only_where_lines_are(truth):
    true = truth.maps
    lines = true[:, [0, 1, 3]].amax(1, keepdim=True) > 0
    said = faultless(true)
    said[:, 6:] = torch.where(lines, said[:, 6:], 7.0)
    loss = detection_loss(said, true)
    assert torch.equal(loss, detection_loss(faultless(true), true))


def test_a_page_without_lines_has_a_loss():
    true = torch.zeros(1, len(MAPS), 16, 16)
    loss = detection_loss(torch.zeros_like(true).requires_grad_(), true)
    assert loss.isfinite()


def test_scores_of_a_faultless_and_of_a_blind_detector(truth):
    class Saying(Detector):
        def forward(self, images):
            return self.said

    perfect = Saying(SMALL)
    perfect.said = faultless(truth.maps)
    scores = map_scores(perfect, truth)
    assert set(scores) == {*MAPS[:6], "turn", "height"} and min(scores.values()) > 0.999
    perfect.said = -perfect.said
    scores = map_scores(perfect, truth)
    assert scores["number"] == scores["turn"] == 0


def test_it_learns():
    fixed = STREAM.batch(0)
    detector = new_detector()
    before = detection_loss(detector(fixed.images), fixed.maps).item()
    optimizer = torch.optim.AdamW(detector.parameters(), 1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        loss = detection_loss(detector(fixed.images), fixed.maps)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.6 * before


class CutOff(Exception):
    pass


class Breaking(PageStream):
    def batch(self, step):
        if step == 2:
            raise CutOff
        return super().batch(step)


def resume(config):
    """A detector and the history of a run that was cut off after two steps."""
    with pytest.raises(CutOff):
        train_detector(new_detector(), Breaking(**vars(STREAM)), config)
    detector = new_detector(1)
    return detector, train_detector(detector, STREAM, config)


def test_a_run_that_was_cut_off_ends_with_the_same_weights(tmp_path):
    config = TrainConfig(steps=4, learning_rate=3e-3, average=0.9, log_every=1, checkpoint_every=1)
    whole = new_detector()
    history = train_detector(whole, STREAM, config)
    rarely = dataclasses.replace(config, log_every=4, checkpoint=str(tmp_path / "rarely"))
    (mean,) = resume(rarely)[1].loss
    assert mean == pytest.approx(sum(history.loss[2:]) / 2, abs=2e-5)  # of what it has seen itself
    config = dataclasses.replace(config, checkpoint=str(tmp_path / "run"))
    resumed, again = resume(config)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert again.loss == history.loss and again.step == [1, 2, 3, 4]
    for more in ({"seed": 9}, {"glyphs": load_glyphs("pen", count=20)}):
        other = dataclasses.replace(STREAM, **more)
        with pytest.raises(ValueError, match="belongs to another run"):
            train_detector(new_detector(), other, config)
    (tmp_path / "note").write_text("no run")
    with pytest.raises(ValueError, match="not a checkpoint of a training run"):
        train_detector(
            new_detector(), STREAM, dataclasses.replace(config, checkpoint=str(tmp_path / "note"))
        )
    again.save(tmp_path / "log.json")
    assert json.loads((tmp_path / "log.json").read_text())["step"] == [1, 2, 3, 4]


def test_validation_is_logged(truth):
    config = TrainConfig(steps=2, validate_every=1, average=0.5)
    history = train_detector(new_detector(), STREAM, config, validation=truth)
    assert history.validation_step == [1, 2]
    assert {len(values) for values in history.validation_f1.values()} == {2}
