"""``python -m crnn_lib``: see :mod:`crnn_lib.cli.arguments`."""

from __future__ import annotations

import sys

from crnn_lib.cli.arguments import main

if __name__ == "__main__":
    sys.exit(main())
