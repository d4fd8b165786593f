from .packages import HELD_OUT as HELD_OUT
from .packages import Font as Font
from .packages import count_fonts as count_fonts
from .packages import download_fonts as download_fonts
from .packages import load_font as load_font
from .packages import load_fonts as load_fonts
from .packages import load_letterbook as load_letterbook
from .words import draw_words as draw_words
