"""Kernels that are forked have nothing of each other, and end alone."""

from __future__ import annotations

import os

import kernels
import pytest
from asked import ask
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="each is started: no pidfd")


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a kernel in a folder, with its name in the environment; both are ended afterwards."""
    begun = []

    def start(name):
        (tmp_path / name).mkdir()
        monkeypatch.setenv("CRNN_DATA", name)
        manager, client = start_new_kernel(cwd=str(tmp_path / name))
        begun.append((manager, client))
        return manager.provisioner.process, client

    yield start
    for manager, client in begun:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_kernels_share_nothing_but_what_was_imported(start):
    one, to_one = start("one")
    mark = "import os, sys, torch; torch.mark = sys.mark = 1; os.environ['MARK'] = '1'"
    seen = (
        "os.path.basename(os.getcwd()), os.environ['CRNN_DATA'], os.environ.get('MARK'), "
        "hasattr(torch, 'mark'), hasattr(sys, 'mark'), '__file__' in dir(), os.getsid(0)"
    )
    assert ask(to_one, mark, seen) == f"('one', 'one', '1', True, True, False, {one.pid})"
    other, to_other = start("other")
    assert isinstance(one, kernels.Forked) and isinstance(other, kernels.Forked)
    expected = f"('other', 'other', None, False, False, False, {other.pid})"
    assert ask(to_other, "import os, sys, torch", seen) == expected

    # a process of its own still says how it has ended, and the end of one is nobody else's
    status = "__import__('subprocess').run(['false']).returncode"
    assert ask(to_other, "", status) == "1"
    one.kill()
    assert one.wait(60) == one.poll() == 0 and other.poll() is None
    assert ask(to_other, "", "1 + 1") == "2"
