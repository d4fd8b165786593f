"""Before a kernel is compiled: the same loops in plain Python, and a process that compiles."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from crnn_lib import Alphabet, exact_search, prefix_beam_search
from crnn_lib.decoders import _blocks
from crnn_lib.decoders._compiled import beam, exact, jit
from crnn_lib.language import NGram

pytestmark = pytest.mark.skipif(jit.njit is None, reason="needs numba, which compiles the loops")

ALPHABET = Alphabet("0123456789")
BIGRAMS = NGram.fit(["0123", "1212", "9876"], order=2, characters="0123456789").automaton()


def lattices(peak: float, lines: int = 6, seed: int = 1) -> torch.Tensor:
    """Lines of 21 frames that are more or less clear: (N, 21, 11)."""
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(lines, 21, 11, generator=random)
    classes = torch.randint(11, (lines, 21, 1), generator=random)
    return scores.scatter_add(2, classes, torch.full((lines, 21, 1), peak)).log_softmax(2)


@pytest.fixture
def unprepared(monkeypatch):
    """As on a new machine, but no process is started: the kernels that one was wanted for."""
    begun = []
    monkeypatch.setattr(jit, "COMPILE", "beside")
    monkeypatch.setattr(jit, "is_ready", lambda kernel: False)
    monkeypatch.setattr(jit, "_compile_beside", lambda kernel, arguments: begun.append(kernel))
    return begun


READINGS = {
    "beam": lambda lines: prefix_beam_search(lines, alphabet=ALPHABET),
    "beam of 3, n best": lambda lines: prefix_beam_search(
        lines, alphabet=ALPHABET, beam_width=3, n_best=3
    ),
    "beam, bigrams": lambda lines: prefix_beam_search(lines, alphabet=ALPHABET, language=BIGRAMS),
    "exact search": lambda lines: exact_search(lines, alphabet=ALPHABET),
}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("peak", [4.0, 6.0])
def test_plain_loops_read_the_same_to_the_last_bit(reading, peak, unprepared):
    read, lines = READINGS[reading], lattices(peak)
    plain = read(lines)
    kernel = exact.exact_batch if reading == "exact search" else beam.beam_batch
    assert unprepared == [kernel]
    jit.COMPILE = "first"  # the fixture puts back what it was
    compiled = read(lines)
    assert unprepared == [kernel]
    assert plain == compiled
    for one, two in zip(flat(plain), flat(compiled), strict=True):
        assert (one.log_prob, one.score, one.bound) == (two.log_prob, two.score, two.bound)
        assert tuple(one.spans) == tuple(two.spans)


def flat(lines: list) -> list:
    return [h for line in lines for h in (line if isinstance(line, list) else [line])]


def test_lines_that_plain_loops_do_not_settle_are_left_to_the_kernel(unprepared, monkeypatch):
    doubtful, tried = lattices(3.5)[:4], []
    monkeypatch.setattr(jit, "LITTLE", 0.05)
    plain = jit.plain

    def watched(kernel):
        tried.append(kernel)
        return plain(kernel)

    monkeypatch.setattr(jit, "plain", watched)
    found = exact_search(doubtful, alphabet=ALPHABET)
    assert exact.exact_batch in tried and beam.beam_batch not in tried
    jit.COMPILE = "first"
    assert found == exact_search(doubtful, alphabet=ALPHABET)
    assert all(h.proven for h in found)


def test_what_is_much_is_compiled_first(unprepared):
    many = lattices(6.0, lines=400)
    prefix_beam_search(many, alphabet=ALPHABET)
    exact_search(many, alphabet=ALPHABET)
    assert unprepared == []


def test_a_line_that_is_wrong_is_refused_without_a_compiler(unprepared):
    lines = lattices(6.0)
    lines[2, 3] += 1.0
    for search in (prefix_beam_search, exact_search):
        with pytest.raises(ValueError, match="line 2, frame 3 sum to 2.718, not to 1"):
            search(lines, alphabet=ALPHABET)
    assert unprepared == [beam.beam_batch, exact.exact_batch]


def refuses(number):
    raise OverflowError(number)


@pytest.mark.parametrize("attempt", [refuses, lambda number: None])
def test_what_python_cannot_do_is_left_to_the_kernel(attempt, unprepared, monkeypatch, tmp_path):
    def kernel(number):
        return number + 1

    monkeypatch.setattr(jit, "plain", lambda kernel: attempt)
    monkeypatch.setattr(jit, "index_path", lambda kernel: tmp_path / "kernel.nbi")
    monkeypatch.setattr(jit, "kernel_name", lambda kernel: "a.kernel")
    assert jit.first_use(kernel, "nothing", lambda kernel: kernel(1), seconds=0.1) == 2
    assert unprepared == [kernel]


@pytest.mark.parametrize("executable", [None, "", "/usr/bin/an_app", "missing/python"])
def test_without_a_python_to_start_the_first_to_need_it_compiles(executable, monkeypatch):
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(jit, "_begun", {})
    monkeypatch.setattr(jit, "_beside", {})
    jit._compile_beside(beam.rounded, (1.0,))
    assert not jit._beside


def test_to_ask_whether_a_kernel_is_compiled_hashes_no_types():
    """With all their arrays it takes as long as a short line."""

    class Kernel:
        overloads = {"a type": "code"}

        @property
        def signatures(self):
            raise AssertionError("numba makes this list by hashing each type")

    assert jit.is_ready(Kernel())


BESIDE = """
    import sys, time
    import numpy as np
    from crnn_lib.decoders._compiled import jit, tries

    kernel = tries.common_node
    def read(kernel):
        trie = np.array([[-1, 0, 1, 1]], np.int32)
        return kernel(trie, np.array([2, 3], np.int32), np.zeros(4, np.uint8))

    assert not jit.is_ready(kernel)
    assert jit.first_use(kernel, "a test", read, 0.1) == 1
    assert not kernel.signatures, "plain Python read it"
    (process,) = jit._beside.values()
    if "leave" not in sys.argv:
        assert process.wait(300) == 0
        assert jit.is_ready(kernel)
        assert jit.first_use(kernel, "a test", read, 0.1) == 1
        assert sum(kernel.stats.cache_hits.values()) == 1
        assert not kernel.stats.cache_misses
