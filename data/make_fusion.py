"""Make the three lines of the fusion explorer: where a network and a language disagree.

    python data/make_fusion.py

The weights that ship read lines of the built-in pen, and a model of round amounts says what it
thinks of their candidates. Of many lines, the first is taken of which this is true:

- noughts: 3500 is read as 3506, next comes 3500, and some weight of the language mends it.
- touching: 5000 is read as 500. No weight mends it; with a bonus of 1 every weight does.
- not round: 3517 is read rightly, and from a weight between 0.3 and 1.2 on it no longer is.

Run it again when the weights change; it takes half a minute.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from crnn_lib import LineStyle, best_path, compose_lines, load_glyphs, load_model, widgets
from crnn_lib.models import frame_edges
from crnn_lib.training import seeded_generator
from crnn_lib.widgets import MOST_WEIGHT, FusionExplorer, round_amounts, score

PACKED = Path(widgets.__file__).parent / "fusion.npz"
LINES = 1500
MOST_FRAMES = 40  # a line, for a screen
TIGHT = LineStyle(spacing=(-0.25, -0.1), size=(0.9, 1.15), margin=(4, 6), minimum_pitch=0.0)
TOUCHING = LineStyle(spacing=(-0.4, -0.25), margin=(4, 6), minimum_pitch=0.0)
WEIGHTS = np.linspace(0.0, MOST_WEIGHT, 41)


def best(candidates: list[dict], weight: float, bonus: float = 0.0) -> str:
    return max(candidates, key=lambda c: score(c, weight, bonus))["text"]


def of_noughts(candidates: list[dict]) -> bool:
    doubted = [c["text"] for c in candidates[:2]] == ["3506", "3500"]
    return doubted and any(best(candidates, w) == "3500" for w in WEIGHTS)


def of_touching(candidates: list[dict]) -> bool:
    read = [best(candidates, w) for w in WEIGHTS]
    paid = [best(candidates, w, 1.0) for w in WEIGHTS]
    return read[0] == "500" and "5000" not in read and set(paid) == {"5000"}


def of_others(candidates: list[dict]) -> bool:
    read = [best(candidates, w) for w in WEIGHTS]
    lost = [w for w, text in zip(WEIGHTS, read, strict=True) if text != "3517"]
    return read[0] == "3517" and bool(lost) and 0.3 < lost[0] < 1.2


WANTED: dict[str, tuple[str, LineStyle, Callable[[list[dict]], bool]]] = {
    "noughts": ("3500", TIGHT, of_noughts),
    "touching": ("5000", TOUCHING, of_touching),
    "not round": ("3517", TIGHT, of_others),
}


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(1)  # the same numbers on every run
    model, glyphs, language = load_model("crnn-digits"), load_glyphs("pen", "test"), round_amounts()
    packed = {}
    for seed, (name, (text, style, fits)) in enumerate(WANTED.items()):
        generator = seeded_generator(3500, seed)
        lines = compose_lines(glyphs, LINES, style, generator, texts=[text] * LINES)
        for n in range(LINES):
            ink = lines.images[n, :, :, : int(lines.widths[n])]  # (1, H, W)
            image = (255 * ink).round() / 255  # as it is stored
            log_probs = model(image[None])[0][0]  # (T, C)
            sure = best_path(log_probs, alphabet=model.alphabet)[0]
            if len(log_probs) > MOST_FRAMES or sure.log_prob > -0.05:
                continue
            candidates = FusionExplorer(log_probs, language, truth=text).lines[0]["candidates"]
            if fits(candidates):
                break
        else:
            raise SystemExit(f"None of {LINES} lines is like {name!r}.")
        read = ", ".join(c["text"] for c in candidates[:3])
        print(f"{name}: line {n}, {len(log_probs)} frames, reads {read}")
        packed |= {
            f"{name}/log_probs": log_probs.numpy().astype(np.float32),
            f"{name}/image": (255 * image[0]).round().byte().numpy(),
            f"{name}/edges": frame_edges(model, len(log_probs)).astype(np.float32),
            f"{name}/text": np.array(text),
        }
    np.savez_compressed(PACKED, **packed)
    print(f"Wrote {os.path.relpath(PACKED)}, {PACKED.stat().st_size} bytes.")


if __name__ == "__main__":
    main()
