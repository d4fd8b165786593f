"""What a scanner or a phone sees of a line: ruled, stamped, shadowed, blurred.

:mod:`~crnn_lib.handwriting.paper.styles` says how often and how strongly,
:mod:`~crnn_lib.handwriting.paper.scanner` does it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
