"""One training loop, on one core, on a GPU, or under ``torchrun``.

A run that is cut off goes on where its last checkpoint stands, and ends with the same weights: a
batch depends on the seed and the step alone, and a checkpoint holds all the rest.
"""

from __future__ import annotations

import atexit
import dataclasses
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm

from crnn_lib.alphabet import as_number, check_whole, is_whole
from crnn_lib.ctc import ctc_loss, frames_needed
from crnn_lib.decoders import best_path_labels
from crnn_lib.evaluation import evaluate
from crnn_lib.handwriting import LineBatch
from crnn_lib.models import reading_network, unwrap_model
from crnn_lib.training.averaging import learning_mode, moving_average, settle_norms
from crnn_lib.training.runs import History, Run
from crnn_lib.training.streams import LineSet, Stream, _labels_of, batches

SETTLING_STEPS = 16  # batches from which the final statistics of batch normalisation are taken
Loss: TypeAlias = Callable[[nn.Module, LineBatch], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Parameters
    ----------
    steps : int
        Batches to learn from.
    learning_rate : float
        Peak of the one-cycle schedule (Smith and Topin, 2018).
    warmup : float
        Share of the steps in which the learning rate rises.
    weight_decay : float
        Of AdamW.
    clip : float
        Largest norm of the gradient.
    average : float
        Decay of the exponential moving average of the weights, which is what a run returns.
        0 returns the last weights.
    precision : {"auto", "float32", "bfloat16"}
        Of the convolutions. "auto" is bfloat16 on a GPU that has it, else float32.
    device : str
        "auto" is the GPU if there is one.
    seed : int
        Of dropout. The lines have a seed of their own.
    workers : int
        Processes that compose lines ahead.
    log_every : int
        Steps between two entries of the history.
    validate_every : int
        Steps between two looks at the validation lines; 0 looks at the end only.
    patience : int
        Validations without fewer errors after which a run stops. It then returns the weights that
        had the fewest, as they were measured. 0 goes on to the last step and returns the last ones.
    checkpoint : str, optional
        File to which the run is saved, and from which it is resumed if the file is there.
    checkpoint_every : int
        Steps between two checkpoints; 0 saves at the end only.
    """

    steps: int = 1000
    learning_rate: float = 4e-3
    warmup: float = 0.2
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.0
    precision: str = "auto"
    device: str = "auto"
    seed: int = 0
    workers: int = 0
    log_every: int = 10
    validate_every: int = 0
    checkpoint: str | None = None
    checkpoint_every: int = 500
    # not in the repr, by which a checkpoint knows its run: older ones shall still be known
    patience: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        check_whole(1, steps=self.steps, log_every=self.log_every)
        if not is_whole(self.seed) or not -(2**63) <= self.seed < 2**64:  # what torch takes
            raise ValueError(f"seed is a whole number of 64 bits; got {self.seed!r:.80}.")
        if not 0 <= as_number(self.learning_rate) < math.inf:
            raise ValueError(
                f"learning_rate is a number, 0 or more; got {self.learning_rate!r:.80}."
            )
        if not 0 <= as_number(self.warmup) <= 1 or not 0 <= as_number(self.average) < 1:
            raise ValueError(
                "warmup is a share of the steps, 0 to 1, and average a decay, 0 or more and below "
                f"1; got warmup={self.warmup!r:.80} and average={self.average!r:.80}."
            )
        if not as_number(self.clip) > 0 or not 0 <= as_number(self.weight_decay) < math.inf:
            raise ValueError(
                "clip is a number above 0, and weight_decay one of 0 or more; got "
                f"clip={self.clip!r:.80} and weight_decay={self.weight_decay!r:.80}."
            )
        check_whole(
            0,
            workers=self.workers,
            validate_every=self.validate_every,
            checkpoint_every=self.checkpoint_every,
            patience=self.patience,
        )
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(
                f"precision is 'auto', 'float32' or 'bfloat16'; got {self.precision!r}."
            )
        try:
            torch.device("cpu" if self.device == "auto" else self.device)
        except (RuntimeError, TypeError):
            raise ValueError(
                f"device is 'auto', or one of torch, such as 'cuda'; got {self.device!r:.80}."
            ) from None
        if self.patience and not self.validate_every:
            raise ValueError(
                "patience is a number of validations, and they take place if validate_every is "
                f"set; got patience={self.patience} and validate_every={self.validate_every}."
            )


def ctc_loss_of(model: nn.Module, lines: LineBatch) -> tuple[Tensor, Tensor, Tensor]:
    """The CTC loss of each line under a model.

    Each loss is divided by the length of its label, so that long lines do not drown short ones; an
    empty label counts as one character, as in the mean of :func:`crnn_lib.ctc.ctc_loss`.

    Returns
    -------
    losses : Tensor, (N,)
    log_probs : Tensor, (N, T, C)
    frame_lengths : Tensor, (N,)

    Raises
    ------
    ValueError
        If a line has fewer frames than its label needs. The message names the line and its text.
    """
    log_probs, frame_lengths = model(lines.images, lines.widths)
    _check_labels_fit(lines, frame_lengths, " of the batch")
    losses = ctc_loss(
        log_probs,
        lines.targets,
        frame_lengths,
        lines.target_lengths,
        blank=_blank_of(model),
        reduction="none",
    )  # (N,)
    return losses / lines.target_lengths.clamp(min=1), log_probs, frame_lengths


def labels_fit(model: nn.Module, lines: LineBatch) -> Tensor:
    """Whether each line has the frames that its label needs, one per character and repeat: (N,).

    What does not fit has no CTC loss. ``lines.select(labels_fit(model, lines))`` leaves it out:

    >>> from crnn_lib.handwriting import LineStyle, compose_lines, load_glyphs
    >>> from crnn_lib.models import CRNN
    >>> generator = torch.Generator().manual_seed(0)
    >>> lines = compose_lines(load_glyphs("pen", count=100), 8, LineStyle(), generator)
    >>> bool(labels_fit(CRNN(), lines).all())
    True
    """
    network = reading_network(model)
    return network.frame_lengths(lines.widths) >= frames_needed(lines.targets, lines.target_lengths)


def train(
    model: nn.Module,
    lines: Stream | LineSet,
    config: TrainConfig | None = None,
    *,
    validation: LineBatch | None = None,
    loss: Loss = ctc_loss_of,
) -> History:
    """Train a model in place.

    Under ``torchrun`` each process learns from its share of every batch, and the result is that
    of one process with the whole batch. (Batch normalisation is the exception: on CPUs each
    process takes the statistics of its own share.)

    Parameters
    ----------
    model : nn.Module
        A network that reads lines. Ends in eval mode, on the CPU. What torch wraps around it
        (DataParallel and its kin) is left aside: for several GPUs start the script with
        ``torchrun``. Weights that do not require a gradient are frozen: they stay as they are, and
        so do the statistics of a batch normalisation all of whose weights are frozen.
    lines : LineStream, PaperStream, Alternating or LineSet
        Where the batches come from.
    config : TrainConfig, optional
    validation : LineBatch, optional
        Lines to measure on during the run.
    loss : callable, optional
        ``loss(model, lines)`` -> losses (N,), log_probs (N, T, C), frame_lengths (N,), as
        :func:`ctc_loss_of`, the default. A step goes down the mean of the losses, which are what
        the history tells.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        If a label needs more frames than its line has. Of a LineSet, all lines are looked at before
        training starts; :func:`labels_fit` tells which to leave out.

    Examples
    --------
    A loss of one's own may weigh the lines. Here those with a 7 count three times:

    >>> def sevens_count_more(model, lines):
    ...     losses, log_probs, frame_lengths = ctc_loss_of(model, lines)
    ...     weights = torch.tensor([3.0 if "7" in text else 1.0 for text in lines.texts])
    ...     return losses * weights.to(losses), log_probs, frame_lengths
    >>> from crnn_lib.handwriting import LineStyle, load_glyphs
    >>> from crnn_lib.models import SlidingWindowRNN
    >>> from crnn_lib.training import LineStream
    >>> lines = LineStream(load_glyphs("pen", count=100), LineStyle(), batch_size=4, pool=1)
    >>> history = train(SlidingWindowRNN(), lines, TrainConfig(steps=2), loss=sevens_count_more)
    >>> history.step
    [2]
    """
    config = config or TrainConfig()
    network: Any = reading_network(model)
    if isinstance(lines, LineBatch) or not hasattr(lines, "batch"):
        raise TypeError(
            "lines is a source of batches, such as LineSet(lines) of a LineBatch, or a LineStream; "
            f"got {type(lines).__name__}."
        )
    if isinstance(lines, LineSet):
        _check_labels_fit(lines.lines, network.frame_lengths(lines.lines.widths))
    if config.patience and validation is None:
        raise ValueError("patience needs validation lines: train(..., validation=lines).")
    if validation is not None and not (isinstance(validation, LineBatch) and len(validation)):
        raise ValueError(f"validation is a LineBatch with lines; got {validation!r:.80}.")
    rank, world = _join_processes(_device(config.device))
    return _train(network, lines, config, validation, loss, rank, world)


def _train(
    model: nn.Module,
    lines: Stream | LineSet,
    config: TrainConfig,
    validation: LineBatch | None,
    loss: Loss,
    rank: int,
    world: int,
) -> History:
    device = _device(config.device)
    precision = _precision(config.precision, device)
    torch.manual_seed(config.seed)
    # convolutions of few channels run faster with the channels innermost
    model.to(device).to(memory_format=torch.channels_last)
    if world > 1 and device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    learning_mode(model)
    run = _new_run(model, config, History())
    identity = _identity(config, lines, loss)
    first = run.load(config.checkpoint, identity) if config.checkpoint else 0
    learner = DistributedDataParallel(model) if world > 1 else model

    started = time.perf_counter() - (run.history.seconds[-1] if run.history.seconds else 0.0)
    # None shows a bar on a terminal only
    disabled = rank > 0 or "TQDM_DISABLE" in os.environ or None
    bar = tqdm(total=config.steps, initial=first, desc="training", disable=disabled)
    end = config.steps
    if config.patience and run.looks_since_best >= config.patience:
        end = first  # this run had stopped already when it was saved
    for step, whole in batches(lines, first, end, config.workers):
        count, batch = len(whole), _share(whole, rank, world, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            losses, log_probs, frame_lengths = loss(learner, batch)
        if losses.shape != (len(batch),):
            raise ValueError(
                f"A loss gives one number per line, {(len(batch),)}; got {(*losses.shape,)}."
            )
        run.optimizer.zero_grad(set_to_none=True)
        # DDP averages the processes' gradients; this makes the average that of the whole batch
        (losses.sum() * world / count).backward()
        run.take_step(config.clip)

        done = step + 1
        if done % config.log_every == 0 or done == config.steps:
            n_right = _count_right(log_probs, frame_lengths, batch, _blank_of(model))
            loss_sum, right = _sum_over_processes(losses.detach().sum(), n_right, world)
            run.log(done, loss_sum / count, right / count, time.perf_counter() - started)
            bar.set_postfix(
                loss=f"{run.history.loss[-1]:.3f}",
                exact=f"{run.history.exact_match[-1]:.2f}",
            )
        bar.update()
        last = done == config.steps
        due = config.validate_every and done % config.validate_every == 0
        if validation is not None and ((due and not last) or (config.patience and last)):
            _validate(run.history, run.judged, validation, done)
            if config.patience:
                run.keep_best(run.judged)
                last = last or run.looks_since_best >= config.patience
        due = config.checkpoint_every and done % config.checkpoint_every == 0
        if config.checkpoint and rank == 0 and (last or due):
            run.save(config.checkpoint, done, identity)
        if last:
            break
    bar.close()
    if config.patience and run.best is not None:
        model.load_state_dict(run.best)  # with the statistics that they were measured with
    else:
        model.load_state_dict(run.judged.state_dict())
        last_steps = range(max(config.steps - SETTLING_STEPS, 0), config.steps)
        settle_norms(model, (_share(lines.batch(s), rank, world, device) for s in last_steps))
    unseen = config.steps not in run.history.validation_step
    if validation is not None and unseen and not config.patience:
        _validate(run.history, model, validation, config.steps)
    model.to("cpu").to(memory_format=torch.contiguous_format).eval()
    return run.history


# ---------------------------------------------------------------------------- parts of the loop


def _new_run(model: nn.Module, config: TrainConfig, history: Any) -> Run:
    """A run that has not begun: optimizer, one-cycle schedule and, if asked for, averages."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=config.learning_rate,
        total_steps=config.steps + 1,
        pct_start=_rise(config.warmup, config.steps + 1),
        cycle_momentum=False,
    )
    averaged = (
        AveragedModel(model, multi_avg_fn=moving_average(config.average), use_buffers=True)
        if config.average
        else None
    )
    return Run(model, optimizer, schedule, averaged, history)


