"""The exercise of notebook 00. It is there to show how a check answers."""

from __future__ import annotations

from crnn_lib.lessons.engine import Attempt, Exercise, Mistake, as_count, compare, plural, words

# 0.1 ----------------------------------------------------------------------------------------------


def count_digits(text):
    return len(text)


def each_digit_once(text):
    return len(set(text))


def as_a_number(text):
    return len(str(int(text)))


def digits_added(text):
    return sum(int(digit) for digit in text)


def counted_from_zero(text):
    return len(text) - 1


def the_number_itself(text):
    return int(text)


def by_striking_off(text: str) -> int:
    """Take one digit away until none is left: the oracle."""
    return 1 + by_striking_off(text[1:]) if text else 0


def check_count_digits(attempt: Attempt) -> str:
    texts = ["".join(word) for word in words("507", 3, shortest=1)]
    count = compare(
        attempt,
        [(text,) for text in [*texts, "55207"]],
        by_striking_off,
        rule="count every digit of the text",
        example=lambda arguments, got: f"{arguments[0]!r} was given {plural(got, 'digit')}",
    )
    return f"All {count} texts were counted right, 55207 among them."


EXERCISES = (
    Exercise(
        id="0.1",
        title="how many digits",
        task="Write count_digits(text): how many digits stand on a line that says text.",
        check=check_count_digits,
        returns=as_count,
        reference=count_digits,
        mistakes=(
            Mistake("a digit that comes twice counts twice", each_digit_once),
            Mistake("a zero in front is a digit of the line too", as_a_number),
            Mistake("the digits were added up, not counted", digits_added),
            Mistake("this is the number that the text writes", the_number_itself),
            Mistake("the last place is counted from 0, and so is one too few", counted_from_zero),
        ),
        hints=(
            "The text is a Python string, such as '55207'. Each of its characters is one digit.",
            "Python's own len counts the characters of a string.",
        ),
    ),
)
