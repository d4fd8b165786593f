from .exercises import EXERCISES as EXERCISES
from .exercises import count_alignments as count_alignments
from .exercises import minimum_frames as minimum_frames
from .questions import QUESTIONS as QUESTIONS
