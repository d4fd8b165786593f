"""Mutants that do the same as the reference, and why: exercise, reason, changes."""

from __future__ import annotations

ANOTHER_TEST = "any test that lets the right ones through and none of the wrong ones is an answer"
SAME_LENGTH = "all arguments have the same length"
ONE_AXIS = "there is one axis only, the first and the last"

EQUIVALENT: dict[str, dict[str, list[str]]] = {
    "3.1": {
        "a list is no class: unequal to the first one, as the blank is or is left out": [
            "label, last = ([], blank) -> label, last = ([], alignment)",
        ],
    },
    "4.3": {
        SAME_LENGTH: [
            "for s in range(len(states)): -> for s in range(len(alpha)):",
            "for s in range(len(states)): -> for s in range(len(emitted)):",
        ],
        "states 0 and 2 are blanks both, so there is no skip into state 2": [
            "if s >= 2 and states[s] != states[s - 2]: -> if s > 2 and states[s] != states[s - 2]:",
            "if s >= 2 and states[s] != states[s - 2]: -> if s >= 3 and states[s] != states[s - 2]:",
        ],
    },
    "4.5": {
        SAME_LENGTH: [
            "for s in range(len(states)): -> for s in range(len(beta)):",
            "for s in range(len(states)): -> for s in range(len(emitted)):",
            "new, last = ([], len(states) - 1) -> new, last = ([], len(beta) - 1)",
            "new, last = ([], len(states) - 1) -> new, last = ([], len(emitted) - 1)",
        ],
        "the last state and the one two before it are blanks both": [
            "if s + 2 <= last and states[s] != states[s + 2]: -> "
            "if s + 2 < last and states[s] != states[s + 2]:",
            "if s + 2 <= last and states[s] != states[s + 2]: -> "
            "if s + 3 <= last and states[s] != states[s + 2]:",
        ],
        ONE_AXIS: [
            "new.append(torch.stack(ways).logsumexp(0)) -> "
            "new.append(torch.stack(ways).logsumexp(-1))",
        ],
    },
    "4.6": {
        "log P is the same in every frame": [
            "by_state = (through - through[0].logsumexp(0)).exp() -> "
            "by_state = (through - through[-1].logsumexp(0)).exp()",
        ],
        ONE_AXIS: [
            "by_state = (through - through[0].logsumexp(0)).exp() -> "
            "by_state = (through - through[0].logsumexp(-1)).exp()",
        ],
    },
    "10.1": {
        "a text of no character has no place for repeats, so the inner loop is empty": [
            "for length in range(1, frames + 1): -> for length in range(0, frames + 1):",
        ],
        "a text longer than its frames fits in none": [
            "for length in range(1, frames + 1): -> for length in range(1, frames + 1 + 1):",
            "for length in range(1, frames + 1): -> for length in range(1, frames + 2):",
        ],
    },
    "11.2": {
        "least is 1 or more, and both numbers are below it": [
            "counts = mask.sum(1).tolist() + [0] -> counts = mask.sum(1).tolist() + [-1]",
        ],
    },
    "11.3": {
        "int cuts off what // would: both numbers are positive": [
            "at_column = [int((j + 0.5) * columns / width) for j in range(width)] -> "
            "at_column = [int((j + 0.5) * columns // width) for j in range(width)]",
            "at_row = [int((i + 0.5) * rows / height) for i in range(height)] -> "
            "at_row = [int((i + 0.5) * rows // height) for i in range(height)]",
        ],
    },
    "12.4": {
        "one finite side is enough for every difference to be finite": [
            "a, b = (a.clamp(min=-1e+30), b.clamp(min=-1e+30)) -> a, b = (a, b.clamp(min=-1e+30))",
            "a, b = (a.clamp(min=-1e+30), b.clamp(min=-1e+30)) -> a, b = (a.clamp(min=-1e+30), b)",
            "a, b = (a.clamp(min=-1e+30), b.clamp(min=-1e+30)) -> "
            "b, b = (a.clamp(min=-1e+30), b.clamp(min=-1e+30))",
        ],
        "any number far below all others does": [
            "a, b = (a.clamp(min=-1e+30), b.clamp(min=-1e+30)) -> "
            "a, b = (a.clamp(min=-1.1000000000000001e+30), b.clamp(min=-1e+30))",
            "a, b = (a.clamp(min=-1e+30), b.clamp(min=-1e+30)) -> "
            "a, b = (a.clamp(min=-1e+30), b.clamp(min=-1.1000000000000001e+30))",
        ],
        "a sum has no order": [
            "a, b = (a.clamp(min=-1e+30), b.clamp(min=-1e+30)) -> "
            "a, b = (b.clamp(min=-1e+30), a.clamp(min=-1e+30))",
        ],
    },
    "12.2": {ANOTHER_TEST: ["*"]},
    "12.3": {ANOTHER_TEST: ["*"]},
    "12.5": {ANOTHER_TEST: ["*"]},
}
