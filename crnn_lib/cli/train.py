"""What the command line does; :mod:`crnn_lib.cli.arguments` says what it can be asked for.

Each function takes the parsed arguments and returns the exit status. What cannot be done is said
by an exception (ValueError or OSError), whose message is all that the user gets to see.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from pathlib import Path

import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.cli._folders import train_on_folder
from crnn_lib.cli._pages import LINES_ONLY, train_on_pages
from crnn_lib.cli._targets import check_distinct, check_target
from crnn_lib.cli._training import facts_of, given_settings, refuse_given, write_results
from crnn_lib.cli.glyphs import glyphs_on_disk
from crnn_lib.cli.read import chosen_decoder
from crnn_lib.evaluation import Report
from crnn_lib.evaluation import evaluate as evaluate_model
from crnn_lib.handwriting import (
    Glyphs,
    LineBatch,
    LineStyle,
    compose_lines,
    fonts,
    join_batches,
    load_glyphs,
    pen,
    resize_as_emnist,
)
from crnn_lib.models import (
    CRNN,
    MARKS,
    CRNNConfig,
    SlidingWindowRNN,
    load_model,
    widen_crnn,
)
from crnn_lib.training import (
    Alternating,
    History,
    LineStream,
    PhotoMixture,
    TrainConfig,
    WordStream,
    interpolate_weights,
    photo_lines,
    photo_sample,
    read_run,
    seeded_generator,
    word_lines,
    word_sample,
)
from crnn_lib.training import train as train_model

SEEDS = 1000  # from a run's seed to that of the words it is validated with
WRITTEN = ("checkpoint", "out", "history")  # options that name a file to write
CONFIGS = {
    "crnn": CRNNConfig,
    "large": CRNNConfig.large,
    "photos": CRNNConfig.photos,
    "words": CRNNConfig.words,
    "article": CRNNConfig.article,
}
UNUSED = {  # a style, and options that such lines make nothing of
    "photos": ("length",),
    "words": ("length", "held_out"),  # other people and fonts write what these are validated with
}
FOLDER_ONLY = {"alphabet": None, "keep_old": None, "skip_bad": False, "patience": None}
DEFAULTS = {  # of what differs with --lines, where FINE_TUNING has the others
    "steps": 1000,
    "learning_rate": 4e-3,
    "batch_size": 64,
    "average": 0.0,
    "held_out": 0.0,
    "validate_every": 0,
    "patience": 0,
}


# ---------------------------------------------------------------------------- train


def train(options: argparse.Namespace) -> int:
    """Train a network on fresh lines, or on a folder's, and write its weights."""
    for name in WRITTEN:
        check_target(f"--{name}", getattr(options, name))
    check_distinct({f"--{name}": getattr(options, name) for name in WRITTEN})
    if Path(options.out).suffix != ".safetensors":
        raise ValueError(f"--out {options.out}: the name must end in .safetensors.")
    if options.keep_start and not options.start and options.lines is None:
        raise ValueError("--keep-start mixes in the weights of --start: name those, too.")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: this torch finds no GPU. Leave it out to use the CPU.")
    if options.as_emnist and options.lines is None and "mnist" not in _sources(options):
        raise ValueError(
            "--as-emnist resizes MNIST's digits, and there are none among --glyphs "
            f"{','.join(options.glyphs)}: name mnist, or leave it out."
        )
    command = _command(options.arguments)
    try:
        if options.detector:
            no_lines = "is for networks that read lines; leave out --detector."
            refuse_given(options, LINES_ONLY, no_lines)
            return train_on_pages(options, _scans(options), command)
        if options.lines is not None:
            return train_on_folder(options, command)
        return _train_on_fresh_lines(options, command)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_where_it_stands(options.checkpoint)) from None


