"""Every check meets its stub, its solution, its known wrong answers, and junk."""

from __future__ import annotations

import itertools
import linecache
import math
import signal
import sys
import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from crnn_lib.lessons import check, hint, progress, solution
from crnn_lib.lessons.chapter02 import exercises as chapter02
from crnn_lib.lessons.chapter03 import exercises as chapter03
from crnn_lib.lessons.engine import (
    Exercise,
    Unreadable,
    as_count,
    as_label,
    as_number,
    as_pair,
    as_tensor,
    examine,
    kernel,
    show,
    untouched,
)

EXERCISES = [e for chapter in kernel.chapters() for e in kernel.chapter_exercises(chapter)]
MISTAKES = [(e, mistake) for e in EXERCISES for mistake in e.mistakes]
BY_ID = {e.id: e for e in EXERCISES}


@pytest.fixture(autouse=True)
def fresh_kernel():
    kernel.reset()


def cell(source, name):
    """Run source as a notebook's cell, whose lines a traceback can find; return what it defines."""
    file = f"cell-{name}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    namespace = {"torch": torch, "math": math, "nn": nn, "F": F}
    exec(compile(source, file, "exec"), namespace)
    return namespace[name]


def stub_of(exercise):
    def stub(*args, **kwargs):
        raise NotImplementedError(f"Exercise {exercise.id}")

    return stub


# ------------------------------------------------------------------ every exercise


def test_the_chapters_are_found():
    assert {"2.1", "3.1", "4.1"} <= BY_ID.keys()
    assert len(BY_ID) == len(EXERCISES)
    for chapter in kernel.chapters():
        for exercise in kernel.chapter_exercises(chapter):
            assert exercise.id.partition(".")[0] == chapter


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
def test_stub_is_not_attempted(exercise):
    verdict = examine(exercise, stub_of(exercise))
    assert verdict.status == "not attempted"
    assert exercise.reference.__name__ in verdict.text


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
def test_printed_solution_is_correct(exercise, capsys):
    solution(exercise.id)
    module = sys.modules[exercise.reference.__module__]
    # What the chapter imports, a notebook may import; what it defines, a notebook has not.
    namespace = {
        name: value
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") != module.__name__
    }
    for name in ("math", "torch"):
        namespace.pop(name, None)  # these it brings along
    exec(capsys.readouterr().out, namespace)
    verdict = examine(exercise, namespace[exercise.reference.__name__])
    assert verdict.status == "correct", verdict.text


@pytest.mark.parametrize(
    "exercise, mistake", MISTAKES, ids=[f"{e.id}-{m.does.__name__}" for e, m in MISTAKES]
)
def test_mistake_is_named(exercise, mistake):
    verdict = examine(exercise, mistake.does)
    assert verdict.status == "not yet"
    assert mistake.rule in verdict.text


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
def test_exercise_is_complete(exercise):
    assert len(exercise.mistakes) >= 2
    assert len(exercise.hints) >= 2
    assert exercise.reference.__name__ in exercise.task
    for text in (exercise.title, exercise.task, *exercise.hints):
        assert text == text.strip() and "\n" not in text
    assert exercise.title[0].islower() and not exercise.title.endswith(".")


# ------------------------------------------------------------------ junk


class Evil:
    """Fails at everything that a check might try."""

    def _fail(self, *args):
        raise RuntimeError("no")

    __iter__ = __len__ = __eq__ = __float__ = __repr__ = __str__ = __bool__ = _fail
    __hash__ = None


def endless():
    return itertools.count()


def self_containing():
    junk = []
    junk.append(junk)
    return junk


MAKERS = [  # called anew for each result
    Evil,
    endless,
    self_containing,
    object,
    lambda: iter([1, 2]),
    lambda: (x for x in "12"),
    lambda: np.array([[1, 2], [3, 4]]),
    lambda: np.array(["a", None], dtype=object),
    lambda: np.float64("nan"),
    lambda: np.int64(3),
    lambda: nn.Linear(2, 2),
    lambda: torch.zeros(2, 3).to_sparse(),
    lambda: torch.zeros(3, device="meta"),
    lambda: torch.tensor([1 + 2j]),
    lambda: torch.tensor(math.nan),
    lambda: torch.zeros(0),
    lambda: torch.rand(2, 1, 3).requires_grad_(),
    lambda: torch.tensor([True, False]),
    lambda: 10**5000,
    lambda: {"a": 1},
    lambda: Ellipsis,
    lambda: range(3),
    lambda: lambda: 0,
    lambda: type,
    lambda: b"55207",
]
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
nested = st.recursive(scalars, lambda x: st.lists(x, max_size=4) | st.tuples(x, x), max_leaves=8)
plain_junk = nested.map(lambda value: lambda: value)
tensors = st.lists(st.integers(0, 4), max_size=4).map(lambda size: lambda: torch.zeros(size))
junk_makers = st.one_of(st.sampled_from(MAKERS), plain_junk, tensors)


