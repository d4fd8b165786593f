"""What a class uses beside the exercises: the ten questions, the worksheet, rows of results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
