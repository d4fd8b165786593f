from ._parts import SCHEMA as SCHEMA
from ._parts import read_rows as read_rows
from ._sources import list_files as list_files
from .reading import ArchiveReport as ArchiveReport
from .reading import read_archive as read_archive