def assert_answered(exercise, answer):
    verdict = examine(exercise, answer)
    assert verdict.status == "not yet", verdict
    assert verdict.text and "the check itself failed" not in verdict.text, verdict.text
    assert " at 0x" not in verdict.text
    assert len(verdict.text) < 2500
    return verdict


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(make=junk_makers)
def test_any_result_gets_an_answer(exercise, make):
    assert_answered(exercise, lambda *args, **kwargs: make())


@pytest.mark.parametrize("make", MAKERS)
def test_any_result_of_a_readers_forward_gets_an_answer(make):
    class Reader(chapter02.CarryingReader):
        def forward(self, columns):
            return make()

    assert_answered(BY_ID["2.3"], Reader)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("read", [as_count, as_label, as_number, as_pair, as_tensor])
def test_readers_read_or_refuse(make, read):
    try:
        read(make())
    except Unreadable as error:
        assert str(error)
    except RecursionError:  # these two are the learner's own, and an attempt reports them as such
        assert make is self_containing
    except RuntimeError as error:
        assert make is Evil and str(error) == "no"


@pytest.mark.parametrize("make", MAKERS)
def test_anything_can_be_shown(make):
    assert len(show(make())) < 200


@pytest.mark.parametrize("handed", [None, 3, [1], "collapse", torch.zeros(2), ...])
def test_what_is_no_function_is_explained(handed):
    text = assert_answered(BY_ID["3.1"], handed).text
    assert text.startswith("hand over the function itself, without brackets after it")


# ------------------------------------------------------------------ what a learner reads


def printed(capsys, id, answer):
    check(id, answer)
    return capsys.readouterr().out


def test_not_attempted(capsys):
    assert printed(capsys, "3.1", stub_of(BY_ID["3.1"])) == (
        "Exercise 3.1, not attempted: Write collapse(alignment, *, blank=0): class indices in, the "
        'label out, as a list. Stuck? hint("3.1")\n'
    )


def test_correct(capsys):
    assert printed(capsys, "3.2", chapter03.minimum_frames) == (
        "Exercise 3.2, correct: All 364 labels fit into exactly so many frames and into no fewer. "
        "A line that gives fewer frames than its label needs cannot be learned from.\n"
    )


def test_rule_and_smallest_example(capsys):
    def collapse(alignment, *, blank=0):
        kept = [c for c in alignment if c != blank]
        return [c for i, c in enumerate(kept) if i == 0 or c != kept[i - 1]]

    assert printed(capsys, "3.1", collapse) == (
        "Exercise 3.1, not yet: `1-1` became `1`: a blank between equal characters keeps them "
        "two.\n"
        "  collapse([1, 0, 1], blank=0) gives [1]; it should be [1, 1].\n"
    )


def test_unknown_mistake_gets_the_general_rule(capsys):
    def minimum_frames(label):
        return chapter03.minimum_frames(label) + (label == [3, 1, 2])

    assert printed(capsys, "3.2", minimum_frames) == (
        "Exercise 3.2, not yet: `312` in 4 frames: one frame for each character, and one more for "
        "each pair of equal neighbours.\n"
        "  minimum_frames([3, 1, 2]) gives 4; it should be 3.\n"
    )


def test_long_arguments_get_a_line_each(capsys):
    def beta_step(beta, states, emitted):
        return beta

    out = printed(capsys, "4.5", beta_step)
    assert out == (
        "Exercise 4.5, not yet: states [0, 1, 0]: log-sum-exp over the ways out of each state, "
        "each with the frame that it leads to.\n"
        "  beta_step(beta, states, emitted) gives torch.tensor([-inf, 0, 0]); it should be "
        "torch.tensor([-1.204, -0.3567, -0.9163]).\n"
        "  for\n"
        "    beta = torch.tensor([-inf, 0, 0])\n"
        "    states = torch.tensor([0, 1, 0])\n"
        "    emitted = torch.tensor([-0.9163, -1.204, -0.9163])\n"
    )


