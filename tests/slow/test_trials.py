"""10,000 generated inputs to each part of the library (50 in ``make test``), and proof that a
fault would be seen. :mod:`slow.trials` says what a fault is, and how to see one again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from slow import trials, trials_commands
from slow.figures import record

PARTS = {
    "decoders": "best path, prefix beam, exact search, with and without a language",
    "ctc": "the loss and its gradient, forward-backward, forced alignment",
    "photos": "images, files, each step of cleaning, the reader",
    "checkpoints": "damaged, forged and foreign files; none may run code",
    "commands": "the command line, called in one process",
}


@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("name", PARTS)
def test_generated_inputs_end_in_an_answer_or_a_clean_refusal(name, tmp_path):
    outcome = trials.run(f"slow.trials_{name}", tmp_path)
    assert not outcome.faults, "\n\n".join(outcome.faults[:5])
    if trials.ONE_CASE is None:
        assert outcome.trials == trials.CASES or trials.MINUTES < 1e9
        share = outcome.answered / outcome.trials
        assert 0.05 < share < 0.98, "the generator gives hardly anything but one kind of input"
        record("trials", name, figures(outcome, PARTS[name]))


def figures(outcome: trials.Outcome, what: str) -> dict:
    return {
        "what": what,
        "trials": outcome.trials,
        "answered": outcome.answered,
        "refused": outcome.refused,
        "faults": len(outcome.faults),
        "cpu_seconds": round(outcome.seconds, 1),
        "slowest_cpu_seconds": round(outcome.slowest, 2),
        "megabytes_grown": round(outcome.grown),
    }


@pytest.mark.timeout(3600)
def test_a_sample_of_commands_as_programs(tmp_path):
    """Real processes: what holds of a call of ``main`` must hold of them, exit status included."""
    count = max(trials.CASES // 200, 1)
    trials_commands.write_files(tmp_path)
    statuses = Counter()
    for number in range(count):
        chance = random.Random(f"programs {number}")
        arguments = trials_commands.some_arguments(chance)
        while arguments[:1] in (["train"], ["evaluate"]) or "download" in arguments:
            arguments = trials_commands.some_arguments(chance)  # no network, and no long drawing
        done = subprocess.run(
            [sys.executable, "-m", "crnn_lib", *arguments],
            cwd=tmp_path,
            env={**os.environ, "CRNN_DATA": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            timeout=600,
        )
        said, told = (text.decode("utf8", "replace") for text in (done.stdout, done.stderr))
        trials_commands.check(arguments, done.returncode, said, told)
        statuses[done.returncode] += 1
    ends = {str(status): ends for status, ends in sorted(statuses.items())}
    record("trials", "programs", {"programs": count, "exit_status": ends})


# ------------------------------------------------------------------ a fault would be seen

WRONGS = {
    3: "KeyError",  # another exception than the documented ones
    5: "nobody in crnn_lib raised it",  # a documented one that slipped out of another library
    7: "AssertionError",  # a wrong answer
    8: "exit code",  # the process dies
    10: "hangs",
    11: "MemoryError",
    12: "CPU time",
    14: "it comes from",  # a documented exception of the trial's own lines
}


def test_each_kind_of_fault_is_seen_and_named(tmp_path):
    outcome = trials.run("slow.trials_that_fail", tmp_path, cases=16, hang=10.0)
    found = {int(fault.split()[1]): fault for fault in outcome.faults}
    assert sorted(found) == sorted(WRONGS)
    for number, words in WRONGS.items():
        assert words in found[number], found[number]
        assert f"CRNN_CASE={number} python -m pytest" in found[number]
    assert outcome.trials == 16


def test_a_trial_depends_on_its_number_alone(tmp_path):
    from slow import trials_that_fail as part

    state = part.prepare(tmp_path)
    one = [trials.judge(part, "x", number, state)[0] for number in (0, 1, 2, 1, 0)]
    assert one[:2] == one[:2:-1] and one[0] != one[1]
    assert trials.judge(part, "y", 0, state)[0] != one[0]


def test_one_trial_is_run_again_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "ONE_CASE", "3")
    outcome = trials.run("slow.trials_that_fail", tmp_path)
    assert outcome.trials == 1 and "KeyError" in outcome.faults[0]
