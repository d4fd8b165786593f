"""The pages of the library's reference, one for each wing, from the faces and nothing else.

A face's stub says which names are public and which room holds each. Here it becomes a page in
which Sphinx's autodoc puts signatures, docstrings and examples, room by room. Every name stands
under its wing (``crnn_lib.ctc.ctc_loss``), as one imports it. Nothing is imported here.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

FRONT = "reference/index.rst"
HIDDEN = "lessons/chapter"  # its names are the answers to exercises


def wings(root: Path) -> dict[str, Path]:
    """Dotted name -> file or folder, of each wing and of the faces below it, in the map's order."""
    package = root / "crnn_lib"
    if not (package / "__init__.py").is_file():
        return {}
    text = ast.get_docstring(ast.parse(_read(package / "__init__.py"))) or ""
    found = {}
    for wing in re.findall(r"^``(\w+)``", text, re.MULTILINE):
        if (package / f"{wing}.py").is_file():
            found[f"crnn_lib.{wing}"] = package / f"{wing}.py"
        for stub in sorted((package / wing).rglob("__init__.pyi")):
            if HIDDEN not in stub.parent.as_posix():
                found[".".join(stub.parent.relative_to(root).parts)] = stub.parent
    return found


def place_of(wing: str) -> str:
    """``crnn_lib.ctc`` -> ``reference/ctc.rst``."""
    return f"reference/{wing.removeprefix('crnn_lib.')}.rst"


def pages(root: Path) -> dict[str, str]:
    """Place -> text, of all pages of the reference; none where there is no library."""
    found = {place_of(wing): _page(wing, path, root) for wing, path in wings(root).items()}
    return {FRONT: _front(root), **found} if found else {}


def links(root: Path) -> dict[str, str]:
    """Path in the repository -> its page, for what the other pages link to."""
    found = {path.relative_to(root).as_posix(): place_of(w) for w, path in wings(root).items()}
    return {"crnn_lib": FRONT, **found} if found else {}


def homes(root: Path) -> dict[str, str]:
    """Where the entries of names stand that a face has from another one.

    ``crnn_lib.CRNN`` -> ``crnn_lib.models.CRNN``.
    """
    known, found = wings(root), {}
    for face, folder in {"crnn_lib": root / "crnn_lib", **known}.items():
        for room, name in _stub(folder) if folder.is_dir() else ():
            if room and f"{face}{room}" in known:
                found[f"{face}.{name}"] = f"{face}{room}.{name}"
    return found


def _front(root: Path) -> str:
    """The package's docstring, whose table of wings leads to their pages, and its own names."""
    known = wings(root)
    about = ast.get_docstring(ast.parse(_read(root / "crnn_lib" / "__init__.py")))
    before, table, after = re.split(r"^=+ +=+\n", about + "\n", flags=re.MULTILINE)
    rows = []
    for wing, words in re.findall(r"^``(\w+)`` +(.+)$", table, re.MULTILINE):
        page = f":doc:`{wing}`" if f"crnn_lib.{wing}" in known else f"``{wing}``"
        rows.append(f"* - {page}\n  - {words}")
    pages = "\n".join(wing.removeprefix("crnn_lib.") for wing in known)
    return "\n\n".join(
        [
            _heading("The library", "="),
            ".. py:module:: crnn_lib",
            before.strip(),
            _table(rows),
            after.strip(),
            _heading("Names of the package itself", "-"),
            "Each is at home in a wing, and can be imported from the package as well.",
            _table(_handed_on("crnn_lib", root)),
            ".. toctree::\n   :hidden:\n   :titlesonly:\n\n" + _indent(pages),
        ]
    )


def _page(wing: str, path: Path, root: Path) -> str:
    """A wing: what it is, its names at a glance, and each room with its entries.

    The rooms follow each other as the wing's docstring names them.
    """
    if path.is_dir():
        listed = [(room.lstrip("."), name) for room, name in _stub(path) if room]
        about = _read(path / "__init__.py")
        order = sorted({room for room, _ in listed}, key=lambda room: _position(room, about))
        rooms = {
            room: _read(path / f"{room}.py") for room in order if (path / f"{room}.py").is_file()
        }
    else:  # a wing of one file
        rooms = {"": _read(path)}
        listed = [("", name) for name in public_names(rooms[""])]
    rows, parts = _handed_on(wing, root), []
    for room, source in rooms.items():
        nodes = ast.parse(source).body
        if room:
            parts += [_heading(room, "-"), f".. automodule:: {wing}.{room}"]
        parts.append(f".. currentmodule:: {wing}")
        for name in (name for where, name in listed if where == room):
            sentence, entry = _entry(wing, name, source, nodes)
            rows.append(f"* - :py:obj:`~{wing}.{name}`\n  - {sentence}")
            parts.append(entry)
    title = _heading(wing.removeprefix("crnn_lib."), "=")
    return "\n\n".join([title, f".. automodule:: {wing}", _table(rows), *parts])


def _handed_on(face: str, root: Path) -> list[str]:
    """A row for each name that a face has from another one: the name, and the page of its entry."""
    found = [home for name, home in homes(root).items() if name.rpartition(".")[0] == face]
    pages = [home.rpartition(".")[0].removeprefix("crnn_lib.") for home in found]
    return [f"* - :py:obj:`~{h}`\n  - :doc:`{p}`" for h, p in zip(found, pages, strict=True)]


def _position(room: str, about: str) -> tuple[int, str]:
    found = re.search(rf"\.{room}`", about)
    return (found.start() if found else len(about), room)


def public_names(source: str) -> list[str]:
    """What a wing of one file offers: its functions and classes, and constants with a ``#:``."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.append(node.name)
        elif isinstance(node, ast.Assign) and comment_of(source, node):
            found += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [name for name in found if not name.startswith("_")]


def _entry(wing: str, name: str, source: str, nodes: list[ast.stmt]) -> tuple[str, str]:
    """The first sentence about a name of a room, and the directive that documents it."""
    for node in reversed(nodes):  # overloads come before what they are of
        if getattr(node, "name", None) == name:
            about = (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            members = "\n   :members:\n   :member-order: bysource" if kind == "class" else ""
            return about, f".. auto{kind}:: {wing}.{name}{members}"
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            about, value = comment_of(source, node), ast.unparse(node.value)
            shown = f"   :value: {value}\n" if len(value) <= 60 else ""
            return about, f".. py:data:: {name}\n{shown}\n   {about}"
    raise LookupError(f"{wing}.__init__.pyi lists {name}, which its room does not define")


def comment_of(source: str, node: ast.stmt) -> str:
    """What the ``#:`` beside or above a constant says; nothing if there is none."""
    lines = source.splitlines()
    beside = re.search(r"#: (.*)", "\n".join(lines[node.lineno - 1 : node.end_lineno]))
    if beside:
        return beside[1]
    above = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.startswith("#: "):
            break
        above.insert(0, line[3:])
    return " ".join(above)


def _stub(folder: Path) -> list[tuple[str, str]]:
    """(.room, name) for each name of a face; a face below this one has no room."""
    nodes = ast.parse(_read(folder / "__init__.pyi")).body
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return [(f".{n.module}" if n.module else "", a.name) for n in imports for a in n.names]


def _heading(words: str, rule: str) -> str:
    return f"{words}\n{rule * len(words)}"


def _table(rows: list[str]) -> str:
    options = ".. list-table::\n   :widths: auto\n   :class: names\n\n"
    return options + _indent("\n".join(rows)) if rows else ""


def _indent(text: str) -> str:
    return re.sub("^", "   ", text, flags=re.MULTILINE)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
