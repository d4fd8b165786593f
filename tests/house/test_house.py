"""The house around the library: what is installed, what is shipped, what no file may say."""

from __future__ import annotations

import ast
import graphlib
import importlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import MACHINE_PATH, ROOT
from fresh_install import build_wheel
from packaging.requirements import Requirement
from packaging.version import Version

import crnn_lib

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = ROOT / "crnn_lib"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEPENDENCIES = {r.name: r for r in map(Requirement, PROJECT["dependencies"])}


# ------------------------------------------------------------------ what is installed


def test_requirements_are_the_packages_dependencies():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert {r.name: r for r in wanted} == DEPENDENCIES


def test_conda_environment_has_the_same_bounds():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    names = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}
    bounds = {}
    for line in listed:
        if isinstance(line, str):
            requirement = Requirement(line)
            bounds[names.get(requirement.name, requirement.name)] = requirement.specifier
    assert bounds.pop("python") == PROJECT["requires-python"]
    assert f"jupyterlab{bounds.pop('jupyterlab')}" in PROJECT["optional-dependencies"]["notebooks"]
    assert not bounds.pop("pip")
    assert bounds == {name: r.specifier for name, r in DEPENDENCIES.items()}


def test_dependencies_have_lower_bounds_only():
    for requirement in DEPENDENCIES.values():
        assert [s.operator for s in requirement.specifier] == [">="], requirement


@pytest.mark.parametrize(
    "name, version",
    {
        "torch": "2.11.0",
        "torchvision": "0.26.0",
        "numpy": "2.1.3",
        "matplotlib": "3.10.0",
        "ipywidgets": "7.7.1",
        "anywidget": "0.9.21",
        "tqdm": "4.67.3",
    }.items(),
)
def test_colabs_own_version_survives_an_install(name, version):
    assert Version(version) in DEPENDENCIES[name].specifier


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports_of(name: str, path: Path) -> set[str]:
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
    return found


def test_every_import_is_declared():
    arrives_with = {
        "PIL": "pillow",
        "skimage": "scikit-image",
        "scipy": "scikit-image",
        "mpl_toolkits": "matplotlib",
    }
    arrives_with |= {"IPython": "ipywidgets", "traitlets": "ipywidgets", "filelock": "torch"}
    for name, path in modules().items():
        for top in {imported.split(".")[0] for imported in imports_of(name, path)}:
            if top != "crnn_lib" and top not in sys.stdlib_module_names:
                assert arrives_with.get(top, top) in DEPENDENCIES, f"{path.name} imports {top}"


def test_modules_import_one_way():
    known = {n: p for n, p in modules().items() if p.stem not in ("__init__", "__main__")}
    graph = {name: imports_of(name, path) & known.keys() for name, path in known.items()}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, naming the cycle


# A wing imports from those above it, and from no other. It is the order of crnn_lib's docstring.
WINGS = """
    alphabet ctc language decoders models handwriting cutting photos evaluation training plots
    widgets lessons cli
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
from crnn_lib import exact_search
assert exact_search.__module__ == "crnn_lib.decoders.exact"
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


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


# ------------------------------------------------------------------ what is shipped


def setuptools_is_recent() -> bool:
    try:
        return Version(importlib.metadata.version("setuptools")) >= Version("77")
    except importlib.metadata.PackageNotFoundError:
        return False


@pytest.mark.skipif(not setuptools_is_recent(), reason="building offline needs setuptools >= 77")
def test_wheel_holds_the_whole_package(tmp_path):
    wheel = build_wheel(tmp_path, "--no-build-isolation", "--no-index")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if name.startswith("crnn_lib/")}
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        text = archive.read(metadata).decode("utf-8")
    written = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert {"crnn_lib/py.typed", "crnn_lib/__init__.pyi", "crnn_lib/ctc/__init__.pyi"} <= shipped
    assert shipped == written
    assert "License-Expression: MIT" in text and "License-File: LICENSE" in text


def test_weights_are_small():
    for path in (PACKAGE / "weights").glob("*"):
        assert path.stat().st_size <= 2_000_000, f"{path.name} is larger than 2 MB"


# ------------------------------------------------------------------ what no file may say


def project_files() -> list[Path]:
    """The files that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout, so its own files cannot be told from others")
    paths = [ROOT / name for name in listed.decode("utf-8").split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts() -> dict[str, str]:
    """Relative path -> text, without binary files and notebooks (these have rules of their own)."""
    found = {}
    for path in project_files():
        data = path.read_bytes()
        if path.suffix != ".ipynb" and b"\0" not in data:
            found[path.relative_to(ROOT).as_posix()] = data.decode("utf-8")
    assert "pyproject.toml" in found
    return found


def test_no_file_names_a_path_of_one_machine():
    faults = {name: MACHINE_PATH.findall(text) for name, text in texts().items()}
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize("path", ["/home" + "/eva/x.png", "'/work" + "/x'", "in /root" + "/data"])
def test_a_path_of_one_machine_is_seen(path):
    assert MACHINE_PATH.search(path)


@pytest.mark.parametrize(
    "path", ["https://x.org/home/y", "../wo" + "rk/x", "$HOME/wo" + "rk/", "a/opt/b"]
)
def test_other_paths_are_not(path):
    assert not MACHINE_PATH.search(path)


def test_repository_address_stands_where_it_must():
    # Badges need the address too; code and scripts do not.
    address = PROJECT["urls"]["Repository"].removeprefix("https://")
    holders = {name for name, text in texts().items() if address in text}
    assert {
        name for name in holders if not name.endswith((".md", ".toml", ".yml", ".cff"))
    } == set()


def test_ci_runs_the_readmes_test_command():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert text.rstrip().endswith("\nmake test")
    subprocess.run(["bash", "-n", str(script)], check=True)
    beside = "shared" + "/data"
    assert [name for name, text in texts().items() if beside in text] == [".ci/run"]


# ------------------------------------------------------------------ the Makefile
# A small shell script stands in for Python: it logs what it is asked to install, and fails or
# hangs where a file of that name lies beside it. All else it hands to the real one.

FAKE_PYTHON = """#!/bin/sh
here={here}
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/pyvenv.cfg" ;;
    *base_prefix*) [ -e "${{0%/bin/python}}/pyvenv.cfg" ]; exit ;;
    "-m pip install "*)
        echo install >> $here/log
        if [ -e $here/hang ]; then sleep 30; fi
        if [ -e $here/fail ]; then exit 1; fi ;;
    "-m "*) echo "$2" >> $here/log ;;
    *version_info*) if [ -e $here/old ]; then exit 1; fi ;;
    *ensurepip*) if [ -e $here/bare ]; then exit 1; fi ;;
    *) exec {real} "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout of the Makefile and what it reads, with the stand-in beside it."""
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    (tmp_path / "checkout").mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / "checkout")
    (tmp_path / "python").write_text(FAKE_PYTHON.format(here=tmp_path, real=sys.executable))
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "log").touch()
    return tmp_path / "checkout"


