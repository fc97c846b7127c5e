"""Sphinx: a chapter's number is the one in its file's name, also while chapters before it are still missing.

Sphinx counts the entries of the table of contents; `notebooks/07-relevance-rules` would be chapter 5 while 5 and 6 are not
written.  After Sphinx has counted, the first part of each number is replaced: in headings, in the sidebar, in figures.
"""

import re

from docutils import nodes
from sphinx.environment.collectors.toctree import TocTreeCollector

CHAPTER = re.compile(r"^notebooks/(\d\d)-")


def renumber(app, env):
    """Give each chapter the number in its name; return the pages to write again."""
    changed = []
    for name, sections in env.toc_secnumbers.items():
        match = CHAPTER.match(name)
        if not match:
            continue
        first = int(match[1])
        renamed = {anchor: (first, *number[1:]) for anchor, number in sections.items() if number}
        if renamed != {anchor: number for anchor, number in sections.items() if number}:
            changed.append(name)
        sections |= renamed
        for node in (env.titles[name], *env.tocs[name].findall(nodes.reference)):
            if node.get("secnumber"):
                node["secnumber"] = [first, *node["secnumber"][1:]]
    return changed + TocTreeCollector().assign_figure_numbers(env)


def setup(app):
    """Run after Sphinx's own numbering, which has priority 500."""
    app.connect("env-get-updated", renumber, priority=600)
    return {"parallel_read_safe": True}
