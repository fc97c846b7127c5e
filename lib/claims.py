"""Claims: what a source says, what our run found, and the condition that must hold for the verdict to stand.

A chapter collects its claims and ends in their table.  Showing the table checks every condition: a chapter whose
condition fails cannot be executed.
"""

import html
import re
from dataclasses import asdict, dataclass

from IPython.display import display

RECORD = "claims"  # the key of a table's record in the metadata of its output
VERDICTS = ("reproduced", "differs", "new")
GLUE = "application/papermill.record/"


class ClaimError(AssertionError):
    """A claim's condition does not hold in this run."""


@dataclass(frozen=True)
class Claim:
    """One row of a claims table; `holds` is the condition behind the verdict, in this run."""

    text: str
    source: str
    theirs: str
    ours: str
    verdict: str
    holds: bool
    why: str = ""


class Claims:
    """The claims of one chapter.

    chapter   its title, shown in the scorecard
    sample    True when the run used stand-in data: conditions are then shown but not enforced
    """

    def __init__(self, chapter, *, sample=False):
        self.chapter, self.sample, self.rows = chapter, sample, []

    def add(self, text, *, source="", theirs="", ours, verdict, holds, why=""):
        """Add a claim.

        text     what is claimed, a plain sentence
        source   who says it; theirs is the number that the source gives (leave both empty for a new finding)
        ours     what this run gave, with its spread where training is involved
        verdict  "reproduced", "differs" (then `why` must say why) or "new"
        holds    the condition that makes the verdict true

        Raises ValueError for an unknown verdict, and for "differs" without a reason.
        """
        if verdict not in VERDICTS:
            raise ValueError(f"verdict: expected one of {', '.join(VERDICTS)}, got {verdict!r}")
        if verdict == "differs" and not why:
            raise ValueError("why: a claim that differs must say why")
        self.rows.append(Claim(text, source, theirs, typeset(ours), verdict, bool(holds), typeset(why)))

    def check(self):
        """Raise `ClaimError` naming every claim whose condition fails; on stand-in data do nothing."""
        failed = [f"  {row.text} (verdict {row.verdict!r}, ours: {row.ours})" for row in self.rows if not row.holds]
        if failed and not self.sample:
            raise ClaimError("these claims do not hold in this run:\n" + "\n".join(failed))

    def table(self):
        """Check the claims and show them as a table, which the book's scorecard gathers too."""
        self.check()
        record = {"chapter": self.chapter, "sample": self.sample, "claims": [asdict(row) for row in self.rows]}
        bundle = {"text/html": as_html(record), "text/plain": as_text(record)}
        display(bundle, raw=True, metadata={RECORD: record})


def as_html(record):
    """Return a claims record as an HTML table."""
    head = "".join(f'<th scope="col">{title}</th>' for title in ("Claim", "Source", "Theirs", "Ours", "Verdict"))
    rows = "".join(_html_row(claim, record["sample"]) for claim in record["claims"])
    frame = (
        f'<div class="claims" tabindex="0" role="region" aria-label="Claims of chapter {html.escape(record["chapter"])}">'
    )
    return f'{frame}<table class="table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _html_row(claim, sample):
    why = f'<br><small class="claim-why">{html.escape(claim["why"])}</small>' if claim["why"] else ""
    cells = [html.escape(claim["text"]) + why, *(html.escape(claim[key]) or "–" for key in ("source", "theirs", "ours"))]
    cells.append(f'<span class="verdict verdict-{claim["verdict"]}">{_verdict(claim, sample)}</span>')
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def as_text(record):
    """Return a claims record as plain text, one claim a line."""
    return "\n".join(
        f"{_verdict(claim, record['sample'])}: {claim['text']} "
        f"(theirs: {claim['theirs'] or '–'}; ours: {claim['ours']})" + (f" — {claim['why']}" if claim["why"] else "")
        for claim in record["claims"]
    )


def _verdict(claim, sample):
    return f"{claim['verdict']} (stand-in data, not tested)" if sample else claim["verdict"]


def typeset(text):
    """Return text with true minus signs before its numbers."""
    return re.sub(r"(?<![\w.)])-(?=[\d.])", "−", str(text))


def glue(name, value):
    """Store a number under `name`, so that the chapter's text can show it with ``{glue:text}`name```.

    The record is the one that ``myst_nb.glue`` writes; the notebook needs no Sphinx to run.
    """
    display(
        {f"{GLUE}text/plain": typeset(value)},
        raw=True,
        metadata={"scrapbook": {"name": name, "mime_prefix": GLUE}},
    )