def test_error_names_input_and_line(capsys):
    source = """
def collapse(alignment, *, blank=0):
    label = [alignment[0]]
    return label + [alignment[7]]
"""
    assert printed(capsys, "3.1", cell(source, "collapse")) == (
        "Exercise 3.1, not yet: collapse([0], blank=0) raises IndexError: list index out of range, "
        "in line 4: `return label + [alignment[7]]`.\n"
        "  It should give [].\n"
    )


def test_error_inside_a_library_names_the_learners_own_line(capsys):
    source = "def log_sum_exp(values):\n    rows = values\n    return torch.stack(rows).sum()\n"
    out = printed(capsys, "4.4", cell(source, "log_sum_exp"))
    assert out.startswith("Exercise 4.4, not yet: log_sum_exp([-2.303]) raises TypeError: ")
    assert "in line 3: `return torch.stack(rows).sum()`.\n  It should give -2.303.\n" in out


def test_overflow_is_explained_by_its_rule(capsys):
    def log_sum_exp(values):
        return math.log(sum(math.exp(value) for value in values))

    out = printed(capsys, "4.4", log_sum_exp)
    assert out.startswith(
        "Exercise 4.4, not yet: exp(-800) is 0 in a float, and exp(800) is too large for one"
    )
    assert "\n  log_sum_exp([-800.0, -800.0]) raises ValueError: " in out


def test_wrong_names_of_parameters_are_explained(capsys):
    def collapse(path):
        return []

    out = printed(capsys, "3.1", collapse)
    assert "raises TypeError: " in out and "unexpected keyword argument 'blank'" in out


def test_torchs_own_not_implemented_error_is_an_error(capsys):
    source = """
def logit_gradient(log_probs, states, alpha, beta):
    return states.log_softmax(0)
"""
    out = printed(capsys, "4.6", cell(source, "logit_gradient"))
    assert out.startswith("Exercise 4.6, not yet: ") and "in line 3" in out


@pytest.mark.parametrize("message", ["", "Exercise 3.1", "todo"])
def test_stubs_of_all_kinds(message):
    source = f"def collapse(alignment, *, blank=0):\n    raise NotImplementedError({message!r})\n"
    assert examine(BY_ID["3.1"], cell(source, "collapse")).status == "not attempted"


def test_missing_return_is_seen(capsys):
    def collapse(alignment, *, blank=0):
        [c for c in alignment if c != blank]

    assert printed(capsys, "3.1", collapse) == (
        "Exercise 3.1, not yet: collapse([0], blank=0) gives None: is a `return` missing?\n"
        "  It should give [].\n"
    )


def test_a_result_of_another_kind_is_explained(capsys):
    def collapse(alignment, *, blank=0):
        return "".join(map(str, chapter03.collapse(alignment, blank=blank)))

    assert printed(capsys, "3.1", collapse) == (
        "Exercise 3.1, not yet: collapse([0], blank=0) gives '', where a list of class indices "
        "should be.\n  It should give [].\n"
    )


@pytest.mark.parametrize("kind", [tuple, np.array, lambda x: torch.tensor(x).long()])
def test_what_means_the_same_is_accepted(kind):
    def collapse(alignment, *, blank=0):
        return kind(chapter03.collapse(alignment, blank=blank))

    assert examine(BY_ID["3.1"], collapse).status == "correct"


def test_a_generator_is_no_list():
    def collapse(alignment, *, blank=0):
        yield from chapter03.collapse(alignment, blank=blank)

    assert examine(BY_ID["3.1"], collapse).text == (
        "collapse([0], blank=0) gives a generator, which can be read once only, where a list "
        "should be.\n  It should give []."
    )


def test_a_list_in_the_place_of_a_tensor_is_shown_as_a_list():
    text = examine(BY_ID["1.1"], lambda image: image.tolist()[0]).text
    assert "gives [0]; it should be [1]." in text or "gives [" in text
    assert "tensor of shape" not in text.partition("gives")[2]


@pytest.mark.parametrize("kind", [float, torch.tensor, np.int32])
def test_counts_of_any_type_are_accepted(kind):
    answer = examine(BY_ID["2.1"], lambda *sizes: kind(chapter02.count_frames(*sizes)))
    assert answer.status == "correct"


