"""A learner's function, called under guard.

It may fail, never end, return junk, change its input, print, or not be there yet. Each has its
sentence, and none gets through.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
import linecache
import os
import signal
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from crnn_lib.lessons.engine.values import Unreadable, as_it_is, show, untouched

WIDTH = 80  # of a call in a sentence


class Broken(Exception):
    """A rule is broken.

    Parameters
    ----------
    rule : str
        What went wrong: "a blank between equal characters keeps them two".
    example : str
        What happened, in a few words: "`1-1` became `1`". May be empty.
    detail : str
        The call and its result, to be tried out. May be empty.
    failure : str
        Where there is no result that could be compared: the type of the error that the call raised,
        or what is wrong with what it returned. A known mistake fails in the same way.
    """

    def __init__(self, rule: str, example: str = "", detail: str = "", failure: str = "") -> None:
        super().__init__(rule)
        self.rule, self.example, self.detail, self.failure = rule, example, detail, failure


class NotAttempted(Exception):
    """The stub is still there."""


class _OutOfTime(BaseException):
    """Not an Exception, so that an ``except Exception`` inside a loop does not swallow it."""


class _Printed(io.StringIO):
    """What is printed. Nobody's ``sys.stdout.close()`` ends it."""

    def close(self) -> None:
        pass


class Attempt:
    """The learner's function (or class), under guard. Call it as if it were the function itself.

    Parameters
    ----------
    answer : callable
        What the learner has handed over.
    reference : callable
        Has the name and the parameters that the answer should have.
    returns : callable
        Reads a returned value, see :mod:`crnn_lib.lessons.engine.values`.
    seconds : float
        Computing time that all calls together may take.
    mistakes : tuple of Mistake
        Known wrong answers to the exercise.

    Attributes
    ----------
    plain : bool
        Whether the last result was a list or a number, and no tensor or array.
    """

    def __init__(
        self,
        answer: Callable,
        reference: Callable,
        returns: Callable[[object], Any] = as_it_is,
        seconds: float = 5.0,
        mistakes: tuple = (),
    ) -> None:
        self.answer, self.reference, self.returns = answer, reference, returns
        self.mistakes = mistakes
        name = getattr(answer, "__name__", "")
        usable = isinstance(name, str) and name.isidentifier()
        self.name = name if usable else reference.__name__
        self._asked: tuple[tuple, dict] | None = None  # arguments that nobody has shown yet
        self._shown: tuple[str, list[str]] = f"{self.name}(...)", []
        self.changed = ""  # the first call that changed its arguments
        self.printed, self.plain = "", True  # by the last call
        self.seconds = self._left = seconds

    def __call__(self, *args, **kwargs):
        """Call the answer with copies of these arguments; return what it returns, made clean."""
        return self._call(args, kwargs, watched=True)

    def result(self, *args, **kwargs):
        """The same, where it does not matter whether the arguments are changed."""
        return self._call(args, kwargs, watched=False)

    def _call(self, args: tuple, kwargs: dict, watched: bool) -> Any:
        given, named = _copied((args, kwargs), {})
        self._asked = args, kwargs
        value = self._guarded(lambda: self.answer(*given, **named), self.returns)
        if watched and not self.changed and not untouched((args, kwargs), (given, named)):
            self.changed = self.call
        return value

    @property
    def call(self) -> str:
        """The last call, as one would type it."""
        return self._sentence()[0]

    @property
    def inputs(self) -> list[str]:
        """Its arguments, where they are too long to stand in it."""
        return self._sentence()[1]

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """For calls that nobody is told of: the last call stays the one before them."""
        shown, printed = self._sentence(), self.printed
        try:
            yield
        finally:
            self._asked, self._shown, self.printed = None, shown, printed

    def tell_calls_of(self, other: Attempt) -> None:
        """The last call of another one, which was made in the place of this, is told as its own."""
        self._asked, self._shown, self.printed = None, other._sentence(), other.printed

    def _sentence(self) -> tuple[str, list[str]]:
        """The last call in words, which are found when they are asked for: few calls go wrong."""
        if self._asked is not None:
            self._shown = show_call(self.reference, self.name, *self._asked)
            self._asked = None
        return self._shown

    def run(
        self,
        action: Callable,
        call: str,
        returns: Callable | None = None,
        inputs: Iterable[str] = (),
    ) -> Any:
        """Run any action of theirs, shown as ``call``; return its result, made clean.

        ``returns`` takes the place of the exercise's own, for this action.

        Raises
        ------
        NotAttempted
            If it raised the stub's NotImplementedError.
        Broken
            If it raised anything else, returned what cannot be read, or did not end.
        """
        self._asked, self._shown = None, (call, list(inputs))
        return self._guarded(action, returns or self.returns)

    def _guarded(self, action: Callable, returns: Callable) -> Any:
        printed = _Printed()
        try:
            with contextlib.redirect_stdout(printed), warnings.catch_warnings(), self._deadline():
                warnings.simplefilter("ignore")
                value = action()
                self.plain = not isinstance(value, Tensor | np.ndarray)
                return returns(value)
        except Unreadable as error:
            raise Broken(f"{self.call} gives {error}", failure=str(error)) from None
        except _OutOfTime:
            raise Broken(
                f"{self.call} has not ended after {self.seconds:g} s of computing: does a loop "
                "never end, or is there a shorter way?"
            ) from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a check ends no kernel
            line, source = _own_line(error)
            if _is_stub(error, source):
                raise NotAttempted from None
            where = f", in line {line}" if line else ""
            where += f": `{source}`" if source else ""
            failure = type(error).__name__
            raise Broken(f"{self.call} raises {describe(error)}{where}.", failure=failure) from None
        finally:
            self.printed = printed.getvalue()

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        """Interrupt what computes for too long: in a main thread, and not on Windows.

        The clock counts the process's own computing, so a busy machine changes no verdict.
        """
        main = threading.current_thread() is threading.main_thread()
        if not hasattr(signal, "setitimer") or not main:
            yield
            return
        running = True

        def stop(*_) -> None:
            if running:
                raise _OutOfTime

        before = signal.signal(signal.SIGVTALRM, stop)
        try:
            # again and again: the first alarm may fall where Python ignores exceptions
            signal.setitimer(signal.ITIMER_VIRTUAL, max(self._left, 0.001), 0.05)
            yield
        finally:
            running = False
            self._left = min(self._left, signal.setitimer(signal.ITIMER_VIRTUAL, 0)[0])
            signal.signal(signal.SIGVTALRM, signal.SIG_DFL if before is None else before)


