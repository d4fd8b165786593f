"""What people believe about confidence. All wrong options were given in earnest."""

from __future__ import annotations

from crnn_lib.lessons.engine import Option, Question

HOW_SURE = Question(
    id="how sure a reading is",
    text="In three frames a network gives its best classes 0.6, 0.6 and 0.6. How sure is the text "
    "that best path reads from them?",
    answers=(
        Option(
            "0.6: no frame is less sure.",
            "That is the least sure frame, not the text. Three frames that are each right with "
            "0.6 are all right with 0.216.",
        ),
        Option(
            "0.6: the mean of the frames.",
            "A mean of frames grows with every blank that is easy to see. The text does not get "
            "surer by a wide margin beside it.",
        ),
        Option(
            "0.216: all three have to be right, so their probabilities multiply.",
            "That is this one alignment. Others say the same text, and count as well.",
        ),
        Option(
            "It cannot be told from these three numbers.",
            "The text has the sum over all alignments that collapse to it: 0.216 and more, up to "
            "1 in some lattices, and another text may have more.",
            right=True,
        ),
    ),
    reasons=(
        Option(
            "Confidence is a property of frames, and frames vote.",
            "Frames do not vote. They make alignments together, and alignments make texts.",
        ),
        Option(
            "The other classes of each frame decide which further alignments say the same text.",
            "If they are the blank beside a character, they add to the text. If they are another "
            "character, they add to another text.",
            right=True,
        ),
        Option(
            "Networks are overconfident, so no number of theirs means anything.",
            "They may be, and that can be measured and mended. The question comes before that.",
        ),
    ),
    code="import torch\nfrom crnn_lib.alphabet import Alphabet\n"
    "from crnn_lib.decoders import best_path\n\n"
    "rest_is_blank = torch.tensor([[0.4, 0.6, 0.0], [0.4, 0.6, 0.0], [0.4, 0.6, 0.0]])\n"
    "rest_is_other = torch.tensor([[0.0, 0.6, 0.4], [0.0, 0.6, 0.4], [0.0, 0.6, 0.4]])\n"
    "for probs in rest_is_blank, rest_is_other:\n"
    '    (hypothesis,) = best_path(probs.log(), alphabet=Alphabet("ab"))\n'
    "    print(hypothesis.text, round(torch.tensor(hypothesis.log_prob).exp().item(), 4))",
    shows="a 0.792\na 0.216",
)

QUESTIONS = (HOW_SURE,)
