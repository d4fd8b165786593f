"""What lets a page of the book read: a runtime, and networks, as scripts that load from a disk too.

A page that was opened from a disk may run scripts that lie beside it, and fetch nothing. So the
runtime's program (onnxruntime's WebAssembly, from npm) and the weights stand in scripts, as base64
text of gzip archives. A page loads them when a pad is touched; before that they cost nothing.
"""

from __future__ import annotations

import base64
import gzip
import json
import sys
import tempfile
from pathlib import Path

BOOK = Path(__file__).resolve().parent
sys.path[:0] = [str(BOOK.parent)]

WANTED = BOOK / "runtime"  # what npm is to fetch
NETWORKS = ("crnn-photos", "crnn-words")
PROGRAM = "ort-wasm-simd-threaded"  # the plain one: those with WebGPU are twice as large
#: Tells explorers where the files are; they look for it in every page.
HERE = 'globalThis.crnnReading = new URL(".", document.currentScript.src).href;\n'


def place(modules: Path, folder: Path, networks: tuple[str, ...] = NETWORKS) -> str:
    """Write the scripts; return why it cannot be done, or nothing.

    Parameters
    ----------
    modules : Path
        The folder with npm's ``node_modules``.
    folder : Path
        Where the scripts go: made, if it can be done.
    networks : tuple of str
        Of :func:`crnn_lib.models.shipped_models`; those that are not there are left out.
    """
    from crnn_lib.models import shipped_models

    try:
        scripts = {f"{name}.js": network(name) for name in networks if name in shipped_models()}
    except ModuleNotFoundError as error:
        return str(error)
    dist = modules / "node_modules" / "onnxruntime-web" / "dist"
    folder.mkdir(parents=True, exist_ok=True)
    scripts["runtime.js"] = runtime(dist)
    scripts["here.js"] = HERE  # last: what names the others
    for name, text in scripts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return ""


def runtime(dist: Path) -> str:
    """onnxruntime for pages, and its program."""
    loader = (dist / "ort.wasm.min.js").read_text(encoding="utf-8")
    loader = loader.partition("//# sourceMappingURL")[0]
    parts = {
        "program": packed((dist / f"{PROGRAM}.wasm").read_bytes()),
        "glue": packed((dist / f"{PROGRAM}.mjs").read_bytes()),
    }
    return f"{loader}\nglobalThis.ort = ort;\nglobalThis.crnnRuntime = {json.dumps(parts)};\n"


def network(name: str) -> str:
    """A network that ships, with its weights in half precision, as they are stored anyway."""
    from crnn_lib.models import export_onnx, load_model

    with tempfile.TemporaryDirectory() as work:
        path = export_onnx(load_model(name), Path(work) / "a.onnx", half=True, features=True)
        content = path.read_bytes()
    import onnx

    properties = {p.key: p.value for p in onnx.load_from_string(content).metadata_props}
    story = {key: json.loads(properties[key]) for key in ("symbols", "blank", "frames", "config")}
    entry = json.dumps({"story": story, "weights": packed(content)})
    return f"(globalThis.crnnNetworks ??= {{}})[{json.dumps(name)}] = {entry};\n"


def packed(content: bytes) -> str:
    """The same bytes give the same text."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
