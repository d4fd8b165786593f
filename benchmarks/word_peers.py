"""Another reader of words, in an environment of its own.

    python word_peers.py < PATHS > TEXTS.json

Needs rapidocr_onnxruntime and nothing of crnn_lib. Reads one path a line; prints a JSON list of
the texts, or nothing if the package is not there.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError:
        return
    engine = RapidOCR()
    texts = []
    for path in sys.stdin.read().splitlines():
        # its recogniser alone: an image is one word
        found, _ = engine(path, use_det=False, use_cls=False, use_rec=True)
        texts.append(found[0][0] if found else "")
    print(json.dumps(texts))


if __name__ == "__main__":
    main()
