"""Exercises that answer back, and quizzes.

In a notebook, the stub raises ``NotImplementedError("Exercise 3.1")`` and the next cell checks it::

    from crnn_lib.lessons import check, hint, progress, quiz, solution

    check("3.1", collapse)      # not attempted, correct, or the rule that broke and an example
    hint("3.1")                 # the next hint; hint("3.1", 1) the first one
    solution("3.1")             # the source of an answer
    quiz("equal neighbours")    # a question in two steps: the answer, then the reason
    progress()                  # what has been done since the kernel started

How to write exercises and questions
------------------------------------
A chapter is a package ``chapterNN`` with a tuple ``EXERCISES`` in its face; it needs no
registration. :mod:`crnn_lib.lessons.chapter03.exercises` is a model to follow. For each exercise:

1. The *reference*, a plain function (or class) with the name that the stub has. ``solution``
   prints its source, so it reads as an answer in the notebook would: it uses ``torch``, ``math``
   and what the notebook has imported, and no helper of the module.
2. The *check*, ``check_name(attempt) -> str``. ``attempt(...)`` calls the learner's function;
   errors, endless loops, junk and changed inputs are dealt with there. Mostly it is one
   :func:`~crnn_lib.lessons.engine.compare` with an oracle over cases in the order of their size,
   and a sentence for who got it right. For rules of another kind, ``raise Broken(rule, example,
   detail)``. For a class, build and use it in ``attempt.run(action, "how the call looks",
   returns=as_tensor)``; :mod:`crnn_lib.lessons.chapter02.exercises` has one.
3. The *mistakes*, in ``mistakes.py`` beside it, at least four, each with its rule: the wrong
   answers that people really give. ``compare`` recognises them by what they return, or by the
   error that they raise. A rule names what went wrong, in one line, and leaves the cure to the
   hints. Cases keep to what the task says. Where several answers are right, ``agrees=`` says so.
4. ``returns=`` says how results are read (``as_count``, ``as_number``, ``as_label``, ``as_pair``,
   ``as_tensor``). *Hints* go from a nudge to nearly the whole. ``task`` tells who has not begun
   what to write.

``tests/lessons/test_lessons.py`` finds the chapter by itself: it runs each check against its stub,
its reference (and the source that ``solution`` prints) and each mistake, whose rule must be named.
``tests/lessons/mutation.py`` changes the reference in one place after the other, and lists what a
check calls correct all the same: a case is missing, or ``equivalent.py`` says why it is right.

Questions stand in ``QUESTIONS`` of ``questions.py``, each with a few words as its name. The wrong
options are answers that people have given, and each gets a reply of its own. The code that settles
it is run by a test.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
