"""How fast lines are made and learned."""

from __future__ import annotations

import time

import torch
from table import interleaved_medians, markdown_table
from torch import nn
from torch.nn import functional as F
from torchvision import transforms

from crnn_lib import CRNN, LineStyle, best_path, compose_lines, load_glyphs, load_model
from crnn_lib.handwriting.pen import draw_digits
from crnn_lib.training import ctc_loss_of, seeded_generator

SEED = 1


class PublishedNetwork(nn.Module):
    """The article's layers, run as it ran them: plain norms, and a read-out line by line."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, o, stride in (
            (1, 32, 1),
            (32, 32, 1),
            (32, 32, 2),
            (32, 64, 1),
            (64, 64, 1),
            (64, 64, 2),
        ):
            layers += [nn.Conv2d(i, o, 3, stride), nn.LeakyReLU(), nn.InstanceNorm2d(o)]
        self.look = nn.Sequential(*layers)
        self.gru = nn.GRU(192, 128, 2, batch_first=True, bidirectional=True)
        self.classify = nn.Linear(256, 11)

    def forward(self, images):
        features = self.look(images).permute(0, 3, 2, 1).flatten(2)  # (N, T, 192)
        states, _ = self.gru(features)  # (N, T, 256)
        return torch.stack([F.log_softmax(self.classify(line), -1) for line in states])


def training_step() -> str:
    lines = compose_lines(load_glyphs("pen"), 64, LineStyle.article(), seeded_generator(SEED, 0))
    published = PublishedNetwork()
    ours = CRNN().to(memory_format=torch.channels_last)
    optimizers = {m: torch.optim.Adam(m.parameters(), 1e-3) for m in (published, ours)}
    frames = torch.full((64,), 31)

    def published_step():
        log_probs = published(lines.images)
        loss = F.ctc_loss(log_probs.permute(1, 0, 2), lines.targets, frames, lines.target_lengths)
        update(published, loss)

    def our_step(precision):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            losses, _, _ = ctc_loss_of(ours, lines)
        update(ours, losses.mean())

    def update(model, loss):
        optimizers[model].zero_grad()
        loss.backward()
        optimizers[model].step()

    seconds = interleaved_medians(
        {
            "published": published_step,
            "float32": lambda: our_step("float32"),
            "bfloat16": lambda: our_step("bfloat16"),
        },
        repeats=7,
    )
    rows = [
        [name, f"{1000 * seconds[key]:.0f} ms", f"{seconds[key] / seconds['published']:.2f}"]
        for name, key in (
            ("the article's network as published", "published"),
            ("crnn_lib's CRNN, float32", "float32"),
            ("crnn_lib's CRNN, bfloat16 convolutions", "bfloat16"),
        )
    ]
    return "A training step, batch of 64 strips of 28 x 140, one thread, CPU time:\n\n" + (
        markdown_table(["network", "step", "ratio"], rows)
    )


def making_lines() -> str:
    glyphs = load_glyphs("pen")
    five = LineStyle(length=(5, 5))
    jitter = transforms.Compose(
        [
            transforms.ToPILImage(),
            transforms.RandomAffine(10, (0.2, 0.15), (0.8, 1.1)),
            transforms.ToTensor(),
        ]
    )
    singles = list(glyphs.images[:100])

    def loop():
        for first in range(0, 100, 5):
            torch.cat([jitter(image) for image in singles[first : first + 5]], -1)

    def compose(style):
        compose_lines(glyphs, 512, style, seeded_generator(SEED, 1))

    digits = torch.arange(2_000) % 10
    seconds = interleaved_medians(
        {
            "loop": loop,
            "article": lambda: compose(LineStyle.article()),
            "five": lambda: compose(five),
            "default": lambda: compose(LineStyle()),
            "pen": lambda: draw_digits(digits, seeded_generator(SEED, 2)),
        },
        repeats=7,
    )
    per_second = {
        "loop": 20 / seconds["loop"],
        "article": 512 / seconds["article"],
        "five": 512 / seconds["five"],
        "default": 512 / seconds["default"],
    }
    rows = [
        [name, f"{per_second[key]:,.0f}", f"{per_second[key] / per_second['loop']:.0f}"]
        for name, key in (
            ("a loop over torchvision's RandomAffine, article's strips", "loop"),
            ("compose_lines, article's strips", "article"),
            ("compose_lines, default style, five digits", "five"),
            ("compose_lines, default style, 1 to 10 digits", "default"),
        )
    ]
    return (
        "Lines per second of CPU time, one thread:\n\n"
        + markdown_table(["how", "lines/s", "ratio"], rows)
        + f"\n\nThe pen draws {2_000 / seconds['pen']:,.0f} glyphs per second of CPU time."
    )


def latency() -> float:
    """Median seconds of CPU time from one line's image to its text."""
    model = load_model("crnn-digits")
    lines = compose_lines(
        load_glyphs("pen", "test"), 200, LineStyle(length=(5, 5)), seeded_generator(SEED, 99)
    )
    seconds = []
    with torch.inference_mode():
        for index in range(len(lines)):
            image = lines.images[index : index + 1, :, :, : lines.widths[index]]
            started = time.process_time()
            best_path(*model(image), alphabet=model.alphabet)
            seconds.append(time.process_time() - started)
    return sorted(seconds[20:])[len(seconds[20:]) // 2]


def run() -> str:
    torch.set_num_threads(1)
    return (
        f"## Speed\n\n{training_step()}\n\n{making_lines()}\n\n`crnn-digits` reads one line of "
        f"five digits, image to text with its probability, in {1000 * latency():.1f} ms of CPU "
        "time."
    )
