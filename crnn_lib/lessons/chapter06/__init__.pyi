from .exercises import EXERCISES as EXERCISES
from .exercises import stack_field as stack_field
from .exercises import stack_frames as stack_frames
