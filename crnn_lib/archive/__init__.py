"""A million scans: files in, rows of text out, on all cores of a machine or on a cluster.

The work is spread by `Ray Data <https://docs.ray.io/en/latest/data/data.html>`_, an extra:
``pip install "crnn_lib[archive]"``. ``_sources`` lists what is to be read, ``_parts`` keeps what
has been read, ``reading`` is the way from one to the other.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
