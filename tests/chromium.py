"""Find a Chromium for the browser tests, or install one.

A Chromium or Chrome of the system is used where there is one, else Playwright's own.  Where there is neither, root on
Debian gets Debian's package, anybody else Playwright's download.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def executable():
    """Return the path of a browser, or None."""
    for name in NAMES:
        if shutil.which(name):
            return shutil.which(name)
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def launch(playwright):
    """Start the browser, without a window."""
    path = next((shutil.which(name) for name in NAMES if shutil.which(name)), None)
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


def install():
    """Install a Chromium."""
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], **quiet)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    if executable() is None:
        install()
    found = executable()
    print(f"browser: {found}" if found else "no Chromium could be installed")
    sys.exit(found is None)
