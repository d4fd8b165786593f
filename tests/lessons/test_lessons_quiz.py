"""Every question is complete, every pair of options gets its reply, the card says the same."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import sys

import pytest

from crnn_lib.lessons import progress, quiz
from crnn_lib.lessons.engine import Card, kernel, quizzes

QUESTIONS = kernel.all_questions()
IDS = [q.id for q in QUESTIONS]


@pytest.fixture(autouse=True)
def fresh_kernel():
    kernel.reset()


def right(options):
    (index,) = [i for i, option in enumerate(options) if option.right]
    return quizzes.letters(options)[index]


# ------------------------------------------------------------------ every question


def test_these_questions_are_here():
    assert {"equal neighbours", "what the blank means", "a wider beam"} <= set(IDS)
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("question", QUESTIONS, ids=IDS)
def test_question_is_complete(question):
    for options in (question.answers, question.reasons):
        assert 3 <= len(options) <= 5
        assert sum(option.right for option in options) == 1
        assert len({option.text for option in options}) == len(options)
        assert len({option.reply for option in options}) == len(options)
        for option in options:
            assert option.text.endswith(".") and option.reply.endswith(".")
    assert question.text.endswith("?")


@pytest.mark.parametrize("question", QUESTIONS, ids=IDS)
def test_what_settles_it_is_true(question):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(question.code, {})
    assert printed.getvalue() == question.shows + "\n"


def test_right_options_stand_in_different_places():
    for part in ("answers", "reasons"):
        assert len({right(getattr(question, part)) for question in QUESTIONS}) >= 3


def test_the_longest_option_is_mostly_wrong():
    """Or one could choose by length."""
    longest = 0
    for question in QUESTIONS:
        for options in (question.answers, question.reasons):
            longest += max(options, key=lambda option: len(option.text)).right
    assert longest <= len(QUESTIONS)


# ------------------------------------------------------------------ as text


def printed(capsys, *arguments, **named):
    assert quiz(*arguments, **named) is None
    return capsys.readouterr().out


def test_reply_to_the_right_answer_for_a_wrong_reason(capsys):
    assert printed(capsys, "equal neighbours", answer="c", reason="a") == (
        "The answer is right, the reason is not.\n"
        "c  Either the network gave no blank between them, or the code dropped it too early.\n"
        "a  It merges equal neighbours among the frames, not in the text. A blank between two 5s "
        "makes\n"
        "   them two runs.\n"
        "See for yourself:\n"
        "    from crnn_lib.ctc import collapse\n"
        "\n"
        '    print(collapse("5-5", blank="-"), collapse("55", blank="-"))\n'
        "    ['5', '5'] ['5']\n"
    )


@pytest.mark.parametrize("question", QUESTIONS, ids=IDS)
def test_every_pair_gets_its_reply(question, capsys):
    letters = quizzes.letters(question.answers), quizzes.letters(question.reasons)
    best = (right(question.answers), right(question.reasons))
    for pair in itertools.product(*letters):
        said = printed(capsys, question.id, *pair)
        assert said.startswith("Right, and for the right reason.") is (pair == best)
        flat = " ".join(said.split())
        assert quizzes.pick(question.answers, pair[0]).reply in flat
        assert quizzes.pick(question.reasons, pair[1]).reply in flat


def test_an_answer_alone_asks_for_the_reason(capsys):
    assert printed(capsys, "equal neighbours", "a") == (
        "Your answer is a. And the reason?\n\n"
        "a  Collapsing makes one of all equal digits that follow each other in the text.\n"
        "b  A blank between two equal digits is dropped only after repeats were merged.\n"
        "c  A network can say which digit it sees, but not how often.\n\n"
        'quiz("equal neighbours", answer="a", reason="...")\n'
    )
    progress()
    assert capsys.readouterr().out.startswith("Nothing"), "half an answer does not count"


@pytest.mark.parametrize(
    "named, said",
    [
        ({"answer": "e"}, "answer is one of the letters a, b, c, d; got 'e'."),
        ({"answer": 1}, "answer is one of the letters a, b, c, d; got 1."),
        ({"answer": "ab"}, "answer is one of the letters a, b, c, d; got 'ab'."),
        ({"answer": "a", "reason": ""}, "reason is one of the letters a, b, c; got ''."),
        ({"reason": "a"}, "answer is one of the letters a, b, c, d; got None."),
    ],
)
def test_unknown_letters_are_explained(named, said, capsys):
    assert printed(capsys, "equal neighbours", **named) == said + "\n"


def test_unknown_ids_list_those_there_are(capsys):
    for id in ("M-99", 1, None, ""):
        names = ", ".join(f'"{name}"' for name in IDS)
        assert printed(capsys, id) == f"There is no question {id!r}. There are {names}.\n"


def test_former_ids_give_the_name(capsys):
    said = printed(capsys, "M-1")
    assert said == 'This question has a name now: quiz("equal neighbours").\n'
    assert {*kernel.FORMERLY.values()} <= {*IDS}


def test_works_without_widgets(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "crnn_lib.lessons.engine.card", None)
    said = printed(capsys, "frames that a label needs")
    assert said.startswith(
        "Question: frames that a label needs\nWhat is the smallest number of frames"
    )
    assert "\nb  6.\n" in said
    assert said.endswith('quiz("frames that a label needs", answer="...") asks for the reason.\n')


def test_progress_keeps_the_last_answer(capsys):
    printed(capsys, "frames that a label needs", "a", "a")
    printed(capsys, "frames that a label needs", "b", "c")
    printed(capsys, "what the blank means", "b", "b")
    progress()
    assert capsys.readouterr().out == (
        "quiz  frames that a label needs  right                    2 tries\n"
        "quiz  what the blank means       wrong, the reason right  1 try\n"
    )


# ------------------------------------------------------------------ as a card


def test_card_is_the_same_each_time_and_reads_as_text():
    one, other = quiz("equal neighbours"), quiz("equal neighbours")
    assert isinstance(one, Card)
    assert repr(one) == repr(other) == quizzes.ask(QUESTIONS[0])
    assert one.static_html() == other.static_html()
    assert one.static_html() != quiz("frames that a label needs").static_html()
    data, _ = one._repr_mimebundle_()
    assert data["text/plain"] == repr(one)


def test_card_without_scripts_shows_the_question():
    html = quiz("frames that a label needs").static_html()
    words = re.search(r"<p>(.*?)</p>", html, re.DOTALL)[1]
    assert "What is the smallest number of frames" in words
    assert words.count("<br>") == quizzes.ask(QUESTIONS[1]).count("\n")


@pytest.mark.parametrize("question", QUESTIONS, ids=IDS)
def test_card_carries_the_whole_question_as_json(question):
    content = json.loads(json.dumps(quiz(question.id).state))["content"]
    assert [a["text"] for a in content["answers"]] == [a.text for a in question.answers]
    assert [r["reply"] for r in content["reasons"]] == [r.reply for r in question.reasons]
    assert content["headlines"]["right_wrong"] == quizzes.HEADLINES[True, False]
    assert content["headlines"]["wrong_right"] == quizzes.HEADLINES[False, True]


def test_answers_on_the_card_count(capsys):
    card = quiz("frames that a label needs")
    card.given = ["b", "c"]
    card.given = []  # the reader chooses anew
    progress()
    assert capsys.readouterr().out == "quiz  frames that a label needs  right  1 try\n"


@pytest.mark.parametrize("given", [["a"], ["z", "a"], ["a", "z"], ["a", "b", "c"], ["", ""]])
def test_card_refuses_what_is_no_answer(given):
    card = quiz("frames that a label needs")
    with pytest.raises(ValueError, match="a letter for the answer and one for the reason"):
        card.given = given
    assert card.given == []
