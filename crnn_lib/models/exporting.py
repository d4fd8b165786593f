"""Networks as ONNX files: for a phone, a page, or a program in C++ that has no torch.

The graph is written layer by layer, not recorded: a recording unrolls the recurrence over the
frames of one example, or freezes the branch that its example took. Here widths are an input that
counts. ONNX's own GRU and LSTM begin every line at its own last frame, and the padding law holds
in any runtime: ``read(x) == read(pad(x))``.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

import crnn_lib
from crnn_lib.models.backbone import BackboneRNN
from crnn_lib.models.checkpoints import _file_to_write, atomic_write
from crnn_lib.models.crnn import CRNN
from crnn_lib.models.efficientnet import _InvertedResidual
from crnn_lib.models.efficientnet import _Stem as _EfficientNetStem
from crnn_lib.models.layers import InstanceNorm, frame_edges
from crnn_lib.models.reading import unwrap_model
from crnn_lib.models.resnet import _ResidualBlock
from crnn_lib.models.resnet import _Stem as _ResNetStem
from crnn_lib.models.sliding_window import SlidingWindowRNN

OPSET = 17  # of 2022: onnxruntime 1.12 and all that came after it
IR_VERSION = 8  # the file format that belongs to it
SMALL = 64  # numbers; half precision would save nothing on fewer


def export_onnx(
    model: nn.Module,
    path: str | os.PathLike[str],
    half: bool = False,
    *,
    features: bool = False,
) -> Path:
    """Write a network as an ONNX file, which other programs read lines with.

    Its inputs are those of the network: ``images``, float32 (N, 1, H, W), ink bright on black,
    padded on the right, and ``widths``, int64 (N,). N and W are free; H is the network's height.
    Its outputs are ``log_probs``, float32 (N, T, C), which :func:`crnn_lib.decode` takes as they
    are with ``kind="log_probs"``, and ``frame_lengths``, int64 (N,).

    The file's metadata say how to go on from there: ``symbols``, what each class stands for;
    ``alphabet`` and ``blank``; ``frames``, where in columns of the image the first frame begins
    and how wide a frame is; ``architecture``, ``config`` and ``provenance``.

    Parameters
    ----------
    model : CRNN, SlidingWindowRNN, BackboneRNN or ResNetRNN
        Or what :func:`unwrap_model` takes one out of.
    path : path
        Ends in ``.onnx``; its folder exists. A file there is replaced.
    half : bool
        Store the weights in half precision: half the size, three digits of each. Inputs, outputs
        and the arithmetic stay float32.
    features : bool
        Add the output ``features``, (N, T, C' * H'): what the recurrent layer reads.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    ModuleNotFoundError
        If the package ``onnx`` is not installed.
    TypeError
        If it is another network.

    Examples
    --------
    >>> from crnn_lib.models import load_model
    >>> export_onnx(load_model("crnn-digits"), "digits.onnx", half=True)  # doctest: +SKIP
    PosixPath('digits.onnx')
    """
    network = unwrap_model(model)
    build = next((write for kind, write in _BUILDERS.items() if isinstance(network, kind)), None)
    if build is None:
        names = " or a ".join(kind.__name__ for kind in _BUILDERS)
        raise TypeError(f"export_onnx writes a {names}; got {type(network).__name__}.")
    path = _file_to_write(path, "An ONNX file's", ".onnx")
    graph = _Graph(half)
    height = network.config.height
    outputs = build(graph, network)
    graph.name_output(outputs.log_probs, "log_probs")
    graph.name_output(outputs.frame_lengths, "frame_lengths")
    declared = {
        "log_probs": ["N", "T", network.alphabet.num_classes],
        "frame_lengths": ["N"],
    }
    if features:
        graph.name_output(outputs.features, "features")
        declared["features"] = ["N", "T", network.rnn.input_size]
    atomic_write(path, graph.serialised(height, declared, _metadata(network)))
    return path


def _metadata(network: Any) -> dict[str, str]:
    edges = frame_edges(network, 1)
    story = {
        "crnn_lib": crnn_lib.__version__,
        "architecture": type(network).__name__,
        "config": dataclasses.asdict(network.config),
        "alphabet": dataclasses.asdict(network.alphabet),
        "symbols": list(network.alphabet.symbols),
        "blank": network.alphabet.blank,
        "frames": {"first": float(edges[0]), "step": float(edges[1] - edges[0])},
        "provenance": getattr(network, "provenance", {}),
    }
    return {key: v if isinstance(v, str) else json.dumps(v) for key, v in story.items()}


def _require_onnx() -> Any:
    try:
        import onnx
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "ONNX files are written with the package onnx, which is not installed. Get it with: "
            "pip install 'crnn_lib[export]', which brings onnxruntime too."
        ) from None
    return onnx


# ---------------------------------------------------------------------------- the graph


class _Outputs(NamedTuple):
    """Names of what a graph gives."""

    log_probs: str
    frame_lengths: str
    features: str


class _Graph:
    """An ONNX graph under construction. Tensors are known by their names."""

    def __init__(self, half: bool) -> None:
        self.onnx = _require_onnx()
        self.half = half
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self._known: dict[tuple, str] = {}

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of its first output."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def name_output(self, tensor: str, name: str) -> None:
        """Let a tensor leave the graph under a name."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [tensor], [name], name))

    def ints(self, *values: int) -> str:
        """A list of whole numbers."""
        return self._constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """One number."""
        return self._constant(np.array(value, np.float32))

    def weight(self, value: torch.Tensor) -> str:
        """Numbers that were learned; in half precision if so is wanted."""
        array = value.detach().cpu().float().numpy()
        if not self.half or array.size < SMALL:
            return self._constant(array)
        return self(
            "Cast", self._constant(array.astype(np.float16)), to=self.onnx.TensorProto.FLOAT
        )

    def _constant(self, array: np.ndarray) -> str:
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = name = f"constant_{len(self.tensors)}"
            self.tensors.append(self.onnx.numpy_helper.from_array(array, name))
        return self._known[key]

    def serialised(self, height: int, outputs: dict[str, list], metadata: dict[str, str]) -> bytes:
        helper, kinds = self.onnx.helper, self.onnx.TensorProto
        given = [
            helper.make_tensor_value_info("images", kinds.FLOAT, ["N", 1, height, "W"]),
            helper.make_tensor_value_info("widths", kinds.INT64, ["N"]),
        ]
        found = [
            helper.make_tensor_value_info(
                name, kinds.INT64 if name == "frame_lengths" else kinds.FLOAT, shape
            )
            for name, shape in outputs.items()
        ]
        graph = helper.make_graph(self.nodes, "crnn_lib", given, found, self.tensors)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="crnn_lib",
            producer_version=crnn_lib.__version__,
        )
        helper.set_model_props(model, metadata)
        self.onnx.checker.check_model(model)
        return model.SerializeToString()

    # ------------------------------------------------------------------ what networks are made of

    def columns(self, x: str) -> str:
        """How many columns a picture (N, C', H', W') has: a scalar."""
        shape = self("Shape", x, start=3, end=4)  # (1,)
        return self("Squeeze", shape, self.ints(0))

    def inside(self, x: str, widths: str) -> str:
        """True where a column belongs to the line: (N, 1, 1, W')."""
        zero, one = (self._constant(np.array(k, np.int64)) for k in (0, 1))
        places = self("Range", zero, self.columns(x), one)  # (W',)
        inside = self("Less", places, self("Unsqueeze", widths, self.ints(1)))  # (N, W')
        return self("Unsqueeze", inside, self.ints(1, 2))

    def erase(self, x: str, widths: str) -> str:
        """See :func:`crnn_lib.models.erase_padding`."""
        return self("Where", self.inside(x, widths), x, self.number(0))

    def prepared(self, minimum_width: int) -> tuple[str, str]:
        """The inputs, without padding and never narrower than a frame needs."""
        x, widths = self.erase("images", "widths"), "widths"
        if minimum_width > 1:
            least = self._constant(np.array(minimum_width, np.int64))
            more = self("Sub", self("Max", least, self.columns(x)), self.columns(x))
            x = self.pad_right(x, more)
            widths = self("Max", widths, least)
        return x, widths

    def pad_right(self, x: str, more: str) -> str:
        """So many columns of background more."""
        amounts = self("Concat", self.ints(0, 0, 0, 0, 0, 0, 0), self.listed(more), axis=0)
        return self("Pad", x, amounts)

    def listed(self, scalar: str) -> str:
        return self("Unsqueeze", scalar, self.ints(0))

    def convolved(self, size: str, stride: int, beyond: int) -> str:
        """``(size + beyond) // stride + 1``, of whole numbers that are not negative."""
        size = self("Add", size, self.ints(beyond)) if beyond else size
        size = self("Div", size, self.ints(stride)) if stride > 1 else size
        return self("Add", size, self.ints(1))

    def convolution(self, x: str, layer: Any) -> str:
        bias = [] if layer.bias is None else [self.weight(layer.bias)]
        if hasattr(layer, "step"):  # EfficientNet's pads one side more than the other
            kernel, down, _, left = layer.step()
            above = (kernel - down) // 2
            pads = [above, left, kernel - 1 - above, kernel - 1 - left]
        else:
            pads = [int(side) for side in layer.padding] * 2
        return self(
            "Conv",
            x,
            self.weight(layer.weight),
            *bias,
            strides=list(layer.stride),
            pads=pads,
            group=layer.groups,
            kernel_shape=list(layer.kernel_size),
        )

    def batch_norm(self, x: str, layer: Any) -> str:
        numbers = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
        exact = [self._constant(v.detach().cpu().float().numpy()) for v in numbers]
        return self("BatchNormalization", x, *exact, epsilon=layer.eps)

    def instance_norm(self, x: str, layer: InstanceNorm, widths: str, rows: int) -> str:
        """See :class:`InstanceNorm`: over the line's own columns."""
        inside = self("Cast", self.inside(x, widths), to=self.onnx.TensorProto.FLOAT)
        count = self("Mul", widths, self.ints(rows))
        count = self("Unsqueeze", count, self.ints(1, 2, 3))
        count = self("Cast", count, to=self.onnx.TensorProto.FLOAT)

        def mean(values: str) -> str:
            own = self("Mul", values, inside)
            return self("Div", self("ReduceSum", own, self.ints(2, 3), keepdims=1), count)

        x = self("Sub", x, mean(x))
        variance = self("Add", mean(self("Mul", x, x)), self.number(layer.eps))
        return self("Div", x, self("Sqrt", variance))

    def recurrence(self, x: str, layer: nn.RNNBase, frame_lengths: str) -> str:
        """(N, T, features) -> (N, T, states); each line has its own frames."""
        operator, order = (
            ("LSTM", (0, 3, 1, 2)) if isinstance(layer, nn.LSTM) else ("GRU", (1, 0, 2))
        )
        options: dict[str, Any] = {} if operator == "LSTM" else {"linear_before_reset": 1}
        options |= {"direction": "bidirectional"} if layer.bidirectional else {}
        lengths = self("Cast", frame_lengths, to=self.onnx.TensorProto.INT32)
        ways = ("", "_reverse") if layer.bidirectional else ("",)

        def arranged(kind: str, number: int) -> list[torch.Tensor]:
            """The gates as ONNX has them, one tensor for each direction."""
            found = [getattr(layer, f"{kind}_l{number}{way}") for way in ways]
            return [torch.cat([v.chunk(len(order))[k] for k in order]) for v in found]

        x = self("Transpose", x, perm=[1, 0, 2])  # (T, N, features)
        for number in range(layer.num_layers):
            inputs, states = (
                self.weight(torch.stack(arranged(kind, number)))
                for kind in ("weight_ih", "weight_hh")
            )
            biases = [
                torch.cat(pair)
                for pair in zip(
                    arranged("bias_ih", number), arranged("bias_hh", number), strict=True
                )
            ]
            x = self(
                operator,
                x,
                inputs,
                states,
                self.weight(torch.stack(biases)),
                lengths,
                hidden_size=layer.hidden_size,
                **options,
            )  # (T, directions, N, h)
            x = self("Transpose", x, perm=[0, 2, 1, 3])
            x = self("Reshape", x, self.ints(0, 0, len(ways) * layer.hidden_size))
        return self("Transpose", x, perm=[1, 0, 2])

    def frames_of(self, x: str, width: int) -> str:
        """The columns of a picture as frames: (N, C', H', T) -> (N, T, C' * H')."""
        x = self("Transpose", x, perm=[0, 3, 1, 2])
        return self("Reshape", x, self.ints(0, 0, width))

    def read_out(self, features: str, network: Any, frame_lengths: str) -> _Outputs:
        states = self.recurrence(features, network.rnn, frame_lengths)
        scores = self("MatMul", states, self.weight(network.classify.weight.T))
        scores = self("Add", scores, self.weight(network.classify.bias))
        return _Outputs(self("LogSoftmax", scores, axis=-1), frame_lengths, features)


