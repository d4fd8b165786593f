"""CTC: from frames to labels and back. Start here.

:mod:`~crnn_lib.ctc.definition` says what a label's probability is, by listing alignments;
:mod:`~crnn_lib.ctc.trellis` sums them without listing, :mod:`~crnn_lib.ctc.loss` does so for a
batch, with the gradient. :mod:`~crnn_lib.ctc.spans` finds where each character is, and
:mod:`~crnn_lib.ctc.confidence` how sure it is. :mod:`~crnn_lib.ctc.lengths` is for all who handle
lines of unequal length.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
