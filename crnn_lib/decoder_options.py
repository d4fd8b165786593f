"""The decoder that a command line asks for: ``--decoder beam --constraint luhn``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from crnn_lib.alphabet import Alphabet
from crnn_lib.decoders import best_path, exact_search, prefix_beam_search
from crnn_lib.language import parse_constraint


def chosen_decoder(options: argparse.Namespace, alphabet: Alphabet) -> Callable:
    """The decoder that ``options.decoder``, ``.constraint`` and ``.beam_width`` describe.

    Without a name it is the best path, or a beam if there is a constraint to keep to.

    >>> options = argparse.Namespace(decoder=None, constraint="length:5", beam_width=None)
    >>> chosen_decoder(options, Alphabet()).func.__name__
    'prefix_beam_search'
    """
    name = options.decoder
    if name is None:
        name = "beam" if options.constraint or options.beam_width else "best-path"
    if options.beam_width and name != "beam":
        raise ValueError(f"--beam-width is for --decoder beam; {name} has no beam.")
    language = None
    if options.constraint:
        if name == "best-path":
            raise ValueError(
                "--decoder best-path cannot keep to a constraint; use --decoder beam or exact."
            )
        language = parse_constraint(options.constraint, alphabet.characters)
    if name == "best-path":
        return best_path
    if name == "exact":
        return partial(exact_search, language=language)
    return partial(prefix_beam_search, language=language, beam_width=options.beam_width or 10)
