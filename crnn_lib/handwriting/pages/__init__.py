"""Whole pages with writing on them, photographed, and maps that say what is where.

:mod:`~crnn_lib.handwriting.pages.composing` makes them in a style of
:mod:`~crnn_lib.handwriting.pages.styles`. Inside: what is written comes from a store of sprites,
a layout puts it on the sheet, the sheet is seen through a camera, and light falls on it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
