"""Make every picture of a page in docs/images anew, through chromium. python docs/make_screenshots.py"""

from __future__ import annotations

import runpy
from pathlib import Path

if __name__ == "__main__":
    for script in sorted(Path(__file__).parent.glob("screenshots_*.py")):
        runpy.run_path(str(script), run_name="__main__")
