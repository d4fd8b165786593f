"""A real Chromium and a real JupyterLab, and what to ask of them.

Nothing here waits for a fixed time: every wait is for a condition, with a generous limit.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from conftest import ROOT

LIMIT = 500.0  # seconds, to end what hangs; a passing test does not wait for it
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync", "--no-first-run"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
# Plugin -> settings: what make writes for JupyterLab.
SETTINGS = json.loads(re.search(r"^LAB_SETTINGS := (.+)$", MAKEFILE, re.MULTILINE)[1])
# Every kernel runs it first, while Lab still loads its page.
PRELOAD = "import crnn_lib.lessons, crnn_lib.widgets\n"


def find_chromium() -> str | None:
    """The system's Chromium or Chrome; first the one without windows, which costs a third less."""
    names = ("chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser")
    names += ("google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def wait_for(condition, what: str, page=None, limit: float = LIMIT):
    """Ask again and again until the answer is true; return it."""
    end = time.monotonic() + limit
    while not (answer := condition()):
        assert time.monotonic() < end, f"{what}: not after {limit:g} s"
        if page is None:
            time.sleep(0.05)
        else:
            page.wait_for_timeout(50)  # lets the browser's events come in
    return answer


# anywidget gives a model 2 s; one that comes later, as on a busy machine, never hears of Python.
PATIENCE = "{ const usual = AbortSignal.timeout; AbortSignal.timeout = (ms) => usual(60 * ms); }"


class Watch:
    """Everything a page complained about, and every address beyond this machine it asked for."""

    def __init__(self, page) -> None:
        self.errors: list[str] = []
        self.outside: list[str] = []
        page.on("console", self._message)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)

    def _message(self, message) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _request(self, request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1":
            self.outside.append(request.url)

    def assert_clean(self) -> None:
        assert not self.errors, self.errors
        assert not self.outside, self.outside


class Lab:
    """A JupyterLab server with a folder, settings and runtime files of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "notebooks"
        self.folder.mkdir()
        self._settings = folder / "settings"
        for plugin, settings in SETTINGS.items():
            self.set(plugin, **settings)
        self._preload = folder / "ipython" / "profile_default" / "startup" / "preload.py"
        self._preload.parent.mkdir(parents=True)
        self._preload.write_text(PRELOAD)
        self._environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONPATH": str(ROOT),
        }
        self._log = folder / "lab.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._token = secrets.token_hex(16)
        self._session = ""  # of the kernel, once there is one

    def set(self, plugin: str, **settings) -> None:
        """Change a plugin's settings, for pages that are opened from now on."""
        package, _, name = plugin.partition(":")
        file = self._settings / package / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))

    def forget_preload(self) -> None:
        """Let kernels that are started from now on begin with nothing."""
        self._preload.unlink()

    def __enter__(self) -> Lab:
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += [f"--port={self._port}", "--ServerApp.ip=127.0.0.1"]
        command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={self._token}"]
        command += [
            f"--ServerApp.root_dir={self.folder}",
            "--LanguageServerManager.autodetect=False",
        ]
        command += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
        command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
        # should the tests be killed, nobody else would end it
        command += ["--ServerApp.shutdown_no_activity_timeout=600"]
        command += ["--MappingKernelManager.cull_idle_timeout=600"]
        command += ["--MappingKernelManager.cull_connected=True"]
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                command,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_for(self._answers, "JupyterLab's server")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _answers(self) -> bool:
        assert self._server.poll() is None, self._log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(self._address("api/status"), timeout=5):
                return True
        except OSError:
            return False

    def _address(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}/{path}?token={self._token}"

    def _give_kernel(self, notebook: str) -> None:
        """Give the one kernel there is to a notebook, before Lab starts one of its own.

        A kernel that has imported torch is worth keeping: starting one takes longer than a test.
        """
        session = {"path": notebook, "name": notebook, "type": "notebook"}
        method, path = ("PATCH", f"/{self._session}") if self._session else ("POST", "")
        if not self._session:
            session["kernel"] = {"name": "python3"}
        request = urllib.request.Request(
            self._address(f"api/sessions{path}"),
            json.dumps(session).encode(),
            {"Content-Type": "application/json", "Authorization": f"token {self._token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            self._session = json.load(answer)["id"]

    def open_saved(self, page, name: str) -> Notebook:
        """Open a notebook of the folder as it is; Lab starts a kernel for it."""
        page.goto(self._address(f"lab/tree/{name}"), timeout=1000 * LIMIT)
        return Notebook(page, name, self.folder / "unwatched.json")

    def shut_kernels_down(self) -> None:
        """End all kernels, as the menu of JupyterLab does."""
        with urllib.request.urlopen(self._address("api/sessions"), timeout=LIMIT) as answer:
            sessions = json.load(answer)
        for session in sessions:
            address = self._address(f"api/sessions/{session['id']}")
            urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=LIMIT)
        self._session = ""

    def __exit__(self, *exception) -> None:
        self._server.terminate()  # it shuts the kernels down
        try:
            self._server.wait(15)
        except subprocess.TimeoutExpired:
            pass
        try:  # the group is this server's own: start_new_session
            os.killpg(self._server.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._server.wait()

    def open(self, page, name: str, explorer: str, *cells: str) -> Notebook:
        """Open and run a notebook whose first cell sets ``explorer``; later cells as given.

        A page that is in Lab already stays there, and the notebook that was open goes: loading
        Lab takes long. All notebooks share one kernel.

        Parameters
        ----------
        page : Page
        name : str
            Of the notebook.
        explorer : str
            Python code that ends with the explorer in a variable ``explorer``.
        *cells : str
            More code cells; they are not run: see :meth:`Notebook.run`.
        """
        state = self.folder / f"{name}.json"
        first = WATCHED.format(explorer=explorer, state=str(state))
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in (first, *cells)],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(notebook, self.folder / f"{name}.ipynb")
        there = page.url.startswith(self._address("lab").partition("?")[0])
        if there:
            page.evaluate(LEAVE)
        self._give_kernel(f"{name}.ipynb")
        if there:
            page.evaluate(
                "(path) => { window.jupyterapp.commands.execute('docmanager:open', { path }); }",
                f"{name}.ipynb",
            )
        else:
            page.goto(self._address(f"lab/tree/{name}.ipynb"), timeout=1000 * LIMIT)
        opened = Notebook(page, f"{name}.ipynb", state)
        opened.run(0)
        return opened


# The kernel writes down what it sees, so a test can read it without going through the browser.
WATCHED = """
import json, os
{explorer}
def note(change=None):
    with open("partial.json", "w") as file:
        json.dump(explorer.state, file)
    os.replace("partial.json", {state!r})
explorer.observe(note)
note()
explorer
"""
CURRENT = "window.jupyterapp?.shell?.currentWidget"
KERNEL = f"{CURRENT}?.context?.sessionContext?.session?.kernel"
# A notebook that opens fetches all widgets its kernel has. Those of the notebook before must be
# gone by then: closed later, they would go while they are being fetched.
LEAVE = f"""async () => {{
    const code = "import ipywidgets; ipywidgets.Widget.close_all()";
    await {KERNEL}.requestExecute({{ code }}).done;
    {CURRENT}.dispose();
}}"""


class Notebook:
    """An open notebook."""

    def __init__(self, page, path: str, state: Path) -> None:
        self.page, self._state = page, state
        page.wait_for_function(
            f"{CURRENT}?.context?.path == '{path}' && {CURRENT}.content.model?.cells?.length"
            f" && {KERNEL}?.connectionStatus == 'connected' && {KERNEL}.status == 'idle'",
            timeout=1000 * LIMIT,
        )

    def run(self, index: int) -> None:
        """Run one cell and wait until it is done."""
        self.page.evaluate(
            """async (index) => {
                const panel = window.jupyterapp.shell.currentWidget;
                panel.content.activeCellIndex = index;
                panel.content.deselectAll();
                await window.jupyterapp.commands.execute("notebook:run-cell");
            }""",
            index,
        )

    @property
    def python(self) -> dict:
        """The explorer's traits as the kernel has them."""
        return json.loads(self._state.read_text())

    def wait_for_python(self, **traits) -> None:
        """Wait until the kernel has these values."""
        wait_for(
            lambda: {name: self.python[name] for name in traits} == traits,
            f"{traits} in Python",
            self.page,
        )

    @property
    def cells(self) -> list[str]:
        """Sources of the notebook's cells."""
        return self.page.evaluate(
            "[...window.jupyterapp.shell.currentWidget.content.model.cells]"
            ".map((cell) => cell.sharedModel.getSource())"
        )

    def assert_shortcuts_stay_away(self, explorer) -> None:
        """Press a, b and d d on each thing that can have the focus; the notebook must not care."""
        before = self.cells
        targets = explorer.locator(FOCUSABLE)
        assert targets.count() > 0
        for i in range(targets.count()):
            target = targets.nth(i)
            if target.is_visible() and target.is_enabled():
                target.focus()
                for key in ("a", "b", "d", "d"):
                    self.page.keyboard.press(key)
        assert explorer.is_visible()
        assert self.cells == before


FOCUSABLE = "input, button, select, textarea, a[href], [tabindex]"


def assert_accessible(explorer) -> None:
    """Each thing that can have the focus has a name and keeps JupyterLab's shortcuts away."""
    nodes = explorer.locator(FOCUSABLE).evaluate_all(
        """(nodes) => nodes.map((n) => ({
            html: n.outerHTML.slice(0, 120),
            named: Boolean(n.getAttribute("aria-label")),
            suppressed: n.hasAttribute("data-lm-suppress-shortcuts"),
        }))"""
    )
    assert nodes
    assert [n["html"] for n in nodes if not (n["named"] and n["suppressed"])] == []
    assert explorer.locator("[role=status][aria-live=polite]").count() > 0


def assert_focus_is_seen(explorer) -> None:
    """Whatever the Tab key reaches has a ring around it."""
    page = explorer.page
    explorer.locator(FOCUSABLE).first.focus()
    for _ in range(explorer.locator(FOCUSABLE).count()):
        page.keyboard.press("Tab")
        style = explorer.evaluate(
            """(root) => root.contains(document.activeElement)
                ? getComputedStyle(document.activeElement).outline : null"""
        )
        if style is None:
            return
        assert "solid" in style and "0px" not in style, style


def assert_fits(page, name: str = "the page") -> None:
    """Nothing reaches beyond the window's width, once what is drawn anew has been drawn."""
    wait_for(
        lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"),
        f"{name} as narrow as its window",
        page,
    )
