from __future__ import annotations

import dataclasses
import io
import json
import math
import multiprocessing
import os
import pickle
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch.nn import DataParallel
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from crnn_lib.alphabet import Alphabet
from crnn_lib.ctc import ctc_loss, length_mask
from crnn_lib.decoders import best_path
from crnn_lib.evaluation import evaluate, read_lines
from crnn_lib.handwriting import Glyphs, LineBatch, LineStyle, compose_lines, load_glyphs
from crnn_lib.models import CRNN, CRNNConfig, Detector, SlidingWindowRNN, SlidingWindowRNNConfig
from crnn_lib.training import (
    History,
    LineSet,
    LineStream,
    TrainConfig,
    ctc_loss_of,
    interpolate_weights,
    labels_fit,
    learning_mode,
    moving_average,
    seeded_generator,
    settle_norms,
    train,
)

BLANKS = (0, 10)
TINY = CRNNConfig(channels=(4, 4, 6, 6, 8, 8), hidden=8, dropout=0.3)
WINDOW = SlidingWindowRNNConfig(hidden=8)


@pytest.fixture(autouse=True)
def one_thread():
    """Sums of several threads may differ in the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return load_glyphs("pen", count=300)


@pytest.fixture(scope="module")
def lines(glyphs) -> LineBatch:
    return compose_lines(glyphs, 12, LineStyle(length=(1, 4)), seeded_generator(0))


def build(config=TINY, blank: int = 0) -> CRNN | SlidingWindowRNN:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = CRNN if isinstance(config, CRNNConfig) else SlidingWindowRNN
        return model(config, Alphabet(blank=blank))


def stream(glyphs: Glyphs, **change) -> LineStream:
    return LineStream(glyphs, LineStyle(length=(1, 3)), **{"batch_size": 4, "pool": 3, **change})


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    b = b.state_dict()
    return all(torch.equal(value, b[name]) for name, value in a.state_dict().items())


def what_was_learned(history: History) -> dict:
    """A history without its clock."""
    return {**dataclasses.asdict(history), "seconds": None}


def start(function, *arguments) -> multiprocessing.Process:
    """Call a function of this file in a process of its own; torch is imported once for all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "crnn_lib.training.loop"])
    process = context.Process(target=function, args=arguments)
    process.start()
    return process


@contextmanager
def ctrl_c_at(last: int):
    """A run is cut off when it asks for the lines of this step."""
    compose = LineStream.batch

    def batch(self: LineStream, step: int) -> LineBatch:
        if step == last:
            raise KeyboardInterrupt
        return compose(self, step)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LineStream, "batch", batch)
        yield


# ---------------------------------------------------------------------------- learning


