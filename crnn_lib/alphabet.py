"""Characters, class indices, and the blank between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

BLANK_SYMBOL = "-"


@dataclass(frozen=True)
class Alphabet:
    """The characters a network can read, and the class index of each.

    CTC adds one class that means "no character here": the blank. It takes the index ``blank``;
    the characters keep their order around it.

    Parameters
    ----------
    characters : str
        The characters, each once, in the order of their class indices.
    blank : int
        Class index of the blank, from 0 (the default, as in torch) to ``len(characters)``.

    Examples
    --------
    >>> Alphabet().encode("55207")
    [6, 6, 3, 1, 8]
    >>> Alphabet(blank=10).encode("55207")
    [5, 5, 2, 0, 7]
    >>> Alphabet().decode([6, 6, 3, 1, 8])
    '55207'
    >>> Alphabet().num_classes
    11
    """

    characters: str = "0123456789"
    blank: int = 0

    def __post_init__(self) -> None:
        if not self.characters:
            raise ValueError("Alphabet needs at least one character; got an empty string.")
        repeated = sorted({c for c in self.characters if self.characters.count(c) > 1})
        if repeated:
            raise ValueError(
                f"Each character may stand once in an Alphabet; {''.join(repeated)!r} stands more "
                f"often in {self.characters!r}."
            )
        if not 0 <= self.blank <= len(self.characters):
            raise ValueError(
                f"blank is a class index from 0 to {len(self.characters)} for "
                f"{len(self.characters)} characters; got {self.blank}."
            )

    @property
    def num_classes(self) -> int:
        """Number of classes C, the blank included."""
        return len(self.characters) + 1

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """One printable symbol per class; the blank is drawn as ``-``."""
        before, after = self.characters[: self.blank], self.characters[self.blank :]
        return (*before, BLANK_SYMBOL, *after)

    @cached_property
    def _class_of(self) -> dict[str, int]:
        return {c: i + (i >= self.blank) for i, c in enumerate(self.characters)}

    def encode(self, text: str) -> list[int]:
        """Turn a text into its label: one class index per character."""
        try:
            return [self._class_of[c] for c in text]
        except KeyError as error:
            raise ValueError(
                f"{text!r} has the character {error.args[0]!r}, which this alphabet "
                f"({self.characters!r}) does not have."
            ) from None

    def decode(self, label: Iterable[int]) -> str:
        """Turn a label into its text.

        A label holds no blanks. To read an alignment, collapse it first
        (:func:`crnn_lib.ctc.collapse`).
        """
        label = [int(c) for c in label]
        for c in label:
            if c == self.blank:
                raise ValueError(
                    f"{label} contains the blank (class {self.blank}), so it is an alignment, "
                    "not a label. Collapse it first: crnn_lib.ctc.collapse(alignment, blank=...)."
                )
            if not 0 <= c < self.num_classes:
                raise ValueError(
                    f"{label} contains class {c}; this alphabet has classes 0 to "
                    f"{self.num_classes - 1}."
                )
        return "".join(self.symbols[c] for c in label)
