"""Many generated inputs to one part of the library, in a process of its own that may die.

A part is a module with these names:

    prepare(folder)        what all trials share; also warms up what is compiled or loaded
    attempt(random, state) makes one input from a ``random.Random``, gives it to the library, checks
                           the answer with plain assertions, and returns one word on what came of it
    REFUSALS               the exceptions that the library's documentation names
    SECONDS, MEGABYTES     CPU time of one trial, and memory of all of them, that is still fine

The answer to hostile input may be a *clean refusal*: one of those exceptions, raised on purpose (by
a ``raise`` in crnn_lib, or by the system about a named file), with a message of one to a few
sentences. All else is a fault: another exception, one that slipped out of another library, an
answer that is wrong, a crash of the process, a hang, too much memory.

Each trial depends on the part's name and its own number alone. CRNN_CASES says how many trials
there are, CRNN_MINUTES how long a part may go on; a fault names its number, and CRNN_CASE=<number>
runs that trial alone, in this process.
"""

from __future__ import annotations

import dis
import importlib
import multiprocessing
import os
import random
import sys
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import crnn_lib

try:
    import resource
except ImportError:  # Windows
    resource = None

CASES = int(os.environ.get("CRNN_CASES", "50"))
ONE_CASE = os.environ.get("CRNN_CASE")
MINUTES = float(os.environ.get("CRNN_MINUTES", "inf"))  # a part stops then, and says how far it got
FULL = 10_000  # trials of each part in `make test-slow`
HANG = 600.0  # seconds of silence after which a process is killed; the machine may be busy
MOST_FAULTS = 20  # what comes after them would hardly be news
LONGEST_MESSAGE = 2000  # characters; a message that quotes all of a huge input helps nobody
LIBRARY = str(Path(crnn_lib.__file__).resolve().parent) + os.sep
MEGABYTE = 1 << 20


@dataclass
class Outcome:
    """What came of the trials of one part."""

    trials: int = 0
    words: Counter = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0  # CPU seconds
    slowest_number: int = 0
    grown: float = 0.0  # MB above the memory at the start, at most
    seconds: float = 0.0  # CPU time of all

    def add(self, other: Outcome) -> None:
        self.trials += other.trials
        self.words += other.words
        self.faults += other.faults
        self.seconds += other.seconds
        self.grown = max(self.grown, other.grown)
        if other.slowest > self.slowest:
            self.slowest, self.slowest_number = other.slowest, other.slowest_number

    @property
    def answered(self) -> int:
        return sum(count for word, count in self.words.items() if not word.startswith("refused"))

    @property
    def refused(self) -> int:
        return sum(self.words.values()) - self.answered


# ---------------------------------------------------------------------------- one trial


def judge(part, name: str, number: int, state) -> tuple[str | None, str | None]:
    """What came of one trial: a word, or a fault."""
    chance = random.Random(f"{name} {number}")
    try:
        return part.attempt(chance, state), None
    except part.REFUSALS as error:
        if unclean := why_unclean(error):
            return None, f"an unclean refusal ({unclean}):\n{traceback.format_exc()}"
        return f"refused: {type(error).__name__}", None
    except Exception:
        return None, traceback.format_exc()


def why_unclean(error: BaseException) -> str | None:
    """What is wrong with a refusal, if anything is."""
    if isinstance(error, OSError) and error.filename is not None:
        return None  # the system's own words, and the file's name
    step = _innermost(error.__traceback__)
    code = step.tb_frame.f_code
    if not code.co_filename.startswith(LIBRARY):
        return f"it comes from {code.co_filename}"
    if dis.opname[code.co_code[step.tb_lasti]] not in ("RAISE_VARARGS", "RERAISE"):
        return "nobody in crnn_lib raised it"
    text = str(error)
    if not 10 <= len(text) <= LONGEST_MESSAGE:
        return f"its message has {len(text)} characters"
    return None


def _innermost(step: TracebackType) -> TracebackType:
    while step.tb_next is not None:
        step = step.tb_next
    return step


# ---------------------------------------------------------------------------- many trials


def run(module: str, folder: Path, cases: int = CASES, hang: float = HANG) -> Outcome:
    """All trials of a part. A process that dies or hangs costs one trial, and another goes on."""
    if ONE_CASE is not None:
        return _run_here(module, folder, int(ONE_CASE))
    total, first = Outcome(), 0
    while first < cases and len(total.faults) < MOST_FAULTS:
        done, first = _run_process(module, folder, first, cases, hang)
        total.add(done)
    return total


