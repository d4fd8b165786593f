"""Make the film that ships: what a network says about 55207 at some 70 moments of its training.

    python data/make_film.py

The network is a small CRNN, the lines are the built-in pen's. The line filmed is by a writer who
wrote none of those it learns from. Of twenty such lines it is the one that the weights that ship
are surest of, so that what is not read yet is not for want of neatness. It takes some five minutes
on one core. The moments stand close at the beginning, where most happens.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from crnn_lib import (
    CRNN,
    LineStyle,
    best_path,
    compose_lines,
    ctc_loss,
    load_glyphs,
    load_model,
    widgets,
)
from crnn_lib.handwriting import LineBatch
from crnn_lib.models import CRNNConfig, frame_edges
from crnn_lib.training import LineStream, seeded_generator

PACKED = Path(widgets.__file__).parent / "film.npz"
TEXT = "55207"
STEPS = 600
MOMENTS = sorted({round(STEPS * (i / 72) ** 2) for i in range(73)})
STYLE = LineStyle(length=(3, 5), spacing=(0.0, 0.3), margin=(4, 6))
NEAT = LineStyle(spacing=(0.0, 0.15), margin=(4, 6), size=(0.95, 1.05))


def neatest_line() -> LineBatch:
    lines = compose_lines(
        load_glyphs("pen", "test"), 20, NEAT, seeded_generator(55207, 5), texts=[TEXT] * 20
    )
    judge = load_model("crnn-digits")
    with torch.inference_mode():
        log_probs, frame_lengths = judge(lines.images, lines.widths)
    lengths = lines.target_lengths
    losses = ctc_loss(log_probs, lines.targets, frame_lengths, lengths, reduction="none")  # (N,)
    line = lines.select([int(losses.argmin())])
    return replace(line, images=line.images[..., : int(line.widths[0])])


def main() -> None:
    torch.set_num_threads(1)  # the same numbers on every run
    torch.manual_seed(0)  # of the first weights
    # Norms over the line itself: what is said of it hangs on no averages of other lines.
    model = CRNN(CRNNConfig(norm="instance", dropout=0.0))
    stream = LineStream(load_glyphs("pen", "train"), STYLE, batch_size=32, seed=0)
    line = neatest_line()
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    filmed = []
    for step in range(STEPS + 1):
        if step in MOMENTS:
            with torch.inference_mode():
                log_probs, _ = model(line.images, line.widths)  # (1, T, C)
            filmed.append(log_probs[0].clone())
            print(f"step {step:3}: {best_path(log_probs)[0].text}")
        batch = stream.batch(step)
        log_probs, frame_lengths = model(batch.images, batch.widths)
        loss = ctc_loss(log_probs, batch.targets, frame_lengths, batch.target_lengths)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
    stacked = torch.stack(filmed)  # (M, T, C)
    np.savez_compressed(
        PACKED,
        image=(255 * line.images[0, 0]).round().byte().numpy(),
        text=np.array(TEXT),
        steps=np.array(MOMENTS, np.int32),
        log_probs=stacked.numpy().astype(np.float16),
        edges=frame_edges(model, stacked.shape[1]).astype(np.float32),
    )
    print(f"Wrote {os.path.relpath(PACKED)}: {stacked.shape}, {PACKED.stat().st_size} bytes.")


if __name__ == "__main__":
    main()