# ---------------------------------------------------------------------------- the networks


def _write_crnn(graph: _Graph, network: Any) -> _Outputs:
    config, rows = network.config, network.config.height
    x, widths = graph.prepared(network.minimum_width)
    layers = zip(network.convolutions, network.norms, config.strides, strict=True)
    for convolution, norm, (down, across) in layers:
        x = graph.convolution(x, convolution)
        slope = config.negative_slope
        x = graph("LeakyRelu", x, alpha=slope) if slope else graph("Relu", x)
        beyond = 2 * config.padding - convolution.kernel_size[0]
        rows = (rows + beyond) // down + 1
        widths = graph.convolved(widths, across, beyond)
        if isinstance(norm, InstanceNorm):
            x = graph.instance_norm(x, norm, widths, rows)
        else:
            x = graph.batch_norm(x, norm)
        x = graph.erase(x, widths)
    return graph.read_out(graph.frames_of(x, network.rnn.input_size), network, widths)


def _write_sliding_window(graph: _Graph, network: SlidingWindowRNN) -> _Outputs:
    window, stride = network.config.window, network.config.stride
    x, widths = graph.prepared(1)
    zero, one, least = (graph._constant(np.array(k, np.int64)) for k in (0, 1, window))

    def windows(size: str) -> str:
        beyond = graph("Sub", graph("Max", size, least), least)
        return graph.convolved(beyond, stride, stride - 1)

    wide = graph.columns(x)
    frames = graph("Squeeze", windows(graph.listed(wide)), graph.ints(0))  # T
    first = graph("Mul", graph("Range", zero, frames, one), graph.ints(stride))  # (T,)
    places = graph("Add", graph("Unsqueeze", first, graph.ints(1)), graph.ints(*range(window)))
    last = graph("ReduceMax", first, keepdims=0)
    x = graph.pad_right(x, graph("Sub", graph("Add", last, least), wide))
    x = graph("Gather", x, places, axis=3)  # (N, 1, H, T, window)
    x = graph("Transpose", graph("Squeeze", x, graph.ints(1)), perm=[0, 2, 3, 1])
    x = graph("Reshape", x, graph.ints(0, 0, network.rnn.input_size))  # (N, T, window * H)
    return graph.read_out(x, network, windows(widths))


