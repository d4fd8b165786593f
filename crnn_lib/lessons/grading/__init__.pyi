from .cells import needed as needed
from .cells import python_of as python_of
from .cells import statements as statements
from .notebooks import WARNING as WARNING
from .notebooks import Limits as Limits
from .notebooks import find_notebooks as find_notebooks
from .notebooks import grade as grade
from .notebooks import write_csv as write_csv