def _train_on_fresh_lines(options: argparse.Namespace, command: str) -> int:
    refuse_given(options, FOLDER_ONLY, "goes with --lines, a folder of labelled images.")
    for name, value in DEFAULTS.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    config = TrainConfig(**given_settings(options))
    unused = dict.fromkeys(UNUSED.get(options.style, ()))
    refuse_given(options, unused, f"has no effect on --style {options.style}; leave it out.")
    glyphs: Glyphs | None
    words = options.style == "words"
    if words:
        glyphs, held_out = _scans(options), None
        alphabet = Alphabet(pen.TEXT_CHARACTERS + " ")
    else:
        glyphs, held_out = _training_glyphs(options)
        marks = MARKS if options.style == "photos" else ""
        alphabet = Alphabet(glyphs.characters + marks)
    torch.manual_seed(options.seed)  # of the first weights
    model = _first_weights(options, alphabet)
    if lacks := [c for c in alphabet.characters if c not in model.alphabet.characters]:
        raise ValueError(
            f"--start {options.start} does not know {' '.join(lacks)}, and lines of --style "
            f"{options.style} hold them. Start from weights that do, or leave out --start."
        )
    alphabet = model.alphabet  # whose classes may have another order
    lines = _training_lines(options, glyphs, alphabet, model.config.height)
    validation = None
    if held_out is not None or (words and options.validate_every):
        validation = _validation_lines(options, held_out, alphabet, model.config.height)

    leads = os.environ.get("RANK", "0") == "0"  # of torchrun's processes one speaks and writes
    if leads:
        verb = "Resuming" if config.checkpoint and Path(config.checkpoint).exists() else "Training"
        parameters = sum(parameter.numel() for parameter in model.parameters())
        print(
            f"{verb} {type(model).__name__} ({options.start or options.network or 'crnn'}, "
            f"{parameters:,} parameters): "
            f"{config.steps} steps of {options.batch_size} lines, style {options.style}, "
            f"{_written_by(lines, glyphs)}.",
            flush=True,
        )
    history = train_model(model, lines, config, validation=validation)
    if not leads:
        return 0
    report = None
    if options.keep_start:
        interpolate_weights(model, _first_weights(options, alphabet), options.keep_start)
        report = None if validation is None else evaluate_model(model, validation)
    metrics = _last_metrics(history, report)
    provenance = {
        "command": command,
        "glyphs": facts_of(glyphs),
        "style": options.style,
        **_described(lines),
        "batch_size": options.batch_size,
        "training": dataclasses.asdict(dataclasses.replace(config, checkpoint=None)),
        "metrics": metrics,
    }
    told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in metrics.items())
    write_results(options, model, provenance, history, told)
    return 0


def _training_glyphs(options: argparse.Namespace) -> tuple[Glyphs, Glyphs | None]:
    """Glyphs to train on, and those held out of training, if any."""
    generator = seeded_generator(options.seed, 1)
    kept = {s: glyphs_on_disk(s, "train") for s in options.glyphs if s != "pen"}
    if options.as_emnist:
        kept = {s: resize_as_emnist(g) if g.source == "mnist" else g for s, g in kept.items()}
    if "pen" in options.glyphs:  # beside others the pen draws as many as its share calls for
        piles = [options.glyphs["pen"] * len(kept[s]) / options.glyphs[s] for s in kept]
        kept["pen"] = load_glyphs("pen", "train", count=round(max(piles)) if piles else None)
    held_out = []
    if options.held_out:
        for source, glyphs in kept.items():
            held = torch.zeros(len(glyphs), dtype=torch.bool)
            for k in range(len(glyphs.characters)):  # the same share of each character
                members = (glyphs.labels == k).nonzero()[:, 0]
                members = members[torch.randperm(len(members), generator=generator)]
                held[members[: round(options.held_out * len(members))]] = True
            if held.all() or not held.any():
                raise ValueError(
                    f"--held-out {options.held_out:g} holds out {int(held.sum()):,} of the "
                    f"{len(held):,} glyphs of {source}; some are to be held out, and some are not."
                )
            held_out.append(glyphs.subset(held))
            kept[source] = glyphs.subset(~held)
    # A glyph is chosen uniformly from the pile, so a source's share in the lines is its share of
    # the pile. Sources with too few glyphs for theirs are repeated; no glyph is thrown away.
    unit = max(len(glyphs) / options.glyphs[source] for source, glyphs in kept.items())
    parts = [
        glyphs.subset(torch.arange(round(unit * options.glyphs[source])) % len(glyphs))
        for source, glyphs in kept.items()
    ]
    return Glyphs.concat(parts), Glyphs.concat(held_out) if options.held_out else None


