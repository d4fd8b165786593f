"""Networks that read a line: from images ``(N, 1, H, W)`` to log-probabilities ``(N, T, C)``.

:mod:`~crnn_lib.models.sliding_window` has no convolutions, :mod:`~crnn_lib.models.crnn` has,
:mod:`~crnn_lib.models.backbone` begins with a network that was trained on photographs:
:mod:`~crnn_lib.models.efficientnet` or :mod:`~crnn_lib.models.resnet`. All of them obey the padding
law: ``read(x) == read(pad(x))`` (:mod:`~crnn_lib.models.layers`).
:mod:`~crnn_lib.models.checkpoints` stores and loads them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
