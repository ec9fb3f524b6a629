"""A page as PDF, printed by the browser that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_TIMEOUT_S: Final = 300.0


def installed_browser() -> str | None:
    """The first of `BROWSERS` that is on the search path; None where none is."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def print_pdf(page: Path, pdf: Path, browser: str) -> str | None:
    """Print an HTML file to a PDF, without a network. What went wrong, in one line; None where it is there."""
    with tempfile.TemporaryDirectory(prefix="sidcap-print-") as profile:
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-pdf-header-footer",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={profile}",
            f"--print-to-pdf={pdf.resolve()}",
            page.resolve().as_uri(),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium refuses to run as root with it
        pdf.unlink(missing_ok=True)
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=_TIMEOUT_S)  # noqa: S603
        except subprocess.TimeoutExpired:
            return f"{browser} took longer than {_TIMEOUT_S:g} s"
        except (OSError, subprocess.CalledProcessError) as error:
            return f"{browser} failed: {error}"
    return None if pdf.is_file() else f"{browser} wrote nothing"