def test_overfits_16_lines(glyphs):
    lines = compose_lines(glyphs, 16, LineStyle(length=(1, 4)), seeded_generator(0))
    model = build(CRNNConfig(channels=(8, 16, 24, 32, 48, 48), hidden=48, dropout=0.0))
    config = TrainConfig(steps=80, learning_rate=1e-2, precision="float32")
    history = train(model, LineSet(lines, batch_size=8), config)
    assert evaluate(model, lines).exact_match == 1.0
    assert history.exact_match[-1] == 1.0
    assert history.loss[-1] < 0.05 < 1.5 < history.loss[0]


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("config", [TINY, WINDOW], ids=["crnn", "window"])
def test_each_loss_is_divided_by_the_length_of_its_label(glyphs, config, blank):
    alphabet = Alphabet(blank=blank)
    lines = compose_lines(
        glyphs, 6, LineStyle(), seeded_generator(1), alphabet=alphabet,
        texts=["5", "55207", "00", "1234567890", "7", "99999"],
    )  # fmt: skip
    model = build(config, blank).eval()
    losses, log_probs, frame_lengths = ctc_loss_of(model, lines)
    expected = F.ctc_loss(
        log_probs.transpose(0, 1), lines.targets, frame_lengths, lines.target_lengths, blank=blank,
        reduction="none",
    )  # fmt: skip
    torch.testing.assert_close(losses, expected / lines.target_lengths, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("blank", BLANKS)
def test_an_empty_label_counts_as_one_character(glyphs, blank):
    lines = compose_lines(
        glyphs, 4, LineStyle(length=(2, 3)), seeded_generator(2), alphabet=Alphabet(blank=blank)
    )
    lines.target_lengths[2] = 0
    model = build(WINDOW, blank).eval()
    losses, log_probs, frame_lengths = ctc_loss_of(model, lines)
    silence = log_probs[2, : frame_lengths[2], blank].sum()  # blanks throughout
    assert losses[2].item() == pytest.approx(-silence.item(), rel=1e-5)
    lengths = frame_lengths, lines.target_lengths
    mean = ctc_loss(log_probs, lines.targets, *lengths, blank=blank)
    assert losses.mean().item() == pytest.approx(mean.item(), rel=1e-5)
    history = train(model, LineSet(lines, 4), TrainConfig(steps=4, log_every=1))
    assert all(map(math.isfinite, history.loss))


def test_the_history_holds_the_mean_loss_before_the_step(lines):
    model = build(WINDOW)
    losses, _, _ = ctc_loss_of(model, lines)
    history = train(model, LineSet(lines, batch_size=12), TrainConfig(steps=4, log_every=1))
    assert history.step == [1, 2, 3, 4]
    assert history.loss[0] == pytest.approx(losses.mean().item(), abs=1e-4)
    assert history.loss[-1] < history.loss[0]


@pytest.mark.parametrize("warmup", (0.0, 0.2, 0.5, 1.0))
def test_any_number_of_steps(lines, warmup):
    for steps in range(1, 8):
        history = train(build(WINDOW), LineSet(lines), TrainConfig(steps=steps, warmup=warmup))
        assert history.step == [steps] and math.isfinite(history.loss[0])


def test_the_learning_rate_rises_and_falls(lines):
    config = TrainConfig(steps=20, learning_rate=0.01, warmup=0.25, log_every=1)
    rates = train(build(WINDOW), LineSet(lines, 2), config).learning_rate
    assert max(rates) == pytest.approx(0.01, rel=0.02) and 3 <= rates.index(max(rates)) <= 5
    assert rates[-1] < 1e-4 and rates == sorted(rates[:5]) + sorted(rates[5:], reverse=True)


def test_the_seed_decides_everything(glyphs):
    def run(seed: int) -> torch.nn.Module:
        model = build()
        train(model, stream(glyphs), TrainConfig(steps=3, seed=seed))
        return model

    torch.manual_seed(1)
    first = run(0)
    torch.manual_seed(2)
    assert same_weights(first, run(0))
    assert not same_weights(first, run(1))  # the seed is that of dropout


def test_a_model_ends_in_eval_mode_and_in_the_usual_memory_format(lines):
    model = build().eval()
    train(model, LineSet(lines), TrainConfig(steps=1))
    assert not any(module.training for module in model.modules())
    assert all(p.is_contiguous() and p.device.type == "cpu" for p in model.parameters())


def test_bfloat16_learns_nearly_the_same(lines):
    config = TrainConfig(steps=5, log_every=1)
    a, b = (
        train(build(), LineSet(lines, 12), dataclasses.replace(config, precision=precision)).loss
        for precision in ("float32", "bfloat16")
    )
    assert a != b and b == pytest.approx(a, rel=0.05)


def test_batch_normalisation_settles_on_the_last_weights(lines):
    """In eval mode a network does what it did in the training it has just ended."""
    model = build(dataclasses.replace(TINY, dropout=0.0))
    train(model, LineSet(lines, 12), TrainConfig(steps=8, learning_rate=0.02))
    with torch.no_grad():
        learned, frame_lengths = model(lines.images, lines.widths)
        trained, _ = model.train()(lines.images, lines.widths)
    inside = length_mask(frame_lengths, learned.shape[1])
    # the running variance divides by one less, hence not exactly
    torch.testing.assert_close(learned[inside], trained[inside], atol=1e-2, rtol=0)


def test_frozen_norms_stay_frozen(lines):
    model = build(dataclasses.replace(TINY, dropout=0.0))
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    frozen, free = norms[:3], norms[3:]
    assert frozen and free
    train(model, LineSet(lines, 12), TrainConfig(steps=2))  # statistics that are worth keeping
    for norm in frozen:
        norm.requires_grad_(False)
    norms[3].weight.requires_grad_(False)  # its bias still learns, so it is not frozen
    before = [{name: x.clone() for name, x in norm.state_dict().items()} for norm in norms]
    config = TrainConfig(steps=4, validate_every=1, average=0.5, learning_rate=0.02)
    train(model, LineSet(lines, 6), config, validation=lines)
    for norm, kept in zip(norms, before, strict=True):
        same = {name: torch.equal(x, kept[name]) for name, x in norm.state_dict().items()}
        assert all(same.values()) == (norm in frozen)
        assert same["running_mean"] == same["running_var"] == (norm in frozen)
    learning_mode(model)
    assert [norm.training for norm in norms] == [norm in free for norm in norms]


def test_the_average_of_the_weights_is_what_a_run_returns(glyphs, tmp_path):
    path = tmp_path / "run.pt"
    model = build(WINDOW)
    train(model, stream(glyphs), TrainConfig(steps=6, average=0.5, checkpoint=str(path)))
    saved = torch.load(path, weights_only=True)
    for name, value in model.state_dict().items():
        assert torch.equal(value, saved["averaged"][f"module.{name}"])
        assert not torch.equal(value, saved["model"][name])


def test_the_average_forgets_the_first_weights_soon():
    averaged, count = torch.tensor([0.0]), torch.tensor([3])
    update = moving_average(0.9)
    update([averaged, count], [torch.tensor([11.0]), torch.tensor([4])], torch.tensor(1))
    assert averaged.item() == pytest.approx(9) and count.item() == 4  # 2/11 of 0, 9/11 of 11
    update([averaged], [torch.tensor([19.0])], torch.tensor(1000))
    assert averaged.item() == pytest.approx(10)  # 0.9 of 9, 0.1 of 19


def test_only_networks_of_one_kind_have_weights_between_them():
    with pytest.raises(ValueError, match="need the same layers"):
        interpolate_weights(torch.nn.Linear(2, 3), torch.nn.Linear(3, 3), 0.5)
    for share in (-0.1, 1.5, "half", None):
        with pytest.raises(ValueError, match="share is from 0 to 1; got "):
            interpolate_weights(torch.nn.Linear(2, 3), torch.nn.Linear(2, 3), share)


@pytest.mark.parametrize("wrap", [DataParallel, AveragedModel])
def test_a_wrapped_model_is_trained_itself(lines, wrap):
    plain, wrapped = build(), wrap(build())
    config = TrainConfig(steps=3, log_every=1)
    histories = [train(model, LineSet(lines, 4), config, validation=lines)
                 for model in (plain, wrapped)]  # fmt: skip
    assert what_was_learned(histories[0]) == what_was_learned(histories[1])
    assert same_weights(plain, wrapped.module)
    assert torch.equal(ctc_loss_of(plain, lines)[0], ctc_loss_of(wrapped, lines)[0])
    assert labels_fit(wrapped, lines).all()
    settle_norms(wrapped, [lines])


def test_a_loss_of_ones_own(glyphs, tmp_path):
    """Weights of 0 leave lines out: the same as a set without them."""
    lines = compose_lines(glyphs, 8, LineStyle(length=(3, 3)), seeded_generator(3))
    heard = torch.tensor([True, False] * 4)
    weight_of = dict(zip(lines.texts, heard.double().mul(2).tolist(), strict=True))
    assert len(weight_of) == 8

    def some_lines(model, lines):
        losses, *rest = ctc_loss_of(model, lines)
        return losses * torch.tensor([weight_of[text] for text in lines.texts]), *rest

    config = TrainConfig(steps=3, log_every=1, checkpoint=str(tmp_path / "run.pt"))
    weighted, chosen, whole = build(WINDOW), build(WINDOW), build(WINDOW)
    history = train(weighted, LineSet(lines, 8), config, loss=some_lines)
    alone = dataclasses.replace(config, checkpoint=None)
    expected = train(chosen, LineSet(lines.select(heard), 4), alone)
    assert history.loss == pytest.approx(expected.loss, rel=1e-4)
    for name, value in chosen.state_dict().items():
        torch.testing.assert_close(weighted.state_dict()[name], value, rtol=0, atol=1e-4)
    train(whole, LineSet(lines, 8), alone)
    assert not torch.allclose(whole.classify.weight, weighted.classify.weight, atol=1e-4)

    with pytest.raises(ValueError, match="belongs to another run: .*loss=.*some_lines"):
        train(weighted, LineSet(lines, 8), config)
    with pytest.raises(ValueError, match=r"one number per line, \(8,\); got \(\)"):
        train(whole, LineSet(lines, 8), alone, loss=lambda *x: (ctc_loss_of(*x)[0].mean(), *x))


def test_validation(glyphs, lines):
    config = TrainConfig(steps=5, validate_every=2, average=0.9)
    watched, alone = build(), build()
    history = train(watched, stream(glyphs), config, validation=lines)
    assert history.validation_step == [2, 4, 5]
    report = evaluate(watched, lines)
    assert history.validation_exact_match[-1] == report.exact_match
    assert history.validation_error_rate[-1] == report.character_error_rate
    assert train(alone, stream(glyphs), config).validation_step == []
    assert same_weights(watched, alone)  # looking changes nothing
    assert train(build(), stream(glyphs), TrainConfig(steps=2), validation=lines).validation_step


PATIENT = TrainConfig(steps=12, learning_rate=0.01, validate_every=2, patience=2)


def scripted(monkeypatch, *rates: float) -> list[dict]:
    """Validations that find these error rates; the weights that each of them saw."""
    seen: list[dict] = []

    def validate(history: History, model: torch.nn.Module, lines: LineBatch, step: int) -> None:
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        history.validation_step.append(step)
        history.validation_exact_match.append(0.0)
        history.validation_error_rate.append(rates[step // 2 - 1])

    monkeypatch.setattr("crnn_lib.training.loop._validate", validate)
    return seen


@pytest.mark.parametrize("average", [0.0, 0.8])
@pytest.mark.parametrize(
    "rates, looks, best",
    [((0.9, 0.5, 0.7, 0.5, 0.1), 4, 1), ((0.9, 0.5, 0.7, 0.4, 0.6, 0.5), 6, 3), ((0.5,) * 6, 3, 0)],
)
def test_patience_ends_a_run_and_keeps_its_best(
    rates, looks, best, average, glyphs, lines, monkeypatch
):
    seen = scripted(monkeypatch, *rates)
    model = build()
    config = dataclasses.replace(PATIENT, average=average)
    history = train(model, stream(glyphs), config, validation=lines)
    assert history.validation_step == [2 * n + 2 for n in range(looks)] and len(seen) == looks
    state = model.state_dict()
    for name, value in state.items():
        assert torch.equal(value, seen[best][name]), name
    assert not model.training


def test_a_patient_run_goes_on_where_it_was_cut_off(glyphs, lines, tmp_path, monkeypatch):
    rates = (0.9, 0.5, 0.7, 0.6)
    scripted(monkeypatch, *rates)
    whole = build()
    expected = train(whole, stream(glyphs), PATIENT, validation=lines)
    path = tmp_path / "run.pt"
    config = dataclasses.replace(PATIENT, checkpoint=str(path), checkpoint_every=2)
    with ctrl_c_at(6):
        train(build(), stream(glyphs), config, validation=lines)
    for _ in range(2):  # to its end; and a run that has stopped stops again at once
        resumed = build()
        history = train(resumed, stream(glyphs), config, validation=lines)
        assert what_was_learned(history) == what_was_learned(expected)
        assert same_weights(resumed, whole)
    impatient = dataclasses.replace(config, patience=3)
    with pytest.raises(ValueError, match="another run: .*patience=2"):
        train(build(), stream(glyphs), impatient, validation=lines)


NO_RATES = (-0.1, math.inf, math.nan, True, "0.1")
NO_SEEDS = (1.5, "1", None, 2**64)
NO_COUNTS = (0, True, 1.5, "5")


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"warmup": 1.5}, "warmup is a share of the steps, 0 to 1, .*warmup=1.5"),
        ({"warmup": math.nan}, "warmup=nan"),
        ({"average": 1.0}, "average a decay, 0 or more and below 1; .*average=1.0"),
        ({"average": "0.9"}, "average='0.9'"),
        ({"clip": 0}, "clip is a number above 0, .*clip=0"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        *(({"learning_rate": x}, f"is a number, 0 or more; got .?{x}") for x in NO_RATES),
        ({"workers": -1}, "workers is a whole number of at least 0; got -1"),
        ({"validate_every": 2.5}, "validate_every is a whole number of at least 0; got 2.5"),
        ({"checkpoint_every": -3}, "checkpoint_every is a whole number of at least 0; got -3"),
        *(({"steps": n}, f"steps is a whole number of at least 1; got .?{n}") for n in NO_COUNTS),
        *(({"log_every": n}, f"log_every is a .* 1; got {n}") for n in (0, True, 2.0)),
        *(({"patience": n}, f"patience is a .* 0; got .?{n}") for n in (-1, 1.5, "2", None)),
        ({"patience": 2}, "patience=2 and validate_every=0"),
        *(({"seed": seed}, f"seed is a .* of 64 bits; got .?{seed}") for seed in NO_SEEDS),
        *(({"device": name}, f"such as 'cuda'; got .?{name}") for name in ("gpu", "", None)),
        ({"precision": "float16"}, "'float32' or 'bfloat16'; got 'float16'"),
    ],
)
def test_settings_out_of_range_are_named_before_a_run(settings, said):
    with pytest.raises(ValueError, match=said):
        TrainConfig(**settings)


