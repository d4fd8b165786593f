"""The house around the library: what is installed, what is shipped, what no file may say."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
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
from test_wings import imports_of, modules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = ROOT / "crnn_lib"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    Requirement(line).name
    for extra, lines in PROJECT["optional-dependencies"].items()
    for line in lines
    if extra != "dev"
}
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


def asked_for(path: Path) -> set[str]:
    """Packages that a module imports in a ``try`` only, to say what to install without them."""
    found: set[str] = set()
    text = path.read_text(encoding="utf-8")
    if not re.search(r"except .*(ImportError|ModuleNotFoundError)", text):
        return found
    for node in ast.walk(ast.parse(text)):
        kinds = [ast.unparse(h.type) for h in getattr(node, "handlers", []) if h.type]
        if {"ImportError", "ModuleNotFoundError"} & set(kinds):
            for inner in node.body:
                if isinstance(inner, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in inner.names}
    return found & EXTRAS


def test_every_import_is_declared():
    arrives_with = {
        "PIL": "pillow",
        "skimage": "scikit-image",
        "scipy": "scikit-image",
        "mpl_toolkits": "matplotlib",
        "fontTools": "matplotlib",
    }
    arrives_with |= {"IPython": "ipywidgets", "traitlets": "ipywidgets", "filelock": "torch"}
    for name, path in modules().items():
        known = {"crnn_lib", *asked_for(path), *sys.stdlib_module_names}
        for top in {imported.split(".")[0] for imported in imports_of(name, path)}:
            if top not in known:
                assert arrives_with.get(top, top) in DEPENDENCIES, f"{path.name} imports {top}"


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
        most = 4 if path.stem in ("crnn-photos", "crnn-words") else 2  # many hands
        assert path.stat().st_size <= 1e6 * most, f"{path.name} is larger than {most} MB"


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
    "-m "*)
        echo "$2" >> $here/log
        if [ -e "$here/$2" ]; then echo "$2 found a fault"; exit 1; fi ;;
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
    assert log(checkout)[:3] == ["install", "ruff", "ruff"]
    assert sorted(log(checkout)[3:]) == ["mypy", "pytest"], "beside each other"
    assert done(make(checkout, "lab", "LAB_ARGS=--no-browser"))[0] == 0
    assert log(checkout)[5:] == ["jupyterlab"], "lab and test share what is installed"


@pytest.mark.parametrize("tool", ["ruff", "mypy", "pytest"])
def test_make_test_fails_where_one_of_its_tools_does(checkout, tool):
    (checkout.parent / tool).touch()
    status, said = done(make(checkout, "test"))
    assert status != 0 and f"{tool} found a fault" in said


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