def _sources(options: argparse.Namespace) -> set[str]:
    """The sources of ``--glyphs``; of ``auto``, which one it is."""
    named = set(options.glyphs)
    if "auto" in named:  # one glyph tells
        named = named - {"auto"} | {load_glyphs("auto", "train", count=1).source}
    return named


def _scans(options: argparse.Namespace) -> Glyphs | None:
    """Glyphs of data sets, for pages and words; the pen writes these whole, not glyph by glyph."""
    named = _sources(options)
    if named == {"pen"}:
        return None
    if "pen" in named:
        what = "--detector" if options.detector else f"--style {options.style}"
        raise ValueError(
            f"--glyphs: with {what} the pen writes by itself, and no share makes it more or less. "
            "Name data sets without it, or pen alone."
        )
    return _training_glyphs(options)[0]


def _first_weights(options: argparse.Namespace, alphabet: Alphabet):
    """The network that a run begins with; one that is to read photos learns the marks, too."""
    if not options.start:
        if options.network == "window":
            return SlidingWindowRNN(alphabet=alphabet)
        return CRNN(CONFIGS[options.network or "crnn"](), alphabet)
    model = load_model(options.start, alphabet=alphabet if options.style == "photos" else None)
    window = options.network == "window" and isinstance(model, SlidingWindowRNN)
    if options.network is None or window:
        return model
    if options.network not in CONFIGS or not isinstance(model, CRNN):
        raise ValueError(
            f"--start {options.start} --network {options.network}: a CRNN can be widened to "
            f"another, one of {', '.join(CONFIGS)}. Leave out --network to go on with it as it is."
        )
    try:
        return widen_crnn(model, CONFIGS[options.network](), seed=options.seed)
    except ValueError as error:
        raise ValueError(f"--start {options.start} --network {options.network}: {error}") from None


def _training_lines(
    options: argparse.Namespace, glyphs: Glyphs | None, alphabet: Alphabet, height: int
) -> LineStream | Alternating:
    if options.style == "words":
        return word_lines(alphabet, options.batch_size, options.seed, height=height, scanned=glyphs)
    assert glyphs is not None  # only words are written without
    if options.style == "photos":
        mixture = PhotoMixture(size=_size(options))
        return photo_lines(glyphs, options.batch_size, options.seed, mixture)
    styles = [_style(options, height)]
    if options.style == "varied":  # two styles that take turns
        bases = LineStyle(), LineStyle.article()
        styles = [_fitted(_varied(style, options), options.length, height) for style in bases]
    streams = [
        LineStream(glyphs, style, options.batch_size, options.seed + number, alphabet=alphabet)
        for number, style in enumerate(styles)
    ]
    return Alternating(tuple(streams)) if len(streams) > 1 else streams[0]


def _written_by(lines: LineStream | Alternating, glyphs: Glyphs | None) -> str:
    """Who writes the lines, for the first line that a run prints."""
    first = lines.streams[0] if isinstance(lines, Alternating) else lines
    scanned = "" if glyphs is None else f"{len(glyphs):,} glyphs of {glyphs.source}"
    if not isinstance(first, WordStream):
        return f"from {scanned}"
    hands = ", ".join(name for name, _ in first.hands)
    return f"written by {hands}" + (f", and from {scanned}" if scanned else "")


def _described(lines: LineStream | Alternating) -> dict[str, object]:
    streams = lines.streams if isinstance(lines, Alternating) else (lines,)
    plain = [stream for stream in streams if isinstance(stream, LineStream)]
    if len(plain) == len(streams):
        return {"styles": [dataclasses.asdict(stream.style) for stream in plain]}
    return {"lines": repr(lines)}  # paper and its many effects