def test_checkpoints_from_before_there_was_patience_are_known():
    assert "patience" not in repr(RUN) and "patience" in TrainConfig.__doc__


def test_what_is_wrong_is_named_before_training(glyphs):
    lines = compose_lines(glyphs, 2, LineStyle(), torch.Generator().manual_seed(0))
    for wrong, message in ((lines, "LineSet.lines. of a LineBatch.*got LineBatch"), (None, "None")):
        with pytest.raises(TypeError, match=message):
            train(build(), wrong, TrainConfig(steps=1))
    for model in ("crnn-digits", Detector(), torch.nn.Linear(2, 2)):
        with pytest.raises(TypeError, match="model is a network that reads lines"):
            train(model, stream(glyphs), TrainConfig(steps=1))
        for use in (evaluate, labels_fit):
            with pytest.raises(TypeError, match="model is a network that reads lines"):
                use(model, lines)
    for wrong in ([lines], None, lines.images):
        with pytest.raises(TypeError, match="lines is a LineBatch, as compose_lines"):
            evaluate(build(), wrong)
    with pytest.raises(TypeError, match="decoder is a function .* got 'beam'"):
        evaluate(build(), lines, "beam")
    for size in (True, 0, 1.5):
        with pytest.raises(ValueError, match="batch_size is a whole number of at least 1; got"):
            evaluate(build(), lines, batch_size=size)
    with pytest.raises(ValueError, match="patience needs validation lines"):
        train(build(), stream(glyphs), PATIENT)
    for wrong in (lines.select([]), lines.images, "my_words"):  # said only after all steps
        with pytest.raises(ValueError, match="validation is a LineBatch with lines; got "):
            train(build(), stream(glyphs), validation=wrong)


