"""Made-up lattices that look like a trained network's: short peaks, blanks between, some doubt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crnn_lib import Alphabet

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Workload:
    """Lattices (N, T, C) float32, the blank last, and the labels they were made from."""

    name: str
    log_probs: np.ndarray
    labels: np.ndarray
    alphabet: Alphabet

    @property
    def texts(self) -> list[str]:
        return [self.alphabet.decode(label) for label in self.labels]


def make_workload(
    name: str, count: int, frames: int, classes: int, length: int, noise: float, seed: int
) -> Workload:
    """Each character peaks for one to three frames near the middle of its share of the line.

    A few peaks are faint, so that the blank competes; to some a second class is nearly as likely.
    The scores' noise has Gumbel's distribution and a strength that varies from line to line.
    """
    random = np.random.default_rng(seed)
    blank, share = classes - 1, frames / length
    labels = random.integers(0, blank, (count, length))
    where = np.arange(length) + 0.5 + random.uniform(-0.25, 0.25, labels.shape)
    width = random.uniform(0.35, 0.9, labels.shape)
    distance = (np.arange(frames)[:, None] - share * where[:, None]) / width[:, None]
    peaks = np.exp(-(distance**2) / 2)  # (N, T, L)
    height = np.where(random.random(labels.shape) < 0.15 / length, 7.7, 11.0)
    doubtful = random.random(labels.shape) < (0.3 if length < 8 else 0.2) / length
    rivals = np.where(doubtful, 10.2, 0.0)
    logits = np.zeros((count, frames, classes))
    logits[:, :, blank] = 10.0 - 8.5 * peaks.sum(2)
    lines = np.arange(count)
    others = random.integers(0, blank, labels.shape)
    for i in range(length):
        logits[lines, :, labels[:, i]] += peaks[:, :, i] * height[:, i, None]
        logits[lines, :, others[:, i]] += peaks[:, :, i] * rivals[:, i, None]
    strength = noise * np.exp(random.normal(0, 0.35, (count, 1, 1)))
    logits += strength * random.gumbel(size=logits.shape)
    logits -= logits.max(2, keepdims=True)
    log_probs = logits - np.log(np.exp(logits).sum(2, keepdims=True))
    alphabet = Alphabet(LETTERS[:blank], blank)
    return Workload(name, log_probs.astype(np.float32), labels, alphabet)


def workloads() -> tuple[Workload, Workload]:
    """W1: five digits on 31 frames. W2: twelve of 47 letters on 100 frames."""
    return (
        make_workload("W1", 2000, 31, 11, 5, 0.402, seed=1),
        make_workload("W2", 500, 100, 48, 12, 0.05, seed=2),
    )