def _rise(warmup: float, total: int) -> float:
    """Share of the schedule that rises. torch divides by zero if that is exactly one step."""
    return warmup if warmup * total != 1 else warmup * (1 + 1e-9)


def _identity(config: TrainConfig, lines: Stream | LineSet, loss: Loss) -> str:
    """What must be the same for a run to be resumed: all but where and how often it is saved."""
    same = dataclasses.replace(config, checkpoint=None, checkpoint_every=0, workers=0)
    told = f"{same}, {lines}" + (f", patience={config.patience}" if config.patience else "")
    if loss is ctc_loss_of:
        return told
    return f"{told}, loss={getattr(loss, '__qualname__', type(loss).__qualname__)}"


def _check_labels_fit(lines: LineBatch, frame_lengths: Tensor, of: str = "") -> None:
    """Raise a ValueError that names the first line whose label needs more frames than it has."""
    needed = frames_needed(lines.targets, lines.target_lengths)
    short = (frame_lengths < needed).nonzero()[:, 0].tolist()
    if short:
        n = short[0]
        raise ValueError(
            f"Line {n}{of}, {lines.texts[n]!r}, has {int(frame_lengths[n])} frames and its label "
            f"needs {int(needed[n])}: one for each character, one more for each repeat. So it is "
            f"with {len(short)} of {len(lines)} lines. Make them wider, or the network's stride "
            "smaller, or leave them out: lines.select(labels_fit(model, lines))."
        )


