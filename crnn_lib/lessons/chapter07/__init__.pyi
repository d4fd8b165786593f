from .exercises import EXERCISES as EXERCISES
from .exercises import most_of_any_other as most_of_any_other
from .exercises import most_probable_label as most_probable_label
from .questions import QUESTIONS as QUESTIONS
