"""What the tests of the commands share: how one is typed, and a network that costs nothing."""

from __future__ import annotations

from pathlib import Path

import torch

from crnn_lib.cli.arguments import main
from crnn_lib.models import CRNN, CRNNConfig, save_model


def run(capsys, *arguments) -> tuple[int, list[str], list[str]]:
    """Exit status, output and error output of a command, as lines."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err.splitlines()


def save_tiny(folder: Path, **provenance) -> str:
    """A small network that has learned nothing: fast, and as good as any for the plumbing."""
    torch.manual_seed(0)
    model = CRNN(CRNNConfig(channels=(4, 8), strides=((2, 2), (2, 2)), hidden=8))
    return str(save_model(model, folder / "tiny.safetensors", provenance=provenance))
