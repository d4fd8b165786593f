"""The ways in: badges, the setup cell, Colab's versions, Binder, the devcontainer, CI, a hub."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.request import urlopen

import nbformat
import pytest
import yaml
from conftest import REPOSITORY, ROOT, load_executor
from packaging.requirements import Requirement

from crnn_lib.lessons.classroom import records

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SERIES = load_executor().series()
NAMES = {path.name for path in SERIES}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
HUB_PAGE = ROOT / "book" / "jupyterhub.md"


def load_script(path):
    """Import a script that belongs to no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


badges = load_script(ROOT / "notebooks" / "badges.py")
colab = load_script(ROOT / "tests" / "colab" / "emulate.py")


# ------------------------------------------------------------------ badges


def test_badges_and_setup_cells_are_current(capsys):
    assert badges.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
def test_three_badges_open_the_notebook_they_stand_in(path):
    line = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]).split("\n")[
        0
    ]
    links = re.findall(r"\[!\[([^\]]+)\]\(https://[^)]+\)\]\(([^)]+)\)", line)
    assert [words for words, _ in links] == ["Open in Colab", "Launch Binder", "Open in Kaggle"]
    assert all(link.endswith(path.name) for _, link in links)
    assert all(REPOSITORY.removeprefix("https://github.com/") in link for _, link in links)


def sample(first="# Lines\n\nOne idea.", second="import crnn_lib", kind="code"):
    cells = [nbformat.v4.new_markdown_cell(first)]
    cells.append(getattr(nbformat.v4, f"new_{kind}_cell")(second))
    cells.append(nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream")]))
    return badges.as_text(json.loads(nbformat.writes(nbformat.v4.new_notebook(cells=cells))))


def test_only_the_badges_and_the_setup_change():
    old = sample()
    new = badges.renewed_notebook(old, "x.ipynb", "https://github.com/o/r")
    before, after = json.loads(old), json.loads(new)
    assert "".join(after["cells"][0]["source"]).endswith("x.ipynb)\n\n# Lines\n\nOne idea.")
    assert "".join(after["cells"][1]["source"]) == badges.setup_cell("https://github.com/o/r")
    for cell in (0, 1):
        after["cells"][cell]["source"] = before["cells"][cell]["source"]
    assert badges.as_text(after) == old
    assert badges.renewed_notebook(new, "x.ipynb", "https://github.com/o/r") == new


def test_another_address_reaches_every_link():
    old = badges.renewed_notebook(sample(), "x.ipynb", "https://github.com/o/r")
    new = badges.renewed_notebook(old, "x.ipynb", "https://github.com/a-school/fork")
    assert "o/r/" not in new and new.count("a-school/fork") == old.count("/o/r/") == 4
    readme = badges.renewed_readme("# Title\n\nText.\n\nMore.\n", "https://github.com/o/r")
    moved = badges.renewed_readme(readme, "https://github.com/a-school/fork")
    assert moved.startswith("# Title\n\n[![Open in Colab]") and moved.endswith(
        "\n\nText.\n\nMore.\n"
    )
    assert "o/r/" not in moved and moved.count("[![") == 3


def test_notebooks_fetch_files_from_the_same_address():
    assert records.ADDRESS == f"{REPOSITORY}/raw/{badges.BRANCH}/"


@pytest.mark.parametrize(
    "text, reason",
    [
        (sample().replace('\n "', '\n  "'), "saved by an editor"),
        (sample(kind="markdown"), "no setup cell"),
        (sample(second="print(55207)"), "no setup cell"),
    ],
)
def test_a_notebook_of_another_form_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        badges.renewed_notebook(text, "x.ipynb", "https://github.com/o/r")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one notebook and a README, both without badges."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_x.ipynb").write_bytes(sample().encode())
    (tmp_path / "README.md").write_bytes(b"# Title\n\nText.\n")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "jupyterhub.md").write_bytes(b"No link.\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project.urls]\nRepository = "https://github.com/o/r"\n'
    )
    monkeypatch.setattr(badges, "ROOT", tmp_path)
    return tmp_path


