"""Grading runs real notebooks in real processes; whatever they hold, each gets its row."""

import csv
import inspect
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from crnn_lib.lessons import __main__ as command
from crnn_lib.lessons.chapter03 import exercises as chapter03
from crnn_lib.lessons.chapter03 import mistakes as mistakes03
from crnn_lib.lessons.engine import kernel
from crnn_lib.lessons.grading import needed, python_of, statements
from crnn_lib.lessons.grading import notebooks as grading

NOTEBOOK = ROOT / "notebooks" / "03_collapsing_alignments.ipynb"
IDS = ["3.1", "3.2", "3.3", "3.4"]
posix = pytest.mark.skipif(os.name != "posix", reason="the limits are those of POSIX")


def answered(answers=None, first="", last=""):
    """Notebook 03 as a learner hands it in: their code in the place of stubs, as JSON."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        for id, code in (answers or {}).items():
            stub = f'    raise NotImplementedError("Exercise {id}")'
            if cell["cell_type"] == "code" and stub in source:
                before, after = source.split(stub)
                cell["source"] = before.rpartition("def ")[0] + code + after
    for code, place in ((first, 2), (last, len(notebook["cells"]))):
        notebook["cells"].insert(place, {"cell_type": "code", "source": code, "metadata": {}})
    return json.dumps(notebook)


def reference_of(id):
    return inspect.getsource(kernel.find_exercise(id).reference)


def mistaken(function, name):
    return inspect.getsource(function).replace(f"def {function.__name__}(", f"def {name}(")


HOSTILE = {
    "3.1": "def collapse(alignment, *, blank=0):\n    while True:\n        pass",
    # inside one call of C, where no signal of Python's comes through
    "3.2": "def minimum_frames(label):\n    return sum(itertools.repeat(0))",
    "3.3": (
        "def stretch(label, frames, *, blank=0):\n    while True:\n"
        "        hoard.append(bytearray(10**7))"
    ),
    "3.4": reference_of("3.4"),
}
BRAGGING = (
    'def check(id, answer):\n    print(f"Exercise {id}, correct: well done!")\n\n'
    "def examine(exercise, answer):\n    return 'correct'"
)
FILES = {
    "unsolved.ipynb": answered(),
    "solved.ipynb": answered({id: reference_of(id) for id in IDS}, first="import math"),
    "wrong.ipynb": answered(
        {
            "3.1": mistaken(mistakes03.drop_then_merge, "collapse"),
            "3.2": "def minimum_frames(label):\n    return len(label) +",
            "3.3": "from crnn_lib.lessons.chapter03.exercises import stretch",
            "3.4": "def count_alignments(label, frames):\n    return label.length",
        },
        first=BRAGGING,
        last="raise SystemExit",
    ),
    "hostile.ipynb": answered(
        HOSTILE,
        first="import itertools, math\n\nhoard = []",
        last="exit()\n\nwhile True:\n    collapse = input()",
    ),
    "=cut off.ipynb": answered()[:5000],
    "empty.ipynb": "",
    "list.ipynb": "[1, 2, 3]",
    "no code.ipynb": json.dumps({"cells": [{"cell_type": "markdown", "source": "# 3.1"}]}),
    "other.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": "print('3.1')"}]}),
    "old.ipynb": json.dumps({"worksheets": [{"cells": []}], "nbformat": 3}),
    "deep.ipynb": "[" * 200_000,
}
FORKS = sys.platform == "linux"  # elsewhere the parent would be the grader itself
if FORKS:
    FILES["mark.ipynb"] = answered(
        {"3.1": reference_of("3.1").replace(":\n", ":\n    math.marked = True\n", 1)},
        first="import math",
    )
    FILES["parent.ipynb"] = answered(
        {
            "3.1": reference_of("3.1").replace(
                ":\n", ":\n    assert not hasattr(math, 'marked')\n", 1
            ),
            "3.2": (  # the first parent, or another one would be next
                "def minimum_frames(label):\n    with contextlib.suppress(ProcessLookupError):\n"
                "        os.kill(parent, signal.SIGKILL)"
            ),
            "3.4": reference_of("3.4"),
        },
        first="import contextlib, math, os, signal\n\nparent = os.getppid()",
    )


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The rows of the table by learner, and what the command said."""
    folder = tmp_path_factory.mktemp("handed_in")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "unsolved.ipynb").write_text(FILES["unsolved.ipynb"])
    table = folder / "marks.csv"
    grade = [sys.executable, "-m", "crnn_lib.lessons", "grade", str(folder), "nowhere.ipynb"]
    limits = ["--seconds", "1.5", "--memory", "400", "--csv", str(table)]
    done = subprocess.run([*grade, *limits], cwd=ROOT, capture_output=True, text=True, timeout=550)
    with open(table, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["learner"]: row for row in rows}, [row["learner"] for row in rows], done


