from .composing import PageBatch as PageBatch
from .composing import WrittenLine as WrittenLine
from .composing import compose_pages as compose_pages
from .styles import PageStyle as PageStyle
