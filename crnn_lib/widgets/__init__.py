"""Explorers: figures that answer to mouse, finger and keys, with a kernel or without.

One Python file per explorer, its ES module in ``js/``, and the figure beside it in
:mod:`~crnn_lib.widgets.stills`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
