from .exercises import EXERCISES as EXERCISES
from .exercises import alignment_log_prob as alignment_log_prob
from .exercises import alpha_step as alpha_step
from .exercises import beta_step as beta_step
from .questions import QUESTIONS as QUESTIONS
