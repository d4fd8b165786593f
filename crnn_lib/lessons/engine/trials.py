"""Tests that learners write are tested: on right implementations, and on wrong ones.

A good test lets the right ones through and fails on each wrong one. That is mutation testing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from crnn_lib.lessons.engine.attempt import Attempt, Broken
from crnn_lib.lessons.engine.values import Unreadable, show


@dataclass(frozen=True)
class Variant:
    """An implementation, right or wrong.

    Attributes
    ----------
    name : str
        What it is or does: "torch's", "it takes the blank for class 0".
    advice : str
        Of a right one: why a test may fail on it. Of a wrong one: what makes a test fail on it.
    make : callable
        Returns the implementation.
    """

    name: str
    advice: str
    make: Callable[[], Callable]


def as_verdict(value: object) -> bool:
    """What a test returns: True, False, or None where it asserts."""
    if value is None or type(value) in (bool, np.bool_):
        return value is None or bool(value)
    if isinstance(value, torch.Tensor) and value.dtype == torch.bool and value.numel() == 1:
        return bool(value)
    raise Unreadable(f"{show(value)}, where True or False should be")


def try_out(
    attempt: Attempt,
    parameter: str,
    wrap: Callable,
    right: Sequence[Variant],
    buggy: Sequence[Variant],
) -> None:
    """Run the learner's test on right and on wrong implementations.

    Parameters
    ----------
    attempt : Attempt
        The test: a function of one implementation that returns whether it is right, or asserts it.
    parameter : str
        What its parameter is called.
    wrap : callable
        Gives each implementation the same name and parameters.
    right, buggy : sequence of Variant
        In the order in which a learner is told about them.

    Raises
    ------
    Broken
        If the test fails on a right one, or lets a wrong one through.
    """
    silent = True  # nothing but None has come back

    def lets_through(variant: Variant, *, any_error_fails: bool) -> bool:
        implementation = wrap(variant.make())

        def action():
            nonlocal silent
            try:
                value = attempt.answer(implementation)
            except AssertionError:
                silent = False
                return False
            except NotImplementedError:
                raise
            except Exception:
                if any_error_fails:
                    return False
                raise
            silent = silent and value is None
            return value

        return attempt.run(action, f"{attempt.name}({parameter})", returns=as_verdict)

    for variant in [*right, *right]:  # twice: a test that remembers or throws dice is none
        if not lets_through(variant, any_error_fails=False):
            raise Broken(
                variant.advice,
                f"the test fails on one that is right, {variant.name}",
            )
    alive = [variant for variant in buggy if lets_through(variant, any_error_fails=True)]
    if alive and silent:
        raise Broken("return True or False, or let assert decide", "the test never fails")
    for variant in right:
        if not lets_through(variant, any_error_fails=False):
            raise Broken(
                "the same implementation must get the same verdict each time: keep nothing, and "
                "take random numbers from a torch.Generator with a seed",
                f"the test fails on {variant.name}, and did not before",
            )
    if alive:
        first, caught = alive[0], len(buggy) - len(alive)
        raise Broken(
            first.advice,
            f"your test lets through {first.name}",
            f"Of {len(buggy)} wrong ones, {caught} {'fails' if caught == 1 else 'fail'}.",
        )
