"""From files that somebody labelled to lines on which a network can learn or be measured."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from crnn_lib.alphabet import Alphabet
from crnn_lib.finding import clean
from crnn_lib.inking import ink_of
from crnn_lib.lines import LineBatch
from crnn_lib.photo_files import ImageError


def lines_of_photos(
    photos: Sequence, texts: Sequence[str], alphabet: Alphabet | None = None, height: int = 32
) -> LineBatch:
    """Labelled photos as a network sees them: found, cut out, and made bright ink on black.

    They take the way that :class:`crnn_lib.reader.Reader` takes, so that a network learns from
    what it will have to read.

    Parameters
    ----------
    photos : sequence of path, PIL.Image.Image, ndarray or Tensor
        Each holds one line.
    texts : sequence of str
        What is written on each.
    alphabet : Alphabet, optional
        Of the network; the ten digits by default.
    height : int
        Of the lines: the network's ``config.height``.

    Returns
    -------
    LineBatch
        Nobody knows where the single digits stand, so all spans are 0.

    Raises
    ------
    ImageError
        If a photo holds no line, or several.

    >>> import numpy as np
    >>> paper = np.full((60, 200), 0.8, np.float32)
    >>> paper[10:50, 90:96] = 0.2
    >>> lines = lines_of_photos([paper], ["1"])
    >>> lines.texts, lines.targets.tolist()
    (['1'], [[2]])
    """
    alphabet = alphabet or Alphabet()
    if len(photos) != len(texts) or not len(texts):
        raise ValueError(
            f"Each photo has one text, and there is at least one; got {len(photos)} photos and "
            f"{len(texts)} texts."
        )
    labels = [torch.tensor(alphabet.encode(text), dtype=torch.long) for text in texts]
    images = []
    for photo, text in zip(photos, texts, strict=True):
        name = os.fspath(photo) if isinstance(photo, (str, os.PathLike)) else f"the photo of {text}"
        try:
            found = clean(photo, height)
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from None
        if len(found) != 1:
            raise ImageError(f"{name}: {len(found)} lines were found on it, and one is expected")
        images.append(found[0].image)  # (1, H, W)
    widths = torch.tensor([image.shape[2] for image in images])
    lengths = torch.tensor([len(label) for label in labels])
    widest, longest = int(widths.max()), int(lengths.max())
    grey = torch.stack([F.pad(image, (0, widest - image.shape[2])) for image in images])
    targets = torch.full((len(labels), longest), alphabet.blank)
    for row, label in zip(targets, labels, strict=True):
        row[: len(label)] = label
    spans = torch.zeros(len(labels), longest, 2, dtype=torch.long)
    return LineBatch(ink_of(grey, widths), widths, targets, lengths, list(texts), spans)
