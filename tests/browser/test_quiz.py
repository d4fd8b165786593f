"""The card of a question in a real browser: as a file, and in JupyterLab."""

from __future__ import annotations

import itertools

import pytest

from browser.harness import assert_accessible, assert_focus_is_seen
from crnn_lib.lessons import quiz
from crnn_lib.lessons.chapter03.questions import EQUAL_NEIGHBOURS
from crnn_lib.lessons.engine import quizzes

expect = pytest.importorskip("playwright.sync_api", reason="no playwright").expect


def choose(card, step, letter):
    card.locator("fieldset").nth(step).locator(f"input[value={letter}]").check()


def submit(card):
    card.get_by_role("button", name="Check answer and reason").click()


@pytest.fixture
def card(show):
    return show(quiz("equal neighbours").static_html()).locator(".crnn-quiz")


def test_the_reason_comes_after_the_answer_and_the_reply_after_both(card):
    answers, reasons = card.locator("fieldset").all()
    button, reply = card.get_by_role("button"), card.locator(".reply")
    expect(answers).to_be_visible()
    for hidden in (reasons, button, reply):
        expect(hidden).to_be_hidden()
    choose(card, 0, "c")
    expect(reasons).to_be_visible()
    expect(button).to_be_disabled()
    expect(reply).to_be_hidden()
    choose(card, 1, "b")
    expect(reply).to_be_hidden()
    submit(card)
    expect(reply).to_contain_text("Right, and for the right reason.")
    expect(reply.locator("pre")).to_have_text(f"{EQUAL_NEIGHBOURS.code}\n{EQUAL_NEIGHBOURS.shows}")
    choose(card, 0, "a")
    expect(reply).to_be_hidden()


def test_every_pair_is_answered_as_python_does(card):
    letters = quizzes.letters(EQUAL_NEIGHBOURS.answers), quizzes.letters(EQUAL_NEIGHBOURS.reasons)
    for answer, reason in itertools.product(*letters):
        choose(card, 0, answer)
        choose(card, 1, reason)
        submit(card)
        reply = card.locator(".reply")
        expect(reply).to_contain_text(quizzes.headline(EQUAL_NEIGHBOURS, answer, reason))
        expect(reply).to_contain_text(quizzes.pick(EQUAL_NEIGHBOURS.answers, answer).reply)
        expect(reply).to_contain_text(quizzes.pick(EQUAL_NEIGHBOURS.reasons, reason).reply)


def test_keys_alone_are_enough(card):
    card.locator("input").first.focus()
    for key in ("Space", "ArrowDown", "ArrowDown", "Tab", "Space", "ArrowDown", "Tab", "Enter"):
        card.page.keyboard.press(key)
    expect(card.locator(".reply")).to_contain_text("Right, and for the right reason.")


def test_is_accessible(card):
    choose(card, 0, "a")
    choose(card, 1, "a")
    assert_accessible(card)
    assert_focus_is_seen(card)


def test_two_of_a_kind_do_not_share_their_choices(show):
    html = quiz("equal neighbours").static_html()
    cards = show(html, html).locator(".crnn-quiz")
    expect(cards).to_have_count(2)
    choose(cards.nth(0), 0, "a")
    choose(cards.nth(1), 0, "b")
    expect(cards.nth(0).locator("input[value=a]").first).to_be_checked()


def test_answers_reach_python(lab, lab_page):
    code = 'from crnn_lib.lessons import quiz\nexplorer = quiz("equal neighbours")'
    notebook = lab.open(lab_page, "quiz", code)
    card = lab_page.locator(".jp-OutputArea .crnn-quiz")
    expect(card).to_have_count(1)
    choose(card, 0, "c")
    choose(card, 1, "b")
    submit(card)
    notebook.wait_for_python(given=["c", "b"])
    notebook.assert_shortcuts_stay_away(card)
