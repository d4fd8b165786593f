"""Does a check notice? Each reference is changed in one place, and the check has to refuse it.

    PYTHONPATH=tests python -m lessons.mutation             # counts, and who lives unexplained
    PYTHONPATH=tests python -m lessons.mutation 3.1 9.2     # of some exercises

A mutant that a check calls correct is either a hole in the check, or does the same as the reference
in all that the contract allows; :data:`EQUIVALENT` says why.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lessons.equivalent import EQUIVALENT

from crnn_lib.lessons.engine import Exercise, examine, kernel

COMPARED = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
COMPUTED = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.FloorDiv,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}
PAIRS = ("min max", "any all", "floor ceil", "argmin argmax", "minimum maximum", "append extend")
KEPT = ast.FunctionDef | ast.ClassDef | ast.Return | ast.Pass  # the other statements may go
SYMMETRIC = "min max maximum minimum transpose logaddexp allclose equal".split()
MODULES = ("torch", "math", "F", "nn", "np", "nn.utils.rnn")
OTHER = {a: b for pair in PAIRS for a, b in (pair.split(), pair.split()[::-1])}


@dataclass(frozen=True)
class Mutant:
    """A reference with one change: the lines before and after it, and the whole source."""

    before: str
    after: str
    source: str

    @property
    def change(self) -> str:
        return f"{self.before} -> {self.after}"


def changed(node: ast.AST) -> Iterator[ast.AST | None]:
    """What may stand in the place of one node; None: nothing at all."""

    def with_(**fields) -> ast.AST:
        new = copy.copy(node)
        for name, value in fields.items():
            setattr(new, name, value)
        return new

    match node:
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                yield from (
                    with_(ops=[*ops[:i], kind(), *ops[i + 1 :]]) for kind in COMPARED[type(op)]
                )
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in COMPUTED:
            yield with_(op=COMPUTED[type(op)]())
        case ast.BoolOp(op=op, values=values):
            yield with_(op=ast.Or() if isinstance(op, ast.And) else ast.And())
            yield from values
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from (ast.Constant(value + step) for step in (1, -1))
        case ast.Constant(value=float(value)):
            yield from (ast.Constant(value * factor) for factor in (1.1, 0))
        case ast.Constant(value=str(value)):
            yield ast.Constant(value + "?")
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.If(test=test) | ast.While(test=test):
            yield with_(test=ast.UnaryOp(ast.Not(), test))
        case ast.comprehension(ifs=[_, *_]):
            yield with_(ifs=[])
        case ast.Slice(lower=lower, upper=upper):
            yield from (with_(lower=None) for _ in [lower] if lower)
            yield from (with_(upper=None) for _ in [upper] if upper)
            for side in ("lower", "upper"):
                edge = getattr(node, side)
                if edge is not None and not isinstance(edge, ast.Constant):
                    yield with_(**{side: ast.BinOp(edge, ast.Add(), ast.Constant(1))})
        case ast.Subscript(slice=ast.Name() | ast.BinOp() as index):
            yield with_(slice=ast.BinOp(index, ast.Add(), ast.Constant(1)))
        case ast.Tuple(elts=[one, other], ctx=ast.Load()):
            yield with_(elts=[other, one])
        case ast.Attribute(attr=attr) if attr in OTHER:
            yield with_(attr=OTHER[attr])
        case ast.Name(id=id) if id in OTHER:
            yield with_(id=OTHER[id])
        case ast.Call(func=func, args=args, keywords=keywords):
            name = getattr(func, "attr", getattr(func, "id", ""))
            if len(args) == 2 and name not in SYMMETRIC:
                yield with_(args=args[::-1])
            if isinstance(func, ast.Name) and func.id in ("abs", "sorted", "reversed", "round"):
                yield args[0]
            if isinstance(func, ast.Name) and func.id == "range":
                yield with_(args=[*args[:-1], ast.BinOp(args[-1], ast.Add(), ast.Constant(1))])
                yield with_(args=[*args[:-1], ast.BinOp(args[-1], ast.Sub(), ast.Constant(1))])
            if isinstance(func, ast.Attribute) and ast.unparse(func.value) not in MODULES:
                yield func.value
            yield from (with_(keywords=[k for k in keywords if k is not lost]) for lost in keywords)
    if isinstance(node, ast.stmt) and not isinstance(node, KEPT):
        yield ast.Pass()
    if isinstance(node, ast.If | ast.For) and node.orelse:
        yield with_(orelse=[])
    if isinstance(node, ast.For):
        yield with_(body=[*node.body, ast.Break()])
    if isinstance(node, ast.For | ast.comprehension) and isinstance(node.iter, ast.Name):
        yield with_(iter=ast.Subscript(node.iter, ast.Slice(lower=ast.Constant(1))))
        yield with_(iter=ast.Subscript(node.iter, ast.Slice(upper=ast.Constant(-1))))
    if isinstance(node, ast.AugAssign):
        yield ast.Assign([node.target], node.value, lineno=node.lineno)


def mutants(source: str) -> list[Mutant]:
    """All changes of one node each, in the order of the lines; each mutant once."""
    tree = ast.parse(textwrap.dedent(source))
    lines, found = ast.unparse(tree).splitlines(), {}
    names = sorted({node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} - {"self"})
    for node in ast.walk(tree):
        for name, field in ast.iter_fields(node):
            inside = field if isinstance(field, list) else [field]
            for place, child in enumerate(inside):
                if not isinstance(child, ast.AST):
                    continue
                swapped = isinstance(child, ast.Name) and child.id in names
                others = [ast.Name(other) for other in names if swapped and other != child.id]
                for new in [*changed(child), *others]:
                    _put(node, name, place, new)
                    text = ast.unparse(ast.fix_missing_locations(tree))
                    _put(node, name, place, child)
                    found.setdefault(text, None)
    found.pop("\n".join(lines), None)
    return sorted((_described(lines, text) for text in found), key=lambda m: m.change)


def _put(node: ast.AST, name: str, place: int, new: ast.AST) -> None:
    if isinstance(getattr(node, name), list):
        getattr(node, name)[place] = new
    else:
        setattr(node, name, new)


def _described(lines: list[str], text: str) -> Mutant:
    new = text.splitlines()
    first = next((i for i, (a, b) in enumerate(zip(lines, new)) if a != b), len(new) - 1)  # noqa: B905
    before = lines[first] if first < len(lines) else ""  # a break after the last line
    return Mutant(before.strip(), new[first].strip(), text)


def mutants_of(exercise: Exercise) -> list[Mutant]:
    """The mutants of an exercise's reference."""
    return mutants(inspect.getsource(exercise.reference))


