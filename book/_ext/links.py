"""Sphinx: every link to the book's public place is made from one setting, ``repository`` in ``_config.yml``.

The theme makes the Binder, Colab, repository and download links.  Here "edit" is led to the text that people edit (a
chapter, not its built notebook), and the issue link is filled in with page and version.  ``BOOK_REPOSITORY`` in the
environment overrides the setting, so that a published copy links to itself.
"""

import os
import tomllib
from pathlib import Path
from urllib.parse import urlencode


def use_environment(app, config):
    """Let ``BOOK_REPOSITORY`` replace the address, before the theme reads it."""
    address = os.environ.get("BOOK_REPOSITORY")
    if address:
        config.html_theme_options["repository_url"] = address


def source_of(pagename):
    """Return the file, from the repository's root, in which a page's text is edited."""
    folder, _, name = pagename.partition("/")
    return f"chapters/{name}.md" if folder == "notebooks" else f"{pagename}.md"


def version(root):
    """Return the book's version."""
    return tomllib.loads((Path(root) / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def issue_url(repository, pagename, book_version):
    """Return the address of a new issue that names page and version."""
    body = f"Page: {pagename}\nVersion: {book_version}\n\nWhat is wrong, or could be better?\n"
    return f"{repository}/issues/new?{urlencode({'title': f'{pagename}: ', 'body': body})}"


def edit_url(repository, branch, pagename):
    """Return the address at which a page's text is edited."""
    return f"{repository}/edit/{branch}/{source_of(pagename)}"


def mend_buttons(app, pagename, templatename, context, doctree):
    """Give the theme's edit and issue buttons their true addresses; drop buttons that lead nowhere."""
    options = app.config.html_theme_options
    repository, branch = options["repository_url"].rstrip("/"), options.get("repository_branch") or "main"
    addresses = {
        "source-edit-button": edit_url(repository, branch, pagename),
        "source-issues-button": issue_url(repository, pagename, version(app.srcdir)),
    }
    for button in _buttons(context.get("header_buttons", [])):
        if button.get("label") in addresses:
            button["url"] = addresses[button["label"]]


def _buttons(buttons):
    for button in buttons:
        yield button
        yield from _buttons(button.get("buttons", []))


def setup(app):
    """Register with Sphinx."""
    app.connect("config-inited", use_environment, priority=100)
    app.connect("html-page-context", mend_buttons, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
