"""From any photo to texts. :class:`Reader` is the way in.

:mod:`~crnn_lib.photos.files` opens an image, :mod:`~crnn_lib.photos.steps` has the single steps,
:mod:`~crnn_lib.photos.finding` goes through them to the lines of a page,
:mod:`~crnn_lib.photos.ink` makes bright ink on black of them, :mod:`~crnn_lib.photos.reader` reads.
:mod:`~crnn_lib.photos.labelled_lines` makes lines to learn from of what somebody labelled,
:mod:`~crnn_lib.photos.folder_tables` keeps the tables of such folders,
:mod:`~crnn_lib.photos.own_lines` keeps and loads a test set of one's own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
