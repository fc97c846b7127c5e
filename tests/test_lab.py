"""The widgets in JupyterLab with a running kernel: Python sees what the reader did, and the reader what Python set."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

CELLS = [
    "import numpy as np\n"
    "from lib.widgets.templates import Templates\n"
    "from lib.widgets.confusion import Confusion\n"
    "digits = np.zeros((3, 9, 8), np.uint8); digits[:, 2:5, 2:5] = 255\n"
    "weights = np.random.default_rng(0).normal(size=(4, 9, 8))\n"
    "w = Templates(weights, np.zeros(4), digits, [0, 1, 2], list('abcd'))\n"
    "w",
    "p = np.eye(4)[np.arange(12) % 4] * 0.9 + 0.025\n"
    "samples = np.full((4, 4, 2), -1); samples[1, 1] = [1, 5]\n"
    "c = Confusion({'m': dict(counts=np.eye(4, dtype=int) * 3, samples=samples, probabilities=p,\n"
    "                        images=np.zeros((12, 9, 8), np.uint8), class_names=list('abcd'))})\n"
    "c",
    "print('ink', int(w.pixels.sum()), 'digit', w.digit, 'cell', c.cell)",
    "w.template = 3; c.cell = [1, 1]",
    "w.pixels = np.full((9, 8), 255, np.uint8)",
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address, process):
    for _ in range(300):
        try:
            return urllib.request.urlopen(f"{address}/api", timeout=2).status
        except OSError:
            assert process.poll() is None, process.stdout.read().decode()[-2000:]
            time.sleep(0.2)
    raise TimeoutError(address)


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab that serves a notebook with both widgets."""
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "try.ipynb")
    port = free_port()
    command = [Path(sys.executable).with_name("jupyter"), "lab", "--no-browser", "--allow-root", f"--port={port}",
               "--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}", "--LabApp.news_url="]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}/lab/tree/try.ipynb"
    finally:
        process.terminate()
        process.communicate(timeout=30)


def run_cell(page, k):
    """Run the notebook's cell k and wait until it is done."""
    page.locator(".jp-Cell").nth(k).locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "k => /\\[\\d+\\]/.test(document.querySelectorAll('.jp-Cell')[k].querySelector('.jp-InputPrompt').textContent)",
        arg=k,
    )


def report(page):
    """What Python says about the widgets."""
    run_cell(page, 2)
    page.wait_for_timeout(500)
    return page.locator(".jp-Cell").nth(2).locator(".jp-OutputArea-output").inner_text()


def test_python_sees_what_the_reader_drew_and_chose_and_the_reader_what_python_set(browser, lab):
    page = browser.new_page(viewport={"width": 1200, "height": 1400})
    page.goto(lab)
    page.locator(".jp-Cell").nth(4).wait_for(timeout=60_000)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for(timeout=60_000)
    for k in (0, 1):
        run_cell(page, k)
    board = page.locator(".bw-board")
    board.wait_for()
    page.locator(".bw-matrix").wait_for()
    assert report(page).startswith("ink 2295 digit 0 cell")

    box = board.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 20, steps=10)
    page.mouse.up()
    page.locator(".bw-matrix button").nth(6).click()
    said = report(page).split()
    assert int(said[1]) > 2295
    assert said[3:] == ["-1", "cell", "[1,", "2]"]

    run_cell(page, 3)
    page.locator("figcaption", has_text="template of d").wait_for()
    page.locator(".bw-verdict", has_text="b recognised: 3 of 3").wait_for()
    run_cell(page, 4)
    full = page.evaluate("""() => {
        const canvas = document.querySelector(".bw-board canvas");
        return [...canvas.getContext("2d").getImageData(0, 0, 8, 9).data].every((value) => value === 255); }""")
    assert full
    page.close()