def test_workers_change_nothing(glyphs):
    models = [build(), build()]
    histories = [
        train(model, stream(glyphs), TrainConfig(steps=5, log_every=1, workers=workers))
        for workers, model in enumerate(models)
    ]
    assert what_was_learned(histories[0]) == what_was_learned(histories[1])
    assert same_weights(*models)


# ---------------------------------------------------------------------------- cut off, resumed

RUN = TrainConfig(steps=9, learning_rate=0.01, average=0.8, log_every=2, checkpoint_every=2)


def start_and_die(checkpoint: str) -> None:
    """A run whose process is killed when it asks for the lines of step 7."""
    torch.set_num_threads(1)
    compose = LineStream.batch

    def batch(self: LineStream, step: int) -> LineBatch:
        if step == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return compose(self, step)

    LineStream.batch = batch  # not a stream of another class: a run knows its lines again
    lines = stream(load_glyphs("pen", count=300))
    train(build(), lines, dataclasses.replace(RUN, checkpoint=checkpoint))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_run_ends_as_if_nothing_had_happened(glyphs, tmp_path):
    path = tmp_path / "run.pt"
    killed = start(start_and_die, str(path))
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert torch.load(path, weights_only=True)["step"] == 6
    half_way = path.read_bytes()

    whole = build()
    expected = train(whole, stream(glyphs), RUN)
    for workers in (0, 1):
        path.write_bytes(half_way)
        resumed = build()
        torch.manual_seed(123 + workers)  # whatever happened in between
        config = dataclasses.replace(RUN, checkpoint=str(path), workers=workers)
        history = train(resumed, stream(glyphs), config)
        assert what_was_learned(history) == what_was_learned(expected)
        assert same_weights(resumed, whole)
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]  # nothing half-written is left

    # and a run that has ended ends again at once
    again = build()
    assert what_was_learned(train(again, stream(glyphs), config)) == what_was_learned(expected)
    assert same_weights(again, whole)


