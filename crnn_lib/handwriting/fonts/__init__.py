"""Words in the hands of fonts that look handwritten: fetched by name, cached, never part of this.

Faces of print come with them, for what no hand has written.

:mod:`~crnn_lib.handwriting.fonts.packages` fetches and loads them,
:mod:`~crnn_lib.handwriting.fonts.words` writes with them. ``package.json`` names the packages, the
lock file their versions and digests, ``LICENCES.md`` whose they are and what one may do with them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
