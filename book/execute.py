"""Turn chapters into executed notebooks.

    python book/execute.py [CHAPTER ...]     execute the chapters whose notebook is stale (or the named ones, if stale)
    python book/execute.py --force [...]     execute them in any case
    python book/execute.py --check           change nothing; fail when a notebook is stale

A chapter is named by its file or by how its file's name begins ("01").  A notebook is stale when the chapter's text, a
module of `lib` that it imports, or a widget's script has changed.  Only changed code is run again: when only prose or a
widget's script changed, the stored outputs are kept.
"""

import argparse
import ast
import hashlib
import importlib
import json
import os
import re
import resource
import sys
import time
from pathlib import Path

import jupytext
import nbformat
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
KEY = "looking_inside"  # our entry in a notebook's metadata
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
GLUE = "application/papermill.record/text/plain"
GLUE_ROLE = re.compile(r"\{glue:text\}`([^`]+)`")
__all__ = ["CellExecutionError", "ChapterError", "main"]
LIMIT = 1_500_000  # bytes of a stored notebook

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}
SETUP = """\
# Where the book's library is missing, as on Colab, fetch it. Elsewhere this cell does nothing.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lib") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "git+{address}"], check=True)
"""


class ChapterError(RuntimeError):
    """A chapter cannot become a notebook; the message says which and why."""


def read_chapter(path, address):
    """Return a chapter as an unexecuted notebook: the setup cell first, cell ids that do not change from run to run."""
    notebook = jupytext.reads(Path(path).read_text(encoding="utf-8"), fmt="md:myst")
    setup = nbformat.v4.new_code_cell(SETUP.format(address=address), metadata={"tags": ["remove-cell"]})
    notebook.cells.insert(1 if notebook.cells and notebook.cells[0].cell_type == "markdown" else 0, setup)
    for k, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"cell-{k:03}"
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    return notebook


def code_cells(notebook):
    """Return the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def imported_modules(sources, root):
    """Return the files of `lib` that the sources import, directly or through one another, sorted."""
    found, queue = set(), [ast.parse(source) for source in sources]
    while queue:
        for file in _imports(queue.pop(), root) - found:
            found.add(file)
            queue.append(ast.parse(file.read_text(encoding="utf-8")))
    return sorted(found)


def _imports(tree, root):
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = (root / f"{name.replace('.', '/')}.py" for name in names if name.split(".")[0] == "lib")
    return {file for file in files if file.exists()}


def code_fingerprint(notebook, root):
    """Hash what a notebook's outputs depend on: its code cells, and the modules' code without comments and docstrings."""
    sources = [cell.source for cell in code_cells(notebook) if cell.source != _setup_of(notebook)]
    options = [_without(cell.metadata, "mystnb") for cell in code_cells(notebook)]
    modules = {str(file.relative_to(root)): _meaning(file) for file in imported_modules(sources, root)}
    return _digest([sources, options, modules])


def _setup_of(notebook):
    return next((cell.source for cell in code_cells(notebook) if cell.source.startswith(SETUP[:40])), None)


def _without(metadata, key):
    return {name: value for name, value in metadata.items() if name != key}


def _meaning(file):
    """A module's code without its comments and docstrings, and the numbers stored beside it."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    stored = file.with_suffix(".json")
    return ast.dump(tree) + (stored.read_text(encoding="utf-8") if stored.exists() else "")


def _digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def run(notebook, folder):
    """Execute a notebook in `folder`; return what it wrote to the error stream, which is not stored."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    if os.environ.get("BOOK_DATA") not in (None, "", "sample"):
        os.environ["BOOK_DATA"] = str(Path(os.environ["BOOK_DATA"]).resolve())
    client = NotebookClient(notebook, timeout=None, kernel_name="python3", record_timing=False,
                            resources={"metadata": {"path": str(folder)}})  # fmt: skip
    client.execute()
    noise = []
    for cell in code_cells(notebook):
        noise += [output.text for output in cell.outputs if output.get("name") == "stderr"]
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return "".join(noise)


def clean(notebook, stem):
    """Make an executed notebook the same from run to run: counts in order, widget ids by order, no left-over models."""
    notebook.metadata["language_info"] = LANGUAGE
    for count, cell in enumerate(code_cells(notebook), start=1):
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    state = notebook.metadata.get("widgets", {}).get(STATE)
    if state is None:
        return notebook
    shown = [output.data[VIEW]["model_id"] for cell in code_cells(notebook) for output in cell.outputs
             if VIEW in output.get("data", {})]  # fmt: skip
    order = _reachable(shown, state["state"])
    state["state"] = {model_id: state["state"][model_id] for model_id in order}
    text = nbformat.writes(notebook)
    for k, model_id in enumerate(order, start=1):
        text = text.replace(model_id, f"{stem}-{k:02}")
    return nbformat.reads(text, as_version=4)


def _reachable(shown, states):
    order, queue = [], list(shown)
    while queue:
        model_id = queue.pop(0)
        if model_id not in order and model_id in states:
            order.append(model_id)
            queue += re.findall(r"IPY_MODEL_([0-9a-zA-Z-]+)", json.dumps(states[model_id]["state"]))
    return order


def glued(notebook):
    """Return {name: text} of all numbers that the notebook's cells glued."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return {output.metadata["scrapbook"]["name"]: output.data[GLUE] for output in outputs if GLUE in output.get("data", {})}


