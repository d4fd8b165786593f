"""The still figure beside each explorer, for readers of the notebooks on GitHub."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