def make(checkout, *arguments, python=None):
    return subprocess.Popen(
        ["make", *arguments, f"PYTHON={python or checkout.parent / 'python'}"],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def done(process):
    out, error = process.communicate(timeout=500)
    return process.returncode, out + error


def log(checkout):
    return (checkout.parent / "log").read_text().split()


def test_make_installs_once(checkout):
    assert done(make(checkout, "test"))[0] == 0
    assert log(checkout) == ["install", "ruff", "ruff", "mypy", "pytest"]
    assert done(make(checkout, "lab", "LAB_ARGS=--no-browser"))[0] == 0
    assert log(checkout)[5:] == ["jupyterlab"], "lab and test share what is installed"


def test_make_updates_in_place_when_a_dependency_changes(checkout):
    done(make(checkout, "setup"))
    (checkout / ".venv" / "own").touch()
    with (checkout / "requirements.txt").open("a") as file:
        file.write("networkx>=3\n")
    assert done(make(checkout, "setup"))[0] == 0
    assert done(make(checkout, "setup"))[0] == 0
    assert log(checkout) == ["install", "install"]
    assert (checkout / ".venv" / "own").exists()


def test_make_ignores_a_change_in_the_settings_of_tools(checkout):
    done(make(checkout, "setup"))
    text = (checkout / "pyproject.toml").read_text()
    (checkout / "pyproject.toml").write_text(text.replace("line-length = 100", "line-length = 99"))
    assert done(make(checkout, "setup"))[0] == 0
    assert log(checkout) == ["install"]


def test_make_leaves_nothing_of_a_failed_install(checkout):
    (checkout.parent / "fail").touch()
    status, said = done(make(checkout, "test"))
    assert status != 0 and "The install did not finish" in said
    assert log(checkout) == ["install"] and not (checkout / ".venv").exists()
    (checkout.parent / "fail").unlink()
    assert done(make(checkout, "test"))[0] == 0


def test_make_rebuilds_what_was_interrupted(checkout):
    (checkout.parent / "hang").touch()
    process = make(checkout, "setup")
    deadline = time.monotonic() + 500
    while log(checkout) != ["install"] and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    done(process)
    (checkout / ".venv" / "half").touch()
    (checkout.parent / "hang").unlink()
    assert done(make(checkout, "setup"))[0] == 0
    assert log(checkout) == ["install", "install"] and not (checkout / ".venv" / "half").exists()


def test_make_never_installs_into_what_is_no_environment(checkout):
    done(make(checkout, "setup"))
    (checkout / ".venv" / "pyvenv.cfg").unlink()
    assert done(make(checkout, "setup"))[0] == 0
    assert (checkout / ".venv" / "pyvenv.cfg").exists(), "it was built anew"
    assert log(checkout) == ["install", "install"]


@pytest.mark.parametrize(
    "lacks, sentence",
    [("old", "3.10 or newer is needed"), ("bare", "has no venv module")],
)
def test_make_says_what_python_lacks(checkout, lacks, sentence):
    (checkout.parent / lacks).touch()
    status, said = done(make(checkout, "lab"))
    assert status != 0 and re.search(sentence, said)
    assert not (checkout / ".venv").exists()


def test_make_says_that_there_is_no_python(checkout):
    status, said = done(make(checkout, "lab", python="no-such-python"))
    assert status != 0 and "no-such-python was not found. Install Python 3.10 or newer" in said
