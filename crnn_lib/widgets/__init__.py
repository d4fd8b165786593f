"""Explorers: figures that answer to mouse, finger and keys, with a kernel or without."""

from __future__ import annotations

from crnn_lib.widgets.collapse import CollapseExplorer
from crnn_lib.widgets.lattice import LatticeExplorer
from crnn_lib.widgets.window import WindowExplorer

__all__ = ["CollapseExplorer", "LatticeExplorer", "WindowExplorer"]
