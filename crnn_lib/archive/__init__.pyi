from .parts import SCHEMA as SCHEMA
from .parts import read_rows as read_rows
from .reading import ArchiveReport as ArchiveReport
from .reading import read_archive as read_archive
from .sources import list_files as list_files
