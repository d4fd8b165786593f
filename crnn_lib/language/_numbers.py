"""States that get their numbers when they are reached."""

from __future__ import annotations

import threading

import numpy as np

_LOCK = threading.Lock()  # numbers are given out by one thread at a time


class Numbers:
    """Numbers from 0 on for whatever codes come, in the order in which they come first."""

    def __init__(self) -> None:
        self._number: dict[int, int] = {}
        self._codes = np.empty(1024, np.int64)

    def of(self, codes: np.ndarray) -> np.ndarray:
        """The numbers of some codes, (M,) int64; new ones are given out."""
        with _LOCK:
            found, known = np.empty(len(codes), np.int64), self._number
            for i, code in enumerate(codes.tolist()):
                number = known.get(code)
                if number is None:
                    number = known[code] = len(known)
                    if number == len(self._codes):
                        self._codes = np.concatenate([self._codes, np.empty_like(self._codes)])
                    self._codes[number] = code
                found[i] = number
        return found

    def codes(self, numbers: np.ndarray) -> np.ndarray:
        """The codes that have these numbers."""
        return self._codes[numbers]
