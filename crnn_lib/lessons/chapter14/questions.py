"""What people believe about measured numbers. All wrong options were given in earnest."""

from __future__ import annotations

from crnn_lib.lessons.engine import Option, Question

OVERLAP = Question(
    id="two intervals that overlap",
    text="Two networks read the same 1,000 lines. One reads 950 of them, the other 935, and their "
    "95 % intervals overlap. Is the first one better?",
    answers=(
        Option(
            "No. Intervals that overlap mean that there is no difference.",
            "Two intervals may overlap although the difference is clear. Each of them holds the "
            "luck of the lines, and here both have the same lines.",
        ),
        Option(
            "Yes. 950 is more than 935, and the lines are the same.",
            "Had the lines been others, it might be the other way round. The order of two counts "
            "is no proof.",
        ),
        Option(
            "It depends on which lines each of them has read.",
            "If one read 15 that the other missed, and all else is equal, that is no luck. If 60 "
            "stand against 45, it well may be.",
            right=True,
        ),
    ),
    reasons=(
        Option(
            "Only lines that one reads and the other misses tell them apart.",
            "On all others they are equal. So compare them line by line, not count by count.",
            right=True,
        ),
        Option(
            "An interval tells where the true value lies, so two that share a value may be equal.",
            "They may, each by itself. Together they are compared by their differences on the same "
            "lines, and these vary less.",
        ),
        Option(
            "With 1,000 lines chance plays no part any more.",
            "It plays a part of 1.4 points to either side for one of them, as exercise 14.2 says.",
        ),
    ),
    code="from crnn_lib.lessons.chapter14.leaderboard import sign_test\n\n"
    "print(sign_test(15, 0) < 0.05, sign_test(60, 45) < 0.05)",
    shows="True False",
)

QUESTIONS = (OVERLAP,)
