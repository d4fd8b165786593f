"""A network that has learned is given more units, and reads at first exactly as before.

It goes on learning from there: what it could do is kept, and there is room for more.
"""

from __future__ import annotations

from dataclasses import fields
from operator import index

import torch
from torch import Tensor

from crnn_lib.alphabet import is_whole
from crnn_lib.models.crnn import CRNN, CRNNConfig

WIDTHS = ("channels", "hidden", "dropout")  # what may differ; dropout has no weights


@torch.no_grad()
def widen_crnn(model: CRNN, config: CRNNConfig, *, seed: int = 0) -> CRNN:
    """A wider CRNN that reads as a given one does.

    The new units see all that the old ones see, with weights drawn at random. Nobody listens to
    them yet: what leads from them to old units, and to the read-out, is 0. Chen, Goodfellow and
    Shlens (2016), "Net2Net: Accelerating Learning via Knowledge Transfer",
    https://arxiv.org/abs/1511.05641, split old units instead, which leaves twins to be told apart.

    Parameters
    ----------
    model : CRNN
        Stays as it is.
    config : CRNNConfig
        That of the model, with more ``channels`` or ``hidden`` units; ``dropout`` may differ.
    seed : int
        Of the new weights.

    Returns
    -------
    CRNN
        In the mode of the model, and with its alphabet.

    Raises
    ------
    ValueError
        If the config differs in more than its widths, or is narrower.

    Examples
    --------
    >>> from dataclasses import replace
    >>> small = CRNN(CRNNConfig(hidden=8)).eval()
    >>> wide = widen_crnn(small, replace(small.config, hidden=12))
    >>> image = torch.rand(1, 1, 32, 60)
    >>> torch.allclose(small(image)[0], wide(image)[0], atol=1e-6)
    True
    """
    for name, value, wanted in (("model", model, CRNN), ("config", config, CRNNConfig)):
        if not isinstance(value, wanted):
            raise TypeError(f"{name} is a {wanted.__name__}; got {type(value).__name__}.")
    if not is_whole(seed):
        raise TypeError(f"seed is a whole number; got {seed!r:.80}.")
    old = model.config
    _check_wider(old, config)
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay
        torch.manual_seed(index(seed))
        wide = CRNN(config, model.alphabet).train(model.training)
    width, before = config.hidden, old.hidden
    both = [(0, before), (width, before)]  # the states of the two directions
    heard = [(0, 1)]  # stretches (start, length) of a layer's inputs that the old network had
    for number, channels in enumerate(old.channels):
        convolution = wide.convolutions[number].state_dict()  # the weights themselves, not copies
        given = model.convolutions[number].state_dict()
        _keep(convolution["weight"], given["weight"], [(0, channels)], heard)
        _keep(convolution["bias"], given["bias"], [(0, channels)])
        norm = wide.norms[number].state_dict()
        for name, value in model.norms[number].state_dict().items():
            if value.dim():  # all but the number of batches seen
                norm[name][:channels] = value
        heard = [(0, channels)]
    rows = model.rnn.input_size // old.channels[-1]  # features lie channel by channel
    heard = [(0, old.channels[-1] * rows)]
    gates = [(gate * width, before) for gate in range(3)]
    for layer in range(old.layers):
        for name in (f"l{layer}", f"l{layer}_reverse"):
            for kind, inputs in (("weight_ih", heard), ("weight_hh", [(0, before)])):
                whole = f"{kind}_{name}"
                _keep(getattr(wide.rnn, whole), getattr(model.rnn, whole), gates, inputs)
            for kind in ("bias_ih", "bias_hh"):
                whole = f"{kind}_{name}"
                _keep(getattr(wide.rnn, whole), getattr(model.rnn, whole), gates)
        heard = both
    classes = [(0, model.alphabet.num_classes)]
    _keep(wide.classify.weight, model.classify.weight, classes, heard)
    _keep(wide.classify.bias, model.classify.bias, classes)
    return wide


def _keep(
    wide: Tensor,
    old: Tensor,
    outputs: list[tuple[int, int]],
    inputs: list[tuple[int, int]] | None = None,
) -> None:
    """Put old weights (O, I, ...) where their outputs and inputs stand; these hear nothing new."""
    to = _places(outputs)
    if inputs is None:
        wide[to] = old
        return
    wide[to] = 0
    wide[to[:, None], _places(inputs)] = old


def _places(stretches: list[tuple[int, int]]) -> Tensor:
    return torch.cat([torch.arange(start, start + length) for start, length in stretches])


def _check_wider(old: CRNNConfig, new: CRNNConfig) -> None:
    other = [
        field.name
        for field in fields(old)
        if field.name not in WIDTHS and getattr(old, field.name) != getattr(new, field.name)
    ]
    if other:
        told = ", ".join(f"{n} {getattr(old, n)} -> {getattr(new, n)}" for n in other)
        raise ValueError(f"A network can be given more units, no other shape; got {told}.")
    sizes = [*zip(old.channels, new.channels, strict=True), (old.hidden, new.hidden)]
    if any(after < before for before, after in sizes):
        raise ValueError(
            f"A network is widened, not narrowed; it has channels {old.channels} and hidden "
            f"{old.hidden}, got {new.channels} and {new.hidden}."
        )
