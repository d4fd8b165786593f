"""Make data/runs/best_alignment.json: training by all alignments, and by the best one alone.

    python data/make_best_alignment.py

The same network, first weights and lines, trained twice: by the CTC loss, and by the loss of the
most probable alignment alone, found anew in each step. Three seeds; lines of the built-in pen, of
which the test lines are of other hands. Takes about a quarter of an hour on one core.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from crnn_lib import CRNN, LineStyle, compose_lines, ctc_loss, evaluate, load_glyphs
from crnn_lib.ctc import forced_alignments
from crnn_lib.handwriting import LineBatch
from crnn_lib.training import LineStream, seeded_generator, settle_norms

FILE = Path(__file__).parent / "runs" / "best_alignment.json"
STEPS, BATCH, SEEDS, LOOK_EVERY, TEST_LINES = 400, 32, (0, 1, 2), 50, 500
LENGTHS = (1, 5)


def best_alignment_loss(
    log_probs: Tensor, targets: Tensor, frame_lengths: Tensor, target_lengths: Tensor
) -> Tensor:
    """Minus the log-probability of each line's most probable alignment, (N,)."""
    line = (targets, frame_lengths, target_lengths)
    spans, _ = forced_alignments(log_probs.detach(), *line)  # (N, L, 2)
    frames = torch.arange(log_probs.shape[1])
    inside = (spans[..., :1] <= frames) & (frames < spans[..., 1:])  # (N, L, T)
    alignment = (inside * targets[..., None]).sum(1)  # (N, T), 0 is the blank
    chosen = log_probs.gather(2, alignment[..., None])[..., 0]  # (N, T)
    return -(chosen * (frames < frame_lengths[:, None])).sum(1)


def loss_of(kind: str, model: CRNN, lines: LineBatch) -> Tensor:
    log_probs, frame_lengths = model(lines.images, lines.widths)  # (N, T, C)
    line = (log_probs, lines.targets, frame_lengths, lines.target_lengths)
    losses = best_alignment_loss(*line) if kind == "best" else ctc_loss(*line, reduction="none")
    return (losses / lines.target_lengths).mean()


def learn(kind: str, seed: int, test: LineBatch) -> list[int]:
    """Train a network; return how many test lines it reads after each LOOK_EVERY steps."""
    torch.manual_seed(seed)  # of its first weights, and of dropout
    model, read = CRNN(), []
    style = LineStyle(length=LENGTHS)
    stream = LineStream(load_glyphs("pen", "train"), style, batch_size=BATCH, seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(STEPS):
        loss = loss_of(kind, model.train(), stream.batch(step))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % LOOK_EVERY == 0:
            settled = [stream.batch(k) for k in range(STEPS, STEPS + 8)]
            settle_norms(model, settled)
            report = evaluate(model.eval(), test)
            read.append(round(report.exact_match * TEST_LINES))
            print(kind, seed, step + 1, f"{loss.item():.3f}", read[-1], flush=True)
    return read


def main() -> None:
    torch.set_num_threads(1)  # the same numbers on every run
    style = LineStyle(length=LENGTHS)
    test = compose_lines(load_glyphs("pen", "test"), TEST_LINES, style, seeded_generator(4))
    record = {"steps": list(range(LOOK_EVERY, STEPS + 1, LOOK_EVERY)), "test_lines": TEST_LINES}
    record |= {kind: [learn(kind, seed, test) for seed in SEEDS] for kind in ("sum", "best")}
    FILE.write_text(json.dumps(record) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
