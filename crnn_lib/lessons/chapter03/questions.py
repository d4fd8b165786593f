"""What people believe about alignments and the blank. All wrong options were given in earnest."""

from __future__ import annotations

from crnn_lib.lessons.engine import Option, Question

EQUAL_NEIGHBOURS = Question(
    id="equal neighbours",
    text="A reader trained with CTC turns a line that says 55207 into 5207. What is to be done?",
    answers=(
        Option(
            "Nothing. CTC cannot output the same digit twice in a row; it is a known trade-off.",
            "5-5 collapses to 55. CTC can output every label for which there are frames enough.",
        ),
        Option(
            "Leave out the merging of repeats.",
            "Then every digit that lasts for several frames is written several times, and most do.",
        ),
        Option(
            "Look for the blank between the 5s: in the frames, and in the order of the two rules.",
            "Either the network gave no blank between them, or the code dropped it too early.",
            right=True,
        ),
        Option(
            "Add a class for the pair 55.",
            "It would have to be learned from far fewer examples, and 555 would need yet another. "
            "The blank does it for any digit.",
        ),
    ),
    reasons=(
        Option(
            "Collapsing makes one of all equal digits that follow each other in the text.",
            "It merges equal neighbours among the frames, not in the text. A blank between two 5s "
            "makes them two runs.",
        ),
        Option(
            "A blank between two equal digits is dropped only after repeats were merged.",
            "That is the order: merge, then drop. The blank has done its work before it goes.",
            right=True,
        ),
        Option(
            "A network can say which digit it sees, but not how often.",
            "It says one class for each frame. Two runs with a blank between them are two digits.",
        ),
    ),
    code="from crnn_lib.ctc import collapse\n\n"
    'print(collapse("5-5", blank="-"), collapse("55", blank="-"))',
    shows="['5', '5'] ['5']",
)

FRAMES_NEEDED = Question(
    id="frames that a label needs",
    text="What is the smallest number of frames in which a line that says 55207 can be read?",
    answers=(
        Option(
            "5, one for each digit.",
            "That is enough for 56207. Here the two 5s would touch, and touching equals merge.",
        ),
        Option("6.", "5-5207: five digits, and one blank between the 5s.", right=True),
        Option(
            "9, with a blank between any two digits.",
            "5 and 2 are told apart without a blank. Only equal neighbours need one.",
        ),
        Option(
            "11, which is 2L + 1.",
            "2L + 1 counts a blank in every gap, and one at either end; most can be left out.",
        ),
    ),
    reasons=(
        Option(
            "Blanks take no frame, for they are dropped.",
            "They are dropped from the result. In the alignment each blank takes a frame.",
        ),
        Option(
            "A blank has to stand before, between and after the digits.",
            "It may stand there. Most of these blanks can be left out.",
        ),
        Option(
            "Each digit takes a frame, and each pair of equal neighbours one more.",
            "T >= L + R, where R counts the pairs of equal neighbours.",
            right=True,
        ),
    ),
    code="from crnn_lib.ctc import alignments\n\n"
    "print([len([*alignments([6, 6, 3, 1, 8], frames)]) for frames in (5, 6, 7)])",
    shows="[0, 1, 11]",
)

CHARACTERS_PER_FRAME = Question(
    id="characters per frame",
    text="A narrow line says 12345, but the network makes only four frames of it. How much of the "
    "line can CTC read?",
    answers=(
        Option("At most four digits.", "One run of a digit takes a frame at least.", right=True),
        Option(
            "All five, where two digits are so close that they share a frame.",
            "The frame may see both. It still says one class.",
        ),
        Option(
            "All five, if each frame sees enough columns.",
            "What a frame sees is one thing, what it can say is another. A wider view adds no "
            "frame; a smaller stride does.",
        ),
    ),
    reasons=(
        Option(
            "A frame has a probability for every class, so it can be half a 1 and half a 2.",
            "Each alignment picks one class per frame. 1 and 2 in one frame are two alignments, "
            "and neither reads 12 there.",
        ),
        Option(
            "An alignment has one class for each frame, and collapsing adds none.",
            "So a label is never longer than the number of frames.",
            right=True,
        ),
        Option(
            "The network remembers the digit and outputs it later.",
            "It may speak later, but each time it speaks takes a frame, and there are four.",
        ),
    ),
    code="import torch\nfrom crnn_lib.ctc import label_probability_brute_force\n\n"
    "log_probs = torch.zeros(4, 11).log_softmax(-1)\n"
    "print(label_probability_brute_force(log_probs, [2, 3, 4, 5, 6]))",
    shows="0.0",
)

BLANK = Question(
    id="what the blank means",
    text="What does a network say with the blank?",
    answers=(
        Option(
            "Here is a space between two words.",
            "A space is a character with a class of its own. The blank leaves no trace in the "
            "text.",
        ),
        Option(
            "Here is no ink.",
            "It may say blank in the middle of a digit, and a trained network mostly does: one "
            "frame for the digit, blanks for the rest of its ink.",
        ),
        Option(
            "Here is something that it cannot read.",
            "For that there is no class. A network that is unsure spreads its probability.",
        ),
        Option(
            "In this frame it writes nothing.",
            "No more than that. What is under the frame may be paper, or ink that was read before "
            "or will be read later.",
            right=True,
        ),
    ),
    reasons=(
        Option(
            "Frames without a digit have to be called something, and they are those without ink.",
            "There are frames without a digit in the middle of ink as well. Nobody tells the "
            "network where a digit begins or ends.",
        ),
        Option(
            "The blank is dropped when the alignment is collapsed, so it stands for no character.",
            "It fills frames and keeps equal neighbours apart. Then it is gone.",
            right=True,
        ),
        Option(
            "Words have to be kept apart, and the blank is what keeps things apart.",
            "It keeps equal characters apart, not words: they come out without a gap.",
        ),
    ),
    code='from crnn_lib.ctc import collapse\n\nprint("".join(collapse("5-5--2 0-7", blank="-")))',
    shows="552 07",
)

QUESTIONS = (EQUAL_NEIGHBOURS, FRAMES_NEEDED, CHARACTERS_PER_FRAME, BLANK)
