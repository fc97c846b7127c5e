"""The chapters: executed on stand-in data, on the real data where BOOK_REAL_DATA names a folder, and stored up to date."""

import ast
import json
import os
import re
import time
from pathlib import Path

import execute
import format as chapter_format
import nbformat
import pace
import pytest
from conftest import ROOT

CHAPTERS = sorted((ROOT / "chapters").glob("*.md"))
ADDRESS = execute.book_address()
REAL = os.environ.get("BOOK_REAL_DATA")
MERGED = json.loads(Path(os.environ["BOOK_MERGED"]).read_text(encoding="utf-8")) if "BOOK_MERGED" in os.environ else {}
# chapter: seconds and megabytes on real data; of seconds, more where the machine is slow
LIMITS = {"01": (180, 2000), "02": (600, 2000), "03": (600, 2000), "04": (300, 2000), "07": (600, 2000), "08": (900, 2000)}
SOLUTION = re.compile(r"^````\{solution\}[^\n]*\n(.*?)^````$", re.M | re.S)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
PEAK = "import resource\nprint('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"

each = pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])


def solutions(text):
    """The code of a chapter's solutions, in order."""
    return [code for solution in SOLUTION.findall(text) for code in PYTHON.findall(solution)]


def with_cells(notebook, sources):
    notebook.cells += [nbformat.v4.new_code_cell(source, id=f"extra-{k}") for k, source in enumerate(sources)]
    return notebook


@each
def test_chapter_and_its_solutions_run_on_stand_in_data(path, tmp_path):
    text = path.read_text(encoding="utf-8")
    notebook = with_cells(execute.read_chapter(path, ADDRESS), solutions(text))
    execute.run(notebook, tmp_path)
    shown = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    assert ("stand-in data, not tested" in shown) == ("load(" in text)


@each
def test_stored_notebook_was_made_from_this_text_and_this_library_on_real_data(path):
    assert execute.stale([path], ROOT / "notebooks", ADDRESS) == {}


@pytest.mark.skipif(REAL is None, reason="BOOK_REAL_DATA names no folder with the four real data sets")
@pytest.mark.timeout(2700)
@each
def test_claims_hold_on_real_data_within_time_and_memory(path, tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_DATA", REAL or "")
    notebook = execute.read_chapter(path, ADDRESS)
    if execute.code_fingerprint(notebook, ROOT) == MERGED.get(path.stem):
        pytest.skip(f"{path.stem} ran on real data before the last merge, and neither its code nor its modules have changed")
    paces = pace.training()
    notebook = with_cells(notebook, [PEAK])
    start = time.perf_counter()
    execute.run(notebook, tmp_path)
    seconds, peak = time.perf_counter() - start, int(notebook.cells[-1].outputs[0].text.split()[1])
    slow = pace.slowness(paces + pace.training())
    print(f"{path.stem}: {seconds:.0f} s on a machine {slow:.1f} times as slow as the limits', {peak} MB")
    assert "stand-in" not in str([cell.get("outputs") for cell in notebook.cells])
    assert seconds < LIMITS[path.stem[:2]][0] * slow
    assert peak < LIMITS[path.stem[:2]][1]


@each
def test_stored_notebook_holds_no_errors_no_progress_and_no_trace_of_a_machine(path):
    text = (ROOT / "notebooks" / f"{path.stem}.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    streams = [output.get("name") for cell in notebook.cells for output in cell.get("outputs", [])]
    assert "stderr" not in streams
    assert not re.search(r"/(home|root|tmp|work|Users)/|C:\\\\Users|timestamp|<object object at", text)
    assert len(text.encode()) < execute.LIMIT


@each
def test_visible_cells_are_short_and_hidden_ones_are_marked(path):
    notebook = execute.read_chapter(path, ADDRESS)
    for cell in execute.code_cells(notebook)[1:]:
        tree = ast.parse(cell.source.rstrip(";"))
        imports = sum(
            node.end_lineno - node.lineno + 1 for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))
        )
        lines = len([line for line in cell.source.splitlines() if line.strip()]) - imports
        hidden = {"hide-input", "remove-cell"} & set(cell.metadata.get("tags", []))
        assert lines + imports > 0
        assert lines <= (40 if hidden else 15), cell.source


@each
def test_chapter_has_the_parts_that_every_chapter_has(path):
    text = path.read_text(encoding="utf-8")
    opening = text.split("---\n", 2)[2][:600]
    assert re.search(r"^# .+\n\n\*\*.+\?\*\*", opening.strip())
    assert "This chapter takes" in text
    assert text.count("```{exercise}") >= 3
    assert len(SOLUTION.findall(text)) == text.count("```{exercise}")
    assert text.count(":class: dropdown") == text.count("```{exercise}")
    assert "claims.table()" in text
    assert "## Further reading" in text
    assert "{cite" in text.split("## Further reading")[1]
    assert "**The next question:**" in text


@each
def test_every_picture_has_caption_name_and_alternative_text(path):
    for cell in execute.code_cells(execute.read_chapter(path, ADDRESS)):
        if "plots.panels(" in cell.source:
            figure, image = cell.metadata["mystnb"]["figure"], cell.metadata["mystnb"]["image"]
            assert len(figure["caption"]) > 40
            assert figure["name"].startswith("fig-")
            assert len(image["alt"]) > 40


@each
def test_no_number_of_ours_is_typed_into_the_text(path):
    """Numbers with decimals or percentages in prose come from a cell; the sources' own stand in claims or quotes."""
    text = re.sub(r"(?ms)^(`{3,})\{(code-cell|solution|exercise)\}.*?^\1$", "", path.read_text(encoding="utf-8"))
    text = re.sub(r"\{glue:text\}`[^`]+`|\$[^$]*\$|\"[^\"]*\"|<a [^>]*>", "", text.split("---\n", 2)[2])
    assert re.findall(r"\d+\.\d+ ?%|\b\d+ ?%|\b0\.\d+", text) == []


@each
def test_chapter_code_is_formatted_and_free_of_faults(path):
    text = path.read_text(encoding="utf-8")
    assert chapter_format.formatted(text, f"chapters/{path.stem}.py") == text
    assert chapter_format.faults(text, f"chapters/{path.stem}.py") == ""


@each
def test_widgets_of_a_page_stay_under_600_kb(path):
    notebook = nbformat.read(ROOT / "notebooks" / f"{path.stem}.ipynb", as_version=4)
    state = json.dumps(notebook.metadata["widgets"])
    assert 10_000 < len(state) < 600_000
