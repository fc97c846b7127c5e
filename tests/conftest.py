"""Fixtures: the built site in a real browser, and JavaScript functions under Node."""

import contextlib
import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import matplotlib as mpl
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
mpl.use("Agg")
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "book"), str(ROOT / "book" / "_ext"), str(ROOT / "tests")]


@pytest.fixture(autouse=True)
def _sample_data(monkeypatch):
    """Every test starts from the stand-in data."""
    monkeypatch.setenv("BOOK_DATA", "sample")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Build the site; a warning is an error."""
    target = tmp_path_factory.mktemp("site")
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT, "-W", "--keep-going", "--path-output", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return target / "_build" / "html"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing, neither of requests nor of a reader who leaves while a file is under way."""

    def log_message(self, *arguments):
        pass

    def copyfile(self, source, outputfile):
        with contextlib.suppress(ConnectionError):
            super().copyfile(source, outputfile)


def serve(folder):
    """Serve a folder on a free port of this machine; return the server."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="session")
def base(site):
    """The address of the served site."""
    server = serve(site)
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser():
    import chromium
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """Call a function of a widget's shipped script: node("templates", "scores", [weights, biases, pixels])."""
    from playwright._impl._driver import compute_driver_executable

    from lib.widgets.base import script

    folder = tmp_path_factory.mktemp("node")
    executable = compute_driver_executable()[0]

    def call(name, function, arguments):
        (folder / f"{name}.mjs").write_text(script(name), encoding="utf-8")
        runner = f"""
            import * as widget from "./{name}.mjs";
            let text = "";
            for await (const part of process.stdin) text += part;
            const list = (value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
            console.log(JSON.stringify(list(widget["{function}"](...JSON.parse(text)))));
        """
        (folder / "run.mjs").write_text(runner, encoding="utf-8")
        done = subprocess.run(
            [executable, folder / "run.mjs"], input=json.dumps(arguments), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call
