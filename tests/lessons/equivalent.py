"""Mutants that do the same as the reference, and why: exercise, reason, changes."""

from __future__ import annotations

ANOTHER_TEST = "any test that lets the right ones through and none of the wrong ones is an answer"
SAME_LENGTH = "all arguments have the same length"
ONE_AXIS = "there is one axis only, the first and the last"
SECOND_BLANK = "the third state is a blank as the first is, so nothing may be skipped there"
TENSORS = "rows of a tensor hold the same numbers as lists"
NOTHING_YET = "while nothing is read, a character is a new one from either number"
BLANK_STAYS = "by a blank a prefix comes from itself alone: there is nothing to add to"
NOT_STRICT = "zip is not strict by itself"
SKIPS = "if s > 2 and c not in (0, states[s - 2]):"

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
        SECOND_BLANK: [
            "if s >= 2 and states[s] != states[s - 2]: -> if s > 2 and states[s] != states[s - 2]:",
            "if s >= 2 and states[s] != states[s - 2]: -> "
            "if s >= 3 and states[s] != states[s - 2]:",
        ],
    },
    "4.5": {
        SAME_LENGTH: [
            "for s in range(len(states)): -> for s in range(len(beta)):",
            "for s in range(len(states)): -> for s in range(len(emitted)):",
            "new, last = ([], len(states) - 1) -> new, last = ([], len(beta) - 1)",
            "new, last = ([], len(states) - 1) -> new, last = ([], len(emitted) - 1)",
        ],
        "from the third state from the end, a blank, no way skips another blank": [
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
        "alpha and beta give the same sum at every frame": [
            "by_state = (through - through[0].logsumexp(0)).exp() -> "
            "by_state = (through - through[-1].logsumexp(0)).exp()",
        ],
        ONE_AXIS: [
            "by_state = (through - through[0].logsumexp(0)).exp() -> "
            "by_state = (through - through[0].logsumexp(-1)).exp()",
        ],
    },
    "7.1": {
        "all labels begin with the same number, and only their order counts": [
            "found[label] = found.get(label, 0) + probability -> "
            "found[label] = found.get(label, -1) + probability",
            "found[label] = found.get(label, 0) + probability -> "
            "found[label] = found.get(label, 1) + probability",
        ],
        "the blank is class 0 by itself": [
            "label = tuple(collapse(alignment, blank=0)) -> label = tuple(collapse(alignment))",
        ],
        TENSORS: [
            "probability = math.exp(sum((log_probs[t, c].item() for t, c in enumerate(alignment))))"
            " -> "
            "probability = math.exp(sum((log_probs[t, c] for t, c in enumerate(alignment))))",
        ],
    },
    "7.3": {
        NOTHING_YET: ["beam = {(): (1.0, 0.0)} -> beam = {(): (0.0, 1.0)}"],
        TENSORS: ["for frame in probs.tolist(): -> for frame in probs:"],
        BLANK_STAYS: [
            "grown[prefix][0] += (at_blank + at_char) * frame[0] -> "
            "grown[prefix][0] = (at_blank + at_char) * frame[0]",
        ],
    },
    "7.4": {
        "states behind the last one are never asked for": [
            "alpha, begun = ([1.0] + [0.0] * (len(states) - 1), 0.0) -> "
            "alpha, begun = ([1.0] + [0.0] * (len(states) + 1), 0.0)",
            "alpha, begun = ([1.0] + [0.0] * (len(states) - 1), 0.0) -> "
            "alpha, begun = ([1.0] + [0.0] * (len(states) - 0), 0.0)",
        ],
        TENSORS: ["for frame in probs.tolist(): -> for frame in probs:"],
        "the last of alpha is always 0": [
            "ways = alpha[s] + (alpha[s - 1] if s else 0.0) -> ways = alpha[s] + alpha[s - 1]",
        ],
        "blanks stand at the even states: of two blanks two apart, each equals the other": [
            f"{SKIPS} -> if c not in (0, states[s - 2]):",
            f"{SKIPS} -> if s > 1 and c not in (0, states[s - 2]):",
            f"{SKIPS} -> if s > 2 and c not in (-1, states[s - 2]):",
            f"{SKIPS} -> if s >= 2 and c not in (0, states[s - 2]):",
        ],
        "a pair has no order for `in`": [f"{SKIPS} -> if s > 2 and c not in (states[s - 2], 0):"],
    },
    "8.2": {
        "a sum and its negative end in 0 together": ["total += digit -> total -= digit"],
    },
    "8.4": {
        NOTHING_YET: [
            "beam, state_of = ({(): (1.0, 0.0)}, {(): first}) -> "
            "beam, state_of = ({(): (0.0, 1.0)}, {(): first})",
        ],
        TENSORS: ["for frame in probs.tolist(): -> for frame in probs:"],
        BLANK_STAYS: [
            "grown[prefix][0] += (at_blank + at_char) * frame[0] -> "
            "grown[prefix][0] = (at_blank + at_char) * frame[0]",
        ],
    },
    "8.5": {
        NOT_STRICT: [
            "for first, second in zip(text, text[1:], strict=False): -> "
            "for first, second in zip(text, text[1:]):",
        ],
    },
    "9.1": {
        SAME_LENGTH: [
            "best = [best[k] + row[c] for k, c in zip(came_from, states, strict=True)] -> "
            "best = [best[k] + row[c] for k, c in zip(came_from, states)]",
            "best = [best[k] + row[c] for k, c in zip(came_from, states, strict=True)] -> "
            "best = [best[k] + row[c] for k, c in zip(came_from, states, strict=False)]",
        ],
        TENSORS: ["rows, back = (log_probs.tolist(), []) -> rows, back = (log_probs, [])"],
        SECOND_BLANK: [
            "skips = s >= 2 and c != states[s - 2] -> skips = s > 2 and c != states[s - 2]",
            "skips = s >= 2 and c != states[s - 2] -> skips = s >= 3 and c != states[s - 2]",
        ],
        "before the first state there is none, skipped or not": [
            "skips = s >= 2 and c != states[s - 2] -> skips = c != states[s - 2]",
            "skips = s >= 2 and c != states[s - 2] -> skips = s >= 1 and c != states[s - 2]",
        ],
    },
    "9.2": {
        "a run of no frames is not yet a run": [
            "for end in range(1, len(alignment) + 1): -> for end in range(0, len(alignment) + 1):",
        ],
    },
    "9.3": {
        "no confidence is above 1": ["for b in range(bins): -> for b in range(bins + 1):"],
        SAME_LENGTH: [
            "total, error = (len(confidences), 0) -> total, error = (len(correct), 0)",
        ],
    },
    "9.4": {
        SAME_LENGTH: [
            "order = sorted(range(len(confidences)), key=lambda i: confidences[i]) -> "
            "order = sorted(range(len(correct)), key=lambda i: confidences[i])",
        ],
    },
    "5.4": {
        NOT_STRICT: [
            "for glyph, column in zip(glyphs, columns, strict=True): -> "
            "for glyph, column in zip(glyphs, columns):",
            "for glyph, column in zip(glyphs, columns, strict=True): -> "
            "for glyph, column in zip(glyphs, columns, strict=False):",
        ],
    },
    "5.5": {
        NOT_STRICT: [
            "for before, after in zip(widths, widths[1:], strict=False): -> "
            "for before, after in zip(widths, widths[1:]):",
        ],
        "a share of 0 is nothing, whatever it is a share of": [
            "measure = mean if spacing > 0 else min(before, after) -> "
            "measure = mean if spacing >= 0 else min(before, after)",
        ],
    },
    "6.3": {
        "any change of the column is one": [
            "poked[0, :, :, x] += 1 -> poked[0, :, :, x] += 2",
            "poked[0, :, :, x] += 1 -> poked[0, :, :, x] -= 1",
            "poked[0, :, :, x] += 1 -> poked[0, :, :, x] = 1",
        ],
        "the threshold allows for rounding, and nothing changes by so little": [
            "return (columns(poked) - columns(images)).abs().amax(2) > 1e-06 -> "
            f"return (columns(poked) - columns(images)).abs().amax(2) {other}"
            for other in ("> 0.0", "> 1.1e-06", ">= 1e-06")
        ],
    },
    "6.4": {
        "the optimizer holds all weights of the network": [
            "optimizer.zero_grad() -> network.zero_grad()",
        ],
    },
    "6.5": {
        "there are three blocks and three strides": [
            "for block, stride in zip(self.look, (2, 2, 1), strict=True): -> "
            f"for block, stride in zip(self.look, (2, 2, 1){other}):"
            for other in ("", ", strict=False")
        ],
    },
    "10.4": {
        NOT_STRICT: [
            "for word, count in zip(words, counts, strict=True): -> "
            "for word, count in zip(words, counts):",
            "for word, count in zip(words, counts, strict=True): -> "
            "for word, count in zip(words, counts, strict=False):",
        ],
        "a tensor of one number is compared like the number": [
            "scores.append(weight * math.log(count) - loss.item()) -> "
            "scores.append(weight * math.log(count) - loss)",
        ],
    },
    "11.2": {
        "a text of no character has no place for repeats, so the inner loop is empty": [
            "for length in range(1, frames + 1): -> for length in range(0, frames + 1):",
        ],
        "a text longer than its frames fits in none": [
            "for length in range(1, frames + 1): -> for length in range(1, frames + 1 + 1):",
            "for length in range(1, frames + 1): -> for length in range(1, frames + 2):",
        ],
    },
    "12.2": {
        "least is 1 or more, and both numbers are below it": [
            "counts = mask.sum(1).tolist() + [0] -> counts = mask.sum(1).tolist() + [-1]",
        ],
    },
    "12.3": {
        "int cuts off what // would: both numbers are positive": [
            "at_column = [int((j + 0.5) * columns / width) for j in range(width)] -> "
            "at_column = [int((j + 0.5) * columns // width) for j in range(width)]",
            "at_row = [int((i + 0.5) * rows / height) for i in range(height)] -> "
            "at_row = [int((i + 0.5) * rows // height) for i in range(height)]",
        ],
    },
    "13.4": {
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
    "13.2": {ANOTHER_TEST: ["*"]},
    "13.3": {ANOTHER_TEST: ["*"]},
    "13.5": {ANOTHER_TEST: ["*"]},
}