def fill(notebook):
    """Write the glued numbers into the text, so that it reads well in any notebook program; fail on unknown names."""
    values = glued(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            unknown = [name for name in GLUE_ROLE.findall(cell.source) if name not in values]
            if unknown:
                raise ChapterError(f"the text names numbers that no cell glued: {', '.join(unknown)}")
            cell.source = GLUE_ROLE.sub(lambda match: values[match[1]], cell.source)
    return notebook


def weave(chapter, stored):
    """Return the chapter with the outputs and widget state of its stored notebook, whose code is the same."""
    for cell, old in zip(code_cells(chapter), code_cells(stored), strict=True):
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
    if "widgets" in stored.metadata:
        chapter.metadata["widgets"] = stored.metadata["widgets"]
    _refresh_widgets(chapter)
    return fill(chapter)


def _refresh_widgets(notebook):
    """Give stored widgets the scripts and styles of today."""
    sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]
    for model in notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {}).values():
        module, _, name = model["state"].get("_anywidget_id", "").rpartition(".")
        if module.startswith("lib.widgets."):
            widget = getattr(importlib.import_module(module), name)
            model["state"]["_esm"], model["state"]["_css"] = str(widget._esm), str(widget._css)


def notebook_of(path, target):
    """Return where a chapter's notebook is stored."""
    return target / f"{path.stem}.ipynb"


def up_to_date(path, target, address, root=ROOT):
    """Return the text that a chapter's notebook should have, made from its stored outputs; None if its code changed."""
    stored_path = notebook_of(path, target)
    if not stored_path.exists():
        return None
    stored = nbformat.read(stored_path, as_version=4)
    chapter = read_chapter(path, address)
    fingerprint = code_fingerprint(chapter, root)
    if stored.metadata.get(KEY, {}).get("fingerprint") != fingerprint:
        return None
    woven = weave(chapter, stored)
    woven.metadata[KEY] = dict(stored.metadata[KEY])
    return nbformat.writes(woven) + "\n"


def execute(path, target, address, root=ROOT):
    """Execute one chapter and store its notebook; return the seconds it took and its warnings."""
    notebook = read_chapter(path, address)
    fingerprint = code_fingerprint(notebook, root)
    start = time.perf_counter()
    noise = run(notebook, target)
    notebook = fill(clean(notebook, path.stem.split("-")[0]))
    sample = os.environ.get("BOOK_DATA") == "sample"
    notebook.metadata[KEY] = {"fingerprint": fingerprint, "data": "sample" if sample else "real"}
    text = nbformat.writes(notebook) + "\n"
    notebook_of(path, target).write_text(text, encoding="utf-8")  # in any case: the run may have taken long
    if len(text.encode()) > LIMIT:
        raise ChapterError(f"{path.name}: its notebook has {len(text.encode()):,} bytes, more than {LIMIT:,}")
    return time.perf_counter() - start, noise


def stale(paths, target, address, root=ROOT):
    """Return the chapters whose stored notebook is not what it should be, with the reason."""
    reasons = {}
    for path in paths:
        wanted = up_to_date(path, target, address, root)
        if wanted is None:
            reasons[path] = "its code, or a module that it imports, has changed"
        elif wanted != notebook_of(path, target).read_text(encoding="utf-8"):
            reasons[path] = "its text, a widget's script or the book's address has changed"
        elif json.loads(wanted)["metadata"][KEY]["data"] != "real":
            reasons[path] = "it was executed on stand-in data"
    return reasons


def book_address(root=ROOT):
    """Return the book's public address, the one setting of ``_config.yml`` that all links are made from."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def chapters(names, root=ROOT):
    """Return the chapters that the names mean, or all; a name that means none is an error."""
    paths = sorted((root / "chapters").glob("*.md"))
    if not names:
        return paths
    chosen = [path for path in paths if any(path.name.startswith(Path(name).name) for name in names)]
    unknown = [name for name in names if not any(path.name.startswith(Path(name).name) for path in paths)]
    if unknown:
        raise ChapterError(f"no chapter is named {', '.join(unknown)}; there are {', '.join(p.stem for p in paths)}")
    return chosen


def main(arguments=None, root=ROOT):
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a notebook is stale")
    parser.add_argument("--force", action="store_true", help="execute even what is not stale")
    parser.add_argument("--to", type=Path, default=root / "notebooks", metavar="FOLDER", help="where the notebooks go")
    options = parser.parse_args(arguments)
    try:
        paths, address = chapters(options.chapters, root), book_address(root)
        if options.check:
            return _check(paths, options.to, address, root)
        options.to.mkdir(parents=True, exist_ok=True)
        for path in paths:
            _update(path, options.to, address, root, options.force)
    except ChapterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _check(paths, target, address, root):
    reasons = stale(paths, target, address, root)
    for path, reason in reasons.items():
        print(f"stale: {path.name}: {reason}; run `make execute CHAPTER={path.stem[:2]}`")
    if not reasons:
        print(f"{len(paths)} notebooks are up to date")
    return 1 if reasons else 0


def _update(path, target, address, root, force):
    reasons = {path: "forced"} if force else stale([path], target, address, root)
    woven = None if force else up_to_date(path, target, address, root)
    if not reasons:
        print(f"{path.name}: up to date")
    elif woven is not None and "stand-in" not in reasons[path]:
        notebook_of(path, target).write_text(woven, encoding="utf-8")
        print(f"{path.name}: text and scripts renewed, stored outputs kept")
    else:
        seconds, noise = execute(path, target, address, root)
        print(noise, file=sys.stderr, end="")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
        size = notebook_of(path, target).stat().st_size / 1000
        print(f"{path.name}: executed in {seconds:.0f} s, peak memory {peak:.0f} MB, notebook {size:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
