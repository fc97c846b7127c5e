"""Sphinx: ``{scorecard}`` gathers the claims tables of all stored notebooks on one page."""

import json
import sys
from collections import Counter
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).resolve().parents[2]))
from lib.claims import RECORD, as_html


def claims_of(path):
    """Return the claims records that a notebook stored, in order."""
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [output["metadata"][RECORD] for output in outputs if RECORD in output.get("metadata", {})]


def summary(records):
    """Return a sentence that counts the verdicts."""
    counts = Counter(claim["verdict"] for record in records for claim in record["claims"])
    parts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("reproduced", "differs", "new") if counts[verdict])
    return f"{sum(counts.values())} claims tested so far: {parts}."


class ScorecardDirective(SphinxDirective):
    """All claims of all chapters, chapter by chapter."""

    def run(self):
        """Return the summary, and a section with a table for each chapter."""
        paths = sorted(Path(self.env.srcdir, "notebooks").glob("*.ipynb"))
        for path in paths:
            self.env.note_dependency(str(path))
        chapters = [(path.stem, record) for path in paths for record in claims_of(path)]
        if not chapters:
            raise self.error("scorecard: no notebook holds a claims table")
        result = [nodes.paragraph("", summary([record for _, record in chapters]))]
        for stem, record in chapters:
            result += self._chapter(stem, record)
        return result

    def _chapter(self, stem, record):
        uri = f"../notebooks/{stem}.html"
        title = nodes.rubric("", "", nodes.reference("", record["chapter"], refuri=uri, internal=True))
        title["classes"].append("scorecard-chapter")
        return [title, nodes.raw("", as_html(record), format="html")]


def setup(app):
    """Register with Sphinx."""
    app.add_directive("scorecard", ScorecardDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
