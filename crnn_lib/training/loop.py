"""One training loop, on one core, on a GPU, or under ``torchrun``.

A run that is cut off goes on where its last checkpoint stands, and ends with the same weights: a
batch depends on the seed and the step alone, and a checkpoint holds all the rest.
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import time
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm

from crnn_lib.ctc import ctc_loss
from crnn_lib.decoders import best_path_labels
from crnn_lib.evaluation import evaluate
from crnn_lib.handwriting import LineBatch
from crnn_lib.training.averaging import moving_average, settle_norms
from crnn_lib.training.runs import History, Run
from crnn_lib.training.streams import Alternating, LineSet, LineStream, batches

SETTLING_STEPS = 16  # batches from which the final statistics of batch normalisation are taken


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

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"Training takes at least one step; got steps={self.steps}.")
        if self.log_every < 1:
            raise ValueError(f"log_every is at least 1 step; got {self.log_every}.")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(
                f"precision is 'auto', 'float32' or 'bfloat16'; got {self.precision!r}."
            )


def ctc_loss_of(model: nn.Module, lines: LineBatch) -> tuple[Tensor, Tensor, Tensor]:
    """The CTC loss of each line under a model.

    Each loss is divided by the length of its label, so that long lines do not drown short ones.

    Returns
    -------
    losses : Tensor, (N,)
    log_probs : Tensor, (N, T, C)
    frame_lengths : Tensor, (N,)

    Raises
    ------
    ValueError
        If a line has fewer frames than its label needs. The message names the line.
    """
    log_probs, frame_lengths = model(lines.images, lines.widths)
    losses = ctc_loss(
        log_probs,
        lines.targets,
        frame_lengths,
        lines.target_lengths,
        blank=_bare(model).alphabet.blank,
        reduction="none",
    )  # (N,)
    return losses / lines.target_lengths, log_probs, frame_lengths


def train(
    model: nn.Module,
    lines: LineStream | Alternating | LineSet,
    config: TrainConfig | None = None,
    *,
    validation: LineBatch | None = None,
) -> History:
    """Train a model in place.

    Under ``torchrun`` each process learns from its share of every batch, and the result is that
    of one process with the whole batch. (Batch normalisation is the exception: on CPUs each
    process takes the statistics of its own share.)

    Parameters
    ----------
    model : CRNN or SlidingWindowRNN
        Ends in eval mode, on the CPU.
    lines : LineStream, Alternating or LineSet
        Where the batches come from.
    config : TrainConfig, optional
    validation : LineBatch, optional
        Lines to measure on during the run.

    Returns
    -------
    History
    """
    config = config or TrainConfig()
    rank, world = _join_processes(_device(config.device))
    return _train(model, lines, config, validation, rank, world)


def _train(
    model: nn.Module,
    lines: LineStream | Alternating | LineSet,
    config: TrainConfig,
    validation: LineBatch | None,
    rank: int,
    world: int,
) -> History:
    device = _device(config.device)
    precision = _precision(config.precision, device)
    torch.manual_seed(config.seed)
    # convolutions of few channels run faster with the channels innermost
    model.to(device, memory_format=torch.channels_last).train()
    if world > 1 and device.type == "cuda":
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
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
    run = Run(model, optimizer, schedule, averaged, History())
    first = run.load(config.checkpoint, _identity(config, lines)) if config.checkpoint else 0
    learner = DistributedDataParallel(model) if world > 1 else model

    started = time.perf_counter() - (run.history.seconds[-1] if run.history.seconds else 0.0)
    # None shows a bar on a terminal only
    disabled = rank > 0 or "TQDM_DISABLE" in os.environ or None
    bar = tqdm(total=config.steps, initial=first, desc="training", disable=disabled)
    for step, whole in batches(lines, first, config.steps, config.workers):
        count, batch = len(whole), _share(whole, rank, world, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            losses, log_probs, frame_lengths = ctc_loss_of(learner, batch)
        # DDP averages the processes' gradients; this makes the average that of the whole batch
        loss = losses.sum() * world / count
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        schedule.step()
        if averaged is not None:
            averaged.update_parameters(model)

        done = step + 1
        if done % config.log_every == 0 or done == config.steps:
            right = _count_right(log_probs, frame_lengths, batch, _bare(model).alphabet.blank)
            loss_sum, right = _sum_over_processes(losses.detach().sum(), right, world)
            run.log(done, loss_sum / count, right / count, time.perf_counter() - started)
            bar.set_postfix(
                loss=f"{run.history.loss[-1]:.3f}",
                exact=f"{run.history.exact_match[-1]:.2f}",
            )
        bar.update()
        last = done == config.steps
        due = config.validate_every and done % config.validate_every == 0
        if validation is not None and due and not last:
            _validate(
                run.history, averaged.module if averaged is not None else model, validation, done
            )
        due = config.checkpoint_every and done % config.checkpoint_every == 0
        if config.checkpoint and rank == 0 and (last or due):
            run.save(config.checkpoint, done, _identity(config, lines))
    bar.close()
    if averaged is not None:
        model.load_state_dict(averaged.module.state_dict())
    last_steps = range(max(config.steps - SETTLING_STEPS, 0), config.steps)
    settle_norms(model, (_share(lines.batch(s), rank, world, device) for s in last_steps))
    if validation is not None and config.steps not in run.history.validation_step:
        _validate(run.history, model, validation, config.steps)
    model.to("cpu", memory_format=torch.contiguous_format).eval()
    return run.history


# ---------------------------------------------------------------------------- parts of the loop


def _rise(warmup: float, total: int) -> float:
    """Share of the schedule that rises. torch divides by zero if that is exactly one step."""
    return warmup if warmup * total != 1 else warmup * (1 + 1e-9)


def _identity(config: TrainConfig, lines: LineStream | Alternating | LineSet) -> str:
    """What must be the same for a run to be resumed: all but where and how often it is saved."""
    same = dataclasses.replace(config, checkpoint=None, checkpoint_every=0, workers=0)
    return f"{same}, {lines}"


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
    labels = best_path_labels(log_probs.detach().cpu(), frame_lengths.cpu(), blank=blank)
    truth = [
        target[:length]
        for target, length in zip(
            lines.targets.tolist(), lines.target_lengths.tolist(), strict=True
        )
    ]
    return sum(list(label) == target for label, target in zip(labels, truth, strict=True))


def _sum_over_processes(loss_sum: Tensor, right: int, world: int) -> tuple[float, float]:
    totals = torch.stack([loss_sum.double(), torch.tensor(right, device=loss_sum.device).double()])
    if world > 1:
        dist.all_reduce(totals)
    return totals[0].item(), totals[1].item()


def _bare(model: nn.Module) -> nn.Module:
    return model.module if isinstance(model, DistributedDataParallel) else model


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
