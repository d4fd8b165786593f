"""The command line for teachers: ``python -m crnn_lib.lessons grade NOTEBOOK... [--csv FILE]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

PROG = "python -m crnn_lib.lessons"
GRADE = f"""\
examples:
  {PROG} grade anna.ipynb ben.ipynb
  {PROG} grade handed_in/ --csv marks.csv
  {PROG} grade handed_in/ --seconds 60 --memory 4096

One row for each notebook, one column for each exercise: correct, not yet, not attempted, error (it
raises one) or timeout (it does not end). The remarks say which rule is broken. Quizzes are not
graded.

Only what the answers need is run: no training, no figures, no shell commands. The limits stop
accidents. THIS IS NO SANDBOX: the code of a notebook may do on this machine whatever you may. Grade
the work of people you know, or grade in a container. Under Windows, memory has no limit.

exit status: 0 all done; 1 a notebook could not be read; 2 wrong arguments
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        0, or 1 if a notebook could not be read, or 130 after Ctrl-C. Wrong arguments exit with 2.
    """
    options = _parser().parse_args(arguments)
    from crnn_lib.lessons import grading

    paths = grading.find_notebooks(options.notebooks)
    if not paths:
        _say(f"{PROG} grade: there is no notebook in {', '.join(options.notebooks)}.")
        return 1
    _say(grading.WARNING)
    results, stopped = [], False
    try:
        for result in grading.grade(paths, grading.Limits(options.seconds, options.memory), _say):
            results.append(result)
    except KeyboardInterrupt:
        _say(f"Stopped after {len(results)} of {len(paths)} notebooks.")
        stopped = True
    try:
        if options.csv:
            # the mark at the beginning tells a spreadsheet that the file is UTF-8
            with open(options.csv, "w", encoding="utf-8-sig", newline="") as file:
                grading.write_csv(results, file)
        else:
            grading.write_csv(results, sys.stdout)
    except OSError as error:
        _say(f"{PROG} grade: {error}")
        return 1
    return 130 if stopped else int(any(result.unreadable for result in results))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _positive(kind: type):
    def number(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < 1e9:
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
        return value

    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROG, description="What teachers need.")
    commands = parser.add_subparsers(dest="command", required=True)
    grade = commands.add_parser(
        "grade",
        help="check the exercises in learners' notebooks",
        description="Check the exercises in learners' notebooks.",
        epilog=GRADE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    grade.add_argument("notebooks", nargs="+", metavar="NOTEBOOK", help="files, or folders of them")
    grade.add_argument("--csv", metavar="FILE", help="write the table there, not to the terminal")
    grade.add_argument(
        "--seconds",
        type=_positive(float),
        default=20.0,
        help="of computing, for each cell and each check (default: 20)",
    )
    grade.add_argument(
        "--memory",
        type=_positive(int),
        default=2048,
        metavar="MB",
        help="that a notebook may take beyond Python and torch (default: 2048)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