def lives(exercise: Exercise, mutant: Mutant) -> bool:
    """Whether the check calls the mutant correct."""
    namespace = dict(vars(sys.modules[exercise.reference.__module__]))
    try:
        exec(compile(mutant.source, "mutant", "exec"), namespace)
    except Exception:  # a class whose body fails
        return False
    return examine(exercise, namespace[exercise.reference.__name__]).status == "correct"


def in_time(exercise: Exercise) -> Exercise:
    """The exercise with a limit fit for its reference: endless mutants are many."""
    start = time.process_time()
    examine(exercise, exercise.reference)
    return replace(exercise, seconds=0.5 + 4 * (time.process_time() - start))


def survivors(exercise: Exercise) -> tuple[int, list[Mutant]]:
    """How many mutants there are, and those that live."""
    exercise, all_ = in_time(exercise), mutants_of(exercise)
    return len(all_), [mutant for mutant in all_ if lives(exercise, mutant)]


def explained(exercise: Exercise) -> set[str]:
    """The changes that do no harm, each said why; ``*`` stands for all."""
    return {change for group in EQUIVALENT.get(exercise.id, {}).values() for change in group}


def unexplained(exercise: Exercise, living: list[Mutant]) -> list[Mutant]:
    """The mutants among these that :data:`EQUIVALENT` does not name."""
    known = explained(exercise)
    return [mutant for mutant in living if not known & {"*", mutant.change}]


def main(ids: list[str]) -> int:
    total = alive = open_ = 0
    for chapter in kernel.chapters():
        for exercise in kernel.chapter_exercises(chapter):
            if ids and exercise.id not in ids:
                continue
            count, living = survivors(exercise)
            holes = unexplained(exercise, living)
            stale = explained(exercise) - {"*"} - {mutant.change for mutant in living}
            print(f"{exercise.id:5} {count:4} mutants, {len(living):2} live", end="")
            print(f", {len(holes)} of them unexplained" * bool(holes), flush=True)
            for mutant in holes:
                print(f"      - {mutant.before}\n      + {mutant.after}", flush=True)
            for change in stale:
                print(f"      explained, but does not live: {change}")
            total, alive, open_ = total + count, alive + len(living), open_ + len(holes)
    print(f"{total} mutants, {alive} live, {open_} of them unexplained")
    return int(open_ > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
