"""What a learner's function returns: made comparable, or refused with a sentence.

A reader turns whatever comes back into plain Python numbers, lists or a float64 tensor. It accepts
what means the same (a tuple for a list, a tensor of one element for a number) and raises
:class:`Unreadable` for the rest. All after it deals with clean values only.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Iterator
from itertools import islice
from types import FunctionType

import numpy as np
import torch
from torch import Tensor, nn

LONGEST = 10_000  # elements of a list that is read; a generator may never end
SHOWN = 24  # elements that are shown


class Unreadable(Exception):
    """A returned value that cannot be compared; the message continues "gives ..."."""


def as_count(value: object) -> int:
    """A whole number, also from a tensor or array of one element, or a float such as ``5.0``.

    >>> as_count(torch.tensor([5]))
    5
    """
    number = as_number(value)
    if not math.isfinite(number):
        raise Unreadable(f"{show(number)}, where a whole number should be")
    if number != math.floor(number):
        text = show(number)
        text = repr(number) if float(text).is_integer() else text  # 2.0000001 must not look whole
        raise Unreadable(f"{text}, where a whole number should be: round it, or use `//`")
    return int(_scalar(value))  # not int(number): a float has 53 bits only


def as_number(value: object) -> float:
    """A float, also from a tensor or array of one element."""
    try:
        return float(_scalar(value))
    except OverflowError:
        raise Unreadable("a number too large for a float") from None


def as_label(value: object) -> list[int]:
    """A list of class indices, also from a tuple, tensor or array.

    >>> as_label(torch.tensor([6, 6, 3]))
    [6, 6, 3]
    """
    _refuse_nothing(value)
    if isinstance(value, Tensor | np.ndarray):
        if value.ndim != 1:
            what = f"{_type(value)} of shape {tuple(value.shape)}"
            raise Unreadable(f"{what}, where a list of class indices should be")
        value = _plain(value).tolist()
    if isinstance(value, str | bytes | dict | set) or not isinstance(value, Iterable):
        raise Unreadable(f"{_what(value)}, where a list of class indices should be")
    label = []
    for item in _elements(value):
        try:
            label.append(as_count(item))
        except Unreadable as error:
            raise Unreadable(f"a list that holds {error}") from None
    return label


def as_pair(value: object) -> tuple[int, int]:
    """Two whole numbers, as ``(start, end)``."""
    _refuse_nothing(value)
    if isinstance(value, range | slice):  # they have a start and an end too, but which is meant?
        raise Unreadable(f"{_what(value)}, where a pair (start, end) should be")
    if isinstance(value, numbers.Number | str):
        raise Unreadable(f"{show(value)}, where a pair (start, end) should be")
    pair = as_label(value)
    if len(pair) != 2:
        raise Unreadable(f"{show(pair)}, where a pair (start, end) should be")
    return pair[0], pair[1]


def as_tensor(value: object) -> Tensor:
    """A float64 tensor, also from an array or from nested lists of numbers."""
    _refuse_nothing(value)
    if isinstance(value, Tensor):
        return _plain(value).detach().to("cpu", torch.float64)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(value.astype(np.float64))
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | dict | set | np.ndarray):
        rows = [as_tensor(item) for item in _elements(value)]
        if len({row.shape for row in rows}) > 1:
            raise Unreadable("a list whose parts have different lengths")
        return torch.stack(rows) if rows else torch.zeros(0, dtype=torch.float64)
    return torch.tensor(as_number(value), dtype=torch.float64)


def as_it_is(value: object) -> object:
    """The value itself. The check has to deal with it, whatever it is."""
    return value


def same(one: object, other: object) -> bool:
    """Whether two clean values are equal; floats up to one part in ten thousand.

    >>> same([1.0, -math.inf], [1.00001, -math.inf]), same(math.nan, math.nan)
    (True, False)
    """
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape != other.shape:
            return False
        return torch.allclose(one.double(), other.double(), rtol=1e-4, atol=1e-6)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-6)
    return bool(one == other)


def untouched(before: object, after: object) -> bool:
    """Whether an argument is what it was: a number, list, dict, tensor or array."""
    if isinstance(before, Tensor | np.ndarray):
        if type(after) is not type(before) or (before.shape, before.dtype) != (
            after.shape,
            after.dtype,
        ):
            return False
        return bool(((before == after) | ((before != before) & (after != after))).all())
    if isinstance(before, list | tuple | dict):
        if type(after) is not type(before) or len(before) != len(after):
            return False
        if isinstance(before, dict):
            return all(k in after and untouched(v, after[k]) for k, v in before.items())
        return all(map(untouched, before, after))
    if isinstance(before, bool | int | float | str):
        return type(after) is type(before) and (before == after or before != before)
    return True


def show(value: object) -> str:
    """A value as a learner could type it; short, and the same on every machine.

    >>> show([1, 2.0, -math.inf]), show(torch.tensor([[0.5, 0.5]]).log())
    ('[1, 2.0, -inf]', 'torch.tensor([[0.5, 0.5]]).log()')
    """
    try:
        return _show(value)
    except Exception:  # a repr of theirs that raises, an integer of a million digits, ...
        return f"an object of type {type(value).__name__}"


def _show(value: object) -> str:
    if value is None or isinstance(value, bool | int | str):
        text = repr(value)
        return text if len(text) <= 80 else f"{text[:77]}..."
    if isinstance(value, float):
        return repr(float(_short(value))) if math.isfinite(value) else str(value)
    if isinstance(value, Tensor):
        if value.numel() > SHOWN:
            return f"a tensor of shape {tuple(value.shape)}"
        log_probs = value.ndim == 2 and value.is_floating_point() and value.shape[1] > 1
        log_probs = log_probs and _normalised(value)
        return f"torch.tensor({_rows(value.exp() if log_probs else value)})" + ".log()" * log_probs
    if isinstance(value, nn.Module) and not list(value.children()):
        return repr(value)
    if type(value) in (list, tuple):
        parts = [_show(item) for item in value[:SHOWN]] + ["..."] * (len(value) > SHOWN)
        inside = ", ".join(parts) + "," * (type(value) is tuple and len(value) == 1)
        return f"[{inside}]" if type(value) is list else f"({inside})"
    if isinstance(value, FunctionType):
        return f"the function {value.__name__}"
    if type(value) is dict:
        parts = [f"{_show(key)}: {_show(value[key])}" for key in [*value][:SHOWN]]
        return "{" + ", ".join(parts + ["..."] * (len(value) > SHOWN)) + "}"
    return _what(value)


def _rows(tensor: Tensor) -> str:
    if tensor.ndim:
        return f"[{', '.join(map(_rows, tensor))}]"
    number = tensor.item()
    return _short(number) if isinstance(number, float) else str(number)


def _short(number: float) -> str:
    """Four significant digits, or one after the point of large numbers."""
    return f"{number:.4g}" if abs(number) < 1000 else f"{number:.1f}"


def difference(got: object, right: object, plain: bool = False) -> str:
    """What came and what should have come, as the end of a sentence.

    With ``plain``, tensors stand for lists, and are shown as such.

    >>> difference(1, 2)
    'gives 1; it should be 2.'
    >>> difference(torch.ones(2), torch.zeros(1, 2), plain=True)
    'gives [1, 1]; it should be [[0, 0]].'
    """
    if plain and isinstance(got, Tensor) and isinstance(right, Tensor):
        if got.numel() <= SHOWN and right.numel() <= SHOWN:
            got, right = _as_list(got), _as_list(right)
    if isinstance(got, Tensor) and isinstance(right, Tensor):
        if got.shape != right.shape:
            shapes = tuple(got.shape), tuple(right.shape)
            return f"gives a tensor of shape {shapes[0]}; it should have the shape {shapes[1]}."
        if got.numel() > SHOWN:
            close = torch.isclose(got.double(), right.double(), rtol=1e-4, atol=1e-6)
            place = (~close).nonzero()[0].tolist()
            wrong, wanted = (show(x[tuple(place)].item()) for x in (got, right))
            return f"gives {wrong} at {place}; it should be {wanted} there."
    given, wanted = show(got), show(right)
    if len(given) + len(wanted) <= 70:
        return f"gives {given}; it should be {wanted}."
    return f"gives\n    {given}\n  instead of\n    {wanted}"


def _as_list(tensor: Tensor) -> object:
    """Nested lists, of whole numbers if all are whole."""
    whole = bool((tensor == tensor.round()).all())
    return (tensor.long() if whole else tensor).tolist()


def _normalised(rows: Tensor) -> bool:
    """Whether each row is a distribution in log space: its probabilities read better."""
    total = rows.double().logsumexp(-1)
    return bool(rows.numel()) and torch.allclose(total, torch.zeros_like(total), atol=1e-6)


def _scalar(value: object) -> object:
    """One real number out of what may hold one, in its own type."""
    _refuse_nothing(value)
    if isinstance(value, Tensor | np.ndarray | np.generic):
        size = value.numel() if isinstance(value, Tensor) else value.size
        if size != 1:
            raise Unreadable(f"{_what(value)}, where one number should be")
        value = _plain(value).item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise Unreadable(f"{_what(value)}, where a number should be")
    return value


def _plain(value: Tensor | np.ndarray) -> Tensor | np.ndarray:
    if isinstance(value, Tensor) and (value.is_sparse or value.is_meta or value.is_complex()):
        raise Unreadable("a tensor without plain real numbers in it")
    return value


def _elements(value: Iterable) -> list:
    if isinstance(value, Iterator):  # it is empty once it has been read
        kind = {"generator": "a generator"}.get(type(value).__name__, f"{_type(value)}")
        raise Unreadable(f"{kind}, which can be read once only, where a list should be")
    items = list(islice(iter(value), LONGEST + 1))
    if len(items) > LONGEST:
        raise Unreadable(f"more than {LONGEST} values")
    return items


def _refuse_nothing(value: object) -> None:
    if value is None:
        raise Unreadable("None: is a `return` missing?")
    if value is Ellipsis:
        raise Unreadable("`...`: put your own expression in its place")


def _type(value: object) -> str:
    if isinstance(value, Tensor | np.ndarray):
        return "a tensor" if isinstance(value, Tensor) else "an array"
    return f"an object of type {type(value).__name__}"


def _what(value: object) -> str:
    """A value in a few words, for values that are not what they should be."""
    if isinstance(value, Tensor | np.ndarray):
        return f"{_type(value)} of shape {tuple(value.shape)}"
    if type(value) in (bool, str, bytes):
        text = repr(value)
        return text if len(text) <= 40 else f"{text[:37]}..."
    if type(value) in (list, tuple, dict, set):
        return f"a {type(value).__name__} of {len(value)}"
    return _type(value)
