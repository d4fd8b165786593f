"""The CTC loss and forced alignment: how right, and how fast beside torch."""

from __future__ import annotations

import torch
from table import interleaved_medians, markdown_table
from torch.nn import functional as F

from crnn_lib import ctc_loss
from crnn_lib.ctc import forced_alignments

SEED, REPEATS = 1, 101
SIZES = ((31, 11, 5), (100, 48, 12))  # T, C, L: the article's strips; long lines of letters


def random_lines(n, size, generator, dtype=torch.float32):
    """Random logits and labels of full length; repeats occur."""
    frames, classes, length = size
    logits = torch.randn((n, frames, classes), generator=generator, dtype=dtype)
    targets = torch.randint(1, classes, (n, length), generator=generator)
    return logits, targets, torch.full((n,), frames), torch.full((n,), length)


def torch_loss(log_probs, *batch, reduction):
    return F.ctc_loss(log_probs.transpose(0, 1), *batch, reduction=reduction)  # (T, N, C)


def gradient(loss, logits, *batch):
    """Gradient for the logits of the summed loss: forward, backward, log_softmax included."""
    logits = logits.detach().requires_grad_()
    loss(logits.log_softmax(-1), *batch, reduction="sum").backward()
    return logits.grad


def errors(size, batches=5) -> list[str]:
    """Largest errors against torch in float64, over a few batches of 64 lines."""
    generator = torch.Generator().manual_seed(SEED)
    value = ours = theirs = 0.0
    for _ in range(batches):
        logits, *batch = random_lines(64, size, generator)
        log_probs = logits.double().log_softmax(-1)
        exact = torch_loss(log_probs, *batch, reduction="none")
        error = (ctc_loss(log_probs, *batch, reduction="none") / exact - 1).abs().max()
        value = max(value, float(error))
        exact = gradient(torch_loss, logits.double(), *batch)
        ours = max(ours, float((gradient(ctc_loss, logits, *batch) - exact).abs().max()))
        theirs = max(theirs, float((gradient(torch_loss, logits, *batch) - exact).abs().max()))
    return [f"{value:.0e}", f"{ours:.1e}", f"{theirs:.1e}"]


def speeds(size) -> list[str]:
    """Milliseconds of loss and gradient for 64 lines, and lines aligned per second."""
    generator = torch.Generator().manual_seed(SEED)
    logits, *batch = random_lines(64, size, generator)
    many, *many_batch = random_lines(256, size, generator)
    many = many.log_softmax(-1)
    # A network runs before its loss. What it frees, the allocator keeps at hand, for both of them.
    torch.ones(31 << 18)  # 31 MiB
    seconds = interleaved_medians(
        {
            "ours": lambda: gradient(ctc_loss, logits, *batch),
            "torch": lambda: gradient(torch_loss, logits, *batch),
        },
        REPEATS,
    )
    seconds |= interleaved_medians({"align": lambda: forced_alignments(many, *many_batch)}, REPEATS)
    return [
        f"{1000 * seconds['ours']:.2f} ms",
        f"{1000 * seconds['torch']:.2f} ms",
        f"{seconds['ours'] / seconds['torch']:.2f}",
        f"{256 / seconds['align']:,.0f}",
    ]


def run() -> str:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = [["T {}, C {}, L {}".format(*size), *errors(size), *speeds(size)] for size in SIZES]
    torch.set_num_threads(threads)
    header = [
        "lines",
        "loss, float64: error",
        "gradient, float32: error",
        "the same, torch",
        "loss + gradient",
        "torch",
        "ratio",
        "aligned lines/s",
    ]
    return (
        "## CTC\n\n`ctc_loss` beside `torch.nn.functional.ctc_loss`, from the logits, and "
        "`forced_alignments`. Errors are the largest against torch in float64 (relative for the "
        "loss, absolute for the gradient), n = 5 batches of 64 random lines. Times are medians of "
        f"{REPEATS} turns, CPU time, one thread, batches of 64 (alignment: 256), seed {SEED}.\n\n"
        + markdown_table(header, rows)
    )


if __name__ == "__main__":
    print(run())
