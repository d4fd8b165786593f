"""Mutants that do the same as the reference, and why: exercise, reason, changes."""

from __future__ import annotations

EQUIVALENT: dict[str, dict[str, list[str]]] = {}
