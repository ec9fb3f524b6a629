"""``sidcap live`` as a process of its own, and a real browser in front of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_PATIENCE_S = 60.0


def wait_until(page: Page, condition: str) -> None:
    """Until an expression over the page's ``status`` holds. Asked from outside: the page forbids itself to evaluate."""
    deadline = time.monotonic() + _PATIENCE_S
    while not page.evaluate(f"status !== null && ({condition})"):
        assert time.monotonic() < deadline, f"never: {condition}; {page.evaluate('JSON.stringify(status)')[:2000]}"
        page.wait_for_timeout(50)


@dataclass
class LiveProcess:
    """A running ``sidcap live``."""

    process: subprocess.Popen[str]
    address: str
    """To open, with the token."""
    dataset: Path

    def end(self) -> int:
        """As Ctrl-C does; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE_S)


@contextmanager
def live_process(folder: Path, *options: str) -> Iterator[LiveProcess]:
    """``sidcap live`` into ``folder / "dataset"``; ended and checked for a proper end."""
    command = [sys.executable, "-m", "sidcap.cli", "live", "--no-browser", "--dataset", str(folder / "dataset")]
    with subprocess.Popen(
        [*command, *options], stderr=subprocess.PIPE, text=True, env={**os.environ, "HOME": str(folder)}
    ) as process:
        assert process.stderr is not None
        try:
            said = process.stderr.readline()
            address = re.search(r"http://\S+", said)
            assert address, said + process.stderr.read()
            running = LiveProcess(process, address[0], folder / "dataset")
            yield running
            if process.poll() is None:
                assert running.end() == 0
        finally:
            process.kill()


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """A window of its own, with its own cookies; fails where the page complained of anything."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page, complaints = context.new_page(), list[Any]()
    page.on("console", lambda message: complaints.append((message.text, message.location)))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert complaints == []
