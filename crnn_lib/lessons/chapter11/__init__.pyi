from .exercises import EXERCISES as EXERCISES
from .exercises import count_texts as count_texts
from .exercises import like_a_photograph as like_a_photograph
from .exercises import turned as turned