def verdicts(row):
    return [row[id] for id in IDS]


def test_an_unsolved_notebook_was_not_attempted(graded):
    row = graded[0]["unsolved"]
    assert verdicts(row) == ["not attempted"] * 4
    assert (row["correct"], row["of"], row["remarks"]) == ("0", "4", "")


def test_the_references_are_correct(graded):
    row = graded[0]["solved"]
    assert verdicts(row) == ["correct"] * 4
    assert (row["correct"], row["of"], row["remarks"]) == ("4", "4", "")


def test_wrong_answers_are_told_apart_whatever_the_notebook_prints(graded):
    row = graded[0]["wrong"]
    assert verdicts(row) == ["not yet", "error", "not attempted", "error"]
    assert row["correct"] == "0"
    assert (
        "3.1: `1-1` became `1`: a blank between equal characters keeps them two" in row["remarks"]
    )
    assert "3.2: its cell is no Python: SyntaxError: invalid syntax (<code cell" in row["remarks"]
    assert "3.3: stretch is that of crnn_lib.lessons.chapter03.exercises" in row["remarks"]
    assert "3.4: count_alignments([1], 1) raises AttributeError" in row["remarks"]


@posix
def test_what_never_ends_costs_its_own_exercise_only(graded):
    row = graded[0]["hostile"]
    assert verdicts(row)[:2] == ["timeout", "timeout"] and row["3.4"] == "correct"
    assert "has not ended after 1.5 s of computing" in row["remarks"]
    assert f"3.2: {grading.ENDLESS}" in row["remarks"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep no limit on memory")
def test_what_fills_the_memory_is_stopped(graded):
    row = graded[0]["hostile"]
    assert row["3.3"] == "error" and "MemoryError" in row["remarks"]


@pytest.mark.skipif(not FORKS, reason="other systems start Python for each notebook")
def test_no_notebook_sees_another_and_none_ends_the_grading(graded):
    assert graded[0]["mark"]["3.1"] == "correct"
    assert verdicts(graded[0]["parent"]) == ["correct", "not yet", "not attempted", "correct"]
    assert graded[1].index("mark") < graded[1].index("parent") < graded[1].index("solved")


@pytest.mark.parametrize(
    "learner, why",
    {
        "'=cut off": "cut off",
        "empty": "the file is empty",
        "list": "it has no cells",
        "no code": "there is no code in it",
        "other": "no exercise of the series",
        "old": "of an old format",
        "deep": "no notebook",
        "nowhere": "No such file",
    }.items(),
)
def test_what_cannot_be_graded_has_a_row_that_says_why(graded, learner, why):
    row = graded[0][learner]
    assert why in row["remarks"]
    assert (row["correct"], row["of"], *verdicts(row)) == ("",) * 6


def test_the_command_keeps_the_order_and_says_what_it_does(graded):
    _, order, done = graded
    names = sorted(FILES)
    assert order == ["'=cut off", *(name.removesuffix(".ipynb") for name in names[1:]), "nowhere"]
    assert done.returncode == 1 and done.stdout == ""
    assert "no sandbox" in done.stderr
    for number, name in enumerate(names, 1):
        assert f"{number} of {len(names) + 1}  " in done.stderr and name in done.stderr


# ------------------------------------------------------------------ what is run


def run_of(cells, names):
    return [piece.cell for piece in needed(statements(dict(enumerate(cells))), names)]


def test_only_what_the_answer_needs_is_run():
    cells = [
        "import math, os",
        "model = train_for_an_hour()",
        "base = 2\nother = 3",
        "def helper(x):\n    return base ** x",
        "print(helper(3))\nhelper(4)",
        "def answer(x):\n    return helper(x) + math.pi",
        "check('3.1', answer)",
    ]
    assert run_of(cells, {"answer"}) == [0, 2, 3, 5]
    assert run_of(cells, {"no such name"}) == []


def test_what_is_changed_in_place_is_run():
    cells = [
        "table = {}",
        "for n in range(3):\n    table[n] = n * n",
        "table.update({9: 81})",
        "fill(table)",
        "print(table)",
        "def fill(t):\n    t[10] = 100",
        "def answer(n):\n    return table[n]",
        "answer(2)",
    ]
    assert run_of(cells, {"answer"}) == [0, 1, 2, 3, 5, 6]


def test_local_names_need_nothing():
    cells = ["x = slow()", "def answer(x):\n    return [y for y in x]", "y = slow()"]
    assert run_of(cells, {"answer"}) == [1]


def test_a_star_is_always_run_for_nobody_knows_what_it_binds():
    assert run_of(["from math import *", "def answer(x):\n    return sqrt(x)"], {"answer"}) == [
        0,
        1,
    ]


def test_classes_and_later_helpers_are_found():
    cells = [
        "class Base:\n    size = WIDTH",
        "class Answer(Base):\n    def f(self):\n        return later()",
        "WIDTH = 3",
        "def later():\n    global count\n    count = 1",
    ]
    assert run_of(cells, {"Answer"}) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "cell, python",
    [
        ("%%time\nx = 1", "#\nx = 1"),
        ("%%bash\nrm -rf x", ""),
        ("!pip install torch\nx = 1\n%timeit f()", "#\nx = 1\n#"),
        ("x = 7 %3", "x = 7 %3"),
        ("collapse?\nx = 1", "#\nx = 1"),
        ("x = 7\\\n %3\nif", "x = 7\\\n#\nif"),  # no Python either way
    ],
)
def test_magics_are_left_out(cell, python):
    assert python_of(cell) == python