def test_a_broken_count_is_explained():
    def count_frames(width, window, stride):
        return (width - window) / stride + 1 if width > window else 1

    text = examine(BY_ID["2.1"], count_frames).text
    assert text == (
        "count_frames(3, 2, 2) gives 1.5, where a whole number should be: round it, or use `//`.\n"
        "  It should give 2."
    )


def test_changed_arguments_are_noticed_but_errors_come_first():
    def right(label, frames, *, blank=0):
        alignment = chapter03.stretch(label, frames, blank=blank)
        label.append(7)
        return alignment

    def wrong(label, frames, *, blank=0):
        label.append(7)
        return []

    assert examine(BY_ID["3.3"], right).text == (
        "right([1], 1, blank=0) returns the right answer, but changes what it was given: work on a "
        "copy, or build something new."
    )
    assert "an alignment has one class for each frame" in examine(BY_ID["3.3"], wrong).text


@pytest.mark.parametrize(
    "before, after, same",
    [
        ([1, [2.0]], [1, [2.0]], True),
        ([1, [2]], [1, [3]], False),
        ([1], [True], False),
        ([math.nan], [math.nan], True),
        ({"a": 1}, {"b": 1}, False),
        ([1], 1, False),
        (torch.tensor([math.nan, -math.inf]), torch.tensor([math.nan, -math.inf]), True),
        (torch.tensor([math.nan]), torch.tensor([0.0]), False),
        (torch.zeros(2), torch.zeros(3), False),
        (torch.zeros(2), torch.zeros(2).long(), False),
        (np.zeros(2), np.ones(2), False),
    ],
)
def test_untouched(before, after, same):
    assert untouched(before, after) is same


def test_an_answer_that_remembers_is_told_so():
    def collapse(alignment, *, blank=0, label=[]):  # noqa: B006
        label += chapter03.collapse(alignment, blank=blank)
        return [*label]

    text = examine(BY_ID["3.1"], collapse).text
    assert text == (
        "`2` became `12`: the same call gives another answer each time: begin anew in each call, "
        "and keep nothing in a variable outside or in a default such as found=[].\n"
        "  collapse([2], blank=0) gives [1, 2]; it should be [2]."
    )


def test_a_reader_in_the_place_of_its_class_is_explained():
    text = examine(BY_ID["2.3"], chapter02.RepairedReader(4, 8, 3)).text
    assert text == "hand over the class itself, not a reader made from it: no brackets."


def test_nearly_whole_counts_do_not_look_whole():
    def count_alignments(label, frames):
        return chapter03.count_alignments(label, frames) + (len(label) == 5) * 2**-20

    text = examine(BY_ID["3.4"], count_alignments).text
    assert "gives 183579396.00000095, where a whole number should be" in text


def test_prints_of_the_failing_call_are_shown(capsys):
    def minimum_frames(label):
        print("label", label)
        return len(label)

    assert printed(capsys, "3.2", minimum_frames) == (
        "Exercise 3.2, not yet: `11` in 2 frames: equal neighbours need a blank between them, and "
        "it takes a frame.\n"
        "  minimum_frames([1, 1]) gives 2; it should be 3.\n"
        "  This call printed:\n"
        "  label [1, 1]\n"
    )


def test_warnings_closed_output_and_exit_do_no_harm(capsys):
    def collapse(alignment, *, blank=0):
        np.log(np.zeros(1))
        sys.stdout.close()
        sys.exit("bye")

    assert "raises SystemExit: bye" in printed(capsys, "3.1", collapse)
    assert capsys.readouterr().err == ""


def test_recursion_ends(capsys):
    def collapse(alignment, *, blank=0):
        return collapse(alignment, blank=blank)

    assert "raises RecursionError" in printed(capsys, "3.1", collapse)


def test_interrupt_gets_through():
    def collapse(alignment, *, blank=0):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(BY_ID["3.1"], collapse)


def test_evil_name_and_callable_object():
    class Callable:
        def __getattr__(self, name):
            raise ValueError("no")

        def __call__(self, *args, **kwargs):
            return []

    assert examine(BY_ID["3.1"], Callable()).status == "not yet"


# ------------------------------------------------------------------ time

needs_timer = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="no timers on this system"
)


def impatient(exercise, seconds=0.1):
    return Exercise(**{**vars(exercise), "seconds": seconds})


