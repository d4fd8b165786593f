"""The pages for teachers say what the notebooks say, and the worksheets are up to date."""

import importlib.util
import json
import re
import sys

import pytest
from conftest import ROOT

from crnn_lib.lessons.engine import kernel, letters

TEACH = ROOT / "book" / "teach"
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))}
PAGES = {stem: TEACH / f"{stem}.md" for stem in NOTEBOOKS}
PREDICT = re.compile(r"\*\*Predict(?! →)")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
every_page = pytest.mark.parametrize("stem", PAGES)


def plain(text):
    """Markdown as one reads it: no links, no emphasis, one space between words."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*`]", "", text).split())


def sections_of(stem):
    """Headings of a notebook and the Markdown below each, as [(heading, text)]."""
    cells = json.loads(NOTEBOOKS[stem].read_text(encoding="utf-8"))["cells"]
    text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def page_of(stem):
    return PAGES[stem].read_text(encoding="utf-8")


def part(text, heading):
    """What stands under a heading of a page."""
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"there is no {heading!r}"
    level = heading.split()[0]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text):
    """Cells of a Markdown table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def columns(text):
    """The minutes of a timing table by column: (those of the sections, the sum that it states)."""
    *sections, together = [row[1:] for row in rows(part(text, "## Timing"))]
    numbers = [[int(cell.strip("*")) for cell in row] for row in [*sections, together]]
    return [(column[:-1], column[-1]) for column in map(list, zip(*numbers, strict=True))]


@every_page
def test_timing_names_each_section_in_its_order(stem):
    named = [row[0] for row in rows(part(page_of(stem), "## Timing"))]
    headings = [heading for heading, _ in sections_of(stem) if heading != "If you teach this"]
    assert named == [*map(plain, headings), "**together**"]


@every_page
def test_minutes_add_up(stem):
    for minutes, together in columns(page_of(stem)):
        assert sum(minutes) == together


@every_page
def test_lessons_are_as_long_as_the_notebook_says(stem):
    note = dict(sections_of(stem)).get("If you teach this", "")
    sums = [together for _, together in columns(page_of(stem))]
    if "wo lessons of" in note:
        assert f"Two lessons of {sums[0]} minutes" in note and sums[0] == sums[1]
    elif found := re.search(r"(\d+) minutes", note):
        assert int(found[1]) == sums[0]


@every_page
def test_every_prediction_is_asked_and_answered(stem):
    asked = rows(part(page_of(stem), "## Before each run"))
    texts = {plain(heading): text for heading, text in sections_of(stem)}
    for section, question, answer in asked:
        assert plain(question) in plain(texts[section]), (section, question)
        assert answer
    counts = {heading: len(PREDICT.findall(text)) for heading, text in texts.items()}
    found = {heading: [row[0] for row in asked].count(heading) for heading in counts}
    assert found == counts


@every_page
def test_questions_are_quoted_whole(stem):
    texts = {plain(heading): plain(text) for heading, text in sections_of(stem)}
    for section, question, _ in rows(part(page_of(stem), "## Before each run")):
        before, found, _ = texts[section].partition(plain(question))
        assert found, question
        # It begins with a sentence or right after "Predict", and ends with one.
        assert re.search(r"(^|[.?!:)]|Predict[^.?!]*)$", before.rstrip()), question
        assert question.rstrip("`*")[-1] in "?.!):", question


@every_page
def test_numbers_in_the_answers_stand_in_the_notebook(stem):
    words = []
    for cell in json.loads(NOTEBOOKS[stem].read_text(encoding="utf-8"))["cells"]:
        words.append("".join(cell["source"]))
        for output in cell.get("outputs", []):
            shown = output.get("text", output.get("data", {}).get("text/plain", ""))
            words.append("".join(shown))
    there = set(NUMBER.findall(" ".join(words)))
    for _, question, answer in rows(part(page_of(stem), "## Before each run")):
        named = {n for n in NUMBER.findall(answer) if len(re.sub(r"\D", "", n)) > 1}
        assert named <= there, question