def _validate(history: History, model: nn.Module, lines: LineBatch, step: int) -> None:
    report = evaluate(model, lines)
    history.validation_step.append(step)
    history.validation_exact_match.append(report.exact_match)
    history.validation_error_rate.append(report.character_error_rate)


def _share(lines: LineBatch, rank: int, world: int, device: torch.device) -> LineBatch:
    """What one of several processes learns from."""
    if len(lines) < world:
        raise ValueError(
            f"A batch of {len(lines)} lines cannot be shared by {world} processes. Use larger "
            "batches or fewer processes; the last batch of a LineSet may be small."
        )
    if world > 1:
        lines = lines.select(slice(rank, None, world))
    return dataclasses.replace(
        lines,
        images=lines.images.to(device),
        widths=lines.widths.to(device),
        targets=lines.targets.to(device),
        target_lengths=lines.target_lengths.to(device),
    )


def _count_right(log_probs: Tensor, frame_lengths: Tensor, lines: LineBatch, blank: int) -> int:
    read = best_path_labels(log_probs.detach().cpu(), frame_lengths.cpu(), blank=blank)
    return sum(list(label) == true for label, true in zip(read, _labels_of(lines), strict=True))


def _sum_over_processes(loss_sum: Tensor, right: int, world: int) -> tuple[float, float]:
    totals = torch.stack([loss_sum.double(), torch.tensor(right, device=loss_sum.device).double()])
    if world > 1:
        dist.all_reduce(totals)
    return totals[0].item(), totals[1].item()


def _blank_of(model: nn.Module) -> int:
    network: Any = unwrap_model(model)
    return network.alphabet.blank


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device


def _precision(name: str, device: torch.device) -> str:
    if name != "auto":
        return name
    on_gpu = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return "bfloat16" if on_gpu else "float32"


def _join_processes(device: torch.device) -> tuple[int, int]:
    """(rank, world size): those of ``torchrun``'s processes, or (0, 1)."""
    if not dist.is_initialized():
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return 0, 1
        # Once per process: a second group would find the addresses of the first, which is gone,
        # in torchrun's store, and now and then wait for it forever.
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return dist.get_rank(), dist.get_world_size()
