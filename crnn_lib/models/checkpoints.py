"""Models to files and back: safetensors, with the whole story in the header.

A checkpoint is one safetensors file. Its header names the architecture, the config, the alphabet
and where the weights come from, so that nothing beside the file is needed to read lines with it.
Nothing is ever unpickled: a checkpoint holds numbers and JSON, and cannot run code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from operator import index
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import nn

import crnn_lib
from crnn_lib.alphabet import Alphabet, check_alphabet, is_whole
from crnn_lib.models.backbone import BackboneRNN, BackboneRNNConfig, ResNetRNN, ResNetRNNConfig
from crnn_lib.models.crnn import CRNN, CRNNConfig
from crnn_lib.models.detector import Detector, DetectorConfig
from crnn_lib.models.reading import unwrap_model
from crnn_lib.models.sliding_window import SlidingWindowRNN, SlidingWindowRNNConfig

FORMAT_VERSION = 1
SUFFIX = ".safetensors"

ARCHITECTURES = {
    "CRNN": (CRNN, CRNNConfig),
    "SlidingWindowRNN": (SlidingWindowRNN, SlidingWindowRNNConfig),
    "ResNetRNN": (ResNetRNN, ResNetRNNConfig),
    "BackboneRNN": (BackboneRNN, BackboneRNNConfig),
}
DETECTORS = {"Detector": (Detector, DetectorConfig)}  # they read nothing and have no alphabet
SHIPPED_DETECTORS = ("page-detector",)

READ_OUT = ("classify.weight", "classify.bias")  # a row for each class; so it is in every network

MAX_HEADER_BYTES = 1_000_000  # most have a few thousand; 60,000 characters fit, whichever they are

STORED_FLOATS = {torch.float32: "F32", torch.float16: "F16"}


def save_model(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    provenance: dict[str, Any],
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a model to one safetensors file.

    The same model and provenance give the same bytes.

    Parameters
    ----------
    model : CRNN, SlidingWindowRNN, ResNetRNN, BackboneRNN or Detector
        Or what :func:`unwrap_model` takes one out of.
    path : path
        Ends in ``.safetensors``; its folder exists. A file there is replaced.
    provenance : dict
        Where the weights come from, as JSON: training data, command, metrics, date. No clock is
        read here. ``"versions"`` (of crnn_lib and torch) is added unless it is given.
    dtype : torch.dtype, optional
        ``torch.float32``, the default, or ``torch.float16``, which halves the file and keeps
        about three digits of each weight. Loading gives float32 either way.

    Returns
    -------
    Path
        The file that was written.
    """
    network = unwrap_model(model)
    kind = type(network)
    name = kind.__name__
    known = {**ARCHITECTURES, **DETECTORS}
    if known.get(name, (None,))[0] is not kind:
        raise TypeError(f"save_model saves a {' or a '.join(known)}; got {name}.")
    path = _file_to_write(path, "A checkpoint's", SUFFIX)
    dtype = torch.float32 if dtype is None else dtype
    if not isinstance(dtype, torch.dtype) or dtype not in STORED_FLOATS:
        raise ValueError(f"Weights are stored as torch.float32 or torch.float16; got {dtype}.")
    if not isinstance(provenance, dict):
        raise TypeError(f"provenance is a dict; got {type(provenance).__name__}.")
    versions = {"crnn_lib": crnn_lib.__version__, "torch": str(torch.__version__)}
    try:
        story = json.dumps({"versions": versions, **provenance}, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"provenance must be plain JSON, but {error}.") from None

    metadata = {
        "format": "crnn_lib",
        "format_version": str(FORMAT_VERSION),
        "architecture": name,
        "config": json.dumps(dataclasses.asdict(network.config), sort_keys=True),
        "alphabet": "{}",
        "provenance": story,
    }
    if name in ARCHITECTURES:
        metadata["alphabet"] = json.dumps(dataclasses.asdict(network.alphabet), sort_keys=True)
    tensors = {key: _stored(key, value, dtype) for key, value in network.state_dict().items()}
    # safetensors lays the tensors out; the header is put together here, because the order of the
    # library's own metadata changes from run to run, and because the digest must cover it.
    laid_out = safetensors.save(tensors)
    start = 8 + int.from_bytes(laid_out[:8], "little")
    header, data = json.loads(laid_out[8:start]), laid_out[start:]
    header = {"__metadata__": metadata, **header}
    metadata["sha256"] = _digest(header, data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start on a multiple of 8 bytes
    if len(text) > MAX_HEADER_BYTES:
        longest = max(("alphabet", "provenance", "config"), key=lambda key: len(metadata[key]))
        raise ValueError(
            f"The header of {str(path)!r} would have {len(text)} bytes; {MAX_HEADER_BYTES} are "
            f"allowed. Most of it is the {longest}: shorten that."
        )
    atomic_write(path, len(text).to_bytes(8, "little") + text + data)
    return path


def _file_to_write(path: Any, whose: str, suffix: str) -> Path:
    """A file's path, if a file of that suffix can be written there."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path is that of a {suffix} file; got {path!r:.80}.")
    path = Path(path)
    if path.suffix != suffix:
        raise ValueError(f"{whose} name ends in {suffix}; got {str(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{str(path)!r} cannot be written: its folder does not exist.")
    return path


def load_model(
    name_or_path: str | os.PathLike[str],
    *,
    alphabet: Alphabet | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> CRNN | SlidingWindowRNN | BackboneRNN:
    """Read a model from a file, or one that ships with the library.

    The file's digest covers header and weights, so damage is noticed. It is no signature: whoever
    rewrites a file on purpose can write a fitting digest too. What such a file cannot do is run
    code, or claim more memory than it has bytes.

    Parameters
    ----------
    name_or_path : str or path
        ``"crnn-digits"`` or another of :func:`shipped_models`, else a ``.safetensors`` file.
    alphabet : Alphabet, optional
        What the model shall read from now on; by default what the file's model reads. The read-out
        keeps its rows of the blank and of all characters that both alphabets have, wherever their
        classes stand. A character that is new gets a row drawn at random, with the mean and the
        deviation of the characters' rows in the file: it has yet to be learned. Everything before
        the read-out is kept.
    seed : int
        Of the new rows.
    device : str or torch.device
        Where the model goes.

    Returns
    -------
    CRNN, SlidingWindowRNN, ResNetRNN or BackboneRNN
        In float32 and evaluation mode, with the file's provenance as ``.provenance``. Of a change
        of alphabet it tells under ``"read_out"``.

    Raises
    ------
    FileNotFoundError
        If there is neither such a file nor such a shipped model.
    ValueError
        If the file is no checkpoint of this library, is damaged, or needs a newer version.

    Examples
    --------
    A network of digits is to read times such as 12:45. It knows all of that but the colon:

    >>> model = load_model("crnn-digits", alphabet=Alphabet("0123456789:", blank=11))
    >>> model.provenance["read_out"]["kept"], model.provenance["read_out"]["fresh"]
    ('0123456789', ':')
    """
    if alphabet is not None:
        check_alphabet(alphabet)
    if not is_whole(seed):
        raise TypeError(f"seed is a whole number; got {seed!r:.80}.")
    try:
        device = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"device is one of torch, such as 'cuda'; got {device!r:.80}.") from None
    tensors, story, (architecture, config, stored) = _read(name_or_path, ARCHITECTURES)
    # The initial weights are thrown away; drawing them must not move the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        model = architecture(config, alphabet or stored)
    provenance = story["provenance"]
    if alphabet is not None and alphabet != stored:
        tensors, change = _with_alphabet(tensors, stored, alphabet, seed)
        provenance = {**provenance, "read_out": {**change, "sha256": story["sha256"]}}
    model.load_state_dict(tensors)  # half precision becomes float32 here
    model.provenance = provenance
    return model.to(device, torch.float32).eval()


def load_detector(name_or_path: str | os.PathLike[str] = SHIPPED_DETECTORS[0]) -> Detector:
    """Read a detector of writing from a file, or the one that ships with the library.

    As :func:`load_model`, which reads networks that read lines.

    Examples
    --------
    >>> load_detector().provenance["metrics"]["number"] > 0.5
    True
    """
    tensors, story, (architecture, config, _) = _read(name_or_path, DETECTORS)
    with torch.random.fork_rng(devices=[]):
        model = architecture(config)
    model.load_state_dict(tensors)
    model.provenance = story["provenance"]
    return model.to(torch.float32, memory_format=torch.channels_last).eval()


def _read(
    name_or_path: str | os.PathLike[str], known: dict[str, tuple[Any, Any]]
) -> tuple[dict[str, torch.Tensor], dict[str, Any], tuple[Any, Any, Any]]:
    """Tensors, metadata, and class, config and alphabet of a file that holds a known network."""
    with _located(name_or_path) as path, open(path, "rb") as file:
        header, head = _read_header(file, path)
        story = _read_metadata(header, path)
        _require_known(story["architecture"], name_or_path, known)
        parts = architecture, config, stored = _architecture(story, len(header), path, known)
        # On the meta device a model has shapes and no storage: the header is held against the
        # config before either may cost memory.
        try:
            with torch.device("meta"):
                arguments = (config,) if stored is None else (config, stored)
                expected = architecture(*arguments).state_dict()
        except Exception as error:  # whatever a senseless config leads torch to raise
            reason = str(error).partition("\n")[0]  # torch may add a trace
            raise _refused(path, f"no {story['architecture']} fits its config ({reason})") from None
        _compare_tensors(header, expected, path)
        data = file.read()
        if _digest(header, data) != story["sha256"]:
            raise _refused(path, "its content does not match its checksum: it was changed")
        try:
            tensors = safetensors.load(head + data)
        except SafetensorError as error:
            raise _refused(path, f"safetensors cannot read it ({error})") from None
    return tensors, story, parts


def _with_alphabet(
    tensors: dict[str, torch.Tensor], old: Alphabet, new: Alphabet, seed: int
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors whose read-out names the classes of another alphabet, and what was done to it."""
    generator = torch.Generator().manual_seed(index(seed))
    classes = {symbol: n for n, symbol in enumerate(old.symbols) if n != old.blank}
    places = {symbol: n for n, symbol in enumerate(new.symbols) if n != new.blank}
    shared = [character for character in new.characters if character in classes]
    to = torch.tensor([places[character] for character in shared] + [new.blank])
    taken = torch.tensor([classes[character] for character in shared] + [old.blank])
    changed = dict(tensors)
    for name in READ_OUT:
        weights = tensors[name].float()  # (C, ...)
        characters = weights[torch.arange(len(weights)) != old.blank]  # (C - 1, ...)
        deviation = characters.std(unbiased=False)
        rows = torch.randn(new.num_classes, *weights.shape[1:], generator=generator)
        rows = characters.mean() + deviation * rows
        rows[to] = weights[taken]
        changed[name] = rows
    fresh = [character for character in new.characters if character not in classes]
    plain = isinstance(new.characters, str)
    change = {
        "from": dataclasses.asdict(old),
        "kept": "".join(shared) if plain else shared,
        "fresh": "".join(fresh) if plain else fresh,
        "seed": seed,
    }
    return changed, change


def describe_checkpoint(name_or_path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a checkpoint says about itself, without its weights.

    The weights are not read, so their checksum is not checked; :func:`load_model` does that.

    Returns
    -------
    dict
        ``format_version``, ``architecture``, ``config``, ``alphabet``, ``provenance``,
        ``sha256``, ``numbers`` (how many the file holds, running statistics included) and
        ``tensors`` (dtype and shape by name).
    """
    with _located(name_or_path) as path, open(path, "rb") as file:
        header, _ = _read_header(file, path)
        story = _read_metadata(header, path)
    tensors = {
        key: {"dtype": entry["dtype"], "shape": tuple(entry["shape"])}
        for key, entry in header.items()
        if key != "__metadata__"
    }
    numbers = sum(math.prod(entry["shape"]) for entry in tensors.values())
    return {**story, "numbers": numbers, "tensors": tensors}


def shipped_models() -> tuple[str, ...]:
    """Names of the networks that ship with the library and read lines."""
    return tuple(name for name in _shipped() if name not in SHIPPED_DETECTORS)


def _shipped() -> tuple[str, ...]:
    """Names of all networks that ship with the library."""
    weights = resources.files("crnn_lib") / "weights"
    if not weights.is_dir():
        return ()
    names = (entry.name for entry in weights.iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)))


@contextmanager
def _located(name_or_path: str | os.PathLike[str]) -> Iterator[Path]:
    """The file of a shipped name or of a path; shipped names come first."""
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise TypeError(
            f"A model is loaded by its name or from a {SUFFIX} file; got "
            f"{type(name_or_path).__name__}."
        )
    shipped = _shipped()
    if isinstance(name_or_path, str) and name_or_path in shipped:
        resource = resources.files("crnn_lib") / "weights" / (name_or_path + SUFFIX)
        with resources.as_file(resource) as path:
            yield path
        return
    path = Path(name_or_path)
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder; pass a {SUFFIX} file.")
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {str(path)!r}, and no model of that name ships with crnn_lib. "
            f"These ship: {', '.join(shipped) or 'none'}."
        )
    yield path


def _read_header(file, path: Path) -> tuple[dict[str, Any], bytes]:
    """The safetensors header, parsed and raw; the file then stands at the tensors."""
    size = os.fstat(file.fileno()).st_size
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or length > min(size - 8, MAX_HEADER_BYTES):
        raise _refused(path, _guess(prefix, size))
    raw = file.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        raise _refused(path, "it does not begin with a safetensors header") from None
    if not isinstance(header, dict):
        raise _refused(path, "it does not begin with a safetensors header")
    end = 0
    for key, entry in header.items():
        if key != "__metadata__":
            if not _is_tensor_entry(entry):
                raise _refused(path, f"its header does not describe the tensor {key!r}")
            end = max(end, entry["data_offsets"][1])
    found = size - 8 - length
    if found != end:
        kind = "truncated" if found < end else "too long"
        raise _refused(path, f"it is {kind}: its tensors need {end} bytes, it has {found}")
    return header, prefix + raw


def _is_tensor_entry(entry: Any) -> bool:
    def sizes(value: Any) -> bool:
        return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)

    return (
        isinstance(entry, dict)
        and isinstance(entry.get("dtype"), str)
        and sizes(entry.get("shape"))
        and sizes(entry.get("data_offsets"))
        and len(entry["data_offsets"]) == 2
    )


def _read_metadata(header: dict[str, Any], path: Path) -> dict[str, Any]:
    """The header's metadata, with its JSON parsed."""
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or metadata.get("format") != "crnn_lib":
        raise _refused(path, "it is a safetensors file of another project")
    version = str(metadata.get("format_version"))
    if version != str(FORMAT_VERSION):
        if version.isdecimal() and len(version) < 9 and int(version) > FORMAT_VERSION:
            raise _refused(
                path,
                f"it has format version {version}, and this crnn_lib ({crnn_lib.__version__}) "
                f"reads up to {FORMAT_VERSION}: upgrade crnn_lib",
            )
        raise _refused(path, f"its format version is {version!r}")
    story: dict[str, Any] = {"format_version": FORMAT_VERSION}
    for key in ("architecture", "config", "alphabet", "provenance", "sha256"):
        value = metadata.get(key)
        if not isinstance(value, str):
            raise _refused(path, f"its header has no {key}")
        if key in ("config", "alphabet", "provenance"):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = None
            if not isinstance(value, dict):
                raise _refused(path, f"the {key} in its header is not a JSON object")
        story[key] = value
    return story


def _require_known(
    architecture: str, name_or_path: str | os.PathLike[str], known: dict[str, tuple[Any, Any]]
) -> None:
    """Refuse a detector where a network that reads is loaded, and the reverse: say who loads it."""
    name = repr(os.fspath(name_or_path))
    if known is ARCHITECTURES and architecture in DETECTORS:
        raise ValueError(
            f"{name} holds a detector, which finds lines of writing and reads none: "
            f"load_detector({name}) loads it, for Reader(..., detector=). To read, take one of "
            f"{', '.join(shipped_models())}, or a file that holds a network that reads."
        )
    if known is DETECTORS and architecture in ARCHITECTURES:
        raise ValueError(
            f"{name} holds a {architecture}, which reads lines and finds none: load_model({name}) "
            f"loads it, and Reader.pretrained({name}) reads with it. A detector is "
            f"{' or '.join(SHIPPED_DETECTORS)}, or a file that train_detector's network was saved "
            "to."
        )


def _architecture(
    story: dict[str, Any], n_tensors: int, path: Path, known: dict[str, tuple[Any, Any]]
) -> tuple[Any, Any, Alphabet | None]:
    """The class, config and alphabet that the metadata asks for."""
    if story["architecture"] not in known:
        raise _refused(
            path,
            f"its architecture is {story['architecture']!r}, and this crnn_lib "
            f"({crnn_lib.__version__}) knows {' and '.join(known)}",
        )
    architecture, config_class = known[story["architecture"]]
    unknown = story["config"].keys() - {f.name for f in dataclasses.fields(config_class)}
    if unknown:
        raise _refused(path, f"{config_class.__name__} has no field {sorted(unknown)[0]!r}")
    try:
        config = config_class(**story["config"])
        if getattr(config, "layers", 0) > n_tensors:  # building them would take minutes
            raise ValueError(f"{config.layers} layers, but {n_tensors} tensors")
    except Exception as error:  # as in load_model
        raise _refused(path, f"its config is no {config_class.__name__} ({error})") from None
    if known is DETECTORS:
        return architecture, config, None
    characters, blank = story["alphabet"].get("characters"), story["alphabet"].get("blank")
    if isinstance(characters, list):  # a character has several code points
        characters = tuple(characters)
    if (
        not isinstance(characters, (str, tuple))
        or type(blank) is not int
        or len(story["alphabet"]) != 2
    ):
        raise _refused(path, "the alphabet in its header is not characters and a blank")
    try:
        return architecture, config, Alphabet(characters, blank)
    except (ValueError, TypeError) as error:
        raise _refused(path, f"its alphabet is none ({error})") from None


def _compare_tensors(header: dict[str, Any], expected: dict[str, torch.Tensor], path: Path) -> None:
    """Refuse a file whose tensors are not those of the model that its config describes."""
    found = header.keys() - {"__metadata__"}
    for kind, names in (("lacks", expected.keys() - found), ("also has", found - expected.keys())):
        if names:
            raise _refused(path, f"for its config it {kind} the tensor {sorted(names)[0]!r}")
    for name, tensor in expected.items():
        found, shape = header[name], list(tensor.shape)
        dtypes = STORED_FLOATS.values() if tensor.is_floating_point() else ("I64",)
        if found["shape"] != shape or found["dtype"] not in dtypes:
            raise _refused(
                path,
                f"its tensor {name!r} is {found['dtype']} {found['shape']}, but its config asks "
                f"for {' or '.join(dtypes)} {shape}",
            )


def _stored(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A tensor as it goes into the file."""
    tensor = tensor.detach().cpu()
    if not tensor.is_floating_point():
        return tensor.clone(memory_format=torch.contiguous_format)
    if not bool(tensor.isfinite().all()):
        raise ValueError(f"{name} holds NaN or infinity: this model has diverged; not saved.")
    stored = tensor.to(dtype, copy=True).contiguous()
    if not bool(stored.isfinite().all()):
        raise ValueError(
            f"{name} holds {tensor.abs().max().item():.4g}, too large for {dtype}; "
            "save it with dtype=torch.float32."
        )
    return stored


def _digest(header: dict[str, Any], data: bytes) -> str:
    """sha256 of all that the file says, except the digest itself."""
    metadata = {k: v for k, v in header["__metadata__"].items() if k != "sha256"}
    text = json.dumps({**header, "__metadata__": metadata}, sort_keys=True)
    return hashlib.sha256(text.encode() + b"\0" + data).hexdigest()


def atomic_write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file that appears under its name only when it is complete and on the disk."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _refused(path: Path, why: str) -> ValueError:
    why = why if len(why) < 600 else f"{why[:600]} ..."  # a hostile header may hold any text
    return ValueError(f"{str(path)!r} is not a checkpoint that crnn_lib can load: {why}.")


def _guess(prefix: bytes, size: int) -> str:
    """What a file is that does not begin as safetensors does."""
    if size == 0:
        return "it is empty"
    if prefix.startswith((b"PK", b"\x80")):
        return (
            "it looks like a pickle of torch.save, which crnn_lib never opens because a pickle "
            "can run code; ask its author for safetensors"
        )
    if prefix.lstrip().startswith(b"<"):
        return "it looks like a web page; download the file itself"
    if prefix.startswith(b"version "):
        return "it is a Git LFS pointer; fetch the file itself with git lfs pull"
    return "it does not begin with a safetensors header, or is truncated"