def test_check_writes_nothing_and_a_run_mends_it(checkout, capsys):
    files = [checkout / "README.md", checkout / "notebooks" / "00_x.ipynb"]
    before = [path.read_bytes() for path in files]
    assert badges.main(["--check"]) == 1
    assert [path.read_bytes() for path in files] == before
    assert (
        "00_x.ipynb is out of date: links or setup cell. Run: make badges"
        in capsys.readouterr().out
    )
    assert badges.main([]) == 0
    assert badges.main(["--check"]) == 0
    assert sorted(path.name for path in checkout.rglob("*.partial")) == []


def test_an_address_that_no_badge_can_open_is_named(checkout):
    (checkout / "pyproject.toml").write_text('Repository = "https://git.example.org/o/r"\n')
    with pytest.raises(SystemExit, match='Repository = "https://github.com/OWNER/NAME"'):
        badges.main([])


# ------------------------------------------------------------------ the setup cell

SETUP = badges.setup_cell(REPOSITORY)
# Stands in for pip: says what it was asked to run, and succeeds or fails.
STAND_IN = "import subprocess\nsubprocess.call = lambda command: print(*command[1:]) or {status}\n"


def run_setup(folder, status=0, **environment):
    """Run the setup cell in a folder, in a Python that sees no installed package."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment
    code = STAND_IN.format(status=status) + SETUP
    command = [sys.executable, "-S", "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_setup_is_short_and_plain():
    lines = SETUP.splitlines()
    assert len(lines) <= 8
    assert all(len(line) <= 100 or line.rstrip('"').endswith(".zip") for line in lines)
    compile(SETUP, "setup", "exec")  # plain Python: no magic, which other tools cannot read


def test_setup_fetches_the_package_and_leaves_colabs_own_alone(tmp_path):
    done = run_setup(tmp_path)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert words[:5] == ["-m", "pip", "install", "-q", "--no-deps"]
    assert words[-1] == f"{REPOSITORY}/archive/main.zip"
    needed = {Requirement(line).name for line in PROJECT["dependencies"]}
    assert set(words[5:-1]) < needed
    assert not set(words[5:-1]) & colab.pins().keys()


@pytest.mark.parametrize(
    "package",
    ["crnn_lib", "notebooks/crnn_lib", "notebooks/crnn_lib/crnn_lib"],
    ids=["checkout", "copied beside", "cloned beside"],
)
def test_setup_does_nothing_where_the_package_is_at_hand(tmp_path, package):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / package).mkdir(parents=True)
    (tmp_path / package / "__init__.py").touch()
    done = run_setup(tmp_path / "notebooks", status=1)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_setup_is_not_fooled_by_an_empty_folder(tmp_path):
    """Removing an install leaves crnn_lib/__pycache__ behind, which Python takes for a package."""
    (tmp_path / "crnn_lib" / "__pycache__").mkdir(parents=True)
    (tmp_path / "crnn_lib" / "__pycache__" / "kernels.nbi").touch()
    assert "--no-deps" in run_setup(tmp_path).stdout


def test_setup_does_nothing_where_the_package_is_installed(tmp_path):
    done = run_setup(tmp_path, status=1, PYTHONPATH=str(ROOT))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_installed_package_wins_over_a_checkout(tmp_path):
    for folder in ("installed", "crnn_lib"):
        (tmp_path / folder).mkdir()
    (tmp_path / "installed" / "crnn_lib.py").touch()
    (tmp_path / "crnn_lib" / "__init__.py").write_text("raise AssertionError('the checkout')")
    (tmp_path / "notebooks").mkdir()
    code = SETUP + "\nimport crnn_lib\nprint(crnn_lib.__file__)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path / "notebooks",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.strip()).parent.name == "installed", done.stderr


def test_setup_names_the_way_out_when_pip_fails(tmp_path):
    done = run_setup(tmp_path, status=1)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "RuntimeError: No crnn_lib. Turn the internet on, or put its folder beside this notebook.\n"
    )
    assert done.stderr.count("Traceback") == 1 and "CalledProcessError" not in done.stderr


def test_setup_names_the_way_out_without_a_network(tmp_path):
    """The real pip, which cannot get out: every address leads to a port that nobody listens to."""
    closed = {"PIP_PROXY": "http://127.0.0.1:1", "PIP_RETRIES": "0", "PIP_NO_INDEX": "1"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", SETUP],
        cwd=tmp_path,
        env={**os.environ, **closed, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "RuntimeError: No crnn_lib. Turn the internet on" in done.stderr


# ------------------------------------------------------------------ Colab's versions


def test_colabs_pins_satisfy_the_packages_bounds():
    pins = colab.pins()
    assert {"torch", "ipywidgets", "anywidget", "ipython", "traitlets"} <= pins.keys()
    bounds = {r.name: r.specifier for r in map(Requirement, PROJECT["dependencies"])}
    for name in pins.keys() & bounds.keys():
        assert pins[name] in bounds[name], f"Colab's {name} {pins[name]} is not {bounds[name]}"


def test_a_changed_pin_is_seen(monkeypatch):
    colabs = colab.pins()
    monkeypatch.setattr(colab, "versions", lambda: {**colabs, "torch": colabs["torch"] + "+cpu"})
    assert colab.broken_pins() == []
    monkeypatch.setattr(colab, "versions", lambda: {**colabs, "ipywidgets": "8.1.9"})
    assert colab.broken_pins() == [f"ipywidgets is 8.1.9; Colab has {colabs['ipywidgets']}"]


def test_the_archive_that_stands_in_for_githubs_holds_the_package(tmp_path):
    branch = colab.ARCHIVE.search(SETUP).group(1)
    assert branch == badges.BRANCH
    assert REPOSITORY not in colab.ARCHIVE.sub("http://127.0.0.1", SETUP)
    target = tmp_path / f"{branch}.zip"
    colab.make_archive(target, branch, "http://127.0.0.1:1")
    with zipfile.ZipFile(target) as archive:
        names = set(archive.namelist())
        project = archive.read(f"crnn_lib-{branch}/pyproject.toml").decode()
    assert REPOSITORY not in project and 'Repository = "http://127.0.0.1:1"' in project
    package = ROOT / "crnn_lib"
    for path in [ROOT / "pyproject.toml", *package.glob("*.py"), *package.glob("weights/*")]:
        assert f"crnn_lib-{branch}/{path.relative_to(ROOT).as_posix()}" in names
    assert not [name for name in names if "__pycache__" in name]


def test_the_stand_in_for_github_gives_out_this_checkout():
    with colab.repository("main") as address:
        with urlopen(f"{address}/raw/main/pyproject.toml") as answer:
            assert answer.read() == (ROOT / "pyproject.toml").read_bytes()
        with urlopen(f"{address}/archive/main.zip") as answer:
            assert answer.read(2) == b"PK"


# ------------------------------------------------------------------ Binder and the devcontainer


def test_binder_gets_this_checkout_and_no_cuda():
    assert not (ROOT / "binder").exists() and not (ROOT / ".binder").exists(), (
        "Binder would read these instead of environment.yml"
    )
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    listed = environment["dependencies"]
    names = {Requirement(line).name for line in listed if isinstance(line, str)}
    assert "pytorch-cpu" in names and "jupyterlab" in names
    assert not {"pytorch", "torch", "pytorch-gpu", "cudatoolkit"} & names
    # Only because a local package is among them does Binder copy the checkout before installing.
    assert [line["pip"] for line in listed if isinstance(line, dict)] == [["-e ."]]
    assert environment["channels"] == ["conda-forge"]


def test_devcontainer_sets_itself_up():
    path = ROOT / ".devcontainer" / "devcontainer.json"
    container = json.loads(path.read_text(encoding="utf-8"))
    make, target = container["postCreateCommand"].split()
    assert make == "make" and target in TARGETS
    tag = container["image"].rpartition(":")[2]
    assert f"Programming Language :: Python :: {tag}" in PROJECT["classifiers"]
    for name in container["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / name).is_file()
    interpreter = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    venv = re.search(r"^VENV := (.+)$", MAKEFILE, re.MULTILINE).group(1)
    assert interpreter == f"${{containerWorkspaceFolder}}/{venv}/bin/python"


# ------------------------------------------------------------------ GitHub Actions

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def workflow(path):
    parsed = yaml.safe_load(path.read_text(encoding="utf-8"))
    parsed["on"] = parsed.pop(True)  # YAML 1.1 reads the word `on` as a truth value
    return parsed


def steps(parsed):
    return [step for job in parsed["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_runs_what_is_there(path):
    parsed = workflow(path)
    assert parsed["on"]
    for name, job in parsed["jobs"].items():
        assert parsed.get("permissions") or job.get("permissions"), "the token may do anything"
        assert job["runs-on"], name
        assert job.get("timeout-minutes") or "steps" not in job, f"{name} could hang for six hours"
    for step in steps(parsed):
        assert ("uses" in step) != ("run" in step), step
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w/-]+@v\d+", step["uses"]), step["uses"]
    commands = "\n".join(step.get("run", "") for step in steps(parsed))
    for target in re.findall(r"\bmake ([a-z-]+)", commands):
        assert target in TARGETS, f"{path.name} runs make {target}, which the Makefile lacks"
    for script in re.findall(r"python (\S+\.py)\b", commands):
        assert (ROOT / script).is_file(), f"{path.name} runs {script}"


def test_suite_runs_on_each_promised_python_and_system():
    parsed = workflow(ROOT / ".github" / "workflows" / "tests.yml")
    matrix = parsed["jobs"]["suite"]["strategy"]["matrix"]
    promised = [
        name.rpartition(" ")[2]
        for name in PROJECT["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", name)
    ]
    assert matrix["python"] == promised, "as text: 3.10 without quotes is 3.1"
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert PROJECT["requires-python"] == f">={promised[0]}"


def test_rot_is_looked_for_every_week():
    parsed = workflow(ROOT / ".github" / "workflows" / "tests.yml")
    ((minute, hour, day, month, weekday),) = (
        entry["cron"].split() for entry in parsed["on"]["schedule"]
    )
    assert (day, month) == ("*", "*") and re.fullmatch("[0-6]", weekday)
    assert 0 <= int(minute) < 60 and 0 <= int(hour) < 24
    # What is installed has no upper bounds, so a run now gets the newest of everything.
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert all(bound.operator == ">=" for bound in requirement.specifier)
    weekly = {name for name, job in parsed["jobs"].items() if "schedule" in str(job.get("if"))}
    assert weekly == {"prereleases", "endurance"}


def test_windows_runs_the_readmes_commands():
    parsed = workflow(ROOT / ".github" / "workflows" / "tests.yml")
    (step,) = (step for step in steps(parsed) if step.get("name") == "Windows")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(
        r"^    (py -m venv .*|\.venv\\Scripts.*(?:install|pytest).*)$", readme, re.M
    )
    assert len(commands) == 3
    # `py` would take the newest Python of the machine, not the one of the matrix.
    run = [re.sub(r" --\S+", "", line) for line in step["run"].splitlines()]
    for command in commands:
        assert re.sub("^py ", "python ", command) in run, command


def test_every_system_checks_out_the_same_bytes():
    text = (ROOT / ".gitattributes").read_text(encoding="utf-8")
    assert "\n* text=auto eol=lf\n" in text


# ------------------------------------------------------------------ a JupyterHub


def test_hub_link_pulls_this_repository():
    (link,) = re.findall(
        r"https://HUB/hub/user-redirect/git-pull\?\S+", HUB_PAGE.read_text("utf-8")
    )
    assert link == badges.hub_link(REPOSITORY)
    assert link.rpartition("%2F")[2] in NAMES


def test_memory_table_is_written_and_read(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    memory = load_script(ROOT / "benchmarks" / "memory.py")
    status = "VmPeak:\t 9999 kB\nVmHWM:\t  614400 kB\nVmRSS:\t 1024 kB\n"
    rollup = "Rss: 9 kB\nPrivate_Clean:   2048 kB\nPrivate_Dirty:    1024 kB\nShared_Dirty: 5 kB\n"
    row = memory.row("00_x", status, rollup, 12.6)
    assert row == ("00_x", "600", "3", "13")
    page = f"# Page\n\n{memory.START}\nold\n{memory.END}\n\nMore.\n"
    once = memory.with_table(page, {"00_x": row})
    assert memory.stored(once) == {"00_x": row}
    assert once.startswith("# Page\n\n") and once.endswith("\n\nMore.\n") and "old" not in once
    both = memory.with_table(once, {**memory.stored(once), "01_y": ("01_y", "700", "4", "9")})
    assert list(memory.stored(both)) == ["00_x", "01_y"]


def test_hub_page_has_the_memory_of_every_notebook():
    rows = re.findall(r"^\| (\d\d_\w+) \| (\d+) \|", HUB_PAGE.read_text("utf-8"), re.MULTILINE)
    assert {f"{name}.ipynb" for name, _ in rows} == NAMES, "run: python benchmarks/memory.py"
    assert all(100 < int(peak) < 8000 for _, peak in rows), "in MB"