def endless_collapse(alignment, *, blank=0):
    while True:
        try:
            len(alignment)  # Python 3.10 hears no signal in a loop whose try holds nothing
        except Exception:
            pass


@needs_timer
def test_endless_loop_ends():
    before = signal.getsignal(signal.SIGVTALRM)
    text = examine(impatient(BY_ID["3.1"]), endless_collapse).text
    assert text == (
        "endless_collapse([0], blank=0) has not ended after 0.1 s of computing: does a loop never "
        "end, or is there a shorter way?"
    )
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


@needs_timer
def test_counting_by_listing_ends():
    def by_listing(label, frames):
        every = itertools.product(range(11), repeat=frames)
        if frames < 10:
            return chapter03.count_alignments(label, frames)
        return sum(1 for _ in every)

    text = examine(impatient(BY_ID["3.4"]), by_listing).text
    assert "by_listing([6, 6, 3, 1, 8], 31) has not ended after 0.1 s" in text


@needs_timer
def test_time_is_shared_by_all_calls_and_not_the_clocks():
    calls = []

    def slow(alignment, *, blank=0):
        calls.append(1)
        end = len(calls) * 0  # burns a little in each call
        for _ in range(1_000_000):
            end += 1
        return chapter03.collapse(alignment, blank=blank)

    assert "has not ended" in examine(impatient(BY_ID["3.1"]), slow).text
    assert 1 < len(calls) < 700  # the check would make 728


def test_a_check_works_in_a_thread():
    verdicts = []

    def work():
        verdicts.append(examine(BY_ID["3.1"], chapter03.collapse))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert verdicts[0].status == "correct"


def test_a_check_leaves_random_numbers_and_threads_alone():
    threads = torch.get_num_threads()
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    for exercise in EXERCISES:
        if exercise.id[0] in "234":
            examine(exercise, exercise.reference)
    assert torch.equal(torch.rand(3), wanted)
    assert torch.get_num_threads() == threads


# ------------------------------------------------------------------ what else a notebook calls


@pytest.mark.parametrize("id", ["9.9", "x", "", None, 3, "3", "03.1", "٣.1", "-1", "3.1.1"])
@pytest.mark.parametrize("call", [check, hint, solution])
def test_unknown_ids_list_those_there_are(call, id, capsys):
    call(id)
    out = capsys.readouterr().out
    assert out.startswith(f"There is no exercise {id!r}. There are ")
    assert all(known in out for known in BY_ID)


def test_an_id_may_be_a_number(capsys):
    check(3.1, chapter03.collapse)
    assert capsys.readouterr().out.startswith("Exercise 3.1, correct: ")


def test_hints_come_one_by_one_and_begin_again(capsys):
    hints = BY_ID["3.1"].hints
    for _ in range(5):
        hint("3.1")
    assert capsys.readouterr().out.splitlines() == [
        *(f"Hint {i} of 3: {text}" for i, text in enumerate(hints, 1)),
        'That was the last hint. solution("3.1") shows an answer; hint("3.1") begins again.',
        f"Hint 1 of 3: {hints[0]}",
    ]


def test_a_certain_hint(capsys):
    hint("3.1", 2)
    assert capsys.readouterr().out == f"Hint 2 of 3: {BY_ID['3.1'].hints[1]}\n"
    for number in (0, 4, "2", 1.5, True):
        hint("3.1", number)
        text = f"Exercise 3.1 has the hints 1 to 3; this asks for {number!r}.\n"
        assert capsys.readouterr().out == text


def test_solution_is_the_source(capsys):
    solution("3.2")
    assert capsys.readouterr().out == (
        "def minimum_frames(label):\n"
        "    repeats = sum(label[i] == label[i + 1] for i in range(len(label) - 1))\n"
        "    return len(label) + repeats\n"
    )


def test_progress(capsys):
    progress()
    assert capsys.readouterr().out == "Nothing has been checked since this kernel started.\n"
    check("3.1", stub_of(BY_ID["3.1"]))
    check("3.2", len)
    check("3.2", chapter03.minimum_frames)
    check("3.2", len)
    capsys.readouterr()
    progress()
    assert capsys.readouterr().out == (
        "3.1  collapse an alignment     not attempted  0 tries\n"
        "3.2  the fewest frames         correct        3 tries\n"
        "3.3  one alignment of a label  not attempted  0 tries\n"
        "3.4  how many alignments       not attempted  0 tries\n"
        "1 of 4 exercises correct\n"
    )
