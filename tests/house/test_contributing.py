"""What those who carry on are told is true: paths, commands and names of CONTRIBUTING and kin."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import REPOSITORY, ROOT
from PIL import Image

import crnn_lib
from crnn_lib.cli import arguments
from crnn_lib.handwriting import glyphs
from crnn_lib.handwriting.pen import draw_words
from crnn_lib.training import TrainConfig

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
# Placeholders of the recipes -> what is there.
EXAMPLES = {"NN_name": "03_collapsing_alignments", "03_...": "03_collapsing_alignments.ipynb"}
EXAMPLES |= {"chapterNN": "chapter03", "test_name": "test_collapse", "/name": "/collapse"}


def filled(name: str) -> str:
    for placeholder, example in EXAMPLES.items():
        name = name.replace(placeholder, example)
    return name


def recipes() -> dict[str, str]:
    parts = re.split(r"^## +(.+)$", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_there_is_a_recipe_for_each_kind():
    assert list(recipes()) == [
        "The house in one page",
        "The commands",
        "A notebook",
        "An exercise, with its known mistakes",
        "A decoder",
        "An explorer",
        "A glyph source",
        "What a change comes with",
    ]


def test_each_path_is_there():
    spoken = re.findall(r"(?<![\w./])(?:[\w.]+/)+[\w.*]*", re.sub(r"https?:\S+", "", TEXT))
    names = {filled(name).rstrip(".") for name in spoken} - {".venv/bin/python"}
    assert len(names) > 25
    assert {name for name in names if not (ROOT / name).exists()} == set()
    for name in re.findall(r"`(\w+\.py)`", TEXT):
        places = [*ROOT.glob(f"tests/**/{name}"), *ROOT.glob(f"crnn_lib/**/{name}")]
        assert places, f"{name} is nowhere"


def test_each_command_is_there():
    assert set(re.findall(r"\bmake ([a-z-]+)", TEXT)) == TARGETS - {"setup"}
    for line in re.findall(r"^    make ([a-z-]+) ", recipes()["The commands"], re.MULTILINE):
        assert line in TARGETS
    for name in re.findall(r"python ((?:\w+/)+\w+\.py)", TEXT):
        assert (ROOT / name).is_file()


@pytest.mark.parametrize(
    "recipe, file, names",
    [
        ("A glyph source", "crnn_lib/handwriting/glyphs.py", "SOURCES _files _download _AUTO"),
        ("A glyph source", "crnn_lib/cli/arguments.py", "SOURCES"),
        ("An explorer", "crnn_lib/widgets/collapse.py", "Explorer _esm _css words"),
        ("An explorer", "tests/browser/gallery.py", "GALLERY"),
        ("A decoder", "crnn_lib/decoders/best.py", "log_probs frame_lengths alphabet Hypothesis"),
        ("A decoder", "crnn_lib/decoders/adapter.py", "decode"),
        ("An exercise, with its known mistakes", "crnn_lib/lessons/chapter03/exercises.py",
         "EXERCISES Exercise"),
    ],
)  # fmt: skip
def test_what_a_recipe_names_stands_in_its_file(recipe, file, names):
    source = (ROOT / file).read_text(encoding="utf-8")
    for name in names.split():
        assert re.search(rf"\b{name}\b", recipes()[recipe]), f"{recipe} does not name {name}"
        assert re.search(rf"\b{name}\b", source), f"{file} has no {name}"


def test_the_command_lines_own_lists_agree_with_the_librarys():
    """It loads no torch for --help, so it has lists of its own."""
    assert arguments.SOURCES == glyphs.SOURCES
    adapter = (ROOT / "crnn_lib/decoders/adapter.py").read_text(encoding="utf-8")
    (names,) = re.findall(r"^    decoders: dict.*?= \{(.*?)\}", adapter, re.DOTALL | re.MULTILINE)
    parser = (ROOT / "crnn_lib/cli/arguments.py").read_text(encoding="utf-8")
    (choices,) = re.findall(r'"--decoder",\s+choices=\((.*?)\)', parser, re.DOTALL)
    assert re.findall(r'"([\w-]+)"', choices) == re.findall(r'"([\w-]+)":', names)


def test_the_changelog_has_this_version_and_what_comes_next():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *releases = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert first == "Unreleased"
    versions, dates = zip(*(release.split(" - ") for release in releases), strict=True)
    assert versions[0] == crnn_lib.__version__
    assert [date.fromisoformat(d) for d in dates] == sorted(map(date.fromisoformat, dates))[::-1]
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["version"] == crnn_lib.__version__ and citation["license"] == "MIT"
    assert citation["repository-code"] == REPOSITORY
    released = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {citation['version']} - {citation['date-released']}" in released
    for work in [citation, *citation["references"]]:
        assert work["title"] and work["authors"], work


def test_a_commit_is_checked_as_make_test_checks():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    used = [
        re.fullmatch(r"\.venv/bin/python -m (ruff \w+) --force-exclude", h["entry"]) for h in hooks
    ]
    assert [match[1] for match in used] == ["ruff check", "ruff format"]
    assert "VENV := .venv\n" in MAKEFILE and "-m ruff check" in MAKEFILE


def test_templates_are_short_and_named():
    pages = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"))
    assert [page.stem for page in pages] == ["bug", "idea"]
    for page in pages:
        _, head, body = page.read_text(encoding="utf-8").split("---\n")
        assert set(yaml.safe_load(head)) == {"name", "about"} and len(body.splitlines()) <= 8
    request = (ROOT / ".github" / "pull_request_template.md").read_text(encoding="utf-8")
    assert "CONTRIBUTING.md" in request and "make test" in request


# ------------------------------------------------------------------ the README

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [0, 1])
def test_the_readmes_python_runs(number, monkeypatch, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3  # the last one needs images of one's own
    monkeypatch.chdir(ROOT)
    exec(blocks[number], {})
    assert capsys.readouterr().out.startswith("55207 ")


def test_the_readmes_commands_name_what_is_there():
    commands = re.findall(
        r"^    python -m crnn_lib\S* (?:read|lessons|grade) (?!--)(\S+)", README, re.MULTILINE
    )
    assert len(commands) == 4
    for path in commands:
        assert (ROOT / path).exists(), path


def test_the_readmes_way_with_images_of_ones_own(tmp_path, monkeypatch, capsys):
    """Its three commands are commands, and its Python learns from the folder that they name."""
    before, _, section = README.partition("### Teach it your own words\n")
    reading = re.findall(r"^    python -m crnn_lib (read .*my_words/.*)", before, re.MULTILINE)
    assert len(reading) == 3
    for command in reading:
        arguments._parser().parse_args(command.split())
    commands = re.findall(r"^    python -m crnn_lib (.*my_words/.*)", section, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["label", "train", "read"]
    (tmp_path / "my_words").mkdir()
    monkeypatch.chdir(tmp_path)
    words = ["tea", "ten", "net", "eat", "ant"]
    written = draw_words(words, torch.Generator().manual_seed(0), height=64)
    for n, image in enumerate(written.images):
        Image.fromarray(255 - np.pad(image.numpy(), 10)).save(f"my_words/{n}.png")
    assert arguments.main(commands[0].partition("#")[0].split()) == 0
    rows = [f"{n}.png,{word}" for n, word in enumerate(words)]
    Path("my_words/labels.csv").write_text("\n".join(["file,text", *rows]))
    for command in commands[1:]:
        arguments._parser().parse_args(command.split())
    short = TrainConfig(steps=2, validate_every=1, patience=1)
    monkeypatch.setattr("crnn_lib.training.fine_tuning.FINE_TUNING", short)
    monkeypatch.setattr("crnn_lib.training.fine_tuning._OLD_WRITERS", 3)
    exec(re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[2], {})
    assert "4 lines learned from in " in capsys.readouterr().out
    assert Path("mine.safetensors").exists()


def test_the_readme_says_how_its_photo_was_chosen():
    page = " ".join((ROOT / "data" / "pages" / "README.md").read_text(encoding="utf-8").split())
    least, among = re.search(r"At least (\d+) of the (\d+) numbers", page).groups()
    assert "one seed before anything was read" in README
    assert f"of all {among} at least {least}" in " ".join(README.split())
