"""Chapter 11, a pretrained network reads: exercises, known mistakes, and what its notebook uses."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
