"""What people believe about spaces and word lists. All wrong options were given in earnest."""

from __future__ import annotations

from crnn_lib.lessons.engine import Option, Question

SPACE = Question(
    id="a space and a blank",
    text="A line says “to be”. In the frames between the o and the b nothing is written. How does "
    "a network with CTC know that a space stands there?",
    answers=(
        Option(
            "The blank is the space: both mean that there is no ink.",
            "The blank is dropped when an alignment collapses, so “to be” would come out as "
            "“tobe”. And it stands between the letters of one word, too.",
        ),
        Option(
            "The space is a character with a class of its own, learned from labels that have it.",
            "One class more, like any letter. In some frame of the gap it is the most probable, "
            "and the blank in the others.",
            right=True,
        ),
        Option(
            "A run of blanks that is longer than some threshold is made a space when all is read.",
            "That works with one hand. Another leaves more room between letters than this one "
            "between words; no threshold fits both.",
        ),
        Option(
            "It cannot: words are cut apart first, and each is read alone.",
            "Many programs do so, and have notebook 01's problem again: where to cut. CTC needs "
            "no cut between words either.",
        ),
    ),
    reasons=(
        Option(
            "What is not ink cannot be seen, so it needs a rule.",
            "A frame sees its surroundings, and a gap between two words looks different from one "
            "within a word.",
        ),
        Option(
            "CTC drops the blank, so what has to come out needs another class.",
            "Two classes for two meanings: “say nothing here”, and “say that a word ends here”.",
            right=True,
        ),
        Option(
            "The loss knows where the gaps are.",
            "The loss knows the text alone, not the place of anything in it: notebook 04.",
        ),
    ),
    code="from crnn_lib import Alphabet\nfrom crnn_lib.ctc import collapse\n\n"
    'letters = Alphabet("abo t")  # the blank is class 0\n'
    "t, o, b, space = (letters.encode(c)[0] for c in 'tob ')\n"
    "for gap in ([0, 0, 0], [0, space, 0]):\n"
    "    print(letters.decode(collapse([t, o, *gap, b], blank=0)))",
    shows="tob\nto b",
)

NAME = Question(
    id="a name and a list of words",
    text="A reader may answer with words of a list only. It is shown a name that is not in the "
    "list, written so clearly that the network alone is sure of every letter. What comes out?",
    answers=(
        Option(
            "The name: the network is sure of it.",
            "What is not in the list has probability 0 as a word, and nothing times 0 is more "
            "than 0.",
        ),
        Option(
            "Nothing: no word of the list fits, so it refuses.",
            "Every word that has frames enough has some probability, however small. One of them "
            "is the largest.",
        ),
        Option(
            "The word of the list with the fewest edits from the name.",
            "Often, but nobody counted edits. An o in the place of an a costs less than an x in "
            "the place of an l, and a common word costs less than a rare one.",
        ),
        Option(
            "Some word of the list, and nothing in the text says that it was forced.",
            "The word may look as right as any other. Its probability on the picture tells: it is "
            "far below that of the name.",
            right=True,
        ),
    ),
    reasons=(
        Option(
            "A prior of 0 cannot be outweighed by any picture.",
            "That is Bayes' rule, and why a prior should leave a little for what it does not know.",
            right=True,
        ),
        Option(
            "A good network overrules its language.",
            "It may overrule a small probability, but never one of 0.",
        ),
        Option(
            "A list of 20,000 words has all words.",
            "No list has all names, and new words are written every day.",
        ),
    ),
    code="import torch\nfrom crnn_lib import Alphabet, prefix_beam_search\n"
    "from crnn_lib.language import lexicon\n\n"
    'probs = torch.tensor([[0.01, 0.01, 0.98], [0.01, 0.98, 0.01]])  # blank, a, b: "ba"\n'
    'for language in (None, lexicon("ab", ["ab", "a"])):\n'
    "    (found,) = prefix_beam_search(\n"
    '        probs.log()[None], alphabet=Alphabet("ab"), language=language\n'
    "    )\n"
    "    print(found.text, round(torch.tensor(found.log_prob).exp().item(), 4))",
    shows="ba 0.9604\na 0.0197",
)

QUESTIONS = (SPACE, NAME)
