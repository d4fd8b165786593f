"""Workers compile one after the other."""

from __future__ import annotations

import pytest
from compiling import take_turns

fcntl = pytest.importorskip("fcntl", reason="Windows locks no files so")
dispatcher = pytest.importorskip("numba.core.dispatcher", reason="there is nothing to compile")


def is_held(path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_file_is_held_while_a_kernel_and_its_kernels_are_compiled(tmp_path, monkeypatch):
    class Kernel:
        def compile(self, signature):
            assert is_held(path)
            if signature == "broken":
                raise ValueError(signature)
            return f"{Kernel().compile('inner')} {signature}" if signature == "outer" else signature

    path = tmp_path / "turns"
    path.touch()
    monkeypatch.setattr(dispatcher, "Dispatcher", Kernel)
    take_turns(path)
    for _ in range(2):
        assert Kernel().compile("outer") == "inner outer" and not is_held(path)
        with pytest.raises(ValueError, match="broken"):
            Kernel().compile("broken")
        assert not is_held(path)
