"""The wings of crnn_lib: who may import whom, what is private, and what each face hands on."""

from __future__ import annotations

import ast
import functools
import graphlib
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import crnn_lib

PACKAGE = ROOT / "crnn_lib"


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@functools.cache
def imports_of(name: str, path: Path) -> frozenset[str]:
    """Absolute names of all that a module imports, at its top or inside a function."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return frozenset(found)


def test_modules_import_one_way():
    known = {n: p for n, p in modules().items() if p.stem not in ("__init__", "__main__")}
    graph = {name: imports_of(name, path) & known.keys() for name, path in known.items()}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, naming the cycle


# A wing imports from those above it, and from no other. It is the order of crnn_lib's docstring.
WINGS = """
    alphabet ctc language decoders models handwriting cutting photos archive evaluation training
    plots widgets lessons cli
""".split()


def wing_of(name: str) -> str:
    """``crnn_lib.ctc.loss`` -> ``ctc``; the package itself and its __main__ belong to none."""
    part = [*name.split("."), ""][1]
    return part if part in WINGS else ""


def crossings() -> list[tuple[str, str]]:
    """(module, what it imports) for all that is imported from another wing."""
    found = []
    for name, path in modules().items():
        for imported in imports_of(name, path):
            if imported.startswith("crnn_lib.") and wing_of(imported) not in ("", wing_of(name)):
                found.append((name, imported))
    return found


def test_every_room_is_in_a_wing():
    assert {wing_of(name) for name in modules()} == {"", *WINGS}
    rooms = {path.name for path in PACKAGE.iterdir() if not path.name.startswith("__")}
    assert {name.removesuffix(".py") for name in rooms} == {*WINGS, "py.typed", "weights"}


def test_wings_import_downwards():
    for name, imported in crossings():
        if wing_of(name):
            assert WINGS.index(wing_of(imported)) < WINGS.index(wing_of(name)), (
                f"{name} imports {imported}, which stands above it"
            )


def test_the_packages_docstring_lists_the_wings_in_their_order():
    assert re.findall(r"^``(\w+)``", crnn_lib.__doc__, re.MULTILINE) == WINGS


def test_no_wing_reaches_into_a_private_room_of_another():
    for name, imported in crossings():
        assert not re.search(r"\._", imported), f"{name} imports {imported}, which is private"


FACES = sorted(path.parent for path in PACKAGE.rglob("__init__.pyi"))


def face_of(folder: Path) -> dict[str, str]:
    """Public name -> room, of a face; the stub says both to editors and to Python."""
    stub = (folder / "__init__.pyi").read_text(encoding="utf-8")
    nodes = [node for node in ast.parse(stub).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in nodes for alias in node.names}


@pytest.mark.parametrize("folder", FACES, ids=lambda folder: folder.name)
def test_a_face_hands_on_what_it_lists(folder):
    name = ".".join(folder.relative_to(ROOT).parts)
    face = importlib.import_module(name)
    listed = face_of(folder)
    assert sorted(face.__all__) == sorted(listed)
    for public, room in listed.items():
        if room:
            home = importlib.import_module(f"{name}.{room}")
            assert getattr(face, public) is getattr(home, public)
        assert not (folder / f"{public}.py").exists() or not room, f"{public} hides a room"


@pytest.mark.parametrize("folder", FACES, ids=lambda folder: folder.name)
def test_what_has_no_underscore_is_in_the_face(folder):
    """Rooms of a chapter hold specimens for its exercises; their names are no library."""
    if "lessons" in folder.parts or folder in (PACKAGE, PACKAGE / "widgets"):
        pytest.skip("hands on a choice of names")
    listed = face_of(folder)
    for path in sorted(folder.glob("[!_]*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_":
                assert listed.get(node.name) == path.stem, f"{path.stem}.{node.name}"


def test_importing_the_package_is_cheap_and_its_names_are_seen():
    code = """
import sys, crnn_lib
heavy = {"torch", "numpy", "matplotlib", "numba"} & sys.modules.keys()
assert not heavy, heavy
assert {"CRNN", "Reader", "ctc_loss", "decoders"} <= set(dir(crnn_lib))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    from crnn_lib import exact_search  # here, where torch is loaded already

    assert exact_search.__module__ == "crnn_lib.decoders.exact"


def imported_by_readers() -> dict[str, set[str]]:
    """Module -> names, for all that notebooks, README, book, benchmarks and data import."""
    sources = []
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                lines = "".join(cell["source"]).splitlines()
                sources.append("\n".join(x for x in lines if not x.lstrip().startswith(("%", "!"))))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    sources += re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    for folder in ("book", "benchmarks", "data", "notebooks"):
        sources += [p.read_text(encoding="utf-8") for p in (ROOT / folder).rglob("*.py")]
    found: dict[str, set[str]] = {}
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crnn_lib"):
                found.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return found


def test_readers_import_from_faces_never_from_rooms():
    faces = {".".join(folder.relative_to(ROOT).parts): folder for folder in FACES}
    for module, names in imported_by_readers().items():
        if module in ("crnn_lib.alphabet", "crnn_lib.cutting"):
            continue  # wings of one file
        assert module in faces, f"{module} is a room: import {', '.join(names)} from its wing"
        rooms = {path.stem for path in faces[module].glob("[!_]*.py")}
        assert names <= {*face_of(faces[module]), *rooms, "__version__"}, module
