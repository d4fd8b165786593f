"""What all ways to train share: the settings that were given, and the files that are written."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crnn_lib.handwriting import Glyphs
from crnn_lib.models import save_model
from crnn_lib.training import DetectingHistory, History, TrainConfig


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of :class:`TrainConfig` that the options give."""
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    return {k: v for k, v in vars(options).items() if k in names and v is not None}


def refuse_given(options: argparse.Namespace, unfit: Mapping[str, object], why: str) -> None:
    """A ValueError for an option that has no meaning here, unless it is as by default, or 0."""
    for name, default in unfit.items():
        if getattr(options, name) not in (default, 0):
            raise ValueError(f"--{name.replace('_', '-')} {why}")


def facts_of(glyphs: Glyphs | None) -> dict[str, object] | None:
    """What weights keep of the glyphs that they learned from."""
    if glyphs is None:
        return None
    return {"source": glyphs.source, "split": glyphs.split, "count": len(glyphs)}


def write_results(
    options: argparse.Namespace,
    model: nn.Module,
    provenance: dict[str, Any],
    history: History | DetectingHistory,
    told: str = "",
) -> None:
    """Write the weights, say so and what is told of them, and write the history if it is wanted."""
    dtype = torch.float16 if options.half else torch.float32
    save_model(model, options.out, provenance=provenance, dtype=dtype)
    size = Path(options.out).stat().st_size
    print(f"Wrote {options.out} ({size:,} bytes){told and ': ' + told}.")
    if options.history:  # after the weights, which cost more
        history.save(options.history)
