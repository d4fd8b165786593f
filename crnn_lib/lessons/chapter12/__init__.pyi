from .exercises import EXERCISES as EXERCISES
from .exercises import band as band
from .exercises import best_threshold as best_threshold
from .exercises import scale_to as scale_to
