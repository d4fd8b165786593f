"""A training run: what happened in it, and how it survives being cut off."""

from __future__ import annotations

import dataclasses
import difflib
import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from crnn_lib.models import atomic_write


@dataclass
class History:
    """What happened in a run: one entry per logged step, one per validation.

    ``loss`` and ``exact_match`` are those of the training batch at that step. A batch is read
    before the network learns from it, so with fresh lines both are honest estimates.
    """

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    exact_match: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    validation_step: list[int] = field(default_factory=list)
    validation_exact_match: list[float] = field(default_factory=list)
    validation_error_rate: list[float] = field(default_factory=list)

    def save(self, path: str | Path) -> None:
        """Write the history as JSON."""
        text = json.dumps(dataclasses.asdict(self), indent=1) + "\n"
        atomic_write(path, text.encode())

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Read a history that :meth:`save` wrote."""
        return cls(**json.loads(Path(path).read_text(encoding="utf8")))


def _differences(saved: str, config: str) -> str:
    """In what a saved run's configuration differs from one that was meant to be the same."""
    one, other = saved.split(", "), config.split(", ")
    changes = difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    changes = [change for change in changes if change[0] != "equal"]
    was = ", ".join(", ".join(one[i:j]) for _, i, j, _, _ in changes if j > i)
    is_ = ", ".join(", ".join(other[i:j]) for _, _, _, i, j in changes if j > i)
    return f"it has {was or 'less'}; this one has {is_ or 'less'}"


def read_run(path: str | Path) -> dict:
    """What :meth:`Run.save` wrote. Nothing in the file is run as code."""
    with open(path, "rb") as file:  # not the path: by its name torch might take it for safetensors
        return torch.load(io.BytesIO(file.read()), map_location="cpu", weights_only=True)


@dataclass
class Run:
    """All that a checkpoint must hold for a run to go on as if nothing had happened."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    averaged: AveragedModel | None
    history: Any  # History, or another dataclass of lists
    best: dict[str, Tensor] | None = None  # the weights that read the validation lines best

    @property
    def judged(self) -> nn.Module:
        """What a run is measured by and ends with: the averaged weights, if there are such."""
        return self.model if self.averaged is None else self.averaged.module

    def take_step(self, clip: float) -> None:
        """Go down the gradient that lies in the model, cut to a norm of ``clip``."""
        nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        self.optimizer.step()
        self.schedule.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)

    def keep_best(self, model: nn.Module) -> None:
        """Keep a model's weights if no earlier ones had so few errors in validation."""
        *before, now = self.history.validation_error_rate
        if now < min(before, default=math.inf):
            weights = model.state_dict()
            self.best = {name: value.detach().cpu().clone() for name, value in weights.items()}

    @property
    def looks_since_best(self) -> int:
        """How many validations have passed since the best one."""
        rates = self.history.validation_error_rate
        return len(rates) - 1 - rates.index(min(rates)) if rates else 0

    def log(self, step: int, loss: float, exact_match: float, seconds: float) -> None:
        """Add what was measured at a step to the history."""
        self.history.step.append(step)
        self.history.loss.append(round(float(loss), 5))
        self.history.exact_match.append(round(float(exact_match), 5))
        self.history.learning_rate.append(float(self.schedule.get_last_lr()[0]))
        self.history.seconds.append(round(seconds, 2))

    def save(self, path: str, step: int, config: str) -> None:
        """Write all of it, so that a run of the same configuration can go on after ``step``."""
        buffer = io.BytesIO()
        torch.save(
            {
                "step": step,
                "config": config,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "averaged": self.averaged.state_dict() if self.averaged is not None else None,
                "history": dataclasses.asdict(self.history),
                "random": torch.get_rng_state(),
                "best": self.best,
            },
            buffer,
        )
        atomic_write(path, buffer.getvalue())

    def load(self, path: str, config: str) -> int:
        """Take up a saved run; return its step, or 0 where there is no file."""
        if not Path(path).parent.is_dir():
            raise FileNotFoundError(f"{path} cannot be written: its folder does not exist.")
        if not Path(path).exists():
            return 0
        try:
            saved = read_run(path)
            matches = saved["config"] == config
        except Exception as error:
            raise ValueError(
                f"{path} is not a checkpoint of a training run ({type(error).__name__}). "
                "Name another file, or remove it to start anew."
            ) from error
        if not matches:
            raise ValueError(
                f"{path} belongs to another run: {_differences(saved['config'], config)}. "
                "Name another checkpoint, or remove the file to start anew."
            )
        try:
            self._restore(saved)
        except RuntimeError as error:
            raise ValueError(
                f"{path} belongs to a run with another model: its weights do not fit a "
                f"{type(self.model).__name__} with this config. Name another checkpoint, or "
                "remove the file to start anew."
            ) from error
        except Exception as error:  # whatever else a damaged or forged file leads torch to raise
            raise ValueError(
                f"{path} does not hold all of a training run ({type(error).__name__}). "
                "Name another file, or remove it to start anew."
            ) from error
        return saved["step"]

    def _restore(self, saved: dict) -> None:
        if type(saved["step"]) is not int or saved["step"] < 0:
            raise TypeError("step is a number of steps")
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        if self.averaged is not None:
            self.averaged.load_state_dict(saved["averaged"])
        self.history = type(self.history)(**saved["history"])
        self.best = saved.get("best")  # which older files do not have
        torch.set_rng_state(saved["random"])
