"""``python -m sidcap.cli``: the same as ``sidcap``."""

from sidcap.cli import app

app()