def _copied(value: Any, memo: dict) -> Any:
    """``copy.deepcopy``, in a fraction of its time for what most arguments are."""
    kind = type(value)
    if kind in (int, float, str, bool):
        return value
    if id(value) in memo:
        return memo[id(value)]
    if kind in (list, tuple):
        made = kind([_copied(part, memo) for part in value])
    elif kind is dict:
        made = {key: _copied(part, memo) for key, part in value.items()}
    elif kind is Tensor and not value.requires_grad and value.is_contiguous():
        made = value.clone()
    else:
        return copy.deepcopy(value, memo)
    memo[id(value)] = made
    return made


def show_call(function: Callable, name: str, args: tuple, kwargs: dict) -> tuple[str, list[str]]:
    """A call as one would type it; with long arguments, their names, and a line for each.

    >>> show_call(minimum := lambda label: 0, "minimum_frames", ([1, 1],), {})
    ('minimum_frames([1, 1])', [])
    """
    named = [f"{key}={show(value)}" for key, value in kwargs.items()]
    call = f"{name}({', '.join([*map(show, args), *named])})"
    if len(call) <= WIDTH:
        return call, []
    names = list(inspect.signature(function).parameters)[: len(args)]
    inputs = [f"{key} = {show(value)}" for key, value in zip(names, args, strict=True)]
    return f"{name}({', '.join([*names, *named])})", inputs


_LIBRARIES = tuple(
    {
        str(Path(__file__).resolve().parents[2]) + os.sep,
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    }
)


def _own_line(error: BaseException) -> tuple[int, str]:
    """Number and text of the last line of the learner's own that led to an error; 0 if none."""
    found = (0, "")
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if not name.startswith((*_LIBRARIES, "<frozen")):
            found = (line, linecache.getline(name, line, frame.f_globals).strip())
    return found


def _is_stub(error: BaseException, source: str) -> bool:
    """Torch raises NotImplementedError too, for other reasons than ours."""
    if not isinstance(error, NotImplementedError):
        return False
    text = describe(error)
    return ": " not in text or ": Exercise" in text or source.startswith("raise NotImpl")


def describe(error: BaseException) -> str:
    """Type and first line of an error."""
    try:
        first = next(iter(str(error).splitlines()), "")
    except Exception:  # a __str__ of theirs that raises
        first = ""
    first = first.rstrip(".")
    return f"{type(error).__name__}: {first[:160]}" if first else type(error).__name__
