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
        listed = codes.tolist()
        found = list(map(self._number.get, listed))
        if None in found:
            with _LOCK:
                found = list(map(self._named, listed))
        return np.array(found, np.int64)

    def one(self, code: int) -> int:
        """The number of one code."""
        with _LOCK:
            return self._named(code)

    def _named(self, code: int) -> int:
        number = self._number.get(code)
        if number is None:
            number = len(self._number)
            if number == len(self._codes):
                self._codes = np.concatenate([self._codes, np.empty_like(self._codes)])
            self._codes[number] = code  # before the number is seen by others
            self._number[code] = number
        return number

    def codes(self, numbers: np.ndarray) -> np.ndarray:
        """The codes that have these numbers."""
        return self._codes[numbers]