def test_a_checkpoint_of_another_run_is_refused(glyphs, tmp_path):
    path = tmp_path / "run.pt"
    config = TrainConfig(steps=2, checkpoint=str(path))
    train(build(WINDOW), stream(glyphs), config)
    before = path.read_bytes()
    other = dataclasses.replace(config, learning_rate=0.02)
    said = r"run: it has learning_rate=0.004; this one has learning_rate=0.02\. .*remove the file"
    with pytest.raises(ValueError, match=said):
        train(build(WINDOW), stream(glyphs), other)
    for name, value in (("seed", 1), ("batch_size", 5)):
        said = rf"another run: it has {name}=\d+; .* {name}={value}\. .*remove the file"
        with pytest.raises(ValueError, match=said):
            train(build(WINDOW), stream(glyphs, **{name: value}), config)
    for model in (build(), build(dataclasses.replace(WINDOW, hidden=9))):
        with pytest.raises(ValueError, match="belongs to a run with another model"):
            train(model, stream(glyphs), config)
    assert path.read_bytes() == before
    # where, how often and with how many workers it is saved may change
    path.rename(path.with_name("moved.pt"))
    moved = dataclasses.replace(
        config, checkpoint=str(path.with_name("moved.pt")), checkpoint_every=1, workers=1
    )
    assert train(build(WINDOW), stream(glyphs), moved).step == [2]


