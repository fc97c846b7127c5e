"""How fast a chapter's page comes alive: the book's own widget host, against RequireJS + html-manager.

    make bench

Both versions of the page are served from this machine and opened cold (a new browser context, nothing cached), in turn.
The rival is the page as Jupyter Book builds it by default, with the same widgets and state: RequireJS, html-manager's
embed-amd.js and anywidget's own AMD module.  Its scripts come from the same server, as local copies fetched with npm and
taken from the anywidget package, so the network does not count against it.  Measured is the time from the start
of the navigation to the moment when a click on a template's row has changed the page.
"""

import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import anywidget
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests")]
import chromium  # noqa: E402
from conftest import serve  # noqa: E402

CHAPTER = "notebooks/01-weights-as-templates.html"
PACKAGES = {"require.js": ("requirejs@2.3.4", "require.js"),
            "embed-amd.js": ("@jupyter-widgets/html-manager@1.0.14", "dist/embed-amd.js")}  # fmt: skip
RIVAL = """<script src="../rival/require.js"></script>
<script>require.config({paths: {anywidget: "../rival/index"}})</script>
<script src="../rival/embed-amd.js"></script>"""
CLICKING = """
const clicking = setInterval(() => {
    const row = [...document.querySelectorAll(".bw-row:not(.bw-head)")][7];
    if (!row) return;
    row.click();
    const captions = [...document.querySelectorAll(".bw-widget figcaption")];
    if (!captions.some((node) => node.textContent === "template of 7")) return;
    window.answered = performance.now();
    clearInterval(clicking);
}, 4);"""
SIZES = """() => performance.getEntriesByType("resource")
    .filter(({ name }) => name.includes("widget-host") || name.includes("/rival/"))
    .reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0)"""
ROUNDS = 11


def rival_scripts(folder):
    """Fetch the rival's scripts; return {file name: text}."""
    if shutil.which("npm") is None:
        sys.exit("this benchmark fetches RequireJS and html-manager with npm; please install Node.js")
    scripts = {"index.js": (Path(anywidget.__file__).parent / "nbextension/index.js").read_text(encoding="utf-8")}
    for name, (package, member) in PACKAGES.items():
        packed = subprocess.run(["npm", "pack", "--silent", package], cwd=folder, capture_output=True, text=True, check=True)
        with tarfile.open(Path(folder, packed.stdout.split()[-1])) as tar:
            scripts[name] = tar.extractfile(f"package/{member}").read().decode()
    return scripts


def rival_page(html):
    """Return the page with its host script replaced by RequireJS and html-manager."""
    page, n = re.subn(r'<script[^>]*src="[^"]*widget-host\.js[^"]*"[^>]*></script>', RIVAL, html)
    assert n == 1
    return page


def measure(browser, base, path):
    """Open a page cold; return (milliseconds until it answered a click, bytes of the scripts that bring widgets to life)."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(CLICKING)
    page.goto(base + path)
    milliseconds = page.wait_for_function("window.answered", timeout=60_000).json_value()
    size = page.evaluate(SIZES)
    page.wait_for_load_state("networkidle")
    context.close()
    return milliseconds, size


def main():
    """Measure both pages in turn and print medians and their ratio."""
    site = ROOT / "_build" / "html"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        (site / "rival").mkdir(exist_ok=True)
        for name, text in rival_scripts(folder).items():
            (site / "rival" / name).write_text(text, encoding="utf-8")
        rival = CHAPTER.replace(".html", "-rival.html")
        (site / rival).write_text(rival_page((site / CHAPTER).read_text(encoding="utf-8")), encoding="utf-8")
        server, browser = serve(site), chromium.launch(playwright)
        base = f"http://127.0.0.1:{server.server_port}/"
        try:
            rounds = [[measure(browser, base, path) for path in (CHAPTER, rival)] for _ in range(ROUNDS + 1)][1:]
        finally:
            (site / rival).unlink()
            shutil.rmtree(site / "rival")
            browser.close()
            server.shutdown()
    for k, name in enumerate(("book's host", "RequireJS + html-manager")):
        times = sorted(one[k][0] for one in rounds)
        print(f"{name}: median {statistics.median(times):.0f} ms ({times[0]:.0f} to {times[-1]:.0f}), "
              f"its scripts {rounds[0][k][1] / 1000:.0f} kB")  # fmt: skip
    ratios = [theirs[0] / ours[0] for ours, theirs in rounds]
    print(f"ratio, round by round: median {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
