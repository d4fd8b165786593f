"""Checking notebooks that learners hand in: ``python -m crnn_lib.lessons grade``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
