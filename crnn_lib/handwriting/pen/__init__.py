"""A pen that writes digits and marks from strokes, by writers with habits. It needs no data.

:mod:`~crnn_lib.handwriting.pen.copybook` has the strokes as text,
:mod:`~crnn_lib.handwriting.pen.forms` reads them, :mod:`~crnn_lib.handwriting.pen.strokes` draws.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
