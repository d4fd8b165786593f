"""Trials that go wrong in every way, to see that each is noticed."""

from __future__ import annotations

import os
import time

import numpy as np

from crnn_lib.alphabet import Alphabet
from crnn_lib.language import WeightedAutomaton

REFUSALS = (ValueError, TypeError)
SECONDS, MEGABYTES = 0.2, 300


def prepare(folder):
    return {"calls": -1, "kept": []}


def attempt(chance, state) -> str:
    number = chance.random()  # not the call's own number: a trial must not know of others
    case = NUMBERS.get(round(number, 6))
    if case == 3:
        {}["55207"]
    if case == 5:
        WeightedAutomaton("5", [[0]], [["no number"]], [0])  # numpy raises a ValueError
    if case == 7:
        assert Alphabet().encode("5") == [5]
    if case == 8:
        os._exit(9)
    if case == 10:
        time.sleep(120)
    if case == 11:
        np.ones(500 << 20, np.uint8)
    if case == 12:
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
    if case == 14:
        raise ValueError("This one does not come from the library.")
    if case == 15:
        Alphabet().encode("x")  # a clean refusal
    return f"{number:.6f}"


def _numbers() -> dict[float, int]:
    """Which number the chance of each trial begins with."""
    import random

    name = "slow.trials_that_fail"
    return {round(random.Random(f"{name} {n}").random(), 6): n for n in range(16)}


NUMBERS = _numbers()
