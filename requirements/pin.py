"""Renew the pins: requirements/*.in -> requirements/book.txt, requirements/all.txt and environment.yml.

    .venv/bin/python requirements/pin.py

All three come from one resolution, for Python 3.11 and later on Linux, macOS and Windows.  No file records where a
package came from.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OPTIONS = ["--universal", "--python-version", "3.11", "--no-header", "--no-annotate", "--quiet"]
HEAD = """\
# Made by requirements/pin.py from requirements/run.in: the same pins for Binder and conda.
name: looking-inside
channels:
  - conda-forge
dependencies:
  - python=3.12
  - pip
  - pip:
"""


def resolve(source, *more):
    """Return the pins for one .in file, as text."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *more, str(HERE / source)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main():
    """Write the three files."""
    everything = HERE / "all.txt"
    everything.write_text(resolve("all.in", "--upgrade"), encoding="utf-8")
    held = ["--constraint", str(everything)]
    (HERE / "book.txt").write_text(resolve("book.in", *held), encoding="utf-8")
    pins = [line for line in resolve("run.in", *held).splitlines() if line]
    lines = [f"    - {_quoted(pin)}\n" for pin in [*pins, "-e ."]]
    (HERE.parent / "environment.yml").write_text(HEAD + "".join(lines), encoding="utf-8")


def _quoted(pin):
    return f'"{pin}"' if ";" in pin else pin


if __name__ == "__main__":
    main()
