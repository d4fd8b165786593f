from .exercises import EXERCISES as EXERCISES
from .exercises import alignment_log_prob as alignment_log_prob
from .questions import QUESTIONS as QUESTIONS
