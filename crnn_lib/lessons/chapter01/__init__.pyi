from .exercises import EXERCISES as EXERCISES
from .exercises import best_total as best_total
from .exercises import column_profile as column_profile
from .exercises import expected_match as expected_match
from .exercises import merge_close as merge_close
from .exercises import pieces as pieces
