"""How well a network reads, and how honest it is about it.

:mod:`~crnn_lib.evaluation.reading` reads lines, :mod:`~crnn_lib.evaluation.metrics` counts errors,
:mod:`~crnn_lib.evaluation.calibration` asks whether "90 % sure" is right 90 times in 100.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
