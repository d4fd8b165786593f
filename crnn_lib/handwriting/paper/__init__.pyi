from .scanner import photograph as photograph
from .styles import EFFECTS as EFFECTS
from .styles import Effect as Effect
from .styles import PaperStyle as PaperStyle