@every_page
def test_every_known_mistake_is_explained(stem):
    text = page_of(stem)
    for exercise in kernel.chapter_exercises(str(int(stem[:2]))):
        found = rows(part(text, f"### Exercise {exercise.id}, {exercise.title}"))
        rules = dict.fromkeys(plain(mistake.rule) for mistake in exercise.mistakes)
        assert [plain(row[0]) for row in found] == list(rules)
        assert all(len(row) == 2 and row[1] for row in found)


@every_page
def test_every_wrong_option_of_a_quiz_is_explained(stem):
    source = NOTEBOOKS[stem].read_text(encoding="utf-8")
    text = page_of(stem)
    for id in sorted(set(re.findall(r"\bquiz\(\\\"([^\\]+)\\\"", source))):
        question = kernel.find_question(kernel.FORMERLY.get(id, id))
        table = rows(part(text, f"### Question: {question.id}"))
        found = {plain(row[0]) for row in table}
        wrong = {
            plain(f"{kind} {letter}: {option.text}")
            for kind, options in (("answer", question.answers), ("reason", question.reasons))
            for letter, option in zip(letters(options), options, strict=True)
            if not option.right
        }
        assert found == wrong


def test_links_lead_somewhere():
    for path in TEACH.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_overview_has_every_notebook_with_its_minutes():
    overview = (TEACH / "index.md").read_text(encoding="utf-8").partition("\n## ")[0]
    listed = [row[:2] for row in rows(overview)]
    for stem in PAGES:
        (minutes,) = [said for name, said in listed if f"({stem}.md)" in name]
        sums = [together for _, together in columns(page_of(stem))]
        assert [int(n) for n in re.findall(r"\d+", minutes)] == sums


def test_the_plans_add_up_to_45_and_90():
    index = (TEACH / "index.md").read_text(encoding="utf-8")
    for heading, minutes in (("## A lesson of 45 minutes", 45), ("## A double lesson of 90", 90)):
        (heading,) = re.findall(rf"^{heading}.*$", index, re.MULTILINE)
        assert sum(int(row[0]) for row in rows(part(index, heading))) == minutes
    plans = rows(part(index, "## Each notebook in 45 and in 90 minutes"))
    named = {re.search(r"\((\w+)\.md\)", name)[1]: plan for name, *plan in plans}
    assert list(named) == list(PAGES)
    for stem, plan in named.items():
        sums = [together for _, together in columns(page_of(stem))]  # lessons, or whole and in 45
        for text, minutes in zip(plan, (45, 90), strict=True):
            own, *more = map(int, re.findall(r"\d+", re.sub("lesson 1|then 01 in", "", text)))
            assert own in sums, f"{stem}: its page has {sums} minutes, the plan {own}"
            assert own + sum(more) == minutes, (stem, text)


def test_the_points_of_the_rubric_add_up():
    text = part(page_of("14_capstone"), "## A rubric for the card and the talk")
    most = 0
    for heading in ("### The model card", "### The talk"):
        *criteria, together = rows(part(text, heading))
        head = re.search(r"^\| criterion \| (.+) \|$", part(text, heading), re.MULTILINE)[1]
        levels = [int(level) for level in head.split(" | ")[:4]]
        sums = [level * len(criteria) for level in levels]
        assert [int(cell.strip("*")) for cell in together[1:5]] == sums
        assert all(all(row[:5]) for row in criteria)
        most += sums[-1]
    assert f"{most} points together" in text


def test_the_rubric_names_what_the_library_has(capsys):
    from crnn_lib.evaluation import wilson_interval
    from crnn_lib.lessons import chapter14

    text = part(page_of("14_capstone"), "## A rubric for the card and the talk")
    for row in rows(part(text, "### The model card"))[:-1]:
        for name in re.findall(r"`(\w+)`", row[5]):
            assert hasattr(chapter14, name), name
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code.replace("data/runs/", f"{ROOT}/data/runs/"), {})
    printed = capsys.readouterr().out
    low, high = wilson_interval(958, 1000)
    assert f"{100 * low:.1f} to {100 * high:.1f} %" in printed
    assert "harms: nobody has written this yet" in printed


