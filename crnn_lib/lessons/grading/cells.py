"""Which statements of a notebook its answers need.

A learner's notebook trains networks and draws figures, and none of that says whether
``collapse`` is right. So only what the answers stand on is run: the statements that bind a name
that an answer uses, what those need in turn, and what changes any of it in place.

>>> pieces = statements({0: "import math", 1: "print(1)", 2: "def f(x):\\n    return math.pi * x"})
>>> [piece.cell for piece in needed(pieces, {"f"})]
[0, 2]
"""

from __future__ import annotations

import ast
import builtins
import dis
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

USES = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")
MAGIC = re.compile(r"^\s*(?:[%!?]|.*\?\s*$)")
TIMED = re.compile(r"^%%(time|timeit|capture)\b")
QUIET = {"print", "show", "display", "check", "hint", "solution", "quiz", "progress"}


@dataclass(frozen=True, eq=False)
class Piece:
    """One statement of a cell.

    Attributes
    ----------
    cell : int
        Number of the code cell, counted from 0.
    code : CodeType
        The statement, compiled.
    binds, uses, changes : frozenset of str
        Global names that it gives a value to; that it reads, now or when it is called; whose
        value it changes in place. ``"*"`` among those it binds: nobody knows which.
    """

    cell: int
    code: types.CodeType
    binds: frozenset[str]
    uses: frozenset[str]
    changes: frozenset[str]


def python_of(source: str) -> str:
    """A cell without its magics and shell commands: they are never run. Lines keep their numbers.

    >>> python_of("%matplotlib inline\\n!pip install x\\na = 1")
    '#\\n#\\na = 1'
    """
    lines = source.splitlines()
    if lines and lines[0].startswith("%%"):
        if not TIMED.match(lines[0]):
            return ""
        lines[0] = "#"
    try:
        ast.parse("\n".join(lines))
        return "\n".join(lines)
    except (SyntaxError, ValueError):
        pass
    return "\n".join("#" if MAGIC.match(line) else line for line in lines)


def statements(cells: Mapping[int, str]) -> list[Piece]:
    """The statements of cells, in their order.

    Parameters
    ----------
    cells : mapping of int to str
        Sources by number.

    Raises
    ------
    SyntaxError
        If a cell is no Python. Give cells one by one to find out which.
    """
    pieces = []
    for number, source in cells.items():
        for statement in ast.parse(python_of(source), name_of(number)).body:
            module = ast.Module([statement], [])
            code = compile(module, name_of(number), "exec", dont_inherit=True)
            binds, uses = _names(code)
            if any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in [statement]):
                binds |= {"*"}
            pieces.append(
                Piece(number, code, frozenset(binds), frozenset(uses), _changed(statement))
            )
    return pieces


def needed(pieces: Iterable[Piece], names: Iterable[str]) -> list[Piece]:
    """The pieces that these names stand on, in the order of the notebook."""
    pieces, wanted = list(pieces), {*names, "*"}
    kept: set[int] = set()
    while True:
        found = {
            k
            for k, piece in enumerate(pieces)
            if k not in kept and (piece.binds & wanted or piece.changes & wanted)
        }
        if not found:
            return [piece for k, piece in enumerate(pieces) if k in kept]
        kept |= found
        for k in found:
            wanted |= pieces[k].uses - set(vars(builtins))


def name_of(cell: int) -> str:
    """What a cell is called in a traceback; people count from 1."""
    return f"<code cell {cell + 1}>"


def _names(code: types.CodeType, nested: bool = False) -> tuple[set[str], set[str]]:
    """Global names that code binds and that it uses, the functions inside it included."""
    binds, uses = set(), set()
    for step in dis.get_instructions(code):
        if step.opname in USES:
            uses.add(step.argval)
        elif step.opname == "STORE_GLOBAL" or (step.opname == "STORE_NAME" and not nested):
            binds.add(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner_binds, inner_uses = _names(constant, nested=True)
            binds |= inner_binds
            uses |= inner_uses
    return binds, uses


def _changed(statement: ast.stmt) -> frozenset[str]:
    """Names whose value a statement may change in place: ``x[0] = 1``, ``x.append(1)``, ``f(x)``.

    What stands inside a function happens when it is called; then the call is what counts.
    """
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return frozenset()
    changed = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute | ast.Subscript):
            if not isinstance(node.ctx, ast.Load):
                changed |= _root(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            if isinstance(call.func, ast.Attribute):
                changed |= _root(call.func)
            if isinstance(call.func, ast.Name) and call.func.id in QUIET:
                continue
            changed |= {argument.id for argument in call.args if isinstance(argument, ast.Name)}
    return frozenset(changed)


def _root(node: ast.AST) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()
