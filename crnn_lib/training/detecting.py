"""How the detector of writing learns: fresh pages, a loss for its maps, and a loop that resumes."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from crnn_lib.alphabet import is_whole
from crnn_lib.handwriting import Glyphs
from crnn_lib.handwriting.pages import PageBatch, PageStyle, compose_pages
from crnn_lib.models import MAPS, Detector, atomic_write
from crnn_lib.training.loop import TrainConfig, _new_run
from crnn_lib.training.streams import seeded_generator

PAGES_OF_A_STORE = 4000  # then others write
TURNS = torch.tensor([0.4, 0.25, 0.1, 0.25])  # of a page's twin: shares of 0 to 3 quarter turns
NEGATIVES = 0.2  # share of the twins whose light and dark are exchanged
LOGITS = 6  # the first of the maps; the others are numbers
WEIGHTS = (8.0, 6.0, 4.0, 4.0, 2.0, 1.0)  # of their losses
DIRECTION, HEIGHT = 2.0, 0.7  # weights of the losses of the last three maps
USUAL_HEIGHT = 20.0  # pixels: places in lines of such bodies count once, in smaller ones more
SMOOTH = 20.0  # places that the overlap of a page begins with, so that empty pages have one


@dataclass(frozen=True)
class PageStream:
    """Fresh pages for training, without end. A batch depends on ``(seed, step)`` alone.

    To compose a page takes nearly as long as to learn from it, so each is shown twice: as it is,
    and turned or in other tones.

    Parameters
    ----------
    style : PageStyle
        Its people change in the course of the stream.
    batch_size : int
        An even number.
    size : (int, int)
        Height and width of the pages, which are square.
    seed : int
    glyphs : Glyphs, optional
        Digits from a data set, in half of the numbers.
    """

    style: PageStyle = field(default_factory=PageStyle)
    batch_size: int = 8
    size: tuple[int, int] = (384, 384)
    seed: int = 0
    glyphs: Glyphs | None = None

    def __post_init__(self) -> None:
        even = is_whole(self.batch_size) and self.batch_size > 1 and self.batch_size % 2 == 0
        size = self.size if isinstance(self.size, (tuple, list)) else ()
        if not even or len(size) != 2 or size[0] != size[1]:
            raise ValueError(
                "A PageStream has an even number of square pages per batch; got "
                f"batch_size={self.batch_size!r:.80} and size={self.size!r:.80}."
            )

    def batch(self, step: int) -> PageBatch:
        """The pages of one training step."""
        people = 1000 * self.seed + step * self.batch_size // PAGES_OF_A_STORE
        style = dataclasses.replace(self.style, people=people)
        generator = seeded_generator(self.seed, step)
        count = self.batch_size // 2
        pages = compose_pages(count, style, generator, self.size, glyphs=self.glyphs)
        turns = torch.multinomial(TURNS, count, replacement=True, generator=generator)
        twins = pages.turned(turns.tolist())
        power, chance = torch.rand(2, count, 1, 1, 1, generator=generator)
        toned = twins.images ** (0.5 + 1.5 * power)
        toned = torch.where(chance < NEGATIVES, 1 - toned, toned)
        return PageBatch(
            torch.cat([pages.images, toned]),
            torch.cat([pages.maps, twins.maps]),
            [*pages.rows, *twins.rows],
            [*pages.layouts, *twins.layouts],
        )


def detection_loss(maps: Tensor, truth: Tensor) -> Tensor:
    """How far the maps of a detector are from the true ones.

    Of the six logits the cross-entropy, in which places in small lines count more, and for
    numbers, words, ends and print also how much of each page's map overlaps (Milletari et al.,
    2016, "V-Net"): few places are ink. Of direction and height the distance, where there are lines.

    Parameters
    ----------
    maps, truth : Tensor, (N, M, h, w)

    Returns
    -------
    Tensor
        A number.
    """
    logits, true = maps[:, :LOGITS].float(), truth[:, :LOGITS]
    lines = true[:, [MAPS.index(name) for name in ("number", "word", "print")]].amax(1)  # (N, h, w)
    height = truth[:, MAPS.index("height")]
    small = (USUAL_HEIGHT / height.exp()).clamp(0.5, 2.5)
    weight = torch.where(lines > 0, 1.5 * small, 1.0)[:, None]  # (N, 1, h, w)
    entropy = F.binary_cross_entropy_with_logits(logits, true, reduction="none") * weight
    of_maps = entropy.mean((0, 2, 3)) @ logits.new_tensor(WEIGHTS)
    shares, true = logits[:, :4].sigmoid(), true[:, :4]
    both = (shares * true).sum((2, 3))
    overlap = (2 * both + SMOOTH) / ((shares + true).sum((2, 3)) + SMOOTH)  # (N, 4)
    away = F.smooth_l1_loss(maps[:, LOGITS:].float(), truth[:, LOGITS:], reduction="none", beta=0.2)
    away = (away * lines[:, None]).sum((0, 2, 3)) / lines.sum().clamp_min(1.0)
    return of_maps + (1 - overlap).mean() + DIRECTION * away[:2].sum() + HEIGHT * away[2]


@dataclass
class DetectingHistory:
    """What happened in a run: an entry per logged step, and the F1 of each map per validation."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    validation_step: list[int] = field(default_factory=list)
    validation_f1: dict[str, list[float]] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write the history as JSON."""
        atomic_write(path, (json.dumps(dataclasses.asdict(self), indent=1) + "\n").encode())


def train_detector(
    detector: Detector,
    pages: PageStream,
    config: TrainConfig | None = None,
    *,
    validation: PageBatch | None = None,
) -> DetectingHistory:
    """Train a detector in place.

    Parameters
    ----------
    detector : Detector
        Ends in eval mode.
    pages : PageStream
    config : TrainConfig, optional
        Of its fields patience, workers and device are not used: it learns on the CPU. With a
        checkpoint that is there already, the run goes on where it stands.
    validation : PageBatch, optional
        Pages to measure :func:`map_scores` on during the run.

    Returns
    -------
    DetectingHistory
    """
    if not isinstance(detector, Detector) or not isinstance(pages, PageStream):
        raise TypeError(
            "A Detector learns from a PageStream; got "
            f"{type(detector).__name__} and {type(pages).__name__}."
        )
    config = config or TrainConfig(steps=1000, learning_rate=3e-3, average=0.998)
    torch.manual_seed(config.seed)
    detector.to(memory_format=torch.channels_last).train()
    run = _new_run(detector, config, DetectingHistory())
    told = (pages.style, pages.batch_size, pages.size, pages.seed, pages.glyphs)
    identity = ", ".join(map(str, (_of_run(config), *told)))
    first = run.load(config.checkpoint, identity) if config.checkpoint else 0
    history: DetectingHistory = run.history
    started = time.perf_counter() - (history.seconds[-1] if history.seconds else 0.0)
    lower = config.precision == "bfloat16"
    losses: list[float] = []  # since the last entry of the history
    for step in range(first, config.steps):
        batch = pages.batch(step)
        images = batch.images.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            maps = detector(images)
        loss = detection_loss(maps, batch.maps)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        run.take_step(config.clip)
        losses.append(loss.item())
        done = step + 1
        last = done == config.steps
        if done % config.log_every == 0 or last:
            history.step.append(done)
            history.loss.append(round(sum(losses) / len(losses), 5))
            losses.clear()
            history.learning_rate.append(float(run.schedule.get_last_lr()[0]))
            history.seconds.append(round(time.perf_counter() - started, 1))
        due = config.validate_every and done % config.validate_every == 0
        if validation is not None and (due or last):
            history.validation_step.append(done)
            judged: Any = run.judged
            for name, score in map_scores(judged, validation).items():
                history.validation_f1.setdefault(name, []).append(round(score, 5))
        due = config.checkpoint_every and done % config.checkpoint_every == 0
        if config.checkpoint and (due or last):
            run.save(config.checkpoint, done, identity)
    detector.load_state_dict(run.judged.state_dict())
    detector.to(memory_format=torch.contiguous_format).eval()
    return history


@torch.no_grad()
def map_scores(detector: Detector, pages: PageBatch, batch_size: int = 16) -> dict[str, float]:
    """F1 of each map of logits at probability 0.5, over all places of all pages.

    Also, where there are lines by hand: ``"turn"``, the share of places whose direction is within
    15 degrees, and ``"height"``, the share of those whose height is within a fifth.
    """
    was = detector.training
    detector.eval()
    chunks = [detector(part) for part in pages.images.split(batch_size)]
    detector.train(was)
    maps, truth = torch.cat(chunks), pages.maps
    scores = {}
    for n, name in enumerate(MAPS[:LOGITS]):
        said, true = maps[:, n] > 0, truth[:, n] > 0.5
        both = (said & true).sum()
        scores[name] = float(2 * both / (said.sum() + true.sum()).clamp_min(1))
    lines = (truth[:, :2] > 0).any(1)
    along, true = (m[:, LOGITS : LOGITS + 2].movedim(1, -1)[lines] for m in (maps, truth))
    cosine = F.cosine_similarity(along, true, dim=-1)
    scores["turn"] = float((cosine > 0.9659).float().mean())
    high = (maps[:, -1] - truth[:, -1])[lines].abs()
    scores["height"] = float((high < 0.1823).float().mean())
    return scores


def _of_run(config: TrainConfig) -> TrainConfig:
    """What must be the same for a run to be resumed."""
    return dataclasses.replace(config, checkpoint=None, checkpoint_every=0, validate_every=0)
