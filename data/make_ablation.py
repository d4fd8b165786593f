"""Measure what each line of a training loop buys: data/runs/ablation.json, ten minutes of a core.

    python data/make_ablation.py

The network is the one that notebook 06 types, on the pen's two-digit lines, so nothing needs to be
downloaded. Each variant differs from the first one in the line that its name says, and all meet the
same batches. Its score is the number of test lines, by hands that write no training line, that best
path reads without a mistake.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from crnn_lib import CRNN, LineStyle, compose_lines, evaluate, load_glyphs
from crnn_lib.models import CRNNConfig
from crnn_lib.training import LineStream, ctc_loss_of, settle_norms

FILE = Path(__file__).parent / "runs" / "ablation.json"
CONFIG = CRNNConfig(channels=(16, 32, 48), strides=((2, 2), (2, 2), (2, 1)), hidden=64, dropout=0.0)
STYLE = replace(LineStyle(), length=(2, 2), spacing=(0.1, 0.5))
STEPS, BATCH, RATE, DECAY, SEEDS, TEST_LINES = 600, 32, 4e-3, 0.99, 6, 1000
VARIANTS = {
    "plain loop": {},
    "clipping": {"clip": True},
    "schedule": {"schedule": True},
    "averaging": {"average": True},
    "all three": {"clip": True, "schedule": True, "average": True},
    "reshape for permute": {"reshape": True},
}


class ReshapedCRNN(CRNN):
    """The mistake of notebook 06: frames of the right shape, dealt out of all columns."""

    def features(self, images, widths=None):
        frames, lengths = super().features(images, widths)  # (N, T, C' * H')
        return frames.transpose(1, 2).reshape(frames.shape), lengths


def run(seed: int, clip=False, schedule=False, average=False, reshape=False) -> tuple[int, int]:
    """Test lines read before and after the averages of the norms are taken anew."""
    torch.manual_seed(seed)
    network = ReshapedCRNN(CONFIG) if reshape else CRNN(CONFIG)
    stream = LineStream(load_glyphs("pen", "train"), STYLE, batch_size=BATCH, seed=seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=STEPS, pct_start=0.2, cycle_momentum=False
    )
    mean = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(DECAY), use_buffers=True)
    if not schedule:  # building one has lowered the rate
        for group in optimizer.param_groups:
            group["lr"] = RATE
    for step in range(STEPS):
        losses, _, _ = ctc_loss_of(network, stream.batch(step))
        optimizer.zero_grad()
        losses.mean().backward()
        if clip:
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if schedule and step < STEPS - 1:
            rate.step()
        if average:
            mean.update_parameters(network)
    final = mean.module if average else network
    test = compose_lines(
        load_glyphs("pen", "test"), TEST_LINES, STYLE, torch.Generator().manual_seed(1000)
    )
    before = evaluate(final, test).n_exact
    settle_norms(final, (stream.batch(step) for step in range(STEPS - 16, STEPS)))
    return before, evaluate(final, test).n_exact


def main() -> None:
    torch.set_num_threads(1)
    record: dict = {
        "steps": STEPS, "batch": BATCH, "rate": RATE, "decay": DECAY, "test_lines": TEST_LINES,
        "seeds": [*range(SEEDS)], "read": {}, "read_before_settling": {},
    }  # fmt: skip
    started = time.process_time()
    for name, options in VARIANTS.items():
        pairs = [run(seed, **options) for seed in range(SEEDS)]
        record["read_before_settling"][name], record["read"][name] = map(
            list, zip(*pairs, strict=True)
        )
        print(name, pairs, f"{time.process_time() - started:.0f} s", flush=True)
    record["seconds"] = round(time.process_time() - started)
    FILE.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
