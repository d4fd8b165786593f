from .exercises import EXERCISES as EXERCISES
from .exercises import stack_frames as stack_frames
from .network import Layers as Layers
from .network import pad as pad