# ------------------------------------------------------------------ worksheets


@pytest.fixture(scope="module")
def made():
    """make_worksheets.py, which is a script and belongs to no package."""
    spec = importlib.util.spec_from_file_location("worksheets", TEACH / "make_worksheets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sheets(made):
    return {sheet.name: sheet for sheet in made.sheets()}


@pytest.fixture(scope="module")
def drawn(sheets):
    """Sheet -> the pages of its worksheet and of its key, each drawn once."""
    draw = sys.modules["paper"].draw
    return {name: (draw(sheet, False), draw(sheet, True)) for name, sheet in sheets.items()}


def texts_on(pages):
    return [text for page in pages for text in page.axes[0].texts]


def test_every_notebook_has_a_worksheet(sheets):
    assert NOTEBOOKS.keys() <= sheets.keys()


def test_worksheets_and_keys_are_up_to_date(made, sheets):
    digest_of = sys.modules["paper"].digest_of
    for stem in NOTEBOOKS:
        for name in (f"{stem}.pdf", f"{stem}_key.pdf"):
            content = (made.FOLDER / name).read_bytes()
            assert content.startswith(b"%PDF-") and b"D:20240101" in content
            assert len(content) < 100_000
            assert digest_of(content) == sheets[stem].digest(), (
                f"{name} is out of date: python book/teach/make_worksheets.py"
            )
    assert sum(path.stat().st_size for path in made.FOLDER.glob("*.pdf")) < 1_000_000


def test_the_same_sheet_is_the_same_file(made, sheets):
    for name in ("03_collapsing_alignments", "12_read_your_own"):
        assert made.files_of(sheets[name]) == made.files_of(sheets[name])


def test_the_key_differs_from_the_worksheet_by_its_answers(drawn):
    for both in drawn.values():
        empty, key = ([text.get_text() for text in texts_on(pages)] for pages in both)
        assert "KEY" in key and "Name" in empty and "KEY" not in empty
        assert len(key) > len(empty) + 8


def test_a_gap_hides_its_answer_and_nothing_leaves_the_page(drawn):
    paper = sys.modules["paper"]
    sheet = paper.Sheet("x", "X", [paper.Task("t", [paper.Lines([("6 · 7 =", paper.Gap("42"))])])])
    for key, seen in ((False, False), (True, True)):
        (page,) = paper.draw(sheet, key)
        texts = {text.get_text() for text in page.axes[0].texts}
        assert ("42" in texts) == seen and "6 · 7 =" in texts
    for _, key in drawn.values():
        for text in texts_on(key):
            x, y = text.get_position()
            assert paper.LEFT - 0.1 <= x <= paper.RIGHT and 0 < y < paper.HIGH
    with pytest.raises(ValueError, match="does not fit"):
        paper.draw(paper.Sheet("x", "X", [paper.Task("t", [paper.Space([], 60)])]), False)


def test_numbers_that_one_knows_stand_on_the_keys(sheets):
    def answers(name):
        found = []

        def visit(value):
            if isinstance(value, list):
                if value and value[0] == "Gap":
                    found.append(value[1])
                for item in value:
                    visit(item)

        visit(sys.modules["paper"]._plain(list(sheets[name].tasks)))
        return found

    assert {"5-5207", "55207"} <= set(answers("03_collapsing_alignments"))
    assert {"0.72", "0.36"} <= set(answers("04_the_ctc_loss"))
    assert "a, 0.64" in answers("07_beam_search")
    assert "55202" in answers("08_language_and_constraints")
    assert "0.875" in answers("09_where_and_how_sure")
