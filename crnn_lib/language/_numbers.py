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
                new = [code for code in dict.fromkeys(listed) if code not in self._number]
                size = len(self._number)
                if size + len(new) > len(self._codes):
                    more = np.empty(len(self._codes) + len(new), np.int64)
                    self._codes = np.concatenate([self._codes, more])
                self._codes[size : size + len(new)] = new  # before others see the numbers
                self._number.update(zip(new, range(size, size + len(new)), strict=True))
            found = list(map(self._number.get, listed))
        return np.array(found, np.int64)

    def one(self, code: int) -> int:
        """The number of one code."""
        return int(self.of(np.array([code]))[0])

    def codes(self, numbers: np.ndarray) -> np.ndarray:
        """The codes that have these numbers."""
        return self._codes[numbers]
