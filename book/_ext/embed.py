"""Sphinx: show a chapter's widget on another page, and keep pages quick.

``{widget} CHAPTER NAME`` takes the widget called NAME (its class, in any case) from the notebook of CHAPTER, state and
all.  On every page the widgets' state moves behind the text, so that a reader sees the text first.
"""

import json

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
HOST = "widget-host.js"


class WidgetDirective(SphinxDirective):
    """Embed a widget of a stored notebook."""

    required_arguments = 2

    def run(self):
        """Return the widget's view and state as raw HTML."""
        chapter, name = self.arguments
        path = f"{self.env.srcdir}/notebooks/{chapter}.ipynb"
        self.env.note_dependency(path)
        try:
            states = widget_states(path)
        except OSError as error:
            raise self.error(f"widget: no notebook of chapter {chapter!r} ({error})") from error
        found = [key for key, model in states.items() if _class_name(model).lower() == name.lower()]
        if not found:
            raise self.error(f"widget: chapter {chapter!r} shows no widget {name!r}")
        state = {"state": {found[0]: states[found[0]]}, "version_major": 2, "version_minor": 0}
        self.env.metadata[self.env.docname]["shows_widgets"] = "yes"
        return [nodes.raw("", _script(VIEW, {"model_id": found[0]}) + _script(STATE, state), format="html")]


def widget_states(path):
    """Return {model id: state} of the widgets that a notebook shows."""
    with open(path, encoding="utf-8") as file:
        metadata = json.load(file)["metadata"]
    return metadata.get("widgets", {}).get(STATE, {}).get("state", {})


def _class_name(model):
    return model["state"].get("_anywidget_id", "").rpartition(".")[2]


def _script(kind, value):
    text = json.dumps(value).replace("</", "<\\/")  # a "</script>" inside would end the element
    return f'<script type="{kind}">{text}</script>\n'


def bring_to_life(app, pagename, templatename, context, doctree):
    """Move the widgets' state, and the host that reads it, from the page's head to the end of its text.

    There the host starts as soon as the text is there, before MathJax and the theme's scripts.
    """
    if app.env.metadata.get(pagename, {}).get("shows_widgets"):
        app.add_js_file(HOST)
    files = context.get("script_files", [])
    states = [file for file in files if getattr(file, "attributes", {}).get("type") == STATE]
    hosts = [file for file in files if str(file.filename).endswith(HOST)]
    for file in states + hosts:
        files.remove(file)
    scripts = [f'<script type="{STATE}">{file.attributes["body"]}</script>\n' for file in states]
    context["body"] = context.get("body", "") + "".join([*scripts, *map(context["js_tag"], hosts[:1])])


def setup(app):
    """Register with Sphinx."""
    app.add_directive("widget", WidgetDirective)
    app.connect("html-page-context", bring_to_life)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
