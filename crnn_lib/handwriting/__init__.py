"""Where lines of handwriting come from: glyphs, people, and how they are put on a line.

:mod:`~crnn_lib.handwriting.glyphs` has single characters (EMNIST, MNIST, or the built-in pen of
:mod:`~crnn_lib.handwriting.pen`), :mod:`~crnn_lib.handwriting.lines` composes them to lines with
their ground truth, in a style of :mod:`~crnn_lib.handwriting.styles`.
:mod:`~crnn_lib.handwriting.amounts` writes numbers as people do, :mod:`~crnn_lib.handwriting.fonts`
words in other hands, :mod:`~crnn_lib.handwriting.paper` photographs the lines.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
