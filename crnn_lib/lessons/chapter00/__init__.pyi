from .exercises import EXERCISES as EXERCISES
from .exercises import as_a_number as as_a_number
from .exercises import each_digit_once as each_digit_once
