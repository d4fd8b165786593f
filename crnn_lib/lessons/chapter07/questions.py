"""What people believe about beams. All wrong options were given in earnest."""

from __future__ import annotations

from crnn_lib.lessons.engine import Option, Question

BEAM_OF_ONE = Question(
    id="a beam of width 1",
    text="A prefix beam search with beam width 1 keeps one prefix from frame to frame. What does "
    "it read?",
    answers=(
        Option(
            "The same as best path, always: a search with width 1 is greedy, as best path is.",
            "That is true of language models, which write one symbol per step. Here one prefix has "
            "many alignments, and the beam adds them up.",
        ),
        Option(
            "The most probable label.",
            "One prefix cannot promise that: the best label's beginning may be the second best.",
        ),
        Option(
            "Often the same as best path, but not always, and neither is always the better one.",
            "Both are greedy, in different things: best path in alignments, the beam in prefixes.",
            right=True,
        ),
    ),
    reasons=(
        Option(
            "Both take the best symbol of each frame.",
            "Best path does. The beam compares sums: the prefix that stays gains from a blank and "
            "from a repetition at once.",
        ),
        Option(
            "The beam adds up alignments of one prefix; best path follows a single one.",
            "So a prefix may win that no single alignment supports.",
            right=True,
        ),
        Option(
            "The beam looks ahead, best path does not.",
            "Neither looks at a later frame.",
        ),
    ),
    code="import math\nimport torch\nfrom crnn_lib.alphabet import Alphabet\n"
    "from crnn_lib.decoders import best_path, prefix_beam_search\n\n"
    "lattice = torch.tensor([[0.3, 0.5, 0.2], [0.35, 0.25, 0.4]]).log()\n"
    "for read in best_path, prefix_beam_search:\n    more = {} if read is best_path else "
    '{"beam_width": 1}\n    (hypothesis,) = read(lattice, alphabet=Alphabet("ab"), **more)\n'
    "    print(hypothesis.text, round(math.exp(hypothesis.log_prob), 3))",
    shows="ab 0.2\na 0.375",
)

WIDER_BEAM = Question(
    id="a wider beam",
    text="A reader makes 20 mistakes on 1,000 lines. You replace best path by a beam, and make the "
    "beam wider and wider. Nothing else changes. What happens to the mistakes?",
    answers=(
        Option(
            "They get fewer and fewer.",
            "A wider beam finds more probable labels. Where the network is sure of the wrong text, "
            "a better search finds the wrong text with more certainty.",
        ),
        Option(
            "From some width on nothing changes any more.",
            "Then the beam finds the most probable label of each line. More it cannot do.",
            right=True,
        ),
        Option(
            "They get more: a wide beam prefers short texts.",
            "Translation models do that. In CTC all frames are read whatever the text, and no "
            "length is favoured by the search.",
        ),
    ),
    reasons=(
        Option(
            "The search can only find what the network believes.",
            "What the network believes wrongly, only other knowledge can mend: a language, a check "
            "digit. That is notebook 08.",
            right=True,
        ),
        Option(
            "More hypotheses mean more chances for the right one.",
            "It is in the beam, perhaps, but not at the top of it.",
        ),
        Option(
            "Wide beams are numerically unstable.",
            "Sums of probabilities are as stable as can be in log space.",
        ),
    ),
    code="import torch\nfrom crnn_lib.decoders import exact_search, prefix_beam_search\n\n"
    "chance = torch.Generator().manual_seed(0)\n"
    "lattices = (3 * torch.randn(200, 12, 11, generator=chance)).log_softmax(-1)\n"
    "best = [h.text for h in exact_search(lattices)]\n"
    "for width in (1, 10, 100):\n"
    "    read = [h.text for h in prefix_beam_search(lattices, beam_width=width)]\n"
    "    print(width, sum(a == b for a, b in zip(read, best)))",
    shows="1 158\n10 198\n100 200",
)

QUESTIONS = (BEAM_OF_ONE, WIDER_BEAM)
