"""Trials of files that claim to be checkpoints: damaged, forged, of another kind, hostile.

No byte of them may run code: an audit hook watches what the interpreter is asked to do, and each
pickle would leave a file behind if anything opened it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import pickle
import sys
import zlib

import torch

from crnn_lib.alphabet import Alphabet
from crnn_lib.language import NGram
from crnn_lib.models import (
    CRNN,
    CRNNConfig,
    SlidingWindowRNN,
    SlidingWindowRNNConfig,
    describe_checkpoint,
    load_model,
    save_model,
    shipped_models,
)
from crnn_lib.training import History, Run

REFUSALS = (ValueError, OSError)
SECONDS, MEGABYTES = 20, 400

NEVER = {"pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "subprocess.Popen"}
NEVER |= {"os.remove", "os.rename", "socket.connect", "ctypes.dlopen"}
NUMBERS = [0, 1, -1, 2, 255, 2**31, 2**53, 2**62, 2**63, 2**64, 10**30, -(2**63), 0.5, 1e308]
VALUES = [*NUMBERS, None, True, "", "55207", [], {}, [[]], [0] * 50, "\ud800", "F64", "🖊"]


class Bomb:
    """What a hostile pickle holds: to open it is to leave a file behind."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (self.canary,)


def prepare(folder):
    torch.manual_seed(0)
    small = CRNNConfig(channels=(4, 6), strides=((2, 2), (2, 1)), hidden=5)
    models = [
        CRNN(small),
        CRNN(dataclasses.replace(small, norm="instance", layers=2), Alphabet("aé語", 1)),
        SlidingWindowRNN(SlidingWindowRNNConfig(hidden=3, cell="lstm"), Alphabet(blank=10)),
    ]
    sound = []
    for number, model in enumerate(models):
        path = folder / f"sound{number}.safetensors"
        half = torch.float16 if number == 1 else None
        save_model(model.eval(), path, provenance={"number": number}, dtype=half)
        sound.append((path.read_bytes(), load_model(path)))
    model = models[0]
    run = run_of(model)
    run.save(str(folder / "run.ckpt"), 3, "config")
    ngram = folder / "digits.ngram"
    NGram.fit(["55207", "552", "7"], order=2).save(ngram)
    watched = []
    sys.addaudithook(lambda event, _: watched.append(event) if event in NEVER else None)
    names = [*shipped_models(), "crnn-digits.safetensors", "../crnn-digits", "", ".", "nothing"]
    others = (folder / "run.ckpt").read_bytes(), ngram.read_bytes()
    return folder, sound, model, others, watched, names


def run_of(model) -> Run:
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    return Run(model, optimizer, schedule, None, History())


def attempt(chance, state) -> str:
    folder, sound, model, (run, ngram), watched, names = state
    canary = folder / "canary"
    path = folder / "trial.safetensors"
    watched.clear()
    try:
        what = chance.random()
        if what < 0.04:
            return named(chance.choice(names))
        if what < 0.1:
            path.write_bytes(foreign(chance, str(canary), sound[0][0]))
            watched.clear()
            (load_model if chance.random() < 0.7 else describe_checkpoint)(path)
            raise AssertionError("a file of another kind was loaded")
        if what < 0.15:
            path = folder / chance.choice(["trial.ckpt", "trial.pt", "trial.safetensors"])
            return resumed(chance, path, run, str(canary), model, watched)
        if what < 0.25:
            return counted(chance, path, ngram, watched)
        content, original = chance.choice(sound)
        changed = damaged(chance, content) if what < 0.6 else forged(chance, content)
        path.write_bytes(changed)
        watched.clear()
        if chance.random() < 0.2:
            story = describe_checkpoint(path)
            assert story["numbers"] >= 0 and isinstance(story["config"], dict)
            return "described"
        loaded = load_model(path)
        check(loaded, original, changed == content or what >= 0.6)
        return "loaded"
    finally:
        assert not canary.exists(), "the file ran code"
        assert not watched, f"the file caused {watched}"


def named(name: str) -> str:
    assert load_model(name).provenance is not None
    return "loaded by name"


def check(loaded, original, may_differ: bool) -> None:
    """A file that loads holds the model it says, or the very same model if it was only damaged."""
    assert all(value.isfinite().all() for value in loaded.state_dict().values()) or may_differ
    with torch.no_grad():
        log_probs, _ = loaded(torch.zeros(1, 1, 8, 24))
    assert log_probs.shape[2] == loaded.alphabet.num_classes
    if not may_differ:
        assert loaded.config == original.config and loaded.alphabet == original.alphabet
        for name, value in original.state_dict().items():
            assert torch.equal(value, loaded.state_dict()[name]), name


def resumed(chance, path, content: bytes, canary: str, model, watched) -> str:
    """A training run's checkpoint, which torch reads with weights_only."""
    hostile = io.BytesIO()
    torch.save({"step": 1, "config": "config", "model": Bomb(canary)}, hostile)
    kinds = [damaged(chance, content), hostile.getvalue(), pickle.dumps(Bomb(canary), 2), content]
    kinds.append(damaged(chance, hostile.getvalue()))
    story = torch.load(io.BytesIO(content), weights_only=True)
    spoil(chance, story)
    spoiled = io.BytesIO()
    torch.save(story, spoiled)
    kinds += [spoiled.getvalue()] * 3
    path.write_bytes(chance.choice(kinds))
    watched.clear()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = run_of(model)
    try:
        step = run.load(str(path), "config")
    finally:
        model.load_state_dict(before)
    assert type(step) is int, step
    return "resumed"


