"""Chance that depends on who and what, and not on what was drawn before."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor


def hash_uniform(seed: int, *ids: Tensor, slots: int) -> Tensor:
    """Uniform numbers in (0, 1), (M, slots), that depend on the seed and the ids (M,) alone.

    A generator would give a writer other habits when other glyphs are drawn before; a hash of
    who and what does not. The mixing function is SplitMix64's (Steele, Lea and Flood, 2014).
    """
    state = _mix(np.array([seed % 2**64], dtype=np.uint64))  # (1,)
    for part in ids:
        state = _mix(state ^ part.numpy().astype(np.uint64))  # (M,)
    steps = np.arange(1, slots + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = _mix(state[:, None] + steps)  # (M, slots)
    top = (bits >> np.uint64(41)).astype(np.float32)  # 23 bits: exact in float32, halves too
    return torch.from_numpy((top + 0.5) * np.float32(2**-23))


def normal(uniform: Tensor) -> Tensor:
    """Normal numbers from uniform ones in (0, 1)."""
    return math.sqrt(2) * torch.erfinv(2 * uniform - 1)


def _mix(x: np.ndarray) -> np.ndarray:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
