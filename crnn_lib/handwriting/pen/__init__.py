"""A pen that writes digits, letters and marks from strokes, by writers with habits. No data needed.

:mod:`~crnn_lib.handwriting.pen.copybook` and :mod:`~crnn_lib.handwriting.pen.letterbook` have the
strokes as text, :mod:`~crnn_lib.handwriting.pen.forms` reads them,
:mod:`~crnn_lib.handwriting.pen.strokes` draws.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
