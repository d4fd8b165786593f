from .exercises import EXERCISES as EXERCISES
from .exercises import best_alignment as best_alignment
from .exercises import calibration_error as calibration_error
from .exercises import risk_after_refusal as risk_after_refusal
from .exercises import spans_of as spans_of
from .questions import QUESTIONS as QUESTIONS
