"""Format and lint the code of the chapters with ruff.

    python book/format.py           rewrite the chapters' code cells in place
    python book/format.py --check   change nothing; fail when a cell would change, or ruff finds a fault

A line of code is at most 80 characters long, so that it fits on the page.  Cells are linted together, as one program.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CELL = re.compile(r"^(```\{code-cell\} ipython3\n(?:---\n.*?\n---\n|(?::[^\n]*\n)*\n?))(.*?)^```$", re.M | re.S)
LENGTH = "80"
IGNORED = "B018,B905,D,E402,E501,F811,N806"  # a cell ends in something to see; chapters are prose, not modules


def ruff(arguments, code, name):
    """Run ruff on code from standard input; return (its output, its complaints)."""
    command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", name, "-"]
    done = subprocess.run(command, input=code, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.stdout, done.stderr


def formatted(text, name):
    """Return a chapter's text with every code cell formatted; a trailing semicolon, which hides a value, stays."""

    def one(match):
        code = match[2].rstrip("\n")
        hidden = code.endswith(";")
        out, complaints = ruff(["format", "--line-length", LENGTH], code, name)
        if complaints:
            raise ValueError(f"{name}: {complaints}")
        return f"{match[1]}{out.rstrip()}{';' if hidden else ''}\n```"

    return CELL.sub(one, text)


def faults(text, name):
    """Return what ruff's linter finds in a chapter's code, as text; empty when there is nothing."""
    code = "\n\n".join(match[2].rstrip().rstrip(";") for match in CELL.finditer(text)) + "\n"
    found, complaints = ruff(["check", "--quiet", "--output-format", "concise", "--ignore", IGNORED], code, name)
    return found + complaints


def main(arguments):
    """Format the chapters, or check them; return the exit status."""
    check, bad = "--check" in arguments, False
    for path in sorted((ROOT / "chapters").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        name = f"chapters/{path.stem}.py"
        new, found = formatted(text, name), faults(text, name)
        print(found, end="")
        if new != text and check:
            print(f"{path.name}: would be formatted anew; run `python book/format.py`")
        elif new != text:
            path.write_text(new, encoding="utf-8")
            print(f"{path.name}: formatted")
        bad |= bool(found) or (check and new != text)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
