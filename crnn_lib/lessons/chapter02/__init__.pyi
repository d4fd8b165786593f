from .exercises import EXERCISES as EXERCISES
from .exercises import columns_of as columns_of
from .exercises import count_frames as count_frames
