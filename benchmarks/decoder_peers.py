"""Other people's decoders on given lattices, in an environment of their own.

    python decoder_peers.py LATTICES.npz RESULTS.json

Needs numpy and nothing of crnn_lib: pyctcdecode wants an older numpy. What is not installed is left
out. One thread, CPU time, the median of some turns, one line per call as these packages have it.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import statistics
import sys
import time

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
logging.disable(logging.WARNING)
TURNS, LONGEST = 3, 8.0  # of each; seconds that one turn may take, by reading fewer lines


def pyctcdecode(symbols, blank, width):
    from pyctcdecode import Alphabet, BeamSearchDecoderCTC

    decoder = BeamSearchDecoderCTC(Alphabet([*symbols[:blank], "", *symbols[blank + 1 :]], False))
    lossless = {"token_min_logp": -1e9, "beam_prune_logp": -1e9}
    for name, options in (("as it comes", {}), ("no pruning", lossless)):

        def decode(line, options=options):
            text, _, _, _, score = decoder.decode_beams(line, beam_width=width, **options)[0][:5]
            return text, score

        yield f"pyctcdecode, {name}", decode


def fast_ctc_decode(symbols, blank, width):
    import fast_ctc_decode as package

    names = ["-", *symbols[:blank], *symbols[blank + 1 :]]  # the blank must be the first
    order = [blank, *range(blank), *range(blank + 1, len(symbols))]
    for name, cut in (("cut at 0.001", 0.001), ("no cut", 0.0)):

        def decode(line, cut=cut):
            probs = np.exp(line[:, order])
            text, _ = package.beam_search(probs, names, beam_size=width, beam_cut_threshold=cut)
            return text, None

        yield f"fast-ctc-decode, {name}", decode


def flashlight(symbols, blank, width):
    from flashlight.lib.text.decoder import (
        CriterionType,
        LexiconFreeDecoder,
        LexiconFreeDecoderOptions,
        ZeroLM,
    )

    options = LexiconFreeDecoderOptions(
        beam_size=width,
        beam_size_token=len(symbols),
        beam_threshold=1e9,
        lm_weight=0.0,
        sil_score=0.0,
        log_add=True,
        criterion_type=CriterionType.CTC,
    )
    decoder = LexiconFreeDecoder(options, ZeroLM(), -1, blank, [])

    def decode(line):
        line = np.ascontiguousarray(line, np.float32)
        result = decoder.decode(line.ctypes.data, *line.shape)[0]
        tokens = [t for t in result.tokens if t >= 0]
        kept = [t for i, t in enumerate(tokens) if i == 0 or t != tokens[i - 1]]
        return "".join(symbols[t] for t in kept if t != blank), result.score

    yield "flashlight-text, log_add", decode


PEERS = {
    "pyctcdecode": pyctcdecode,
    "fast-ctc-decode": fast_ctc_decode,
    "flashlight-text": flashlight,
}


def measure(decode, lines) -> dict:
    started = time.process_time()
    for line in lines[:3]:
        decode(line)
    each = (time.process_time() - started) / 3
    lines = lines[: max(3, min(len(lines), int(LONGEST / max(each, 1e-9))))]
    seconds = []
    for _ in range(TURNS):
        started = time.process_time()
        results = [decode(line) for line in lines]
        seconds.append(time.process_time() - started)
    texts, scores = zip(*results, strict=True)
    return {
        "lines": len(lines),
        "per_second": len(lines) / statistics.median(seconds),
        "texts": texts,
        "scores": [None if score is None else float(score) for score in scores],
    }


def main() -> None:
    source, target = sys.argv[1:]
    data = np.load(source)
    found = {"missing": [], "results": {}}
    for package, peers in PEERS.items():
        for name in data["names"]:
            symbols, blank = str(data[f"{name}_symbols"]), int(data[f"{name}_blank"])
            try:
                decoders = dict(peers(symbols, blank, int(data["width"])))
                version = importlib.metadata.version(package)
            except ImportError:
                found["missing"].append(package)
                break
            for title, decode in decoders.items():
                key = f"{package} {version}" + title.removeprefix(package)
                found["results"].setdefault(key, {})[str(name)] = measure(decode, data[str(name)])
    with open(target, "w", encoding="utf8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
