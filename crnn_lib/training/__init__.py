"""Learning to read: one loop for one core, a GPU or ``torchrun``, and what it is fed with.

:mod:`~crnn_lib.training.loop` is the loop, :mod:`~crnn_lib.training.streams` and
:mod:`~crnn_lib.training.mixtures` are the batches, :mod:`~crnn_lib.training.averaging` and
:mod:`~crnn_lib.training.runs` what is kept of a run.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
