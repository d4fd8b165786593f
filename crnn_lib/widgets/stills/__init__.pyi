from .beam import plot_beam as plot_beam
from .collapse import plot_collapse as plot_collapse
from .film import plot_film as plot_film
from .fusion import plot_fusion as plot_fusion
from .lattice import plot_lattice as plot_lattice
from .where import plot_where as plot_where
from .window import plot_windows as plot_windows
