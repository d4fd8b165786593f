"""The process that runs learners' notebooks: ``python -m crnn_lib.lessons.grading.worker``.

It reads plans from its standard input, one a line, and tells what it does, line by line, to whoever
started it. Before it begins anything it says so: if it is stopped, the last line names what it was
stopped in. Each notebook has a process of its own. On Linux it is forked from this one, so that
Python, torch and the exercises are loaded once for a class; elsewhere this process ends after one.
"""

from __future__ import annotations

import contextlib
import json
import linecache
import math
import os
import re
import signal
import sys
import types
from collections.abc import Callable
from dataclasses import replace

from crnn_lib import lessons
from crnn_lib.lessons.engine import Exercise, describe, examine, kernel
from crnn_lib.lessons.grading.cells import Piece, name_of, needed, python_of, statements

try:
    import resource
except ImportError:  # Windows: the one who started this process watches the clock
    resource = None

FORKS = sys.platform == "linux"
RAISES = re.compile(r"\A[^\n]{1,200}? raises [A-Za-z_][\w.]*[:,.]")
ENDLESS = re.compile(r"\A[^\n]{1,200}? has not ended after ")
ITS_OWN = "the check itself failed"
LARGEST_FILE = 64_000_000  # bytes that the notebook's code may write into one file


def main() -> None:
    """Carry out the plans on the standard input."""
    for line in iter(sys.stdin.readline, ""):
        plan = json.loads(line)
        if not FORKS:
            carry_out(plan)
        for id in plan["ids"]:
            kernel.find_exercise(id)  # loaded here, it is there for all who come after
        child = os.fork()
        if child == 0:
            os.setsid()  # a group of its own, with all that it starts
            carry_out(plan)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)  # before its number can be another's
        _, status = os.waitpid(child, 0)
        _messenger(plan["token"])(ended=os.waitstatus_to_exitcode(status))


def carry_out(plan: dict) -> None:
    """Run one notebook in its folder, and end this process."""
    status = 1
    try:
        say = _messenger(plan["token"])
        say(pid=os.getpid())
        _silence()
        here, folder = os.getcwd(), plan["folder"]
        os.chdir(folder)
        sys.path[:] = [folder if path == here else path for path in sys.path]
        limit_memory(plan["megabytes"])
        run(plan, say)
        say(done=True)
        status = 0
    finally:
        os._exit(status)  # threads of the notebook's own need not end


def run(plan: dict, say: Callable) -> None:
    """Run what the answers need, and check each answer as soon as it stands.

    Parameters
    ----------
    plan : dict
        ``cells``, the sources; ``ids`` of the exercises; ``skip``, numbers of cells that are left
        out; ``seconds`` of computing for each cell and each check.
    say : callable
        Takes what is to be told as keywords.
    """
    seconds = plan["seconds"]
    exercises = {id: kernel.find_exercise(id) for id in plan["ids"]}
    exercises = {id: replace(e, seconds=min(e.seconds, seconds)) for id, e in exercises.items()}
    names = {id: exercise.reference.__name__ for id, exercise in exercises.items()}
    pieces: list[Piece] = []
    for number, source in enumerate(plan["cells"]):
        if number in plan["skip"]:
            continue
        try:
            pieces += statements({number: source})
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            ids = [id for id, name in names.items() if _defines(source, name)]
            say(failed=number, text=f"is no Python: {describe(error)}", ids=ids)
    pieces = needed(pieces, names.values())
    for name in ("check", "hint", "solution", "quiz", "progress"):
        for module in (lessons, kernel):  # the notebook's own checks are not asked
            setattr(module, name, lambda *arguments, **named: None)

    space = _main_module()
    statuses = dict.fromkeys(exercises, "")
    for number in sorted({piece.cell for piece in pieces}):
        here = [piece for piece in pieces if piece.cell == number]
        bound = [id for id, name in names.items() if any(name in p.binds for p in here)]
        say(begin=number, ids=bound)
        limit_computing(seconds)
        lines = python_of(plan["cells"][number]).splitlines(keepends=True)
        linecache.cache[name_of(number)] = (sum(map(len, lines)), None, lines, name_of(number))
        try:
            for piece in here:
                exec(piece.code, space)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are theirs, too
            say(failed=number, text=f"raises {describe(error)}", ids=bound)
        for id in bound:
            limit_computing(2 * seconds)  # the check's own limit comes first, where it can
            statuses[id] = _checked(exercises[id], space, say)
    for id, exercise in exercises.items():  # a helper may stand below the answer that needs it
        if statuses[id] in ("", "error"):
            limit_computing(2 * seconds)
            _checked(exercise, space, say)


def _main_module() -> dict:
    """Where the notebook's names live; a learner's class finds its module there."""
    module = types.ModuleType("__main__")
    module.worker = sys.modules["__main__"]  # or it would end, and this function with it
    sys.modules["__main__"] = module
    vars(module).update(display=lambda *things, **named: None, get_ipython=lambda: None)
    return vars(module)


def _checked(exercise: Exercise, space: dict, say: Callable) -> str:
    """Check what stands under an exercise's name, and tell; the status."""
    name, id = exercise.reference.__name__, exercise.id
    if name not in space:
        say(verdict=id, status="not attempted", text=f"there is no {name}")
        return "not attempted"
    answer = space[name]
    home = str(getattr(answer, "__module__", "") or "")
    if home.partition(".")[0] == "crnn_lib":
        say(verdict=id, status="not attempted", text=f"{name} is that of {home}")
        return "not attempted"
    say(check=id)
    verdict = examine(exercise, answer)
    status = verdict.status
    if status == "not yet" and ENDLESS.match(verdict.text):
        status = "timeout"
    elif status == "not yet" and (RAISES.match(verdict.text) or verdict.text.startswith(ITS_OWN)):
        status = "error"
    say(verdict=id, status=status, text="" if status == "not attempted" else verdict.text)
    return status


def limit_computing(seconds: float) -> None:
    """Let the system end this process after so much more computing. A busy machine is no fault."""
    if resource is not None:
        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds) + 1, hard))


def limit_memory(megabytes: int) -> None:
    """Bound the memory of this process beyond what it has, and the files it writes."""
    if resource is None:
        return
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, LARGEST_FILE)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (OSError, ValueError):  # macOS keeps no such limit
        pass


def _messenger(token: str) -> Callable:
    """What writes messages to where the standard output led when this process began."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")

    def say(**message) -> None:
        channel.write(f"{token} {json.dumps(message)}\n")
        channel.flush()

    return say


def _silence() -> None:
    """Nothing that a notebook prints goes anywhere, and nothing is typed in."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _defines(source: str, name: str) -> bool:
    return bool(re.search(rf"^\s*(?:def|class)\s+{name}\b", source, re.MULTILINE))


if __name__ == "__main__":
    main()
