"""An exercise, its known mistakes, and the verdict on an answer.

:func:`examine` runs one check. It never raises, whatever the learner's code does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import torch

from crnn_lib.lessons.engine.attempt import Attempt, Broken, NotAttempted, describe
from crnn_lib.lessons.engine.values import as_it_is, difference, same, show

REMEMBERS = (
    "the same call gives another answer each time: begin anew in each call, and keep nothing in a "
    "variable outside or in a default such as found=[]"
)
PRINTED_LINES, LONGEST_LINE = 8, 100  # of what the failing call printed
FURTHER = 100  # cases after the first that fails, on which a known mistake has to hold as well


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people really give, and the rule it breaks.

    ``does`` is the wrong answer as code: a function (or class) in the place of the reference.
    """

    rule: str
    does: Callable


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes
    ----------
    id : str
        Chapter and number, as in ``"4.2"``.
    title : str
    task : str
        What to write, for whoever has not begun.
    check : callable
        Takes an :class:`Attempt`; raises :class:`Broken` for the first rule that is broken, and
        returns the sentence that a correct answer earns. See :func:`compare`.
    hints : tuple of str
        From a nudge to nearly the whole.
    reference : callable
        The solution. Its source is what ``solution`` shows, so it needs nothing but torch, math and
        what the notebook has imported.
    mistakes : tuple of Mistake
        Known wrong answers. :func:`compare` recognises them by what they return; the tests run the
        check against each.
    returns : callable
        Reads a returned value, see :mod:`crnn_lib.lessons.engine.values`.
    seconds : float
        Computing time that all calls together may take.
    """

    id: str
    title: str
    task: str
    check: Callable[[Attempt], str]
    hints: tuple[str, ...]
    reference: Callable
    mistakes: tuple[Mistake, ...] = ()
    returns: Callable[[object], Any] = as_it_is
    seconds: float = 5.0


@dataclass(frozen=True)
class Verdict:
    """What a check answers: a status, and the sentences that go with it."""

    status: str  # "not attempted", "correct" or "not yet"
    text: str


def examine(exercise: Exercise, answer: object) -> Verdict:
    """Check one answer. Never raises, but for the learner's own KeyboardInterrupt."""
    name = exercise.reference.__name__
    if not callable(answer):
        kind = "class" if isinstance(exercise.reference, type) else "function"
        return Verdict(
            "not yet",
            f'hand over the {kind} itself, without brackets after it: check("{exercise.id}", '
            f"{name}). This is {_kind(answer)}.",
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the cases are small, and waiting threads count as computing
    try:
        return _examine(exercise, answer)
    except Exception as error:
        return Verdict("not yet", f"the check itself failed, by its own fault: {describe(error)}.")
    finally:
        torch.set_num_threads(threads)


def _examine(exercise: Exercise, answer: Callable) -> Verdict:
    attempt = Attempt(
        answer, exercise.reference, exercise.returns, exercise.seconds, exercise.mistakes
    )
    try:
        praise = exercise.check(attempt)
        if attempt.changed:
            return Verdict(
                "not yet",
                f"{attempt.changed} returns the right answer, but changes what it was given: work "
                "on a copy, or build something new.",
            )
        return Verdict("correct", praise)
    except NotAttempted:
        return Verdict("not attempted", f'{exercise.task} Stuck? hint("{exercise.id}")')
    except Broken as broken:
        rule = broken.rule if broken.rule.endswith((".", "?")) else f"{broken.rule}."
        lines = [f"{broken.example}: {rule}" if broken.example else rule]
        lines += [broken.detail] if broken.detail else []
        lines += ["for", *(f"  {line}" for line in attempt.inputs)] if attempt.inputs else []
        printed = [line[:LONGEST_LINE] for line in attempt.printed.splitlines()]
        if printed:
            more = ["..."] * (len(printed) > PRINTED_LINES)
            lines += ["This call printed:", *printed[:PRINTED_LINES], *more]
        return Verdict("not yet", "\n  ".join(lines))


def compare(
    attempt: Attempt,
    cases: Iterable[tuple],
    oracle: Callable,
    *,
    rule: str | Callable[[tuple, Any], str],
    example: Callable[[tuple, Any], str] = lambda arguments, got: "",
    agrees: Callable[[tuple, Any, Any], bool] = lambda arguments, got, right: same(got, right),
    **named,
) -> int:
    """Hold the attempt against an oracle, case by case; return the number of cases.

    List the cases in the order of their size, and the first that fails is a smallest one. If the
    result there is that of one of the exercise's mistakes, or the same error, its rule is named:
    if it explains most of what goes wrong in the cases after that, and better than the others do.

    Parameters
    ----------
    cases : iterable of tuple
        Positional arguments.
    oracle : callable
        The right answer, by other means than the reference where there are any.
    rule : str or callable
        What to say of an unknown mistake; a callable gets the arguments and the result.
    example : callable
        The failure in a few words, from the arguments and the result.
    agrees : callable
        Whether a result is as good as the oracle's, where several are right.
    **named
        Keyword arguments of every call, such as ``blank=0``.

    Raises
    ------
    Broken
    """
    cases, seen = iter(cases), []
    for case in cases:
        try:
            seen.append((case, attempt(*case, **named)))
        except Broken as broken:
            fits = [m for m in attempt.mistakes if _agrees(attempt, m, seen, named)]
            fits = [m for m in fits if _fails_alike(attempt, m, case, named, broken)]
            if fits:
                raise Broken(fits[0].rule, "", broken.rule) from None
            if broken.failure:
                broken.detail = f"It should give {show(oracle(*case, **named))}."
            raise
        got, right = seen[-1][1], oracle(*case, **named)
        if agrees(case, got, right):
            continue
        detail = f"{attempt.call} {difference(got, right, plain=attempt.plain)}"
        with attempt.aside():
            fits = [m for m in attempt.mistakes if _agrees(attempt, m, seen, named)]
            fits = _likeliest(attempt, fits, islice(cases, FURTHER), oracle, agrees, named)
            text = fits[0].rule if fits else rule(case, got) if callable(rule) else rule
            if not fits and _answers_anew(attempt, case, got, named):
                text = REMEMBERS
        raise Broken(text, example(case, got), detail)
    return len(seen)


def compare_at_work(attempt: Attempt, put_to_work: Callable, *given, **named) -> int:
    """:func:`compare` for answers that are networks, or that change one.

    Parameters
    ----------
    attempt : Attempt
    put_to_work : callable
        Takes the answer and returns a function whose results can be compared. The known mistakes
        are put to work in the same way.
    *given, **named
        As of :func:`compare`; the cases are arguments of what ``put_to_work`` returns.
    """
    mistakes = tuple(Mistake(m.rule, put_to_work(m.does)) for m in attempt.mistakes)
    work = put_to_work(attempt.answer)
    at_work = Attempt(work, work, as_it_is, attempt.seconds, mistakes)
    try:
        return compare(at_work, *given, **named)
    except Broken as broken:  # the example says it; a call of ours would say nothing to a learner
        raise Broken(broken.rule, broken.example, "" if broken.example else broken.detail) from None


def words(symbols: Iterable, longest: int, *, shortest: int = 0) -> Iterator[list]:
    """All lists of these symbols, the short ones first.

    >>> [*words([0, 1], 2)]
    [[], [0], [1], [0, 0], [0, 1], [1, 0], [1, 1]]
    """
    symbols = list(symbols)
    for length in range(shortest, longest + 1):
        for word in product(symbols, repeat=length):
            yield list(word)


def plural(count: int, one: str) -> str:
    """A number and its noun.

    >>> plural(1, "frame"), plural(2, "frame"), plural(0, "class"), plural(3, "try")
    ('1 frame', '2 frames', '0 classes', '3 tries')
    """
    if count == 1:
        return f"{count} {one}"
    if one.endswith("y"):
        return f"{count} {one[:-1]}ies"
    return f"{count} {one}{'es' if one.endswith(('s', 'ch')) else 's'}"


def _agrees(attempt: Attempt, mistake: Mistake, seen: list[tuple], named: dict) -> bool:
    """Whether a known mistake returns the same as the attempt did, in all of these cases."""
    wrong = Attempt(mistake.does, attempt.reference, attempt.returns)
    last_first = [*seen[-1:], *seen[:-1]]  # up to the last the attempt is right, as most are
    try:
        return all(same(wrong.result(*case, **named), got) for case, got in last_first)
    except (Broken, NotAttempted):
        return False


def _likeliest(
    attempt: Attempt,
    fits: list[Mistake],
    cases: Iterable[tuple],
    oracle: Callable,
    agrees: Callable[[tuple, Any, Any], bool],
    named: dict,
) -> list[Mistake]:
    """The known mistake that explains most of what goes wrong in further cases, or none.

    Counted are the cases in which the attempt or the mistake is wrong. One that explains no more
    than half of them has only met the attempt by chance: nothing is said rather than that.
    """
    if not fits:
        return []
    alike, counted = [1] * len(fits), [1] * len(fits)  # the first case that failed
    cases = list(cases)
    for done, case in enumerate(cases):
        if _decided(alike, counted, len(cases) - done):
            break
        error = None
        try:
            got = attempt(*case, **named)
        except NotAttempted:
            break
        except Broken as broken:
            if not broken.failure:  # it is out of time
                break
            error = broken
        if error is None and not same(got, got):  # nan is not the same as nan
            continue
        is_right = error is None and agrees(case, got, oracle(*case, **named))
        for k, mistake in enumerate(fits):
            if error is None:
                is_alike = _agrees(attempt, mistake, [(case, got)], named)
            else:
                is_alike = _fails_alike(attempt, mistake, case, named, error)
            alike[k] += is_alike and not is_right
            counted[k] += not (is_alike and is_right)
    shares = [part / whole for part, whole in zip(alike, counted, strict=True)]
    best = max(shares)
    return [fits[shares.index(best)]] if best > 0.5 else []


def _decided(alike: list[int], counted: list[int], left: int) -> bool:
    """Whether one explains the most and enough, whatever comes of the cases that are left.

    >>> _decided([3, 1], [3, 3], 2), _decided([3, 1], [3, 3], 1)
    (False, True)
    """
    least = [right / (of + left) for right, of in zip(alike, counted, strict=True)]
    most = [(right + left) / (of + left) for right, of in zip(alike, counted, strict=True)]
    first = least.index(max(least))
    return least[first] > max([0.5, *most[:first], *most[first + 1 :]])


def _fails_alike(
    attempt: Attempt, mistake: Mistake, case: tuple, named: dict, broken: Broken
) -> bool:
    """Whether a known mistake raises the same error, or returns what is unreadable alike."""
    if not broken.failure:
        return False
    try:
        Attempt(mistake.does, attempt.reference, attempt.returns).result(*case, **named)
    except Broken as other:
        return other.failure == broken.failure
    except NotAttempted:
        pass
    return False


def _answers_anew(attempt: Attempt, case: tuple, got: object, named: dict) -> bool:
    """Whether the attempt answers the same question otherwise when it is asked again."""
    try:
        again = attempt(*case, **named)
        return not (same(again, got) or show(again) == show(got))  # nan is not the same as nan
    except (Broken, NotAttempted):
        return False


def _kind(answer: object) -> str:
    return "None" if answer is None else f"an object of type {type(answer).__name__}"