def _run_here(module: str, folder: Path, number: int) -> Outcome:
    part = importlib.import_module(module)
    word, fault = judge(part, module, number, part.prepare(folder))
    print(f"{module} {number}: {word or fault}")
    return Outcome(
        1, Counter([word] if word else []), [told(module, number, fault)] if fault else []
    )


def _run_process(
    module: str, folder: Path, first: int, cases: int, hang: float
) -> tuple[Outcome, int]:
    """Trials in one process, and the number to go on from."""
    context = start_method()
    ours, theirs = context.Pipe()
    current = context.Value("q", -1, lock=False)
    arguments = (module, str(folder), first, cases, current, theirs)
    process = context.Process(target=_work, args=arguments, daemon=True)
    process.start()
    theirs.close()
    total, seen, since, hangs = Outcome(), None, time.monotonic(), False
    while True:
        try:
            if ours.poll(0.1):
                sent = ours.recv()
                if isinstance(sent, Outcome):
                    total.add(sent)
                    process.join(30)
                    return total, cases
                total.faults.append(sent)
                continue
        except EOFError:  # the process is gone
            break
        if current.value != seen:
            seen, since = current.value, time.monotonic()
        elif time.monotonic() - since > (hang if seen >= first else HANG):  # it may be loading
            hangs = True
            process.kill()
            break
    process.join(30)
    number = current.value
    why = f"it hangs: no end after {hang:.0f} s" if hangs else f"exit code {process.exitcode}"
    if number < first:
        raise RuntimeError(f"{module} could not be prepared: {why}")
    total.faults.append(told(module, number, f"the process died or was killed: {why}"))
    # what the trials before it came to is lost with the process, but for their faults
    total.trials = number - first + 1
    return total, number + 1


def start_method():
    """Processes that are forked from one which has imported torch and done nothing else."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["crnn_lib.cli.train", "crnn_lib.handwriting.downloads"])
    return context


def told(module: str, number: int, fault: str) -> str:
    """A fault, and how to see it again."""
    name = module.rsplit("_", 1)[-1]
    return (
        f"trial {number} of {module}: {fault}\n"
        f"again: CRNN_CASE={number} python -m pytest tests/slow/test_trials.py -s -k {name}"
    )


def _work(module: str, folder: str, first: int, cases: int, current, results) -> None:
    """The process: trials from ``first`` on."""
    import torch

    torch.set_num_threads(1)
    # As in the other tests: a warning out of the library's own lines is a fault of the library.
    warnings.filterwarnings("error", module="crnn_lib")
    part = importlib.import_module(module)
    state = part.prepare(Path(folder))
    outcome, at_first = Outcome(), resident()
    limit_memory(part.MEGABYTES)
    until = time.monotonic() + 60 * MINUTES
    for number in range(first, cases):
        if time.monotonic() > until:
            break
        current.value = number
        started = time.process_time()
        word, fault = judge(part, module, number, state)
        spent = time.process_time() - started
        outcome.trials += 1
        outcome.seconds += spent
        if spent > outcome.slowest:
            outcome.slowest, outcome.slowest_number = spent, number
        if fault is None and spent > part.SECONDS:
            fault = f"it takes {spent:.1f} s of CPU time; at most {part.SECONDS} are fine"
        outcome.grown = max(outcome.grown, (resident() - at_first) / MEGABYTE)
        if fault is None and outcome.grown > part.MEGABYTES:
            fault = f"{outcome.grown:.0f} MB of memory are in use; {part.MEGABYTES} are fine"
        if fault is None:
            outcome.words[word] += 1
            continue
        results.send(told(module, number, fault))
    results.send(outcome)
    results.close()


# ---------------------------------------------------------------------------- memory


def resident(process: int | str = "self") -> int:
    """Bytes of memory that a process holds; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def limit_memory(megabytes: int) -> None:
    """Let this process ask for so much more than it has, and fail beyond that.

    So a trial that asks for far too much fails by itself, and takes no machine down.
    """
    if sys.platform != "linux":
        return
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + megabytes * MEGABYTE, hard))
