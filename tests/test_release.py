"""What a newcomer, a copy of the repository and a package installer rely on."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import execute
import nbformat
import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement


def tracked():
    """All files of the project as text, notebooks apart."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


FILES = tracked()
TEXTS = {path: path.read_text(encoding="utf-8") for path in FILES if path.suffix not in (".png", ".ipynb")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(lines):
    """{name: set of "==version ; marker"} of requirement lines; every line must be a plain pin."""
    found = {}
    for line in lines:
        requirement = Requirement(line)
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), line
        assert requirement.url is None
        found.setdefault(requirement.name, set()).add((str(requirement.specifier), str(requirement.marker)))
    return found


def file_pins(name):
    return pins(line for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines() if line)


def environment_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    lines = environment["dependencies"][-1]["pip"]
    assert lines[-1] == "-e ."
    return pins(lines[:-1])


def versions(found):
    return {name: {version for version, _ in options} for name, options in found.items()}


@pytest.mark.parametrize("some", [lambda: file_pins("book.txt"), environment_pins], ids=["book.txt", "environment.yml"])
def test_the_sets_of_pins_agree(some):
    some, everything = versions(some()), versions(file_pins("all.txt"))
    assert len(some) > 50
    assert {name: options for name, options in some.items() if not options <= everything.get(name, set())} == {}


def test_building_the_site_needs_no_tensorflow_and_running_does():
    assert "jupyter-book" in file_pins("book.txt")
    assert not {"tensorflow", "tensorflow-cpu", "keras"} & set(file_pins("book.txt"))
    assert {"tensorflow-cpu", "keras", "anywidget", "jupyterlab"} <= set(environment_pins())


def test_pins_meet_what_the_package_asks_for():
    everything = file_pins("all.txt")
    for line in PROJECT["dependencies"]:
        wanted = Requirement(line)
        for version, _ in everything[wanted.name]:
            assert wanted.specifier.contains(version.removeprefix("==")), line


def test_no_file_names_a_package_index_or_a_place_on_a_machine():
    pattern = re.compile(
        r"pypi\.org|pythonhosted|registry\.npmjs|debian\.org|index-url|find-links|/(work|root)/|\.whl\b", re.I
    )
    found = [
        f"{path.name}: {m[0]}" for path, text in TEXTS.items() if path != Path(__file__) for m in pattern.finditer(text)
    ]
    assert [one for one in found if not one.startswith("test_chapters.py: ")] == []


def test_no_data_set_is_committed_and_no_file_is_large():
    assert [path for path in FILES if path.suffix in (".npz", ".npy", ".gz", ".zip", ".h5", ".keras", ".parquet")] == []
    assert [path for path in FILES if path.stat().st_size > execute.LIMIT] == []


def test_the_address_stands_in_one_setting_and_in_the_notebooks_made_from_it():
    address = execute.book_address()
    assert [path.name for path, text in TEXTS.items() if address in text] == ["_config.yml"]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        setup = execute.code_cells(nbformat.read(path, as_version=4))[0].source
        assert f"git+{address}" in setup


def test_another_address_can_come_from_the_environment(tmp_path, monkeypatch):
    from types import SimpleNamespace

    import links

    config = SimpleNamespace(html_theme_options={"repository_url": "https://github.com/a/b"})
    links.use_environment(None, config)
    assert config.html_theme_options["repository_url"] == "https://github.com/a/b"
    monkeypatch.setenv("BOOK_REPOSITORY", "https://github.com/c/d")
    links.use_environment(None, config)
    assert config.html_theme_options["repository_url"] == "https://github.com/c/d"


def test_link_forms():
    import links

    assert links.source_of("notebooks/01-weights-as-templates") == "chapters/01-weights-as-templates.md"
    assert links.source_of("book/running") == "book/running.md"
    assert (
        links.edit_url("https://github.com/a/b", "main", "notebooks/01-x")
        == "https://github.com/a/b/edit/main/chapters/01-x.md"
    )
    issue = links.issue_url("https://github.com/a/b", "book/intro", "1.2.3")
    assert issue.startswith(
        "https://github.com/a/b/issues/new?title=book%2Fintro%3A+&body=Page%3A+book%2Fintro%0AVersion%3A+1.2.3"
    )


def test_readme_shows_a_picture_and_the_two_commands_on_its_first_screen():
    top = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]
    picture = re.search(r"!\[.{20,}\]\((\S+)\)", "\n".join(top))
    assert (ROOT / picture[1]).exists()
    assert any(line.startswith("make book") for line in top)
    assert any(line.startswith("make test") for line in top)


def test_every_make_target_that_the_documents_name_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.M))
    named = {name for path, text in TEXTS.items() if path.suffix == ".md" for name in re.findall(r"`make (\w+)", text)}
    assert {"book", "test", "execute", "lab", "bench", "clean"} <= targets
    assert named <= targets


def test_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]


def test_workflow_tests_builds_and_publishes_with_the_copys_own_address():
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8"))
    jobs = workflow["jobs"]
    assert {"run": "make test"} in jobs["test"]["steps"]
    build = next(step for step in jobs["build"]["steps"] if step.get("run") == "make book")
    assert build["env"]["BOOK_REPOSITORY"] == "${{ github.server_url }}/${{ github.repository }}"
    assert jobs["publish"]["needs"] == ["test", "build"]


def test_every_chapter_is_in_the_table_of_contents_and_the_readme():
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "chapters").glob("*.md"):
        assert f"notebooks/{path.stem}\n" in contents
        assert f"chapters/{path.name}" in readme


@pytest.mark.parametrize("module", sorted((ROOT / "lib").glob("*.py")), ids=lambda path: path.name)
def test_imports_of_the_library_point_one_way(module):
    imported = {file.stem for file in execute.imported_modules([module.read_text(encoding="utf-8")], ROOT)}
    shared = {"data", "downloads", "sample", "models", "chains", "training", "plots", "claims"}
    own = {"embedding_tables": {"embeddings"}}  # both belong to chapter 8
    assert imported - {module.stem} <= shared | own.get(module.stem, set())


def test_the_package_carries_its_scripts_and_styles(tmp_path):
    """What Colab installs from the repository."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "lib", source / "lib")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, source]
    subprocess.run(command, check=True, capture_output=True)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    widgets = {f"lib/widgets/{name}" for name in ("common.js", "drawing.js", "style.css", "removal.js")}
    assert widgets | {"lib/book.mplstyle", "lib/embedding_tables.json", "lib/data.py"} <= set(names)