def _write_backbone(graph: _Graph, network: BackboneRNN) -> _Outputs:
    x, widths = graph.prepared(1)
    x = graph("Sub", x, graph.weight(network.mean))
    x = graph("Div", x, graph.weight(network.deviation))  # (N, 3, H, W)
    for part in network._parts():
        x, widths = _BLOCKS[type(part)](graph, part, x, widths)
    x = graph.erase(x, widths)
    return graph.read_out(graph.frames_of(x, network.rnn.input_size), network, widths)


def _clipped(graph: _Graph, x: str) -> str:
    return graph("Clip", x, graph.number(0), graph.number(6))


def _columns_after(graph: _Graph, step: Any, widths: str) -> str:
    """A share of the columns, rounded up: ``(widths - 1) // across + 1``."""
    return graph.convolved(widths, step.across, -1) if step.across > 1 else widths


def _efficientnet_stem(graph: _Graph, part: Any, x: str, widths: str) -> tuple[str, str]:
    x = graph.convolution(graph.erase(x, widths), part["conv"])
    x = _clipped(graph, graph.batch_norm(x, part["norm"]))
    return x, _columns_after(graph, part.steps()[0], widths)


def _inverted_residual(graph: _Graph, part: Any, x: str, widths: str) -> tuple[str, str]:
    y = x
    if part.expands:
        y = graph.batch_norm(graph.convolution(y, part.expand), part.expand_norm)
        y = _clipped(graph, y)
    y = graph.convolution(graph.erase(y, widths), part.depthwise)
    y = _clipped(graph, graph.batch_norm(y, part.depthwise_norm))
    y = graph.batch_norm(graph.convolution(y, part.project), part.project_norm)
    y = graph("Add", x, y) if part.residual else y
    return y, _columns_after(graph, part.steps()[0], widths)


