"""Sphinx: a glossary term tells its meaning, and a citation its reference, when the reader points at it.

Both use the browser's own tooltip: no script, no request.
"""

from docutils import nodes
from sphinx.util.nodes import clean_astext


def collect(app, doctree):
    """Remember the first paragraph of every glossary entry and every reference of a page, by id."""
    texts = _texts(app.env)
    for item in doctree.findall(nodes.definition_list_item):
        for term in item.findall(nodes.term):
            for key in term["ids"]:
                texts[key] = clean_astext(next(iter(item.findall(nodes.definition))))


def collect_references(app, doctree, docname):
    """Remember the text of every reference, once the bibliography has been put together."""
    for item in doctree.findall(nodes.citation):
        for key in item["ids"]:
            _texts(app.env)[key] = clean_astext(item.children[-1])


def _texts(env):
    if not hasattr(env, "hover_texts"):
        env.hover_texts = {}
    return env.hover_texts


def describe(app, doctree, docname):
    """Give links to glossary entries and references their tooltip."""
    texts = _texts(app.env)
    for link in doctree.findall(nodes.reference):
        key = link.get("refid") or link.get("refuri", "").partition("#")[2]
        if key in texts:
            link["reftitle"] = texts[key]


def merge(app, env, docnames, other):
    """Take over what a parallel reader found."""
    _texts(env).update(getattr(other, "hover_texts", {}))


def setup(app):
    """Register with Sphinx."""
    app.connect("doctree-read", collect)
    app.connect("doctree-resolved", collect_references, priority=800)
    app.connect("doctree-resolved", describe, priority=900)
    app.connect("env-merge-info", merge)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
