"""What people believe about the CTC loss. All wrong options were given in earnest."""

from __future__ import annotations

from crnn_lib.lessons.engine import Option, Question

TARGET = Question(
    id="the target of the loss",
    text="A line says 55207. What does the CTC loss get as its target?",
    answers=(
        Option(
            "5-5207, so that the 5s stay apart.",
            "The blank is no character of the text. The loss knows that equal neighbours need one.",
        ),
        Option("55207.", "The text as class indices, and nothing else.", right=True),
        Option(
            "-5-5-2-0-7-, with a blank in every gap.",
            "The loss builds this row itself. A target that has it already is refused here; "
            "elsewhere it may train without a word of warning.",
        ),
        Option(
            "The class of each frame, such as 55-55222--07.",
            "Nobody knows it: that is the problem CTC solves. It sums over all alignments.",
        ),
    ),
    reasons=(
        Option(
            "The network never learns the blank unless the target contains it.",
            "It learns it from the alignments, and nearly all of them contain blanks.",
        ),
        Option(
            "Without a blank in the target, the two 5s merge.",
            "Alignments are collapsed, targets are not. The sum has only alignments that collapse "
            "to 55207, and all of these hold a blank between the 5s.",
        ),
        Option(
            "The loss itself goes through all the ways to place blanks and repeats.",
            "The target says what is written, the sum takes care of where.",
            right=True,
        ),
    ),
    code="import torch\nfrom crnn_lib.ctc import forward_backward\n\n"
    "log_probs = torch.zeros(9, 11).log_softmax(-1)\n"
    "print(forward_backward(log_probs, [6, 6, 3, 1, 8]).states.tolist())",
    shows="[0, 6, 0, 6, 0, 3, 0, 1, 0, 8, 0]",
)

ZERO_INFINITY = Question(
    id="what zero_infinity does",
    text="The training loss is infinite: some lines have fewer frames than their labels need. With "
    "zero_infinity=True it is finite. What happens to these lines now?",
    answers=(
        Option(
            "They are learned like all others.",
            "Their gradient is 0. Nothing is learned from them, however long the training.",
        ),
        Option(
            "Their labels are cut until they fit.",
            "The loss changes no label. It has no way to know which character to leave out.",
        ),
        Option(
            "They are left out, and the average is taken over the other lines.",
            "They do count in the average, with the loss 0. So the worst lines make the loss look "
            "better.",
        ),
        Option(
            "They count as read without a fault, and teach nothing.",
            "Loss 0, gradient 0, and no word about which lines they are. Mend the stride or the "
            "data instead.",
            right=True,
        ),
    ),
    reasons=(
        Option(
            "No alignment fits, so the probability is 0; the option writes 0 for the infinite "
            "loss.",
            "The data are what they were. Only the number is another.",
            right=True,
        ),
        Option(
            "The infinity was an overflow, and the option clips it.",
            "It is the exact value: minus the logarithm of 0. No precision would help.",
        ),
        Option(
            "The option bounds the gradient, so that training gets past these lines.",
            "It sets the gradient to 0, which is no bound. Clipping bounds a gradient, and would "
            "not help here either.",
        ),
    ),
    code="import torch\nfrom torch.nn.functional import ctc_loss\n\n"
    "log_probs = torch.zeros(4, 1, 11).log_softmax(-1)  # (T, N, C)\n"
    "line = (log_probs, torch.tensor([[2, 2, 3, 4]]), (4,), (4,))\n"
    "print(ctc_loss(*line).item(), ctc_loss(*line, zero_infinity=True).item())",
    shows="inf 0.0",
)

SPIKE = Question(
    id="where the spike stands",
    text="A network says 5 in a single frame and blanks around it. Frames are 4 pixel columns "
    "apart, and this is frame 20, over columns [80, 84). Where is the 5 in the image?",
    answers=(
        Option(
            "In columns [80, 84).",
            "A 5 is wider than that. The spike says that there is a 5, not how far it reaches.",
        ),
        Option(
            "Near there. Its ink may reach to both sides, or lie mostly on one of them.",
            "A spike is a hint of the place. For borders, something has to know them.",
            right=True,
        ),
        Option(
            "From column 80 to the next spike.",
            "Between two spikes there are blanks over ink and paper alike. The spike may as well "
            "stand at the end of its digit.",
        ),
    ),
    reasons=(
        Option(
            "A frame sees only its own four columns, so the 5 has to be there.",
            "A frame sees more: convolutions reach to both sides, and a recurrent network hears "
            "of the whole line.",
        ),
        Option(
            "Forced alignment gives exact borders, and it starts from the spikes.",
            "It finds the most probable alignment. If the network makes spikes, the spans are as "
            "narrow as the spikes.",
        ),
        Option(
            "Every alignment that collapses to the label counts, wherever its 5 stands.",
            "So the loss does not ask for the middle of the ink, nor for its borders.",
            right=True,
        ),
    ),
    code="import torch\nfrom crnn_lib.ctc import label_probability_brute_force\n\n"
    "early = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])  # blank, 5\n"
    "for probs in (early, early.flip(0)):  # the spike in frame 1, or in frame 2\n"
    "    print(round(label_probability_brute_force(probs.log(), [1]), 4))",
    shows="0.8442\n0.8442",
)

QUESTIONS = (TARGET, ZERO_INFINITY, SPIKE)
