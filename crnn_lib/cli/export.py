"""What ``crnn export`` does: write a network as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path

from crnn_lib.cli._targets import check_target
from crnn_lib.models import export_onnx, load_model


def export(options: argparse.Namespace) -> int:
    """Write the network, and say what is in the file."""
    check_target("--out", options.out)
    if Path(options.out).suffix != ".onnx":
        raise ValueError(f"--out {options.out}: the name must end in .onnx.")
    model = load_model(options.weights)
    try:
        path = export_onnx(model, options.out, options.half, features=options.features)
    except ModuleNotFoundError as error:  # onnx comes with an extra
        raise ValueError(str(error)) from None
    size, height = path.stat().st_size, model.config.height
    print(
        f"Wrote {path}: {size / 1e6:.1f} MB, {model.alphabet.num_classes} classes. "
        f"images (N, 1, {height}, W) and widths (N,) in, log_probs (N, T, C) and frame_lengths "
        "(N,) out."
    )
    return 0
