"""Explorers: figures that answer to mouse, finger and keys, with a kernel or without."""

from __future__ import annotations

from crnn_lib.widgets.beam import BeamExplorer
from crnn_lib.widgets.collapse import CollapseExplorer
from crnn_lib.widgets.fusion_knobs import FusionExplorer
from crnn_lib.widgets.lattice import LatticeExplorer
from crnn_lib.widgets.pad import DrawingPad
from crnn_lib.widgets.where import WhereExplorer
from crnn_lib.widgets.window import WindowExplorer

__all__ = [
    "BeamExplorer",
    "CollapseExplorer",
    "DrawingPad",
    "FusionExplorer",
    "LatticeExplorer",
    "WhereExplorer",
    "WindowExplorer",
]
