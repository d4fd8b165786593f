from .exercises import EXERCISES as EXERCISES
from .exercises import count_texts as count_texts
from .exercises import freeze as freeze
from .exercises import keep_width as keep_width
from .exercises import turned as turned
from .views import flipped as flipped
from .views import told_runs as told_runs