def _validation_lines(
    options: argparse.Namespace, held_out: Glyphs | None, alphabet: Alphabet, height: int
) -> LineBatch:
    count = options.validation_lines
    if options.style == "words":  # people and fonts that write no line of training
        counts = {"pen": count}
        if count > 1 and fonts.count_fonts()["test"]:
            counts = {"pen": count - count // 2, "fonts": count // 2}
        seed = options.seed + SEEDS
        parts = [
            word_sample(number, seed, alphabet=alphabet, height=height, hands=hands)
            for hands, number in counts.items()
        ]
        return join_batches(parts, alphabet.blank)
    assert held_out is not None
    if options.style == "photos":
        held_out = dataclasses.replace(held_out, split="test")
        return photo_sample(held_out, count, options.seed, book="careless")
    style = _style(options, height)
    style = _varied(style, options) if options.style == "varied" else style
    generator = seeded_generator(options.seed, 2)
    return compose_lines(held_out, count, style, generator, alphabet=alphabet)


def _style(options: argparse.Namespace, height: int) -> LineStyle:
    style = LineStyle.article() if options.style == "article" else LineStyle()
    return _fitted(style, options.length, height)


def _varied(style: LineStyle, options: argparse.Namespace) -> LineStyle:
    return style.varied(size=_size(options))


def _size(options: argparse.Namespace) -> tuple[float, float]:
    """Digits that are as large as EMNIST's need not grow."""
    return (0.85, 1.1) if options.as_emnist else (0.95, 1.2)


def _fitted(style: LineStyle, length: tuple[int, int] | None, height: int) -> LineStyle:
    """A style of the length asked for, no higher than the network reads."""
    length = length or style.length
    return dataclasses.replace(style, height=min(style.height, height), length=length)


def _command(arguments: list[str]) -> str:
    """The command as it was given, without the folders of the machine it ran on."""
    words = ["python -m crnn_lib"]
    files = [f"--{name}" for name in (*WRITTEN, "lines", "start")]

    def names_a_file(option: str) -> bool:  # whose name may be cut short
        return len(option) > 2 and any(name.startswith(option) for name in files)

    for before, word in zip(["", *arguments], arguments, strict=False):
        option, equals, value = word.partition("=")
        if names_a_file(before):
            word = Path(word).name
        elif equals and names_a_file(option):
            word = f"{option}={Path(value).name}"
        words.append(word)
    return " ".join(words)


def _last_metrics(history: History, report: Report | None) -> dict[str, float]:
    """What the run ended with: the mean of its last entries, which are single batches.

    Where the weights were changed after it, ``report`` says how those read the held-out lines.
    """
    last = {"loss": history.loss[-10:], "exact_match": history.exact_match[-10:]}
    metrics = {name: sum(values) / len(values) for name, values in last.items()}
    if history.validation_step:
        held_out = history.validation_exact_match[-1], history.validation_error_rate[-1]
        if report is not None:
            held_out = report.exact_match, report.character_error_rate
        metrics["held_out_exact_match"], metrics["held_out_character_error_rate"] = held_out
    return {name: round(value, 6) for name, value in metrics.items()}


def _where_it_stands(checkpoint: str | None) -> str:
    if checkpoint is None:
        return "Stopped. Nothing of this run was saved: it had no --checkpoint."
    if not Path(checkpoint).exists():
        return f"Stopped before the first checkpoint: there is no {checkpoint} yet."
    try:
        step = read_run(checkpoint)["step"]
    except Exception:  # whatever torch makes of another file
        return f"Stopped. {checkpoint} is no checkpoint of a training run; name another file."
    return f"Stopped. {checkpoint} holds {step} steps; the same command goes on from there."


# ---------------------------------------------------------------------------- evaluate


def evaluate(options: argparse.Namespace) -> int:
    """Measure a network on lines written with glyphs it has not seen."""
    model = load_model(options.weights)
    decoder = chosen_decoder(options, model.alphabet)
    glyphs = glyphs_on_disk(options.glyphs, options.split)
    style = _style(options, model.config.height)
    generator = seeded_generator(options.seed)
    lines = compose_lines(glyphs, options.count, style, generator, alphabet=model.alphabet)
    print(
        f"{options.weights} reads lines in the style {options.style}, written with {glyphs.source} "
        f"{glyphs.split} glyphs (seed {options.seed})\n"
    )
    print(evaluate_model(model, lines, decoder))
    return 0
