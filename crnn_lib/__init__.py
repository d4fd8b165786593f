"""Reading lines of handwriting with a CRNN and CTC.

The names one comes for stand here: ``from crnn_lib import CRNN, ctc_loss, prefix_beam_search``.
Behind them are the wings, each a package with names of its own. A wing imports from those above it
in this list, and from no other:

==================  ==============================================================================
``alphabet``        characters, class indices, the blank
``ctc``             collapse, alignments, the loss, forward-backward, forced alignment, confidence
``language``        what makes a text likely: check digits, dates, word lists, n-grams
``decoders``        best path, prefix beam search, exact search with a proof
``models``          the networks, and how they are stored
``handwriting``     glyphs, the pen, lines, paper: where training lines come from
``cutting``         the classical way, which notebook 01 tries: cut first, then read
``photos``          from any photo to texts
``archive``         a million photos, on all cores or a cluster
``evaluation``      how well a network reads, and how honest it is
``training``        the loop, and the lines it is fed with
``plots``           figures
``widgets``         explorers: figures that answer
``lessons``         exercises that check, hint and show a solution; quizzes; a grader
``cli``             the command line: ``python -m crnn_lib``
==================  ==============================================================================

Importing this package is cheap: a wing, and torch, is loaded when one of its names is first used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
