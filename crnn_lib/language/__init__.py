"""What makes a text likely: check digits, dates, word lists, n-grams, and all of them combined.

Each is a :class:`WeightedAutomaton` (:mod:`~crnn_lib.language.automata`), made by
:mod:`~crnn_lib.language.constraints` or :mod:`~crnn_lib.language.ngrams`, combined in
:mod:`~crnn_lib.language.algebra`, or read from words by :mod:`~crnn_lib.language.parsing`. The
decoders take it as ``language=``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
