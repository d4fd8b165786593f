from .exercises import EXERCISES as EXERCISES
from .exercises import bigram_table as bigram_table
from .exercises import next_state as next_state
from .exercises import passes_luhn as passes_luhn
from .exercises import rerank as rerank
