import json
import shutil

import execute
import nbformat
import pytest

HEADER = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""
CHAPTER = (
    HEADER
    + """\
# A small chapter

The answer is {glue:text}`answer`.

```{code-cell} ipython3
from lib.tiny import answer
from lib.claims import glue

glue("answer", answer())
print("kept")
```
"""
)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of one chapter with a library of its own."""
    shutil.copytree(execute.ROOT / "lib", tmp_path / "lib")
    (tmp_path / "lib/tiny.py").write_text("def answer():\n    return 42\n")
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters/01-small.md").write_text(CHAPTER)
    (tmp_path / "_config.yml").write_text("repository: {url: 'https://example.org/book'}\n")
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    monkeypatch.delenv("BOOK_DATA")
    return tmp_path


def run(book, *arguments):
    return execute.main(list(arguments), root=book)


def stored(book):
    return nbformat.read(book / "notebooks/01-small.ipynb", as_version=4)


def edit(book, old, new, file="chapters/01-small.md"):
    text = (book / file).read_text()
    assert old in text
    (book / file).write_text(text.replace(old, new))


def sources(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def outputs(notebook):
    return json.dumps([cell.outputs for cell in execute.code_cells(notebook)])


def test_a_chapter_becomes_a_notebook_with_outputs_and_filled_in_numbers(book, capsys):
    assert run(book) == 0
    notebook = stored(book)
    nbformat.validate(notebook)
    assert "The answer is 42." in sources(notebook)
    assert "kept" in outputs(notebook)
    assert "executed in" in capsys.readouterr().out


def test_the_setup_cell_names_the_address_and_is_not_shown(book):
    run(book)
    setup = execute.code_cells(stored(book))[0]
    assert "git+https://example.org/book" in setup.source
    assert setup.metadata["tags"] == ["remove-cell"]


def test_two_runs_give_the_same_file(book):
    run(book)
    first = (book / "notebooks/01-small.ipynb").read_bytes()
    run(book, "--force")
    assert (book / "notebooks/01-small.ipynb").read_bytes() == first
    assert b"timestamp" not in first
    assert str(book).encode() not in first


def test_a_notebook_that_is_too_large_is_an_error_but_what_ran_is_kept(book, capsys, monkeypatch):
    monkeypatch.setattr(execute, "LIMIT", 1000)
    assert run(book) == 1
    assert "bytes, more than 1,000" in capsys.readouterr().err
    assert "kept" in outputs(stored(book))


def test_check_passes_on_a_fresh_notebook_and_fails_without_one(book, capsys):
    assert run(book, "--check") == 1
    assert "stale: 01-small.md" in capsys.readouterr().out
    run(book)
    assert run(book, "--check") == 0


@pytest.mark.parametrize(
    ("old", "new", "file"),
    [
        ("print(\"kept\")", "print(\"changed\")", "chapters/01-small.md"),
        ("return 42", "return 43", "lib/tiny.py"),
        ("VERDICTS = (", "VERDICTS = (\"unknown\", ", "lib/claims.py"),
    ],
)  # fmt: skip
def test_changed_code_makes_the_notebook_stale_and_is_run_again(book, old, new, file, capsys):
    run(book)
    edit(book, old, new, file)
    assert run(book, "--check") == 1
    run(book)
    assert "executed in" in capsys.readouterr().out
    assert run(book, "--check") == 0


def test_changed_prose_is_stale_but_keeps_the_outputs(book, capsys):
    run(book)
    before = outputs(stored(book))
    edit(book, "The answer is", "We find")
    assert run(book, "--check") == 1
    run(book)
    assert "stored outputs kept" in capsys.readouterr().out
    assert "We find 42." in sources(stored(book))
    assert outputs(stored(book)) == before
    assert run(book, "--check") == 0


@pytest.mark.parametrize("change", ["# a comment", '"""A docstring."""'])
def test_comments_and_docstrings_of_the_library_change_nothing(book, change):
    run(book)
    edit(book, "def answer():\n", f"def answer():\n    {change}\n", "lib/tiny.py")
    assert run(book, "--check") == 0


def test_numbers_stored_beside_a_module_make_the_notebook_stale(book):
    (book / "lib/tiny.json").write_text("[42]")
    run(book)
    assert run(book, "--check") == 0
    (book / "lib/tiny.json").write_text("[43]")
    assert run(book, "--check") == 1


def test_a_module_that_the_chapter_does_not_import_does_not_matter(book):
    run(book)
    edit(book, "import", "import  # changed\nimport os\nimport", "lib/models.py")
    assert run(book, "--check") == 0


def test_a_new_address_is_written_without_running_the_chapter(book, capsys):
    run(book)
    edit(book, "example.org", "example.com", "_config.yml")
    assert run(book, "--check") == 1
    run(book)
    assert "stored outputs kept" in capsys.readouterr().out
    assert "git+https://example.com/book" in sources(stored(book))


def test_a_notebook_edited_by_hand_is_stale(book):
    run(book)
    edit(book, "42.", "41.", "notebooks/01-small.ipynb")
    assert run(book, "--check") == 1


def test_a_notebook_made_on_stand_in_data_is_stale(book, monkeypatch, capsys):
    monkeypatch.setenv("BOOK_DATA", "sample")
    run(book)
    assert run(book, "--check") == 1
    assert "stand-in data" in capsys.readouterr().out
    monkeypatch.delenv("BOOK_DATA")
    run(book)
    assert run(book, "--check") == 0


def test_a_number_that_no_cell_glued_is_an_error(book, capsys):
    edit(book, "`answer`", "`question`")
    assert run(book) == 1
    assert "question" in capsys.readouterr().err


def test_a_cell_that_fails_stops_the_run_and_leaves_the_old_notebook(book):
    run(book)
    before = (book / "notebooks/01-small.ipynb").read_bytes()
    edit(book, 'print("kept")', "1 / 0")
    with pytest.raises(execute.CellExecutionError, match="ZeroDivisionError"):
        run(book)
    assert (book / "notebooks/01-small.ipynb").read_bytes() == before


def test_error_stream_is_reported_but_not_stored(book, capsys):
    edit(book, 'print("kept")', "import sys; print('noise', file=sys.stderr)")
    run(book)
    assert "noise" in capsys.readouterr().err
    assert "noise" not in outputs(stored(book))


def test_a_claim_that_does_not_hold_stops_the_run(book):
    edit(book, 'print("kept")', "from lib.claims import Claims\n\nc = Claims('1')\n"
         "c.add('x', ours='1', verdict='new', holds=False)\nc.table()")  # fmt: skip
    with pytest.raises(execute.CellExecutionError, match="do not hold in this run"):
        run(book)


WIDGET = """import ipywidgets

