from .exercises import EXERCISES as EXERCISES
from .exercises import beam_search as beam_search
from .exercises import begins_with as begins_with
from .exercises import most_of_any_other as most_of_any_other
from .exercises import most_probable_label as most_probable_label
from .questions import QUESTIONS as QUESTIONS