def _resnet_stem(graph: _Graph, part: Any, x: str, widths: str) -> tuple[str, str]:
    conv, pool = part.steps()
    x = graph.convolution(graph.erase(x, widths), part["conv"])
    widths = _columns_after(graph, conv, widths)
    x = graph("Relu", graph.batch_norm(x, part["norm"]))
    options = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    x = graph("MaxPool", graph.erase(x, widths), **options)
    widths = _columns_after(graph, pool, widths)
    return graph.erase(x, widths), widths


def _residual_block(graph: _Graph, part: Any, x: str, widths: str) -> tuple[str, str]:
    y = graph.batch_norm(graph.convolution(x, part.conv1), part.bn1)
    widths = _columns_after(graph, part.steps()[0], widths)
    y = graph.erase(graph("Relu", y), widths)
    y = graph.batch_norm(graph.convolution(y, part.conv2), part.bn2)
    if part.downsample is not None:
        x = graph.batch_norm(graph.convolution(x, part.downsample[0]), part.downsample[1])
    return graph.erase(graph("Relu", graph("Add", x, y)), widths), widths


_BUILDERS: dict[type, Callable[[_Graph, Any], _Outputs]] = {
    CRNN: _write_crnn,
    SlidingWindowRNN: _write_sliding_window,
    BackboneRNN: _write_backbone,
}
_BLOCKS: dict[type, Callable[[_Graph, Any, str, str], tuple[str, str]]] = {
    _EfficientNetStem: _efficientnet_stem,
    _InvertedResidual: _inverted_residual,
    _ResNetStem: _resnet_stem,
    _ResidualBlock: _residual_block,
}