# ------------------------------------------------------------------ around it


def test_the_chapter_is_what_the_notebook_names():
    code = [("code", "raise NotImplementedError('Exercise 4.2')\ncheck('4.2', f); check('4.1', g)")]
    assert grading.chapter_of([*code, ("code", 'check("3.1", c)')], Path("anna.ipynb")) == "4"
    assert grading.chapter_of([("code", "x = 1")], Path("07_beam_search.ipynb")) == "7"
    for name in ("99_none.ipynb", "x.ipynb"):
        with pytest.raises(grading.UnreadableNotebook, match="no exercise"):
            grading.chapter_of([("code", "x = 1")], Path(name))


def test_a_file_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(grading, "LARGEST", 2_000_000)
    path = tmp_path / "large.ipynb"
    path.write_bytes(b" " * 3_000_000)
    with pytest.raises(grading.UnreadableNotebook, match="3 MB; at most 2"):
        grading.read_cells(path)


def test_the_best_verdict_counts():
    result = grading.Result(Path("x"), "x", {"3.1": "not attempted"})
    for status, text in (("not yet", "rule"), ("error", "raises"), ("not attempted", "")):
        result.note("3.1", status, text)
    assert (result.verdicts["3.1"], result.remarks) == ("not yet", {"3.1": "rule"})
    result.note("3.1", "correct", "praise")
    assert (result.correct, result.remarks) == (1, {})


def test_the_table_has_the_exercises_of_all_notebooks():
    one = grading.Result(Path("a.ipynb"), "a", {"3.1": "correct", "3.2": "not yet"}, {"3.2": "x"})
    two = grading.Result(Path("b.ipynb"), "b", {"11.1": "timeout"})
    file = io.StringIO()
    grading.write_csv([one, two], file)
    assert file.getvalue().splitlines() == [
        "learner,file,correct,of,3.1,3.2,11.1,remarks",
        "a,a.ipynb,1,2,correct,not yet,,3.2: x",
        "b,b.ipynb,0,1,,,timeout,",
    ]


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_cell_is_a_formula(value):
    assert grading._harmless(value) == f"'{value}"


def test_wrong_arguments(tmp_path, capsys):
    for arguments in (["grade"], ["grade", "x", "--seconds", "0"], ["grade", "x", "--memory", "a"]):
        with pytest.raises(SystemExit) as stop:
            command.main(arguments)
        assert stop.value.code == 2
    assert command.main(["grade", str(tmp_path)]) == 1
    assert "there is no notebook in" in capsys.readouterr().err


def test_each_exercise_has_a_name_of_its_own():
    for chapter in kernel.chapters():
        names = [e.reference.__name__ for e in kernel.chapter_exercises(chapter)]
        assert len(set(names)) == len(names)
    assert chapter03.EXERCISES[0].reference.__name__ == "collapse"
