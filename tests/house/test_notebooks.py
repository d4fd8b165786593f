"""The committed notebooks keep the house's rules; the executor and nbval do what they promise.

That the notebooks run, and print what they printed, is checked by nbval: pytest collects each
code cell of notebooks/ as a test of its own.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

import nbformat
import pytest
from conftest import MACHINE_PATH, REPOSITORY, ROOT, load_executor
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

execute = load_executor()
SERIES = execute.series()

IGNORE = "nbval-ignore-output"
NEEDED = ("pyproject.toml", "tests/conftest.py", "tests/asked.py", "tests/sanitize.cfg")
BADGE = "https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}"


# ------------------------------------------------------------------ the rules
# Each takes a notebook and its file's name, and yields a sentence for each fault it finds.


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def streams(cell, name):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == name)


def syntax(cell):
    return ast.parse(TransformerManager().transform_cell(cell.source))


def has_a_fitting_length(notebook, name):
    if not 25 <= len(notebook.cells) <= 45:
        yield f"{len(notebook.cells)} cells; 25 to 45 make a lesson"


def opens_with_its_own_badge(notebook, name):
    link = BADGE.format(repository=REPOSITORY.removeprefix("https://github.com/"), name=name)
    first = notebook.cells[0]
    if first.cell_type != "markdown" or f"({link})" not in first.source:
        yield f"the first cell has no badge that opens {link}"


def has_short_cells(notebook, name):
    lines = {cell.id: len(cell.source.splitlines()) for cell in code_cells(notebook)}
    for cell, count in lines.items():
        if count > 14:
            yield f"{cell} has {count} lines; what is longer than 12 belongs in crnn_lib"
    over = [cell for cell, count in lines.items() if count > 12]
    if len(over) > 2:
        yield f"{', '.join(over)} have more than 12 lines; two such cells are too many already"


def was_run_from_top_to_bottom(notebook, name):
    for count, cell in enumerate(code_cells(notebook), 1):
        if not cell.source.strip():
            yield f"{cell.id} is empty"
        if cell.execution_count != count:
            yield f"{cell.id} has the count {cell.execution_count}; in one clean run it has {count}"


def has_outputs(notebook, name):
    cells = code_cells(notebook)
    if sum(bool(cell.outputs) for cell in cells) < len(cells) / 2:
        yield "fewer than half of the code cells have an output, so nbval compares next to nothing"
    for cell in cells:
        calls = {
            getattr(statement.value.func, "id", None)
            for statement in syntax(cell).body
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        }
        if calls & {"print", "check"} and not streams(cell, "stdout"):
            yield f"{cell.id} prints, but no printed output is committed"


def has_no_errors_or_warnings(notebook, name):
    for cell in code_cells(notebook):
        if any(output.output_type == "error" for output in cell.outputs):
            yield f"{cell.id} is committed with an error"
        if streams(cell, "stderr"):
            yield f"{cell.id} writes to stderr: {streams(cell, 'stderr')[:80]!r}"


def compares_most_outputs(notebook, name):
    cells = code_cells(notebook)
    ignored = [cell for cell in cells if IGNORE in tags(cell)]
    if len(ignored) >= len(cells) / 2:
        yield f"{len(ignored)} of {len(cells)} code cells are tagged {IGNORE}"
    for cell in cells:
        unknown = {tag for tag in tags(cell) if "nbval" in tag or "exception" in tag} - {IGNORE}
        if unknown:
            yield f"{cell.id} is tagged {', '.join(sorted(unknown))}; only {IGNORE} is allowed"
        if "NBVAL_" in cell.source:
            yield f"{cell.id} has an NBVAL comment, which readers see; use the tag {IGNORE}"


def asserts_where_it_does_not_compare(notebook, name):
    """In the cell itself, or, of what it defines, in a folded cell that is tagged guard."""
    cells = code_cells(notebook)[1:]  # the first one is the setup, with nothing to show
    asserts = {
        cell.id: [node for node in ast.walk(syntax(cell)) if isinstance(node, ast.Assert)]
        for cell in cells
    }
    guarded = {
        node.id
        for cell in cells
        for check in asserts[cell.id] * ("guard" in tags(cell))
        for node in ast.walk(check)
        if isinstance(node, ast.Name)
    }
    for cell in cells:
        nodes = [node for node in ast.walk(syntax(cell)) if isinstance(node, ast.Name)]
        defined = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
        if IGNORE in tags(cell) and not asserts[cell.id] and not defined & guarded:
            yield f"{cell.id} is tagged {IGNORE} and asserts nothing, so it cannot fail"
        if "guard" in tags(cell) and not cell.metadata.get("jupyter", {}).get("source_hidden"):
            yield f"{cell.id} is tagged guard and its source is not hidden"


def folds_what_was_predicted(notebook, name):
    """The last output before the next text, unless it is of an exercise or a quiz."""

    def asks(cell):
        return re.search(r'^quiz\(|Error\("Exercise', cell.source, re.MULTILINE)

    def is_folded(cell):
        is_hidden = cell.metadata.get("jupyter", {}).get("outputs_hidden")
        return is_hidden and cell.metadata.get("collapsed")

    for cell in code_cells(notebook):
        if asks(cell) and is_folded(cell):
            yield f"{cell.id} is an exercise or a quiz, and its output is folded"
    told = False
    for position, cell in enumerate(notebook.cells):
        told = told or (cell.cell_type == "markdown" and "the output is folded" in cell.source)
        if cell.cell_type == "markdown" and re.search(r"\*\*Predict(?! →)", cell.source):
            if not told:
                yield f"before {cell.id} asks, nothing says that outputs are folded"
            after = takewhile(lambda c: c.cell_type == "code", notebook.cells[position + 1 :])
            shown = [c for c in after if c.outputs]
            answers = [c for c in shown if not asks(c)]
            if not shown or answers and not is_folded(answers[-1]):
                yield f"the answer to the prediction of {cell.id} is in sight"


def keeps_asserts_out_of_sight(notebook, name):
    """In cells that are tagged guard; notebook 12 is rewritten, and then held too."""
    seen = [cell for cell in code_cells(notebook) if "guard" not in tags(cell)]
    told = [c.id for c in seen if any(isinstance(n, ast.Assert) for n in ast.walk(syntax(c)))]
    if len(told) > len(seen) / 10 and name[:2] != "12":
        yield f"{', '.join(told)} assert in sight; one in ten visible cells may"


def says_in_words_what_figures_show(notebook, name):
    for cell in code_cells(notebook):
        shown = [o for o in cell.outputs if any(k.startswith("image/") for k in o.get("data", {}))]
        explorers = [o for o in shown if "text/html" in o["data"]]  # a picture beside the page
        if len(shown) > len(explorers) and not streams(cell, "stdout").strip():
            yield f"{cell.id} draws a figure without a printed line that says what it shows"
        if any(not o["metadata"].get("image/png", {}).get("alt") for o in explorers):
            yield f"{cell.id} keeps a picture of an explorer without words"


def names_no_machine(notebook, name):
    for cell in notebook.cells:
        texts = [cell.source]
        for output in cell.get("outputs", []):
            texts.append(output.get("text", ""))
            texts += [v for k, v in output.get("data", {}).items() if k.startswith("text/")]
        for found in MACHINE_PATH.findall("\n".join(map(str, texts))):
            yield f"{cell.id} names a path of one machine: {found}"


RULES = [
    has_a_fitting_length,
    opens_with_its_own_badge,
    has_short_cells,
    was_run_from_top_to_bottom,
    has_outputs,
    has_no_errors_or_warnings,
    compares_most_outputs,
    asserts_where_it_does_not_compare,
    folds_what_was_predicted,
    keeps_asserts_out_of_sight,
    says_in_words_what_figures_show,
    names_no_machine,
]


# ------------------------------------------------------- the rules, on the series


@lru_cache
def read(path: Path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
def test_notebook(path, rule):
    faults = list(rule(read(path), path.name))
    assert not faults, f"{path.name}:\n" + "\n".join(faults)


@pytest.mark.parametrize("path", SERIES, ids=lambda path: path.stem)
def test_file_is_in_canonical_form(path):
    text = path.read_bytes().decode("utf-8")
    fresh = execute.to_text(execute.canonical(nbformat.reads(text, as_version=4)))
    assert fresh == text, f"{path.name} was saved by an editor; run: make notebooks"


def test_numbers_are_unique():
    names = [path.name for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", name) for name in names), names
    assert len({name[:2] for name in names}) == len(names), sorted(names)


# -------------------------------------------------- the rules, on a notebook of our own


def good_notebook():
    badge = BADGE.format(repository=REPOSITORY.removeprefix("https://github.com/"), name="x.ipynb")
    cells = [new_markdown_cell(f"# Lines\n\n[![Open in Colab](badge.svg)]({badge})")]
    cells += [new_markdown_cell("One idea.") for _ in range(12)]
    cells += [
        new_code_cell("print(55207)", outputs=[new_output("stream", name="stdout", text="55207\n")])
        for _ in range(12)
    ]
    return execute.canonical(new_notebook(cells=cells))


def png(cell):
    cell.outputs = [new_output("display_data", data={"image/png": "iVBORw0KGgo="})]


def fold(cell):
    cell.metadata.update(collapsed=True, jupyter={"outputs_hidden": True})


def predict(notebook):
    notebook.cells[11].source = "Below each question the output is folded."
    notebook.cells[12].source = "**Predict.** How many?"


def ask(cell):
    cell.source = 'raise NotImplementedError("Exercise 5.1")'


def on(position, change):
    """A change to the cell at a position (the code cells begin at 13)."""
    return lambda notebook: change(notebook.cells[position])


BREAKING = [
    (has_a_fitting_length, lambda notebook: notebook.cells.pop()),
    (opens_with_its_own_badge, on(0, lambda cell: cell.update(source="# Lines"))),
    (has_short_cells, on(14, lambda cell: cell.update(source="x = 1\n" * 15))),
    (has_short_cells, lambda n: [c.update(source="x = 1\n" * 13) for c in n.cells[14:17]]),
    (was_run_from_top_to_bottom, on(15, lambda cell: cell.update(execution_count=None))),
    (was_run_from_top_to_bottom, on(15, lambda cell: cell.update(source=" "))),
    (has_outputs, on(15, lambda cell: cell.update(outputs=[]))),
    (has_outputs, lambda n: [c.update(source="x = 1", outputs=[]) for c in n.cells[14:22]]),
    (
        has_no_errors_or_warnings,
        on(15, lambda c: c.outputs.append(new_output("error", ename="ValueError", evalue="no"))),
    ),
    (
        has_no_errors_or_warnings,
        on(15, lambda c: c.outputs.append(new_output("stream", name="stderr", text="hm"))),
    ),
    (compares_most_outputs, lambda n: [c.metadata.update(tags=[IGNORE]) for c in n.cells[13:19]]),
    (compares_most_outputs, on(15, lambda cell: cell.metadata.update(tags=["nbval-skip"]))),
    (compares_most_outputs, on(15, lambda cell: cell.metadata.update(tags=["raises-exception"]))),
    (compares_most_outputs, on(15, lambda c: c.update(source="# NBVAL_IGNORE_OUTPUT\nprint(1)"))),
    (asserts_where_it_does_not_compare, on(15, lambda c: c.metadata.update(tags=[IGNORE]))),
    (asserts_where_it_does_not_compare, on(15, lambda c: c.metadata.update(tags=["guard"]))),
    (folds_what_was_predicted, on(3, lambda cell: cell.update(source="**Predict.** How many?"))),
    (folds_what_was_predicted, lambda n: fold(n.cells[13]) or predict(n)),
    (folds_what_was_predicted, lambda n: [fold(n.cells[24]), predict(n), n.cells.pop(11)]),
    (folds_what_was_predicted, lambda n: [ask(n.cells[24]), fold(n.cells[24]), predict(n)]),
    (folds_what_was_predicted, lambda n: [ask(n.cells[24]), fold(n.cells[24])]),
    (keeps_asserts_out_of_sight, lambda n: [c.update(source="assert 1") for c in n.cells[14:17]]),
    (says_in_words_what_figures_show, on(15, png)),
    (names_no_machine, on(15, lambda cell: cell.outputs[0].update(text="in /home" + "/eva/x.png"))),
    (names_no_machine, on(3, lambda cell: cell.update(source="`/tmp" + "/line.png`"))),
]


def test_good_notebook_keeps_every_rule():
    notebook = good_notebook()
    assert [fault for rule in RULES for fault in rule(notebook, "x.ipynb")] == []


def test_an_answer_is_folded_and_the_exercise_under_it_is_not():
    notebook = good_notebook()
    predict(notebook)
    ask(notebook.cells[24])
    fold(notebook.cells[23])
    assert list(folds_what_was_predicted(notebook, "x.ipynb")) == []


@pytest.mark.parametrize(
    "rule, change", BREAKING, ids=[f"{i}-{rule.__name__}" for i, (rule, _) in enumerate(BREAKING)]
)
def test_rule_sees_its_fault(rule, change):
    notebook = good_notebook()
    change(notebook)
    assert list(rule(notebook, "x.ipynb"))


def test_every_rule_is_seen_to_fail():
    assert {rule for rule, _ in BREAKING} == set(RULES)


# ------------------------------------------------------------------ the executor

LIVELY_CELLS = [
    "import os, time, matplotlib.pyplot as plt, ipywidgets",
    "print('a', flush=True)\ntime.sleep(0.2)\nprint('b')",
    "plt.plot([5, 5, 2, 0, 7])\nplt.show()\nprint('A line with five points.')",
    "ipywidgets.IntSlider(description='blank')",
    "print(f'took {time.perf_counter():.3f} s')",
    "object()",
    "print(sorted(os.environ[k] for k in ('OMP_NUM_THREADS', 'PYTHONHASHSEED')), hash('55207'))",
    "def exercise():\n    raise NotImplementedError('Exercise 0.1')",
]


def write_notebook(path, sources):
    cells = [new_markdown_cell("# A sample")] + [new_code_cell(source) for source in sources]
    cells[1].metadata.update(tags=["kept"], collapsed=True, execution={"iopub": "a time"})
    nbformat.write(new_notebook(cells=cells, metadata={"widgets": {}, "colab": {}}), path)


@pytest.fixture(scope="module")
def lively(tmp_path_factory):
    """A notebook with every kind of output, executed once; its path and its bytes."""
    path = tmp_path_factory.mktemp("lively") / "lively.ipynb"
    write_notebook(path, LIVELY_CELLS)
    assert execute.main([str(path)]) == 0
    return path, path.read_bytes()


def test_second_run_gives_the_same_bytes(lively, capsys):
    path, before = lively
    assert b'"image/png": "iVBOR' in before, "the figure is part of what is compared"
    assert execute.main([str(path)]) == 0
    assert path.read_bytes() == before
    assert "unchanged" in capsys.readouterr().out
    assert [p.name for p in path.parent.iterdir()] == [path.name], "no partial file stays behind"


def test_written_notebook_is_canonical(lively):
    path, _ = lively
    notebook = read(path)
    assert [cell.id for cell in notebook.cells] == [f"c{i:03d}" for i in range(9)]
    assert notebook.metadata == {
        "kernelspec": execute.KERNELSPEC,
        "language_info": {"name": "python"},
    }
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, 9))
    assert cells[0].metadata == {"tags": ["kept"], "collapsed": True}  # not when it ran
    assert len(cells[1].outputs) == 1 and cells[1].outputs[0].text == "a\nb\n"
    assert list(cells[3].outputs[0].data) == ["text/plain"]
    assert cells[6].outputs[0].text.startswith("['0', '1'] ")


@pytest.fixture
def changed(lively, tmp_path):
    """The same notebook with another word in the committed output of its third code cell."""
    path = tmp_path / "changed.ipynb"
    path.write_bytes(lively[1].replace(b'"A line with five', b'"A line with four'))
    assert path.read_bytes() != lively[1]
    return path


def test_check_sees_a_changed_output_and_writes_nothing(lively, changed, capsys):
    before = changed.read_bytes()
    assert execute.main(["--check", str(lively[0]), str(changed)]) == 1
    assert changed.read_bytes() == before
    said = capsys.readouterr().out
    assert re.search(r"unchanged +\S+lively.ipynb \(\d+\.\d s\)\n", said)
    assert re.search(r"differs +\S+changed.ipynb \(\d+\.\d s\): c003\n", said)
    assert "1 of 2 notebooks" in said


def test_failing_cell_is_reported_and_the_file_stays(tmp_path, capsys):
    path = tmp_path / "broken.ipynb"
    write_notebook(path, ["frames = 4", "assert frames >= 5, 'two equal digits need a blank'"])
    before = path.read_bytes()
    assert execute.main([str(path)]) == 1
    error = capsys.readouterr().err
    assert "broken.ipynb" in error and "assert frames >= 5" in error
    assert "AssertionError: two equal digits need a blank" in error and "\x1b" not in error
    assert path.read_bytes() == before


def test_missing_notebook_is_named(capsys):
    with pytest.raises(SystemExit):
        execute.main(["no_such.ipynb"])
    assert "no such notebook: no_such.ipynb" in capsys.readouterr().err


# ------------------------------------------------------------------ nbval


@pytest.fixture
def run(tmp_path):
    """Run pytest, as `make test` does, on a checkout that holds only the notebooks given."""

    def run(*notebooks):
        for name in NEEDED:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
        (tmp_path / "notebooks").mkdir()
        for path in (ROOT / "notebooks" / "execute.py", *notebooks):
            shutil.copy(path, tmp_path / "notebooks")
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "--color=no"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 1, result.stdout + result.stderr
        return result.stdout

    return run


def test_nbval_passes_the_executors_output_and_fails_a_changed_one(lively, changed, run):
    said = run(lively[0], changed)
    assert "1 failed, 15 passed" in said
    assert re.search(r"FAILED notebooks/changed.ipynb::.*Cell 2 ", said)
    assert "+ A line with four points." in said
    assert re.search(r"\d\.\d  lively.ipynb", said)