class Trap:
    """Pickled, it is code that runs when the pickle is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_foreign_file_is_refused_and_never_run(glyphs, tmp_path):
    sprung = tmp_path / "sprung"
    path = tmp_path / "run.pt"
    config = TrainConfig(steps=2, checkpoint=str(path))
    train(build(WINDOW), stream(glyphs), config)
    whole = path.read_bytes()
    torch.save({"step": 1, "config": Trap(sprung)}, tmp_path / "torch.pt")
    contents = {
        "a pickle": pickle.dumps(Trap(sprung), protocol=2),
        "a pickle of torch": (tmp_path / "torch.pt").read_bytes(),
        "half a checkpoint": whole[: len(whole) // 2],
        "nothing": b"",
        "text": b"55207\n",
    }
    for name, content in contents.items():
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"run.pt is not a checkpoint .* Name another"
        ) as error:
            train(build(WINDOW), stream(glyphs), config)
        assert "\n" not in str(error.value), name
        assert path.read_bytes() == content
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="is not a checkpoint"):
        train(build(WINDOW), stream(glyphs), config)
    story = torch.load(io.BytesIO(whole), weights_only=True)
    for change in ({"optimizer": None}, {"history": {"steps": []}}, {"step": "2"}, {"random": 7}):
        torch.save({**story, **change}, path)
        with pytest.raises(ValueError, match="run.pt does not hold all of a training run"):
            train(build(WINDOW), stream(glyphs), config)
    assert not sprung.exists()
    pickle.loads(contents["a pickle"])  # the trap is a real one
    assert sprung.exists()


def test_a_checkpoint_may_be_named_as_weights_are(glyphs, tmp_path):
    """torch takes a file whose name ends in .safetensors for one, whatever is in it."""
    config = TrainConfig(steps=2, checkpoint=str(tmp_path / "run.safetensors"))
    first = train(build(WINDOW), stream(glyphs), config)
    again = train(build(WINDOW), stream(glyphs), config)
    assert what_was_learned(again) == what_was_learned(first)


def test_a_checkpoint_without_a_folder_is_named_before_training(glyphs, tmp_path, monkeypatch):
    """It was missed when the first one was due, hundreds of steps later."""
    monkeypatch.setattr(LineStream, "batch", pytest.fail)
    config = TrainConfig(steps=2, checkpoint=str(tmp_path / "none" / "run.pt"))
    with pytest.raises(FileNotFoundError, match="folder does not exist"):
        train(build(WINDOW), stream(glyphs), config)


def test_a_checkpoint_at_the_end_only(glyphs, tmp_path):
    path = tmp_path / "run.pt"
    config = TrainConfig(steps=3, checkpoint=str(path), checkpoint_every=0)
    with ctrl_c_at(2):
        train(build(WINDOW), stream(glyphs), config)
    assert not path.exists()
    train(build(WINDOW), stream(glyphs), config)
    assert torch.load(path, weights_only=True)["step"] == 3


def test_history_survives_json(tmp_path):
    history = History(step=[1, 2], loss=[2.5, 0.1], exact_match=[0.0, 1.0], validation_step=[2])
    history.save(tmp_path / "history.json")
    assert History.load(tmp_path / "history.json") == history
    assert json.loads((tmp_path / "history.json").read_text())["loss"] == [2.5, 0.1]


# ---------------------------------------------------------------------------- several processes

# No batch normalisation: on CPUs each process would take the statistics of its own share.
SHARED = {"crnn": dataclasses.replace(TINY, norm="instance", dropout=0.0), "window": WINDOW}


def learn_together(glyphs: Glyphs, name: str) -> tuple[History, torch.nn.Module]:
    model = build(SHARED[name])
    lines = stream(glyphs, batch_size=7)  # 7 lines: the shares of two processes differ
    config = TrainConfig(steps=4, log_every=1, average=0.5, precision="float32", device="cpu")
    return train(model, lines, config), model


def be_one_of_two(folder: Path, rank: int, port: int) -> None:
    """What torchrun starts: it says by the environment who is there, and holds their store."""
    about = {"RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    about["TORCHELASTIC_USE_AGENT_STORE"] = True
    os.environ.update({name: str(value) for name, value in about.items()})
    torch.set_num_threads(1)
    glyphs = load_glyphs("pen", count=300)
    for name in SHARED:
        history, model = learn_together(glyphs, name)
        file = folder / f"{name}-{rank}.pt"
        torch.save({"history": dataclasses.asdict(history), "model": model.state_dict()}, file)
    try:
        train(build(WINDOW), stream(glyphs, batch_size=1), TrainConfig(steps=1, device="cpu"))
    except ValueError as error:
        (folder / f"refusal-{rank}.txt").write_text(str(error))


def test_two_processes_learn_what_one_learns(glyphs, tmp_path):
    store = torch.distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    both = [start(be_one_of_two, tmp_path, rank, store.port) for rank in (0, 1)]
    for process in both:
        process.join()
        assert process.exitcode == 0
    for name in SHARED:
        history, model = learn_together(glyphs, name)
        for rank in (0, 1):
            other = torch.load(tmp_path / f"{name}-{rank}.pt", weights_only=True)
            assert other["history"]["loss"] == pytest.approx(history.loss, abs=2e-5)
            assert other["history"]["exact_match"] == history.exact_match
            for key, value in model.state_dict().items():
                torch.testing.assert_close(other["model"][key], value, atol=1e-4, rtol=0)
    for rank in (0, 1):
        refusal = (tmp_path / f"refusal-{rank}.txt").read_text()
        assert "A batch of 1 lines cannot be shared by 2 processes" in refusal


# ---------------------------------------------------------------------------- reading


@pytest.fixture(scope="module")
def reader(glyphs) -> CRNN:
    """A network that has learned 24 lines: of the 40 it reads some right and some wrong."""
    torch.set_num_threads(1)
    lines = compose_lines(glyphs, 40, LineStyle(length=(1, 3)), seeded_generator(5))
    lines = lines.select(torch.arange(24))
    model = build(CRNNConfig(channels=(8, 8, 16, 16, 24, 24), hidden=24, dropout=0.0))
    train(model, LineSet(lines, 16), TrainConfig(steps=60, learning_rate=1e-2))
    return model


def test_evaluation_does_not_depend_on_order_or_batches(glyphs, reader):
    lines = compose_lines(glyphs, 40, LineStyle(length=(1, 3)), seeded_generator(5))
    expected = evaluate(reader, lines)
    assert 0 < expected.n_exact < 40
    order = torch.randperm(40, generator=seeded_generator(6))
    for batch_size in (1, 7, 128):
        report = evaluate(reader, lines.select(order), batch_size=batch_size)
        for name in ("n_exact", "substitutions", "insertions", "deletions", "by_length"):
            assert getattr(report, name) == getattr(expected, name)
    texts = [h.text for h in read_lines(reader, lines)]
    shuffled = [h.text for h in read_lines(reader, lines.select(order), batch_size=7)]
    assert shuffled == [texts[i] for i in order.tolist()]
    assert sum(a == b for a, b in zip(texts, lines.texts, strict=True)) == expected.n_exact


@pytest.mark.parametrize("training", (True, False))
def test_evaluation_leaves_the_model_as_it_was(lines, training):
    model = build().train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    evaluate(model, lines)
    assert model.training == training
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])

    def broken(*_, **__):
        raise RuntimeError("no decoder")

    with pytest.raises(RuntimeError, match="no decoder"):
        evaluate(model, lines, broken)
    assert model.training == training


@pytest.mark.parametrize("blank", BLANKS)
def test_the_decoder_gets_the_alphabet_of_the_model(lines, blank):
    seen = []

    def decoder(log_probs, frame_lengths, *, alphabet):
        seen.append((alphabet.blank, len(log_probs), log_probs.shape[1], int(frame_lengths.max())))
        return best_path(log_probs, frame_lengths, alphabet=alphabet)

    model = build(WINDOW, blank)
    evaluate(model, lines, decoder, batch_size=5)
    assert [batch[:2] for batch in seen] == [(blank, 5), (blank, 5), (blank, 2)]
    # lines of like width are read together, and no batch is wider than it needs to be
    longest = model.frame_lengths(lines.widths).sort().values[[4, 9, 11]].tolist()
    assert [batch[2:] for batch in seen] == [(frames, frames) for frames in longest]


# ---------------------------------------------------------------------------- bad input


def test_a_label_that_does_not_fit_is_named(glyphs, monkeypatch):
    texts = ["1"] * 40
    texts[37], texts[39] = "1111111111", "1111111112"
    lines = compose_lines(glyphs, 40, LineStyle(), seeded_generator(0), texts=texts)
    model = build(SlidingWindowRNNConfig(window=16, stride=16, hidden=4))
    frames = int(model.frame_lengths(lines.widths)[37])
    assert frames < 18
    message = rf"'1111111111', has {frames} frames and its label needs 19.*labels_fit\(model, lines"
    with pytest.raises(ValueError, match=f"Line 37 of the batch, {message}"):
        ctc_loss_of(model, lines)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    with pytest.raises(ValueError, match=f"Line 37, {message}") as error:
        train(model, LineSet(lines, batch_size=4, seed=5))
    assert "with 2 of 40 lines" in str(error.value)
    for name, x in model.state_dict().items():
        assert torch.equal(x, before[name])  # named before training starts

    fits = labels_fit(model, lines)
    assert (~fits).nonzero()[:, 0].tolist() == [37, 39]
    history = train(model, LineSet(lines.select(fits), 4), TrainConfig(steps=10))
    assert math.isfinite(history.loss[-1])

    # a stream does not know its lines beforehand: the text tells which it was
    monkeypatch.setattr(LineStream, "batch", lambda stream, step: lines.select([0, 37, 1]))
    with pytest.raises(ValueError, match=f"Line 1 of the batch, {message}"):
        train(model, stream(glyphs), TrainConfig(steps=1))


def test_lines_of_another_alphabet_are_refused(glyphs):
    lines = stream(glyphs, alphabet=Alphabet(blank=10), batch_size=30)
    with pytest.raises(ValueError, match="[Bb]lank"):
        train(build(WINDOW, blank=5), lines, TrainConfig(steps=1))