"""


def run_beside(folder, *arguments):
    environment = dict(os.environ, NUMBA_CACHE_DIR=str(folder), CRNN_COMPILE="beside")
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(BESIDE), *arguments],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip


def test_a_process_beside_leaves_compiled_code_on_disk(tmp_path):
    run = run_beside(tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


@pytest.mark.slow
def test_it_outlives_the_one_that_started_it(tmp_path):
    run = run_beside(tmp_path, "leave")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    run = run_beside(tmp_path, "leave")  # too early for its code, or not
    deadline = 600
    while not list(tmp_path.rglob("*common_node*.nbc")) and deadline:
        deadline -= 1
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.5)"], check=True)
    assert deadline


WAITS = (
    BESIDE[: BESIDE.index("assert not")]
    + """
    if "at once" in sys.argv:
        read(kernel)
    else:
        print("begins", flush=True)
        jit.first_use(kernel, "a test", read)
    print(sum(kernel.stats.cache_misses.values()))
"""
)


def test_one_process_waits_for_what_another_compiles(tmp_path):
    fcntl = pytest.importorskip("fcntl", reason="elsewhere each process compiles for itself")
    environment = dict(os.environ, NUMBA_CACHE_DIR=str(tmp_path))
    command = [sys.executable, "-c", textwrap.dedent(WAITS)]
    path = subprocess.run(
        [*command[:2], "from crnn_lib.decoders._compiled import jit, tries\n"
         "print(jit.index_path(tries.common_node))"],
        env=environment, stdout=subprocess.PIPE, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    lock = Path(path).with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as the one that compiles has it
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as waits:
            assert waits.stdout.readline() == "begins\n"
            done = subprocess.run(
                [*command, "at once"], env=environment, stdout=subprocess.PIPE, text=True
            )
            assert done.stdout == "1\n"
            assert waits.stdout.read() == "0\n"  # while the lock is still held


def test_what_a_process_beside_is_told_can_be_pickled():
    lists = _blocks.beam_lists(3, 2, 4)
    types = beam.beam_batch.typeof_pyval(lists)
    assert pickle.loads(pickle.dumps(types)) == types