def counted(chance, path, content: bytes, watched) -> str:
    """An n-gram model, which is JSON with a check sum."""
    story = json.loads(content)
    if chance.random() < 0.5:
        del story["crc32"]
        spoil(chance, story)
        text = json.dumps(story, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        story["crc32"] = zlib.crc32(text.encode("utf8", "surrogatepass"))
        content = json.dumps(story).encode()
    else:
        content = damaged(chance, content)
    path.write_bytes(content)
    watched.clear()
    model = NGram.load(path)
    assert model.automaton().num_states >= 1
    return "n-gram loaded"


# ---------------------------------------------------------------------------- hostile files


def damaged(chance, content: bytes) -> bytes:
    """As a bad disk or a bad network leaves it; or as it was, now and then."""
    kind = chance.choice(
        ["flip", "flip", "cut", "longer", "length", "block", "twice", "same", "same"]
    )
    changed = bytearray(content)
    if kind == "flip":
        for _ in range(chance.choice([1, 1, 2, 20])):
            changed[chance.randrange(min(len(content), chance.choice([8, 900, 10**9])))] ^= (
                1 << chance.randrange(8)
            )
    elif kind == "cut":
        del changed[chance.randrange(len(content)) :]
    elif kind == "longer":
        changed += chance.randbytes(chance.choice([1, 8, 4096]))
    elif kind == "length":  # of the header
        length = chance.choice([0, 1, 2**63, 2**64 - 1, len(content), chance.getrandbits(64)])
        length = chance.choice(
            [length, int.from_bytes(content[:8], "little") + chance.randint(-9, 9)]
        )
        changed[:8] = (length % 2**64).to_bytes(8, "little")
    elif kind == "block":
        start = chance.randrange(len(content))
        size = chance.choice([8, 64, 1024])
        changed[start : start + size] = chance.choice([b"\0", b"[", b"\xff"]) * size
    elif kind == "twice":
        changed += content
    return bytes(changed)


def forged(chance, content: bytes) -> bytes:
    """Changed on purpose, with a checksum that fits: the header says what it should not."""
    start = 8 + int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8:start]), content[start:]
    metadata = header["__metadata__"]
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        kind = chance.choice(["entry", "entry", "config", "config", "alphabet", "text", "names"])
        tensors = [name for name in header if name != "__metadata__"]
        if kind == "entry" and tensors:
            spoil(chance, header[chance.choice(tensors)])
        elif kind in ("config", "alphabet"):
            story = json.loads(metadata[kind]) if is_object(metadata.get(kind)) else {}
            spoil(chance, story)
            metadata[kind] = json.dumps(story)
        elif kind == "text":
            key = chance.choice(
                ["architecture", "config", "alphabet", "provenance", "format_version"]
            )
            nested = "[" * chance.choice([1, 50_000])
            texts = ["", "{}", "[1", "null", "CRNN", "ResNetRNN", "os.system", "9" * 5000, nested]
            metadata[key] = chance.choice(texts)
        elif kind == "names" and tensors:
            name = chance.choice(tensors)
            entry = header.pop(name)
            if chance.random() < 0.5:
                header[
                    chance.choice(["../../x", "", "weight", "__class__", "rnn.weight_ih_l0"])
                ] = entry
    metadata.pop("sha256", None)
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode() + b"\0" + data)
    metadata["sha256"] = digest.hexdigest()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def is_object(text) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (TypeError, ValueError, RecursionError):
        return False


def spoil(chance, story: dict) -> None:
    """Change something somewhere in nested dicts and lists."""
    place = story
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            if isinstance(place, dict):
                place["55207"] = chance.choice(VALUES)
            return
        key = chance.choice(keys)
        if isinstance(place[key], (dict, list)) and chance.random() < 0.7:
            place = place[key]
            continue
        kind = chance.random()
        if kind < 0.15:
            del place[key]
        elif kind < 0.25 and isinstance(place, list):
            place.extend(place * chance.choice([1, 100]))
        elif kind < 0.3 and isinstance(place, dict):
            place["layers"] = chance.choice(NUMBERS)
        elif kind < 0.6 and isinstance(place[key], int):
            place[key] = place[key] + chance.choice([1, -1, 10**6, 2**40])
        else:
            place[key] = chance.choice(VALUES)
        return


def foreign(chance, canary: str, sound: bytes) -> bytes:
    """A file that never was a checkpoint of this library."""
    buffer = io.BytesIO()
    old = chance.random() < 0.5
    torch.save({"weight": Bomb(canary)}, buffer, _use_new_zipfile_serialization=not old)
    deep = b"[" * 100_000
    kinds = [
        *(buffer.getvalue(), pickle.dumps(Bomb(canary), chance.randrange(6)), b"", b"\0" * 4096),
        *(
            b"<!DOCTYPE html>",
            b"version https://git-lfs",
            chance.randbytes(chance.choice([7, 8, 999])),
        ),
        *(len(deep).to_bytes(8, "little") + deep, (2).to_bytes(8, "little") + b"{}"),
        (8).to_bytes(8, "little") + b'{"a":1}\n' + sound,
        len(sound).to_bytes(8, "little") + pickle.dumps(Bomb(canary)) + sound,
    ]
    return chance.choice(kinds)