from lib.widgets.templates import Templates
import numpy as np

unseen = ipywidgets.IntSlider()
Templates(np.zeros((2, 3, 3)), np.zeros(2), np.zeros((1, 3, 3), np.uint8), [0], "ab")"""


def test_widget_state_is_stored_with_names_that_stay_and_without_unseen_models(book):
    edit(book, 'print("kept")', WIDGET)
    run(book)
    state = stored(book).metadata["widgets"][execute.STATE]["state"]
    assert sorted(state) == ["01-01", "01-02"]
    assert state["01-01"]["state"]["_anywidget_id"] == "lib.widgets.templates.Templates"
    assert len(state["01-01"]["buffers"]) == 2
    first = (book / "notebooks/01-small.ipynb").read_bytes()
    run(book, "--force")
    assert (book / "notebooks/01-small.ipynb").read_bytes() == first


def test_a_changed_widget_script_is_renewed_without_running_the_chapter(book, capsys, monkeypatch):
    edit(book, 'print("kept")', WIDGET)
    run(book)
    from lib.widgets.templates import Templates

    monkeypatch.setattr(Templates, "_esm", "export default {}")
    assert run(book, "--check") == 1
    run(book)
    assert "stored outputs kept" in capsys.readouterr().out
    assert stored(book).metadata["widgets"][execute.STATE]["state"]["01-01"]["state"]["_esm"] == "export default {}"


def test_unknown_chapters_are_named(book, capsys):
    assert run(book, "07") == 1
    assert "no chapter is named 07; there are 01-small" in capsys.readouterr().err


def test_imports_are_followed_through_the_library(book):
    (book / "lib/outer.py").write_text("from lib import tiny\n")
    files = execute.imported_modules(["import lib.outer"], book)
    assert [file.name for file in files] == ["outer.py", "tiny.py"]
