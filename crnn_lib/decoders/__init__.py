"""From log-probabilities to texts: best path, prefix beam search, and exact search with a proof.

:mod:`~crnn_lib.decoders.best` looks at one alignment, :mod:`~crnn_lib.decoders.beam` at the best
prefixes, :mod:`~crnn_lib.decoders.exact` proves its answer. Each returns
:class:`Hypothesis` objects. :mod:`~crnn_lib.decoders.fusion` makes a language ready for them, and
:mod:`~crnn_lib.decoders.adapter` takes what other networks give.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
